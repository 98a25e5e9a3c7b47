# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Read the image of a command, with its errors, mask and background.
"""

import os
import warnings

import numpy as np

from lpiphot.cli._fits import (FITSImage, NoExtensionError, find_image,
                               open_fits, read_image, split_image, split_spec)
from lpiphot.cli._messages import CLIError, say

__all__ = ['mask_extension', 'read_background', 'read_input', 'read_mask']

# What CCDData calls the kinds of its uncertainties in files, by the power
# that makes 1-sigma errors of them
_POWERS = {'VarianceUncertainty': 0.5, 'InverseVariance': -0.5}

# A mask that leaves out more of an image is hardly meant so.
_MUCH_MASKED = 0.5


def read_input(args):
    """
    Read the image, its errors and its mask.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    Returns
    -------
    image : `~lpiphot.cli._fits.FITSImage`
        The image.

    error : `~lpiphot.cli._fits.FITSImage` or `None`
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
    except NoExtensionError as exc:
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


def read_background(spec, image, unit):
    """
    Read the background that was subtracted.

    Parameters
    ----------
    spec : str
        A number or the name of a FITS image.

    image : `~lpiphot.cli._fits.FITSImage`
        The image, whose unit is taken if the background has none.

    unit : str or `None`
        The unit of the image, if an option gives it.

    Returns
    -------
    background : `~lpiphot.cli._fits.FITSImage`
        The background, an image or a number. It has a unit of its own only
        if the image may have one.
    """
    try:
        background = FITSImage(float(spec), None, None)
    except ValueError:
        background = read_image(spec, what='background')
    without = unit is not None and image.unit is None  # --unit none
    if background.unit is None or without:
        background = background._replace(unit=image.unit)
    return background
