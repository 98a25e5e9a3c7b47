# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The one door for user input: units come off and shapes are checked here.
"""

import os
from typing import NamedTuple

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from astropy.utils.masked import Masked

__all__ = ['Image', 'ImageReader', 'as_choice', 'as_count', 'as_finite',
           'as_gain', 'as_image', 'as_mask', 'as_number', 'as_optional',
           'as_pixels', 'as_plane', 'as_positions', 'as_range', 'as_seed',
           'as_shape', 'as_shapes', 'parse_pixels', 'std_of', 'unit_name']


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
    values = _without_unit(name, values, unit)
    if values.ndim != 0 and values.shape != shape:
        msg = (f'{name} must have the shape of data, {shape}; got '
               f'{values.shape}')
        raise ValueError(msg)
    if mask is not None and np.any(mask):
        values = np.where(mask, np.nan, values)
    return np.broadcast_to(values, shape)


def _without_unit(name, values, unit):
    values = np.asanyarray(values)
    own = values.unit if isinstance(values, u.Quantity) else None
    if (own is None) != (unit is None):
        msg = (f'{name} and data must both have units or both have none; got '
               f'{unit_name(own)} for {name} and {unit_name(unit)} for data')
        raise u.UnitsError(msg)
    if own is not None:
        if not own.is_equivalent(unit):
            msg = (f'{name} must have a unit equivalent to that of data, '
                   f"'{unit}'; got '{own}'")
            raise u.UnitsError(msg)
        values = values.to_value(unit)
    if values.dtype.kind not in 'iuf':
        msg = f'{name} must be real numbers; got dtype {values.dtype}'
        raise TypeError(msg)
    return values


def unit_name(unit):
    """
    Return what messages call a unit.
    """
    return 'no unit' if unit is None else str(unit) or 'dimensionless'


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


def as_choice(name, value, choices):
    """
    Return a value that is one of some.
    """
    if value not in list(choices):
        msg = (f'{name} must be one of '
               f'{", ".join(repr(choice) for choice in choices)}; got '
               f'{value!r}')
        raise ValueError(msg)
    return value


def as_count(name, value, smallest=0):
    """
    Return a number of things, not below the smallest.
    """
    if isinstance(value, bool | u.Quantity) or not hasattr(value, '__index__'):
        msg = f'{name} must be an integer; got {value!r}'
        raise TypeError(msg)
    if value < smallest:
        msg = f'{name} must be at least {smallest}; got {value}'
        raise ValueError(msg)
    return int(value)


def as_number(name, value, unit=False):
    """
    Return a positive number in the unit of the data.

    A plain number is taken to be in that unit already. With `False`, none
    has a unit: numbers of pixels, and of other things.
    """
    if isinstance(value, u.Quantity):
        if unit is False:
            msg = (f"{name} must be a plain number; got the unit "
                   f"'{value.unit}'")
            raise u.UnitsError(msg)
        value = _without_unit(name, value, unit)
    try:
        number = float(value)
    except (TypeError, ValueError):
        msg = f'{name} must be a number; got {value!r}'
        raise TypeError(msg) from None
    if not (np.isfinite(number) and number > 0):
        msg = f'{name} must be positive and finite; got {value!r}'
        raise ValueError(msg)
    return number


def as_finite(name, value):
    """
    Return a number, negative or not.
    """
    try:
        value = float(value)
    except (TypeError, ValueError):
        msg = f'{name} must be a number; got {value!r}'
        raise TypeError(msg) from None
    if not np.isfinite(value):
        msg = f'{name} must be finite; got {value!r}'
        raise ValueError(msg)
    return value


def as_range(name, value, lowest=-np.inf, highest=np.inf):
    """
    Return two numbers in order, within limits.
    """
    try:
        first, last = (float(number) for number in value)
    except (TypeError, ValueError):
        msg = f'{name} must be two numbers; got {value!r}'
        raise TypeError(msg) from None
    if not (lowest <= first <= last <= highest
            and np.isfinite([first, last]).all()):
        limits = '' if np.isinf(lowest) else f', from {lowest} to {highest}'
        msg = f'{name} must be two numbers in order{limits}; got {value!r}'
        raise ValueError(msg)
    return first, last


def as_shape(name, value, *, smallest=1, odd=True):
    """
    Return a shape ``(ny, nx)``, odd or any, from one or two integers.
    """
    pair = np.asanyarray(value)
    if pair.dtype.kind not in 'iu' or pair.shape not in ((), (2,)):
        msg = f'{name} must be one or two integers (ny, nx); got {value!r}'
        raise TypeError(msg)
    pair = tuple(int(size) for size in np.broadcast_to(pair, 2))
    if min(pair) < smallest or (odd and any(size % 2 == 0
                                            for size in pair)):
        msg = (f'{name} must be {"odd and " if odd else ""}at least '
               f'{smallest}; got {value!r}')
        raise ValueError(msg)
    return pair


def as_shapes(stamp_shape, window_shape, image_shape):
    """
    Return the shapes of stamp and window, both not beyond the image.
    """
    shapes = []
    for name, value in (('stamp_shape', stamp_shape),
                        ('window_shape', window_shape)):
        shape = as_shape(name, value)
        if any(np.greater(shape, image_shape)):
            msg = (f'{name} must not be larger than the image, '
                   f'{tuple(image_shape)}; got {shape}')
            raise ValueError(msg)
        shapes.append(shape)
    if shapes[1] == (1, 1):
        msg = ('window_shape must have more than one pixel to learn from; got '
               f'{shapes[1]}')
        raise ValueError(msg)
    return tuple(shapes)


def as_positions(name, positions):
    """
    Return positions ``(y, x)`` as an (n, 2) float array.
    """
    values = np.asanyarray(positions)
    if isinstance(values, u.Quantity):
        msg = (f'{name} must be plain numbers, in pixels; got the unit '
               f"'{values.unit}'")
        raise u.UnitsError(msg)
    if values.dtype.kind not in 'iuf':
        msg = f'{name} must be real numbers; got dtype {values.dtype}'
        raise TypeError(msg)
    if values.ndim != 2 or values.shape[1] != 2:
        msg = (f'{name} must have the shape (n, 2), for n pairs (y, x); got '
               f'{values.shape}')
        raise ValueError(msg)
    return values.astype(float)


def as_pixels(name, positions, image_shape):
    """
    Return the pixels of positions ``(y, x)`` inside an image.
    """
    values = as_positions(name, positions)
    pixels = np.floor(values + 0.5)
    outside = ~np.all((pixels >= 0) & (pixels < image_shape), axis=1)
    if outside.any():
        msg = (f'{name} must lie inside the image of shape '
               f'{tuple(image_shape)}; got (y, x) = '
               f'{tuple(values[outside][0].tolist())}')
        raise ValueError(msg)
    return pixels.astype(int)


def as_optional(name, value):
    """
    Check a positive number that may be `None`, or a Quantity whose unit
    is left for when that of the data is known.
    """
    if isinstance(value, u.Quantity):
        as_number(name, value.value)
        return value
    return None if value is None else as_number(name, value)


def as_gain(gain, unit):
    """
    Return the gain as a number of electrons per data unit, or `None`.
    """
    if not isinstance(gain, u.Quantity):
        return gain
    wanted = u.electron / (unit or u.dimensionless_unscaled)
    if not gain.unit.is_equivalent(wanted):
        msg = (f"gain must have a unit equivalent to '{wanted}', as data have "
               f"{unit_name(unit)}; got '{gain.unit}'")
        raise u.UnitsError(msg)
    return gain.to_value(wanted)


def as_seed(rng):
    """
    Return a seed from a seed, a generator or `None`.
    """
    if rng is None:
        return 0
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2 ** 32))
    if isinstance(rng, bool) or not hasattr(rng, '__index__'):
        msg = ('rng must be an integer, a numpy.random.Generator or None; '
               f'got {rng!r}')
        raise TypeError(msg)
    if not 0 <= rng < 2 ** 64:
        msg = f'rng must be from 0 to 2**64 - 1; got {rng}'
        raise ValueError(msg)
    return int(rng)
