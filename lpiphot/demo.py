# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The main job on a real image, proved by stars of known flux.
"""

import time
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData

from lpiphot._checks import as_count
from lpiphot.corrector import LPIBackgroundCorrector
from lpiphot.datasets import load_horsehead
from lpiphot.pipeline import PSFPipeline
from lpiphot.results import LPIResult
from lpiphot.validation import (InjectionRecovery, RecoveryResult,
                                star_statistics)
from lpiphot.validation.rounds import measure

__all__ = ['DemoResult', 'run_demo']

# Number of times that stars are injected, and stars each time
N_ROUNDS = 8
N_STARS = 50

# Quantiles of the fluxes of the catalogue between which fluxes are drawn,
# and the distance in pixels that injected stars keep from each other
_FLUX_QUANTILES = (0.1, 0.9)
_MIN_SEPARATION = 20.0

_STYLE = {'font.size': 10, 'axes.titlesize': 11.5, 'legend.frameon': False}


@dataclass(frozen=True, eq=False)
class DemoResult:
    """
    What `run_demo` found.

    Attributes
    ----------
    image : `~astropy.nddata.CCDData`
        The image.

    field : `~lpiphot.results.LPIResult`
        The corrected catalogue of the stars of the image, with its
        images. The smooth sky was subtracted from its data.

    recovery : `~lpiphot.validation.RecoveryResult`
        The injected stars, with what was measured of them.

    n_corrected : int
        The number of stars that were corrected in all rounds together.

    lpi_seconds, seconds : float
        The time that these corrections took, and the time of all.
    """

    image: CCDData
    field: LPIResult
    recovery: RecoveryResult
    n_corrected: int
    lpi_seconds: float
    seconds: float

    @property
    def summary(self):
        """
        The numbers that matter, as a dict.

        ``z_width_*`` is the robust width of (measured - true) / error,
        1 for honest errors; ``flux_error_*`` the median of
        abs(measured - true) / true; ``outliers_*`` the fraction with z
        beyond 5.
        """
        stars = self.recovery.stars()
        values = star_statistics(stars, self.recovery.measured)
        result = {
            'n_stars': len(self.field.table),
            'n_injected': len(self.recovery.table),
            'n_recovered': len(stars),
            'seconds_per_star': self.lpi_seconds / self.n_corrected,
            'seconds': self.seconds,
        }
        for name, key in (('z_width', 'width'), ('outliers', 'beyond5'),
                          ('flux_error', 'scatter')):
            for when in ('before', 'after'):
                result[f'{name}_{when}'] = values[f'{key}_{when}']
        return result

    def to_hdulist(self):
        """
        Return the images of the field.

        Returns
        -------
        hdulist : `~astropy.io.fits.HDUList`
            DATA, RESIDUAL, BACKGROUND (predicted) and MASK (1 where
            masked), with the world coordinates of the image.
        """
        comments = {
            'data': 'The image less the smooth sky',
            'residual': 'DATA less all fitted stars',
            'background': 'RESIDUAL with the predicted background behind '
                          'each star',
            'mask': '1: infilled before the covariance was learned',
        }
        header = self.image.to_hdu()[0].header
        hdus = []
        for name, comment in comments.items():
            plane = getattr(self.field, name)
            unit = getattr(plane, 'unit', None)
            plane = np.asarray(getattr(plane, 'value', plane),
                               dtype='u1' if name == 'mask' else 'f4')
            kind = fits.ImageHDU if hdus else fits.PrimaryHDU
            hdu = kind(plane, header.copy())
            hdu.name = name
            hdu.header.remove('BUNIT', ignore_missing=True)
            if unit is not None:
                hdu.header['BUNIT'] = unit.to_string()
            hdu.header['COMMENT'] = comment
            hdus.append(hdu)
        return fits.HDUList(hdus)

    def plot(self):
        """
        Show field, residual, z before and after, and its distribution.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure. Needs ``matplotlib``.
        """
        return _plot(self)


def run_demo(image=None, *, n_rounds=N_ROUNDS, n_stars=N_STARS, n_threads=1,
             progress_bar=False, rng=1):
    """
    Correct a real image, then stars of known flux put into it.

    The image goes through `~lpiphot.pipeline.PSFPipeline` and
    `~lpiphot.LPIBackgroundCorrector` with their defaults. So does, in
    every round, the image with stars at random places away from known
    ones, with fluxes from the distribution of those in the catalogue.

    Parameters
    ----------
    image : `~astropy.nddata.CCDData`, optional
        The image. The default is `~lpiphot.datasets.load_horsehead`.

    n_rounds : int, optional
        How many times stars are injected.

    n_stars : int, optional
        The number of stars injected each time.

    n_threads : int, optional
        The number of threads. The results do not depend on it.

    progress_bar : bool, optional
        Whether to show a progress bar. Needs ``tqdm``.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the injected stars.

    Returns
    -------
    result : `DemoResult`
        The results, with a plot.
    """
    start = time.perf_counter()
    as_count('n_threads', n_threads, 1)
    if image is None:
        image = load_horsehead()

    # The PSF is fixed from here on
    psf_model = measure(PSFPipeline(), image).psf_model
    pipeline = PSFPipeline(psf_model=psf_model)
    corrector = LPIBackgroundCorrector(psf_model, n_threads=n_threads)
    tool = InjectionRecovery(
        pipeline, corrector=corrector, n_rounds=n_rounds, n_stars=n_stars,
        flux_quantiles=_FLUX_QUANTILES, min_separation=_MIN_SEPARATION,
        avoid_blends=True, progress_bar=progress_bar, rng=rng)
    recovery = tool(image)

    field_start = time.perf_counter()
    real = recovery.baseline
    field = corrector.run(real.data, real.table, error=real.error,
                          mask=real.mask, background=real.background)
    end = time.perf_counter()
    rounds = recovery.rounds
    return DemoResult(
        image=image, field=field, recovery=recovery,
        n_corrected=len(field.table) + int(np.sum(rounds['n_found'])),
        lpi_seconds=end - field_start + float(np.sum(
            rounds['corrector_seconds'])),
        seconds=end - start)


def _plot(result):
    """
    Plot field, residual, z before and after, and its distribution.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from lpiphot.validation._panels import View, plot_pdf, write_numbers

    view = View(result.recovery, titles={'before': 'photutils alone'})
    with rc_context(_STYLE):
        figure = Figure(figsize=(13.5, 8.2), layout='constrained')
        axes = figure.subplots(2, 3)
        _plot_field(axes[0, :2], result)
        _plot_maps(axes[1, :2], result.image.data, view)
        write_numbers(axes[0, 2], view)
        plot_pdf(axes[1, 2], view)
        figure.suptitle('PSF photometry on a nebula, tested with '
                        f'{len(view.stars)} stars of known flux',
                        fontsize=15, fontweight='bold')
    return figure


def _plot_field(axes, result):
    """
    Plot the image and its residual.
    """
    from lpiphot._plots import field_norm, show_image, symmetric_limit
    from lpiphot.validation._panels import colour_bar

    table, residual = result.field.table, result.field.residual
    residual = np.asarray(getattr(residual, 'value', residual))
    image, unit = result.image.data, result.image.unit
    name = result.image.meta.get('OBJECT', 'image')
    artist = show_image(axes[0], image, f'The field: {name}',
                        norm=field_norm(image))
    colour_bar(axes[0], artist, f'data [{unit}]', extend='both')

    low, high = symmetric_limit(residual)
    artist = show_image(axes[1], residual, 'Without sky and stars (circles)',
                        vmin=low, vmax=high, cmap='PuOr_r')
    colour_bar(axes[1], artist, f'residual [{unit}]', extend='both')
    axes[1].scatter(table['x_fit'], table['y_fit'], s=80, lw=0.7,
                    facecolors='none', edgecolors='k')
    axes[1].set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())


def _plot_maps(axes, image, view):
    """
    Plot z at the places of the injected stars, on a faint field.
    """
    from lpiphot._plots import field_norm, show_image
    from lpiphot.validation._panels import plot_map

    faint = field_norm(image)(image)
    for plot, name in zip(axes, view.names, strict=True):
        show_image(plot, faint, '', vmin=-3.0, vmax=1.3, zorder=0)
        plot_map(plot, view, name)
