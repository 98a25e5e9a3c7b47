# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Replace one extension of a FITS file; all others keep every byte.
"""

import bz2
import gzip
import io
import lzma

from lpiphot.cli._fits import check_file
from lpiphot.cli._messages import unreadable

__all__ = ['read_bytes', 'replace_hdu', 'write_bytes']

# FITS files come in blocks of so many bytes
BLOCK = 2880

_UNPACK = ((b'\x1f\x8b', gzip.decompress), (b'BZh', bz2.decompress),
           (b'\xfd7zXZ', lzma.decompress))


def read_bytes(path, what):
    """
    Read a file, unpacked if it is compressed as a whole.

    Parameters
    ----------
    path : str
        The name of the file.

    what : str
        What the file is, for messages.

    Returns
    -------
    content : bytes
        The content.
    """
    check_file(path, what)
    with unreadable(f'{what} {path} cannot be read: '):
        with open(path, 'rb') as fh:
            content = fh.read()
        for magic, unpack in _UNPACK:
            if content.startswith(magic):
                return unpack(content)
    return content


def _hdu_bytes(hdu):
    """
    Return an extension, or primary HDU, as it stands in a file.
    """
    from astropy.io import fits

    hdus = [hdu] if isinstance(hdu, fits.PrimaryHDU) else [fits.PrimaryHDU(),
                                                           hdu]
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer, output_verify='silentfix+ignore')
    content = buffer.getvalue()
    if len(hdus) == 1:
        return content
    with fits.open(io.BytesIO(content),
                   disable_image_compression=True) as hdulist:
        return content[hdulist[1].fileinfo()['hdrLoc']:]


def replace_hdu(content, number, hdu, appended=()):
    """
    Replace an HDU of a FITS file and append others.

    Parameters
    ----------
    content : bytes
        The file.

    number : int
        The number of the HDU, from 0.

    hdu : HDU of `astropy.io.fits`
        The new one.

    appended : sequence of HDUs, optional
        Those to append.

    Returns
    -------
    content : bytes
        The new file.
    """
    from astropy.io import fits

    with fits.open(io.BytesIO(content),
                   disable_image_compression=True) as hdulist:
        len(hdulist)  # reads all headers
        info = hdulist[number].fileinfo()
    end = info['datLoc'] + info['datSpan']
    # astropy reads a file whose last block is not whole
    content += bytes(-len(content) % BLOCK)
    return b''.join([content[:info['hdrLoc']], _hdu_bytes(hdu),
                     content[end:], *(_hdu_bytes(one) for one in appended)])


def write_bytes(path, content):
    """
    Write a file, compressed if its name ends with ``.gz``.

    Parameters
    ----------
    path : str
        The name of the file.

    content : bytes
        The content.
    """
    if path.lower().endswith('.gz'):
        content = gzip.compress(content, mtime=0)
    with open(path, 'wb') as fh:
        fh.write(content)
