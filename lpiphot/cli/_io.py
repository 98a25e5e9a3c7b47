# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Read images and catalogues.
"""

import os
import re
import warnings
from typing import NamedTuple

import numpy as np

from lpiphot.cli._messages import CLIError, say, unreadable

__all__ = ['FITSImage', 'find_image', 'mask_extension', 'open_fits',
           'read_background', 'read_catalog', 'read_image', 'read_input',
           'read_mask', 'split_image', 'split_spec']

# Formats of catalogues and tables, and what they are called in astropy:
# those that keep metadata are written, the others only read
TABLE_FORMATS = {'.ecsv': 'ascii.ecsv', '.fits': 'fits',
                 '.parquet': 'parquet'}
_READ_FORMATS = TABLE_FORMATS | {
    '.fit': 'fits', '.fts': 'fits', '.csv': 'ascii.csv', '.txt': 'ascii',
    '.dat': 'ascii', '.xml': 'votable', '.vot': 'votable'}

# What CCDData calls the kinds of its uncertainties in files, by the power
# that makes 1-sigma errors of them
_POWERS = {'VarianceUncertainty': 0.5, 'InverseVariance': -0.5}

# A mask that leaves out more of an image is hardly meant so.
_MUCH_MASKED = 0.5


class _NoExtensionError(CLIError):
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


def _holds_table(hdu):
    return hasattr(hdu, 'columns')


def _find_hdu(hdulist, ext, name, *, what, holds):
    """
    Return the extension ``ext``, or the first that holds the right thing.
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
        raise _NoExtensionError(msg) from exc
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
    return _find_hdu(hdulist, ext, name, what='image', holds=_holds_image)


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


def _read_plane(args, name, **options):
    """
    Read the errors or the mask: a file, or an extension of the image.

    Return `None` if neither is given.
    """
    spec, ext = getattr(args, name), getattr(args, f'{name}_ext')
    if spec is None and ext is None:
        return None
    path = split_spec(args.image)[0]
    if spec is not None:
        if os.path.exists(split_spec(spec)[0]):
            path, ext = split_spec(spec)
        else:
            ext = spec
    try:
        plane = read_image(path, ext=ext, what=name, **options)
    except _NoExtensionError as exc:
        if ext != spec:
            raise
        msg = f'{name} not found: there is no file {spec}, and {exc}'
        raise CLIError(msg) from exc
    _check_other(args, path, ext, name)
    return plane


def _check_other(args, path, ext, name):
    """
    Raise an error if the errors or the mask are the image itself.
    """
    image, image_ext = split_image(args.image, args.ext)
    if not os.path.samefile(path, image):
        return
    with open_fits(path, name) as hdulist:
        if (find_image(hdulist, ext, path)
                is find_image(hdulist, image_ext, path)):
            msg = (f'{name} {ext or path} is the image itself, as the '
                   'extension that --ext tells, or else the first image of '
                   f'{path}')
            raise CLIError(msg)


def _as_std(plane, *, own_unit):
    """
    Return 1-sigma errors, of the kind of errors that the header tells.

    An inverse variance of 0 becomes an infinite error. The unit is that of
    the kind if it is the plane's own, and not that of the image.
    """
    power = _POWERS.get(plane.header.get('UTYPE'))
    if power is None:
        return plane
    with np.errstate(divide='ignore', invalid='ignore'):
        plane = plane._replace(values=plane.values ** power)
    if own_unit and plane.unit is not None:
        plane = plane._replace(unit=plane.unit ** power)
    return plane


def mask_extension(args):
    """
    Return the extension of the image's file that is the mask.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments: ``image``, ``mask`` and ``mask_ext``.

    Returns
    -------
    ext : str or `None`
        The extension; `None` if there is no mask in this file.
    """
    if args.mask is None:
        return args.mask_ext
    path, ext = split_spec(args.mask)
    if not os.path.exists(path):
        return args.mask
    image = split_spec(args.image)[0]
    # reading it tells of an image that is not there
    same = not os.path.exists(image) or os.path.samefile(path, image)
    return ext if same else None


def _is_bad(values, bits, name):
    """
    Return which pixels of a mask are not 0, or have one of some bits.
    """
    if bits is None:
        return values != 0
    from astropy.nddata import bitfield_to_boolean_mask

    # larger numbers have lost bits as floats
    whole = (values == np.rint(values)) & (np.abs(values) <= 2 ** 53)
    if not whole.all():
        msg = (f'mask {name}: --mask-bits needs whole numbers of no more than '
               '53 bits; it has others')
        raise CLIError(msg)
    return bitfield_to_boolean_mask(values.astype(np.int64),
                                    ignore_flags=bits, flip_bits=True)


def read_mask(args, shape):
    """
    Read the mask: a file, or an extension of the image.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments: ``image``, ``mask``, ``mask_ext`` and
        ``mask_bits``.

    shape : tuple of int
        The shape of the image, or of a cube of images; the mask may be
        that of one image.

    Returns
    -------
    mask : `~numpy.ndarray` of bool or `None`
        `True` where a pixel is excluded: not 0, or NaN; or where it has
        one of the bits.
    """
    plane = _read_plane(args, 'mask', unit='none', any_shape=len(shape) > 2)
    if plane is None:
        if args.mask_bits is not None:
            msg = '--mask-bits needs a mask, by --mask or --mask-ext'
            raise CLIError(msg)
        return None
    name = args.mask or args.mask_ext
    mask = _is_bad(plane.values, args.mask_bits, name)
    if mask.shape not in (shape, shape[-2:]):
        msg = (f'mask {name}: expected the shape of the image, {shape}; got '
               f'{mask.shape}')
        raise CLIError(msg)
    share = np.count_nonzero(mask) / mask.size
    if share > _MUCH_MASKED:
        from astropy.utils.exceptions import AstropyUserWarning

        msg = (f'the mask {name} excludes {100 * share:.0f} % of the pixels, '
               'all that are not 0 in it or have the bits given. If not all '
               'of its bits mean a bad pixel, give those by --mask-bits')
        warnings.warn(msg, AstropyUserWarning, stacklevel=2)
    return mask


def read_input(args):
    """
    Read the image, its errors and its mask.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    Returns
    -------
    image : `FITSImage`
        The image.

    error : `FITSImage` or `None`
        The 1-sigma errors; in the unit of the image unless they have
        their own.

    mask : 2D `~numpy.ndarray` of bool or `None`
        `True` where a pixel is excluded.
    """
    image = read_image(args.image, ext=args.ext, unit=args.unit)
    error = _read_plane(args, 'error', unit=args.unit)
    if error is not None:
        error = _as_std(error, own_unit=args.unit is None)
        if error.unit is None:
            error = error._replace(unit=image.unit)
    mask = read_mask(args, image.values.shape)
    _tell_of_unused(args, error=error, mask=mask)
    return image, error, mask


def _tell_of_unused(args, **planes):
    """
    Say if the file has errors or a mask, as CCDData writes them, but they
    are not given.
    """
    with open_fits(split_spec(args.image)[0], 'image') as hdulist:
        for name, ext in (('error', 'UNCERT'), ('mask', 'MASK')):
            if planes[name] is None and ext in hdulist and not args.quiet:
                say('note', f'the file has an extension {ext}, which is not '
                    f'used: give --{name} {ext} to use it')


def read_background(spec, image):
    """
    Read the background that was subtracted.

    Parameters
    ----------
    spec : str
        A number or the name of a FITS image.

    image : `FITSImage`
        The image, whose unit is taken if the background has none.

    Returns
    -------
    background : float, `~numpy.ndarray` or `~astropy.units.Quantity`
        The background.
    """
    try:
        background = FITSImage(float(spec), None, None)
    except ValueError:
        background = read_image(spec, what='background')
    if background.unit is None:
        background = background._replace(unit=image.unit)
    return background.data


def read_catalog(spec):
    """
    Read a catalogue.

    Parameters
    ----------
    spec : str
        The name of a file that astropy reads, by its suffix; the
        extension of a FITS file can follow in brackets.

    Returns
    -------
    catalog : `~astropy.table.QTable`
        The catalogue.
    """
    path, ext = split_spec(spec)
    check_file(path, 'catalogue')
    stem = re.sub(r'\.(gz|bz2|xz)$', '', path.lower())
    form = _READ_FORMATS.get(os.path.splitext(stem)[1])
    if form is None:
        msg = (f'catalogue {path}: unknown format; the known ones are '
               f"{', '.join(_READ_FORMATS)}")
        raise CLIError(msg)

    if ext is not None and form != 'fits':
        msg = f'catalogue {spec}: only FITS files have extensions'
        raise CLIError(msg)

    from astropy.io.ascii import InconsistentTableError
    from astropy.table import QTable

    name = f'catalogue {path}'
    if form == 'fits':
        with open_fits(path, 'catalogue') as hdulist:
            hdu = _find_hdu(hdulist, ext, name, what='table',
                            holds=_holds_table)
            with unreadable(f'{name} cannot be read: '):
                return QTable.read(hdu)
    with unreadable(f'{name} cannot be read: '):
        try:
            return QTable.read(path, format=form)
        except InconsistentTableError as exc:
            if form != 'ascii':
                raise
            msg = 'it is no table of text in a form that astropy knows'
            raise ValueError(msg) from exc  # not the list of all forms
