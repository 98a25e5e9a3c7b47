# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Real images that come with the package.
"""

from importlib.resources import as_file, files

from astropy.nddata import CCDData

__all__ = ['load_horsehead']


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
    resource = files('lpiphot.datasets') / 'data' / 'horsehead.fits.gz'
    with as_file(resource) as path:
        ccd = CCDData.read(path)
    ccd.data = ccd.data.astype(float)
    return ccd
