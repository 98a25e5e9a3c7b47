# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The main job on a real image, proved by stars of known flux.
"""

import time
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData

from lpiphot._inputs import as_count
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

_Z_LIMIT = 5.0

# Names of the two measurements and their colours: orange and blue of the
# Okabe-Ito palette (the orange darker), which all readers can tell apart
_WHEN = (('before', 'photutils alone', '#D55E00'),
         ('after', 'with LPI', '#0072B2'))

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

    n_recovered = result.summary['n_recovered']
    with rc_context(_STYLE):
        figure = Figure(figsize=(11.2, 7.2), layout='constrained')
        axes = figure.subplots(2, 3)
        _plot_field(axes[0, :2], result)
        _plot_maps(axes[1, :2], result)
        _write_numbers(axes[0, 2], result)
        _plot_histogram(axes[1, 2], result)
        figure.suptitle('PSF photometry on a nebula, tested with '
                        f'{n_recovered} stars of known flux',
                        fontsize=15, fontweight='bold')
    return figure


def _show(axes, values, title, **kwargs):
    """
    Show an image with a title and pixel coordinates.
    """
    axes.set_title(title)
    axes.set_xlabel('x [pixel]')
    axes.set_ylabel('y [pixel]')
    return axes.imshow(values, origin='lower', interpolation='nearest',
                       **kwargs)


def _colour_bar(axes, artist, label, **kwargs):
    """
    Draw a colour bar as high as its image.
    """
    axes.figure.colorbar(artist, cax=axes.inset_axes([1.03, 0, 0.05, 1]),
                         **kwargs).set_label(label)


def _plot_field(axes, result):
    """
    Plot the image and its residual.
    """
    from lpiphot._plots import field_norm

    table, residual = result.field.table, result.field.residual
    residual = np.asarray(getattr(residual, 'value', residual))
    image, unit = result.image.data, result.image.unit
    name = result.image.meta.get('OBJECT', 'image')
    artist = _show(axes[0], image, f'The field: {name}', cmap='gray',
                   norm=field_norm(image))
    _colour_bar(axes[0], artist, f'data [{unit}]')

    reach = np.nanpercentile(np.abs(residual), 99.0)
    artist = _show(axes[1], residual, 'Without sky and stars (circles)',
                   vmin=-reach, vmax=reach, cmap='PuOr_r')
    _colour_bar(axes[1], artist, f'residual [{unit}]')
    axes[1].scatter(table['x_fit'], table['y_fit'], s=80, lw=0.7,
                    facecolors='none', edgecolors='k')
    axes[1].set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())


def _plot_maps(axes, result):
    """
    Plot z at the places of the injected stars, on a faint field.
    """
    from lpiphot._plots import field_norm

    stars = result.recovery.stars()
    image = result.image.data
    faint = field_norm(image)(image)
    limits = {'vmin': -_Z_LIMIT, 'vmax': _Z_LIMIT, 'cmap': 'RdBu_r'}
    for plot, (when, name, _) in zip(axes, _WHEN, strict=True):
        z = np.asarray(stars[f'z_{when}'])
        outlier = np.abs(z) > _Z_LIMIT
        _show(plot, faint, f'{name}: {np.count_nonzero(outlier)} of {len(z)} '
              f'beyond {_Z_LIMIT:.0f}σ (◆)', cmap='gray', vmin=-3.0, vmax=1.3)
        for select, style in (
                (~outlier, {'s': 30, 'lw': 0.5}),
                (outlier, {'s': 60, 'lw': 1.2, 'marker': 'D'})):
            artist = plot.scatter(stars['x_true'][select],
                                  stars['y_true'][select], c=z[select],
                                  edgecolors='k', **style, **limits)
        _colour_bar(plot, artist, 'z = (measured − true) / error [σ]',
                    extend='both')


def _plot_histogram(plot, result):
    """
    Plot the distributions of z and the unit Gaussian.
    """
    stars = result.recovery.stars()
    limit = 10.0
    edges = np.arange(-limit, limit + 0.1, 0.5)
    styles = ({'alpha': 0.75}, {'histtype': 'step', 'lw': 2.2})
    for (when, name, colour), style in zip(_WHEN, styles, strict=True):
        z = np.asarray(stars[f'z_{when}'])
        z = z[np.isfinite(z)]
        width = result.summary[f'z_width_{when}']
        plot.hist(np.clip(z, -limit, limit), edges, color=colour, **style,
                  weights=np.full(len(z), 1.0 / (max(len(z), 1) * 0.5)),
                  label=f'{name}: width {width:.2f}')
    x = np.linspace(-limit, limit, 401)
    plot.plot(x, np.exp(-0.5 * x ** 2) / np.sqrt(2.0 * np.pi), 'k--', lw=1.5,
              label='unit Gaussian: width 1')
    plot.set_title('Are the errors honest?')
    plot.set_xlabel(f'z [σ], beyond ±{limit:.0f} in the last bins')
    plot.set_ylabel('fraction of stars per σ')
    plot.set_ylim(0, 1.45 * plot.get_ylim()[1])
    plot.legend(loc='upper center')


def _write_numbers(plot, result):
    """
    Write what the stars tell as three pairs of numbers.
    """
    summary = result.summary
    plot.set_axis_off()
    for (when, name, colour), x in zip(_WHEN, (0.25, 0.80), strict=True):
        values = (f'{summary[f"flux_error_{when}"]:.1%}',
                  f'{summary[f"outliers_{when}"]:.1%}',
                  f'{summary[f"z_width_{when}"]:.2f}')
        plot.text(x, 0.98, name, ha='center', va='top', fontsize=12,
                  color=colour, fontweight='bold', transform=plot.transAxes)
        for y, value in zip((0.68, 0.39, 0.10), values, strict=True):
            plot.text(x, y, value, ha='center', fontsize=22, color=colour,
                      fontweight='bold', transform=plot.transAxes)
    for y, text in ((0.60, 'median error of the flux'),
                    (0.31, f'stars beyond {_Z_LIMIT:.0f}σ'),
                    (0.02, 'width of z (1 if errors are honest)')):
        plot.text(0.525, y, text, ha='center', transform=plot.transAxes)
