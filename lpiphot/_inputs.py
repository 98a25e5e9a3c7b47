# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The one door for images: units come off and shapes are checked here.
"""

import os
from typing import NamedTuple

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from astropy.utils.masked import Masked

from lpiphot._checks import without_unit

__all__ = ['Image', 'ImageReader', 'as_image', 'as_mask', 'as_plane',
           'parse_pixels', 'std_of']


class Image(NamedTuple):
    """
    Pixels and what is known of them, as plain arrays.

    Attributes
    ----------
    data : 2-D `~numpy.ndarray`
        The values, float64, native byte order.

    error : 2-D `~numpy.ndarray` or `None`
        The 1-sigma errors.

    mask : 2-D bool `~numpy.ndarray`
        `True` for pixels that are masked or not finite.
    """

    data: np.ndarray
    error: np.ndarray
    mask: np.ndarray


class ImageReader:
    """
    An image that is read region by region.

    An ndarray, Quantity, masked array, NDData or CCDData is taken apart
    and checked here, but not copied: an image that is mapped from disk
    stays there.

    Parameters
    ----------
    data : 2-D array_like, `~astropy.units.Quantity` or \
            `~astropy.nddata.NDData`
        The image; the mask and uncertainty of an NDData are used.

    error : 2-D array_like or `~astropy.units.Quantity`, optional
        The 1-sigma errors, in the unit of the data.

    mask : 2-D bool array_like, optional
        `True` for pixels to leave out.

    Attributes
    ----------
    shape : 2-tuple of int
        The shape of the image.

    unit : `~astropy.units.Unit` or `None`
        The unit of the data.

    has_error : bool
        Whether the errors are known.

    Raises
    ------
    TypeError
        If an input is not numeric.

    ValueError
        If a shape is wrong, mask or error are given twice, or an error
        is negative or none is finite.

    astropy.units.UnitsError
        If the units of data and error do not match.
    """

    def __init__(self, data, *, error=None, mask=None):
        if isinstance(data, NDData) and data.uncertainty is not None:
            error = _only_one('error', error, std_of(data), 'uncertainty')
        data, mask = _without_mask(data, mask)

        self.unit = data.unit if isinstance(data, u.Quantity) else None
        self._data = _as_plain_image('data', data)
        self.shape = self._data.shape
        self._error = None
        if error is not None:
            self._error = as_plane('error', error, self.shape, self.unit)
            if np.any(self._error < 0):
                msg = ('error must not be negative; its smallest value is '
                       f'{np.nanmin(self._error)}')
                raise ValueError(msg)
            if not np.isfinite(self._error).any():
                msg = 'error must have finite values; it has none'
                raise ValueError(msg)
        self.has_error = error is not None
        self._mask = None
        if mask is not None and mask is not np.ma.nomask:
            self._mask = as_mask('mask', mask, self.shape)

    def read(self, region=None):
        """
        Read a region.

        Parameters
        ----------
        region : `~lpiphot.lpi.tiles.Region`, optional
            The region; by default the whole image.

        Returns
        -------
        image : `Image`
            Its pixels, copied.
        """
        part = (slice(None), slice(None)) if region is None else region.slices
        data = np.array(self._data[part], dtype=float)
        mask = ~np.isfinite(data)
        if self._mask is not None:
            mask |= self._mask[part]
        error = None
        if self._error is not None:
            error = np.array(self._error[part], dtype=float)
            mask |= ~np.isfinite(error)
        return Image(data, error, mask)


def parse_pixels(data, *, mask=None):
    """
    Take apart an image or a cube of images whose pixels are replaced.

    Parameters
    ----------
    data : array_like, `~astropy.units.Quantity`, masked array or \
            `~astropy.nddata.NDData`
        The image ``(ny, nx)`` or cube ``(n, ny, nx)``.

    mask : bool array_like, optional
        `True` for bad pixels, in the shape of the data or of one image
        of a cube.

    Returns
    -------
    values : `~numpy.ndarray`
        The values, not copied.

    bad : bool `~numpy.ndarray`
        `True` for pixels that are masked or not finite; new.

    unit : `~astropy.units.Unit` or `None`
        The unit of the data.

    Raises
    ------
    TypeError
        If the data are no real numbers or the mask is not boolean.

    ValueError
        If a shape is wrong or the mask is given twice.
    """
    data, mask = _without_mask(data, mask)
    values = _as_plain_image('data', data, cube=True)
    bad = ~np.isfinite(values)
    if mask is not None and mask is not np.ma.nomask:
        bad |= as_mask('mask', mask, values.shape)
    return values, bad, getattr(data, 'unit', None)


def _without_mask(data, mask):
    """
    Return an array or Quantity, and the mask, which is given but once.
    """
    own = None
    if isinstance(data, NDData):
        own = data.mask
        data = (data.data if data.unit is None
                else u.Quantity(data.data, data.unit, copy=False))
    elif isinstance(data, np.ma.MaskedArray):
        own = None if data.mask is np.ma.nomask else data.mask
        data = data.data
    elif isinstance(data, Masked):
        own, data = data.mask, data.unmasked
    return data, mask if own is None else _only_one('mask', mask, own)


def std_of(data):
    """
    Return the 1-sigma errors of an NDData that has an uncertainty.

    They have their unit, else that of the data, if there is one. An
    inverse variance of 0 becomes an infinite error.
    """
    try:
        with np.errstate(divide='ignore', invalid='ignore'):
            std = data.uncertainty.represent_as(StdDevUncertainty)
    except TypeError:
        msg = ('the uncertainty of data must be of a class that has a '
               'standard deviation, or None; got '
               f'{type(data.uncertainty).__name__}')
        raise TypeError(msg) from None
    unit = std.unit if std.unit is not None else data.unit
    array = np.asanyarray(std.array)  # it may be one number
    return array if unit is None else u.Quantity(array, unit, copy=False)


def _only_one(name, given, own, own_name=None):
    if given is not None:
        msg = (f'{name} is given twice: by the keyword and by the '
               f'{own_name or name} of data; give one of them')
        raise ValueError(msg)
    return own


def _as_plain_image(name, image, *, cube=False):
    """
    Return a two-dimensional numeric array, without its unit, or a cube.
    """
    given, image = image, np.asanyarray(image)
    if isinstance(image, u.Quantity):
        image = image.value
    if image.dtype.kind not in 'iuf':
        msg = f'{name} must be real numbers; got dtype {image.dtype}'
        if image.ndim == 0 and hasattr(given, 'data'):  # an HDU, a Cutout2D
            msg = (f'{name} must be real numbers; got '
                   f'{type(given).__name__}. Give its .data')
        elif isinstance(given, (str, os.PathLike)):
            msg += '. Read the file first, as by CCDData.read'
        raise TypeError(msg)
    if image.ndim not in ((2, 3) if cube else (2,)) or image.size == 0:
        msg = (f'{name} must be a two-dimensional image'
               f'{" or a cube of them" if cube else ""}; got the shape '
               f'{image.shape}')
        raise ValueError(msg)
    return image


def as_image(name, image):
    """
    Return a two-dimensional image of finite values as native float64, and
    its unit or `None`.
    """
    data, mask = _without_mask(image, None)
    values = np.array(_as_plain_image(name, data), dtype=float)
    missing = ~np.isfinite(values)
    if mask is not None:
        missing |= mask
    if missing.any():
        msg = (f'{name} must be finite; it has {np.count_nonzero(missing)} '
               'pixels that are not, or are masked')
        raise ValueError(msg)
    return values, getattr(data, 'unit', None)


def as_plane(name, values, shape, unit):
    """
    Return values in the unit of the data, for all pixels of an image.

    ``values`` may be one number or an image of the given shape; those that
    are masked become NaN.
    """
    values, mask = _without_mask(values, None)
    values = without_unit(name, values, unit)
    if values.ndim != 0 and values.shape != shape:
        msg = (f'{name} must have the shape of data, {shape}; got '
               f'{values.shape}')
        raise ValueError(msg)
    if mask is not None and np.any(mask):
        values = np.where(mask, np.nan, values)
    return np.broadcast_to(values, shape)


def as_mask(name, mask, shape, what='pixels to leave out'):
    """
    Return a boolean mask for all pixels of an image or cube.

    ``what`` tells what it marks, for the message.
    """
    mask = np.asanyarray(mask)
    if mask.dtype != bool:
        msg = (f'{name} must be boolean, True for {what}; got dtype '
               f'{mask.dtype}')
        raise TypeError(msg)
    if mask.shape not in ((), shape, shape[-2:]):
        msg = (f'{name} must have the shape of data, {shape}; got '
               f'{mask.shape}')
        raise ValueError(msg)
    return np.broadcast_to(mask, shape)
