# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Open FITS files, and read their images.
"""

import os
import re
from typing import NamedTuple

import numpy as np

from lpiphot.cli._messages import CLIError, say, unreadable

__all__ = ['FITSImage', 'NoExtensionError', 'check_file', 'find_hdu',
           'find_image', 'open_fits', 'read_image', 'split_image',
           'split_spec']


class NoExtensionError(CLIError):
    """
    A file does not have an extension.
    """


class FITSImage(NamedTuple):
    """
    An image with what its header says.

    Attributes
    ----------
    values : 2D `~numpy.ndarray`
        The pixels in native byte order.

    unit : `~astropy.units.Unit` or `None`
        The unit.

    header : `~astropy.io.fits.Header`
        The header of the extension.
    """

    values: np.ndarray
    unit: object
    header: object

    @property
    def data(self):
        """
        The pixels, as a `~astropy.units.Quantity` if there is a unit.
        """
        return self.values if self.unit is None else self.values * self.unit


def split_spec(spec):
    """
    Split ``'file.fits[EXT]'``.

    Parameters
    ----------
    spec : str
        The name of a file, perhaps with an extension.

    Returns
    -------
    path, ext : str, str or `None`
        The name of the file and the extension. A file that is called
        so, brackets and all, is taken as it is.
    """
    match = re.fullmatch(r'(.+)\[([^\[\]]+)\]', spec)
    if match is None or os.path.exists(spec):
        return spec, None
    return match.groups()


def split_image(spec, ext, what='image'):
    """
    Split ``'file.fits[EXT]'``, if the extension is not given otherwise.

    Parameters
    ----------
    spec : str
        The name of a file, perhaps with an extension.

    ext : str or `None`
        The extension, if an option gives it.

    what : str, optional
        What the image is, for the message.

    Returns
    -------
    path, ext : str, str or `None`
        The name of the file and the extension.
    """
    path, spec_ext = split_spec(spec)
    if ext is not None and spec_ext is not None:
        msg = (f'{what}: the extension is given twice, in {spec} and by an '
               'option')
        raise CLIError(msg)
    return path, spec_ext if ext is None else ext


def check_file(path, what):
    """
    Raise an error unless ``path`` is a file.

    Parameters
    ----------
    path : str
        The name of the file.

    what : str
        What the file is, for the message.
    """
    if not os.path.exists(path):
        msg = f'{what} not found: {path}'
        raise CLIError(msg)
    if not os.path.isfile(path):
        msg = f'{what} is not a file: {path}'
        raise CLIError(msg)


def open_fits(path, what):
    """
    Open a FITS file, compressed or not.

    Parameters
    ----------
    path : str
        The name of the file.

    what : str
        What the file is, for messages.

    Returns
    -------
    hdulist : `~astropy.io.fits.HDUList`
        To be closed by the caller.
    """
    from astropy.io import fits

    check_file(path, what)
    with unreadable(f'{what} {path} is not a FITS file: '):
        hdulist = fits.open(path)
        len(hdulist)  # reads all headers
    return hdulist


def _parse_ext(ext):
    parts = [part.strip() for part in ext.split(',')]
    parts = [int(part) if part.isdecimal() else part for part in parts]
    return parts[0] if len(parts) == 1 else tuple(parts[:2])


def _holds_image(hdu):
    return hdu.is_image and hdu.header.get('NAXIS', 0) > 0


def find_hdu(hdulist, ext, name, *, what, holds):
    """
    Return an extension, or the first that holds the right thing.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        The file.

    ext : str or `None`
        The extension; `None` for the first that holds it.

    name : str
        What to call the file in messages.

    what : str
        What the extension must hold, for messages.

    holds : callable
        Tells whether an extension holds it.

    Returns
    -------
    hdu : HDU of `astropy.io.fits`
        The extension.
    """
    if ext is None:
        for hdu in hdulist:
            if holds(hdu):
                return hdu
        msg = f'{name} holds no {what}'
        raise CLIError(msg)
    try:
        hdu = hdulist[_parse_ext(ext)]
    except (KeyError, IndexError, TypeError) as exc:
        known = ', '.join(
            f'{i} {hdu.name}'.strip() + (f',{hdu.ver}' if hdu.ver > 1 else '')
            for i, hdu in enumerate(hdulist))
        msg = f'{name} has no extension {ext}; it has {known}'
        raise NoExtensionError(msg) from exc
    if not holds(hdu):
        msg = f'{name}[{ext}] holds no {what}'
        raise CLIError(msg)
    return hdu


def find_image(hdulist, ext, name):
    """
    Return the extension that holds an image.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        The file.

    ext : str or `None`
        The extension; `None` for the first that holds an image.

    name : str
        What to call the file in messages.

    Returns
    -------
    hdu : HDU of `astropy.io.fits`
        The extension.
    """
    return find_hdu(hdulist, ext, name, what='image', holds=_holds_image)


def _native(data):
    """
    Return pixels as native floats: as precise as they were, or float64.
    """
    kind = 'f4' if data.dtype.kind == 'f' and data.dtype.itemsize == 4 \
        else 'f8'
    return np.array(data, dtype=kind, order='C')


def _parse_unit(text, name, *, strict):
    import astropy.units as u

    text = str(text).strip()
    if not text or text.lower() == 'none':
        return None
    try:
        return u.Unit(text)
    except ValueError as exc:
        msg = f'{name}: {text!r} is not a unit that astropy knows'
        if strict:
            raise CLIError(msg) from exc
        say('warning', f'{msg}; the image is taken without (see --unit)')
        return None


def read_image(spec, *, ext=None, unit=None, what='image', any_shape=False):
    """
    Read a 2D image from a FITS file.

    Parameters
    ----------
    spec : str
        ``'file.fits'`` or ``'file.fits[EXT]'``.

    ext : str, optional
        The extension: a number, a name, or ``'name,number'``. The
        default is the first that holds an image.

    unit : str, optional
        The unit. By default the header's BUNIT, if it can be parsed.

    what : str, optional
        What the image is, for messages.

    any_shape : bool, optional
        Whether the image may have other than two dimensions.

    Returns
    -------
    image : `FITSImage`
        The image.
    """
    path, ext = split_image(spec, ext, what)
    with open_fits(path, what) as hdulist:
        hdu = find_image(hdulist, ext, f'{what} {path}')
        with unreadable(f'{what} {path} cannot be read: '):
            data, header = hdu.data, hdu.header.copy()
            shape = data.shape
            values = (_native(data) if data.size
                      and (data.ndim == 2 or any_shape) else None)
    if values is None:
        msg = f'{what} {path}: expected a 2D image; got one of shape {shape}'
        raise CLIError(msg)

    strict = unit is not None
    text = unit if strict else header.get('BUNIT', '')
    where = '--unit' if strict else f'{what} {path}, BUNIT'
    return FITSImage(values, _parse_unit(text, where, strict=strict), header)
