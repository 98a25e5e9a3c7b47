# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Real images that come with the package.
"""

from importlib.resources import as_file, files

from astropy.nddata import CCDData

__all__ = ['load_galactic_plane', 'load_horsehead', 'load_m67']


def load_galactic_plane():
    """
    Load an infrared image of a crowd of stars in the Galactic plane.

    Part of a mosaic of the GLIMPSE survey at Galactic longitude 18
    degrees, made with IRAC on the Spitzer Space Telescope at 4.5
    microns. The pixels (1.2 arcsec) are hardly smaller than the FWHM of
    about 2 pixels, and hardly one is without a star. Two pixels are
    NaN. ``meta`` has GAIN (electrons per DN), EXPTIME (seconds) and
    FLUXCONV (MJy/sr per DN/s).

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The image, 220 by 240 pixels, float64, in MJy/sr, with its WCS;
        the provenance is in ``meta``.

    Examples
    --------
    >>> from lpiphot.datasets import load_galactic_plane
    >>> ccd = load_galactic_plane()
    >>> ccd.unit
    Unit("MJy / sr")
    """
    return _load('galactic_plane')


def load_horsehead():
    """
    Load an image of the Horsehead nebula.

    The edge of the dark cloud B33 against the bright nebula IC 434,
    with stars on both: part of the red plate OR14052 of the UK Schmidt
    telescope (SERC-ER, 1990), from the Digitized Sky Survey. The pixels
    (1.01 arcsec) are photographic density, so that there is no gain;
    noise is correlated over 1 to 2 pixels, stars have a FWHM of about
    4 pixels, and the brightest are saturated.

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The image, 420 by 400 pixels, float64, in adu, with its WCS; the
        provenance is in ``meta``.

    Examples
    --------
    >>> from lpiphot.datasets import load_horsehead
    >>> ccd = load_horsehead()
    >>> ccd.shape
    (420, 400)
    """
    return _load('horsehead')


def load_m67():
    """
    Load an image of stars of the cluster M67, with a scratch.

    Part of the red plate E438 of the first Palomar Observatory Sky
    Survey (1951), from the Digitized Sky Survey. The pixels (1.7
    arcsec) are photographic density, and the brightest stars are
    saturated. A scratch crosses the plate about x = 135, y = 115; none
    of its pixels is masked.

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The image, 240 by 240 pixels, float64, in adu, without WCS; the
        provenance is in ``meta``.

    Examples
    --------
    >>> from lpiphot.datasets import load_m67
    >>> ccd = load_m67()
    >>> ccd.shape
    (240, 240)
    """
    return _load('m67')


def _load(name):
    """
    Load an image of the folder data.
    """
    resource = files('lpiphot.datasets') / 'data' / f'{name}.fits.gz'
    with as_file(resource) as path:
        ccd = CCDData.read(path)
    ccd.data = ccd.data.astype(float)
    return ccd
