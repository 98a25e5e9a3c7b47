# Licensed under a 3-clause BSD style license - see LICENSE.rst
# ruff: noqa: INP001
"""
Cut the package's images out of public ones.

Usage: python make_extracts.py FOLDER, where FOLDER holds the files
named in README.rst. The extracts are written beside this script, byte
for byte the same on every run.
"""

import gzip
import io
import sys
from pathlib import Path

from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.time import Time
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

SPITZER_KEYWORDS = ('TELESCOP', 'INSTRUME', 'ORIGIN', 'CREATOR', 'FILENAME',
                    'CHNLNUM', 'EXPTIME', 'OBSRVR', 'PROGID', 'BUNIT',
                    'GAIN', 'FLUXCONV')
SPITZER_WCS_KEYWORDS = ('CTYPE1', 'CTYPE2', 'CRVAL1', 'CRVAL2', 'CRPIX1',
                        'CRPIX2', 'CD1_1', 'CD1_2', 'CD2_1', 'CD2_2')

M67_KEYWORDS = ('ORIGIN', 'PLTLABEL', 'PLATEID', 'REGION', 'DATE-OBS',
                'EXPOSURE', 'PLTSCALE', 'TELESCOP')


def select(header, keywords):
    """
    Return a new header with some of the cards of another.
    """
    return fits.Header([
        (keyword, value.strip() if isinstance(value, str) else value,
         header.comments[keyword])
        for keyword, value in ((key, header[key]) for key in keywords)])


def cut(path, corner, shape, keywords, wcs_keywords):
    """
    Return an extract as an HDU.

    The lower left corner is (x, y), counted from 0; the shape (ny, nx).
    """
    with fits.open(path) as hdus:
        data, header = hdus[0].data, hdus[0].header
    centre = tuple(first + (size - 1) / 2 for first, size in
                   zip(corner, shape[::-1], strict=True))
    wcs = WCS(select(header, wcs_keywords)) if wcs_keywords else None
    cutout = Cutout2D(data, centre, shape, wcs=wcs, mode='strict', copy=True)
    hdu = fits.PrimaryHDU(cutout.data, select(header, keywords))
    if wcs is not None:
        hdu.header.update(cutout.wcs.to_header())
    x, y = cutout.origin_original
    hdu.header['HISTORY'] = (
        f'Pixels x={x}..{x + shape[1] - 1}, y={y}..{y + shape[0] - 1} '
        f'(from 0) of {path.name}')
    return hdu


def cut_horsehead(folder):
    """
    Return the extract of the Horsehead field as an HDU.
    """
    hdu = cut(folder / 'HorseHead.fits.gz', (476, 190), (420, 400), KEYWORDS,
              WCS_KEYWORDS)
    hdu.header.insert('WCSAXES', ('OBJECT', 'Horsehead nebula'))
    hdu.header.insert('WCSAXES', ('BUNIT', 'adu', 'Photographic density'))
    hdu.header['HISTORY'] = (
        'of astropy-data, tutorials/FITS-images; cut by make_extracts.py')
    hdu.header['COMMENT'] = (
        'Digitized Sky Survey, produced at the Space Telescope Science '
        'Institute from photographic plates of the UK Schmidt Telescope '
        '(SERC-ER). See README.rst.')
    return hdu


def cut_galactic_plane(folder):
    """
    Return the extract of the GLIMPSE mosaic as an HDU.
    """
    hdu = cut(folder / 'spitzer_example_image.fits.gz', (560, 200),
              (220, 240), SPITZER_KEYWORDS, SPITZER_WCS_KEYWORDS)
    hdu.header.insert('WCSAXES', ('OBJECT', 'Galactic plane, l = 18 deg'))
    hdu.header['HISTORY'] = 'of photutils-datasets; cut by make_extracts.py'
    hdu.header['COMMENT'] = (
        'Made with the Spitzer Space Telescope, operated by the Jet '
        'Propulsion Laboratory, California Institute of Technology under a '
        'contract with NASA; GLIMPSE survey. See README.rst.')
    return hdu


def cut_m67(folder):
    """
    Return the extract of the plate of M67 as an HDU.

    The solution for the whole plate is no FITS WCS, and is left out.
    """
    hdu = cut(folder / 'M6707HH.fits.gz', (640, 140), (240, 240),
              M67_KEYWORDS, ())
    day, month, year = hdu.header['DATE-OBS'].split('/')
    hdu.header['DATE-OBS'] = f'19{year}-{month}-{day}'
    hdu.header['MJD-OBS'] = Time(hdu.header['DATE-OBS']).mjd
    hdu.header['OBJECT'] = 'M67'
    hdu.header['BUNIT'] = ('adu', 'Photographic density')
    hdu.header['HISTORY'] = 'of photutils-datasets; cut by make_extracts.py'
    hdu.header['COMMENT'] = (
        'Based on photographic data of the National Geographic Society - '
        'Palomar Observatory Sky Survey (NGS-POSS); Digitized Sky Survey. '
        'See README.rst.')
    return hdu


def write(hdu, path):
    """
    Write a FITS file, compressed without name and time.
    """
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    path.write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))


if __name__ == '__main__':
    originals = Path(sys.argv[1])
    for name, hdu in (('horsehead', cut_horsehead(originals)),
                      ('galactic_plane', cut_galactic_plane(originals)),
                      ('m67', cut_m67(originals))):
        write(hdu, Path(__file__).with_name(f'{name}.fits.gz'))
