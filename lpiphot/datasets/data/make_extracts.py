# Licensed under a 3-clause BSD style license - see LICENSE.rst
# ruff: noqa: INP001
"""
Cut the package's images out of public ones.

Usage: python make_extracts.py FOLDER, where FOLDER holds the file
HorseHead.fits.gz named in README.rst. The files are written beside this
script, byte for byte the same on every run.
"""

import gzip
import io
import sys
from pathlib import Path

from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

# What a header keeps: survey, plate and exposure, and the TAN approximation
# of the WCS that comes with it (GSC-II, ICRS). The older solution for the
# whole plate (CNPIX, PPO, AMDX, ...) is left out: readers such as wcslib
# take it for the WCS where it is present, 0.1 arcsec from the other.
KEYWORDS = ('ORIGIN', 'SURVEY', 'REGION', 'PLATEID', 'COPYRGHT', 'TELESCOP',
            'INSTRUME', 'EMULSION', 'FILTER', 'PLTSCALE', 'PLTLABEL',
            'DATE-OBS', 'EXPOSURE', 'AIRMASS')
WCS_KEYWORDS = ('RADESYS', 'CTYPE1', 'CTYPE2', 'CUNIT1', 'CUNIT2', 'CRVAL1',
                'CRVAL2', 'CRPIX1', 'CRPIX2', 'CD1_1', 'CD1_2', 'CD2_1',
                'CD2_2')

# Lower left corner (x, y), counted from 0, and shape (ny, nx)
CORNER = (476, 190)
SHAPE = (420, 400)


def select(header, keywords):
    """
    Return a new header with some of the cards of another.
    """
    return fits.Header([
        (keyword, value.strip() if isinstance(value, str) else value,
         header.comments[keyword])
        for keyword, value in ((key, header[key]) for key in keywords)])


def cut_horsehead(folder):
    """
    Return the extract of the Horsehead field as an HDU.
    """
    with fits.open(folder / 'HorseHead.fits.gz') as hdus:
        data, header = hdus[0].data, hdus[0].header
    centre = tuple(corner + (size - 1) / 2 for corner, size in
                   zip(CORNER, SHAPE[::-1], strict=True))
    wcs = WCS(select(header, WCS_KEYWORDS))
    cutout = Cutout2D(data, centre, SHAPE, wcs=wcs, mode='strict', copy=True)
    hdu = fits.PrimaryHDU(cutout.data, select(header, KEYWORDS))
    hdu.header['OBJECT'] = 'Horsehead nebula'
    hdu.header['BUNIT'] = ('adu', 'Photographic density')
    hdu.header.update(cutout.wcs.to_header())
    x, y = cutout.origin_original
    hdu.header['HISTORY'] = (
        f'Pixels x={x}..{x + SHAPE[1] - 1}, y={y}..{y + SHAPE[0] - 1} '
        '(from 0) of HorseHead.fits.gz')
    hdu.header['HISTORY'] = (
        'of astropy-data, tutorials/FITS-images; cut by make_extracts.py')
    hdu.header['COMMENT'] = (
        'Digitized Sky Survey, produced at the Space Telescope Science '
        'Institute from photographic plates of the UK Schmidt Telescope '
        '(SERC-ER). See README.rst.')
    return hdu


def write(hdu, path):
    """
    Write a FITS file, compressed without name and time.
    """
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    path.write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))


if __name__ == '__main__':
    write(cut_horsehead(Path(sys.argv[1])),
          Path(__file__).with_name('horsehead.fits.gz'))
