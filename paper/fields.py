# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A nebulous, a crowded and an uncrowded field, real if there are data.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from paper_helpers import GAIN, SKY
from photutils.psf import CircularGaussianPRF

from lpiphot.datasets import load_horsehead
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import inject_stars

KINDS = ('uncrowded', 'crowded', 'nebulous')


class Field(NamedTuple):
    """
    An image with its photometry.

    Attributes
    ----------
    name : str
        What it is.

    data : array or `~astropy.nddata.CCDData`
        The image.

    pipeline : `~lpiphot.pipeline.PSFPipeline`
        The photometry, with the PSF of the image.

    catalogue : `~astropy.table.QTable`
        What it finds in the image.

    gain : float or `None`
        Electrons per data unit, if known.

    n_stars : int
        The number of stars to inject in a round.
    """

    name: str
    data: object
    pipeline: PSFPipeline
    catalogue: QTable
    gain: float
    n_stars: int


def load_field(kind, folder=None, *, whole=False, seed=1):
    """
    Return a field.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.

    folder : `~pathlib.Path`, optional
        The folder of the larger images. Without it, the nebulous field
        is the Horsehead of the package, and the others are made.

    whole : bool, optional
        Whether to take all of a large image, in place of a part.

    seed : int, optional
        The seed of the stars and the noise of a made field.

    Returns
    -------
    field : `Field`
        The field.
    """
    if folder is None:
        name, data, pipeline, gain = (
            _horsehead() if kind == 'nebulous'
            else _made(kind, 1024 if whole else 384, seed))
    else:
        name, data, pipeline, gain = _REAL[kind](Path(folder), whole)
    with warnings.catch_warnings():
        # Fits that fail are told by flags
        warnings.simplefilter('ignore', AstropyUserWarning)
        found = pipeline(data)
    n_sources = len(found.table)
    # A tenth of the sources, as in the paper; more where these are so few
    # that the injected stars do not come near each other
    roomy = data.shape[0] * data.shape[1] / (16 * found.fwhm) ** 2
    n_stars = round(max(0.1 * n_sources, min(roomy, n_sources)))
    return Field(name, data, PSFPipeline(psf_model=found.psf_model,
                                         fwhm=found.fwhm),
                 found.table, gain, n_stars)


def _horsehead():
    return 'Horsehead, 420 x 400', load_horsehead(), PSFPipeline(), None


def _made(kind, size, seed):
    """
    Return a flat field with a power law of stars.
    """
    rng = np.random.default_rng(seed)
    density = {'uncrowded': 0.001, 'crowded': 0.02}[kind]
    n_stars = int(density * size ** 2)
    # Twice as many stars of half the flux, from well below detection
    flux = np.minimum(150.0 / (1.0 - rng.random(n_stars)), 2e5)
    params = QTable({'x_0': rng.uniform(0, size - 1, n_stars),
                     'y_0': rng.uniform(0, size - 1, n_stars),
                     'flux': flux})
    psf_model = CircularGaussianPRF(fwhm=4.0)
    expected = inject_stars(np.full((size, size), SKY), psf_model, params,
                            model_shape=33)
    data = rng.poisson(expected * GAIN) / GAIN
    return (f'made, {n_stars} stars on {size} x {size}', data,
            PSFPipeline(psf_model=psf_model, fwhm=4.0), GAIN)


def _real_horsehead(folder, whole):  # noqa: ARG001
    data = CCDData.read(folder / 'HorseHead.fits.gz', unit='adu')
    return 'Horsehead, 893 x 891', data, PSFPipeline(), None


def _m67(folder, whole):
    data = CCDData.read(folder / 'M6707HH.fits.gz', unit='adu')
    if not whole:
        data = data[60:540, 60:540]
    return f'M67, {data.shape[0]} x {data.shape[1]}', data, PSFPipeline(), None


def _spitzer(folder, whole):
    path = folder / 'spitzer_example_image.fits.gz'
    data, header = fits.getdata(path, header=True)
    # Electrons of one exposure per MJy / sr
    gain = header['GAIN'] * header['EXPTIME'] / header['FLUXCONV']
    if not whole:
        data = data[128:384, 384:640]
    return (f'Spitzer 4.5 µm, {data.shape[0]} x {data.shape[1]}',
            data.astype(float), PSFPipeline(), gain)


_REAL = {'nebulous': _real_horsehead, 'crowded': _spitzer, 'uncrowded': _m67}
