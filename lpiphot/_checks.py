# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Checks of parameters: their kind, value and unit.
"""

import astropy.units as u
import numpy as np

__all__ = ['as_choice', 'as_count', 'as_finite', 'as_gain', 'as_number',
           'as_optional', 'as_pixels', 'as_positions', 'as_range', 'as_seed',
           'as_shape', 'as_shapes', 'unit_name', 'without_unit']


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
        value = without_unit(name, value, unit)
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


def unit_name(unit):
    """
    Return what messages call a unit.
    """
    return 'no unit' if unit is None else str(unit) or 'dimensionless'


def without_unit(name, values, unit):
    """
    Return numbers in the unit of the data, which have one as well or not.
    """
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
