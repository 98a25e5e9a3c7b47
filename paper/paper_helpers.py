# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the scripts of this folder share: options, scenes, photometry,
tables.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.background import Background2D, MedianBackground
from photutils.psf import MoffatPSF, PSFPhotometry

from lpiphot import LPIBackgroundCorrector
from lpiphot.validation import inject_stars, zscore_summary

# Fields like those of DECaPS2 that the paper made, in ADU: its threshold
# is 20 ADU and 4/3 FWHM about 6 pixels; an 18th-magnitude star has some
# 60,000 ADU and hides about 9 pixels around it
FWHM = 4.5
BETA = 3.0
GAIN = 4.0
SKY = 200.0
FLUX = 60000.0
MASK_THRESHOLD = 20.0
MIN_MASK_FLUX = 10000.0

# The fitted box: beyond it, there is little of a star of this FWHM
FIT_SHAPE = 15

# Before: orange; after: blue (Okabe-Ito), as in lpiphot.demo
BEFORE, AFTER = '#D55E00', '#0072B2'


def parser(description):
    """
    Return the options that all scripts have.

    Parameters
    ----------
    description : str
        What the script does.

    Returns
    -------
    parser : `~argparse.ArgumentParser`
        The parser, for more options.
    """
    result = argparse.ArgumentParser(description=description)
    result.add_argument('--paper-scale', action='store_true',
                        help='the size of the paper')
    result.add_argument('--output', type=Path, default=Path('paper-output'),
                        help='folder for the figure (%(default)s)')
    result.add_argument('--seed', type=int, default=1,
                        help='seed of all random numbers (%(default)s)')
    result.add_argument('--threads', type=int, default=2,
                        help='threads of LPI (%(default)s)')
    return result


def finish(figure, name, output, rows, conditions, start):
    """
    Print the table of a script and write its figure.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        The figure.

    name : str
        Its name, without folder and suffix.

    output : `~pathlib.Path`
        The folder, which is made if need be.

    rows : list of 3-tuple of str
        What is measured, the paper's number, and ours.

    conditions : str
        The conditions of our numbers.

    start : float
        The `time.perf_counter` of the start.
    """
    print_table(('', 'paper', 'ours'), rows)
    print(f'{conditions}; {time.perf_counter() - start:.0f} s')
    save(figure, name, output)


def save(figure, name, output):
    """
    Write a figure.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        The figure.

    name : str
        Its name, without folder and suffix.

    output : `~pathlib.Path`
        The folder, which is made if need be.
    """
    output.mkdir(parents=True, exist_ok=True)
    path = output / f'{name}.png'
    figure.savefig(path, dpi=150)
    print(path)


def print_table(head, rows):
    """
    Print a table in the form of an RST simple table.

    Parameters
    ----------
    head : sequence of str
        The names of the columns.

    rows : sequence of sequence of str
        The rows.
    """
    lines = [[cell or '\\' for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = '  '.join('=' * width for width in widths)
    lines = ['  '.join(cell.ljust(width) for cell, width in
                       zip(line, widths, strict=True)).rstrip()
             for line in lines]
    print('\n'.join([rule, lines[0], rule, *lines[1:], rule]))


def decam_psf():
    """
    Return a PSF like that of DECam, a Moffat profile with its wings.

    Returns
    -------
    psf_model : `~photutils.psf.MoffatPSF`
        The PSF.
    """
    alpha = 0.5 * FWHM / np.sqrt(2 ** (1 / BETA) - 1)
    return MoffatPSF(alpha=alpha, beta=BETA)


def decam_image(background, xy, psf_model, rng):
    """
    Make an image of stars of one flux, with the noise of its photons.

    Parameters
    ----------
    background : (ny, nx) `~numpy.ndarray`
        The true background in ADU.

    xy : (n, 2) `~numpy.ndarray`
        The positions of the stars.

    psf_model : `~astropy.modeling.Model`
        The PSF.

    rng : `~numpy.random.Generator`
        The random numbers.

    Returns
    -------
    data, error : (ny, nx) `~numpy.ndarray`
        The image and the true 1-sigma error of its pixels, in ADU.
    """
    expected = inject_stars(background, psf_model, QTable(
        {'x_0': xy[:, 0], 'y_0': xy[:, 1],
         'flux': np.full(len(xy), FLUX)}))
    return rng.poisson(expected * GAIN) / GAIN, np.sqrt(expected / GAIN)


def background_of(data, box_size=64):
    """
    Return the background as photutils makes it.

    Parameters
    ----------
    data : (ny, nx) `~numpy.ndarray`
        The image.

    box_size : int, optional
        The size of the boxes in pixels.

    Returns
    -------
    background : (ny, nx) `~numpy.ndarray`
        The background.
    """
    return Background2D(data, box_size, bkg_estimator=MedianBackground(),
                        exclude_percentile=50.0).background


def conventional(data, error, psf_model, xy, *, box_size=64, grouper=None):
    """
    Fit stars with photutils on a smooth background.

    The background is `~photutils.background.Background2D`, made twice:
    the second time on the image less the stars, as ``crowdsource``,
    too, goes back to its background.

    Parameters
    ----------
    data, error : (ny, nx) `~numpy.ndarray`
        The image and its error.

    psf_model : `~astropy.modeling.Model`
        The PSF.

    xy : (n, 2) `~numpy.ndarray`
        Where the fits start.

    box_size : int, optional
        The size of the boxes of the background in pixels.

    grouper : `~photutils.psf.SourceGrouper`, optional
        What groups the stars that are fitted together.

    Returns
    -------
    table : `~astropy.table.QTable`
        The photometry.

    background : (ny, nx) `~numpy.ndarray`
        The background that was subtracted.
    """
    sources = QTable({'x': xy[:, 0], 'y': xy[:, 1]})
    photometry = PSFPhotometry(psf_model, FIT_SHAPE, grouper=grouper,
                               aperture_radius=FWHM, xy_bounds=FWHM)
    stars = 0.0
    for _ in range(2):
        background = background_of(data - stars, box_size)
        with warnings.catch_warnings():
            # Fits that fail are told by flags
            warnings.simplefilter('ignore', AstropyUserWarning)
            table = photometry(data - background, error=error,
                               init_params=sources)
        stars = photometry.make_model_image(data.shape)
    return table, background


def decam_corrector(psf_model, n_threads):
    """
    Return LPI with the parameters of the paper (section 5.1).

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        The PSF.

    n_threads : int
        The number of threads.

    Returns
    -------
    corrector : `~lpiphot.LPIBackgroundCorrector`
        The corrector.
    """
    return LPIBackgroundCorrector(
        psf_model, stamp_shape=33, window_shape=129,
        mask_threshold=MASK_THRESHOLD, min_mask_flux=MIN_MASK_FLUX,
        condition_radius=16, gain=GAIN, n_threads=n_threads)


def z_scores(table, flux_true):
    """
    Return (measured - true) / error before and after LPI.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table that LPI has made.

    flux_true : float or (n,) `~numpy.ndarray`
        The true fluxes.

    Returns
    -------
    before, after : (n,) `~numpy.ndarray`
        The z-scores.
    """
    return ((table['flux_fit'] - flux_true) / table['flux_err'],
            (table['cflux'] - flux_true) / table['dcflux'])


def say_z(z):
    """
    Return median and width of z-scores in words.

    Parameters
    ----------
    z : array_like
        The z-scores.

    Returns
    -------
    words : str
        The median and the width, as for a Gaussian.
    """
    summary = zscore_summary(z)
    return f'{summary["median"]:+.2f} ± {summary["width"]:.2f}'


def plot_z(cases, limit=8.0):
    """
    Plot distributions of z before and after, and the unit Gaussian.

    Parameters
    ----------
    cases : dict
        Two arrays of z-scores, before and after, by title.

    limit : float, optional
        The greatest z shown; those beyond are in the last bins.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The figure.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(cases), layout='constrained',
                                figsize=(5 * len(cases), 4), squeeze=False)
    edges = np.linspace(-limit, limit, 65)
    for axis, (title, scores) in zip(axes[0], cases.items(), strict=True):
        for z, name, colour, style in zip(
                scores, ('conventional', 'with LPI'), (BEFORE, AFTER),
                ({'alpha': 0.6}, {'histtype': 'step', 'lw': 2}),
                strict=True):
            z = np.asarray(z)[np.isfinite(z)]
            axis.hist(np.clip(z, -limit, limit), edges, color=colour,
                      weights=np.full(len(z), 1 / len(z) / np.diff(edges)[0]),
                      label=name, **style)
        axis.plot(edges, np.exp(-0.5 * edges ** 2) / np.sqrt(2 * np.pi),
                  color='k', lw=1, label='unit Gaussian')
        axis.set(xlabel='z = (measured − true) / error', title=title)
        axis.legend(fontsize='small')
    axes[0, 0].set_ylabel('probability density')
    return figure
