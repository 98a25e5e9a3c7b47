# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The one door for images that go out as they came in.
"""

import copy
import sys
from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty, UnknownUncertainty
from astropy.utils.masked import Masked

__all__ = ['add_to_metadata', 'replace_pixels', 'with_unit']


def with_unit(values, unit):
    """
    Return values as a Quantity, if there is a unit.
    """
    return values if unit is None else u.Quantity(values, unit, copy=False)


def replace_pixels(data, pixels, values, std, *, unmask, mask, flags, noise):
    """
    Return a copy of an image in which some pixels are replaced.

    Parameters
    ----------
    data : array_like, `~astropy.units.Quantity` or \
            `~astropy.nddata.NDData`
        The image or cube.

    pixels : bool `~numpy.ndarray`
        `True` for the pixels to replace.

    values, std : (n,) `~numpy.ndarray`
        Their values and 1-sigma uncertainties in C order, in the unit of
        the data.

    unmask, mask : bool `~numpy.ndarray`
        The pixels that become unmasked, and masked.

    flags : `~numpy.ndarray` of int
        The flags for an NDData that can have flags and has none.

    noise : float or (..., 1, 1) `~numpy.ndarray`
        The 1-sigma noise of the other pixels for an NDData that has no
        uncertainty, in the unit of the data: one number for each image.

    Returns
    -------
    image : same type as ``data``
        The copy. Integers of 8 and 16 bits become float32, others
        float64; floats keep their type, and values beyond its range
        are those at its ends. An NDData gets the uncertainties in the
        class that it has, if that has a standard deviation; if it has
        none, a `~astropy.nddata.StdDevUncertainty`, with ``noise`` for
        the pixels that were not replaced.

    Raises
    ------
    ValueError
        If the data have integers that no float can hold.

    astropy.units.UnitsError
        If the unit of the uncertainty does not go with that of the
        data.
    """
    if not isinstance(data, NDData):
        plain, kind = data, None
        if isinstance(data, np.ma.MaskedArray):
            plain, kind = data.data, np.ma.MaskedArray
        elif isinstance(data, Masked):
            plain, kind = data.unmasked, Masked
        image = with_unit(
            _replaced(getattr(plain, 'value', plain), pixels, values),
            plain.unit if isinstance(plain, u.Quantity) else None)
        return image if kind is None else kind(
            image, _new_mask(data.mask, pixels.shape, unmask, mask))

    others = {name: copy.deepcopy(getattr(data, name))
              for name in ('wcs', 'meta', 'psf')
              if getattr(data, name, None) is not None}
    image = type(data)(
        _replaced(data.data, pixels, values), unit=data.unit,
        uncertainty=_new_uncertainty(data, pixels, std, noise),
        mask=_new_mask(data.mask, pixels.shape, unmask, mask), **others)
    if hasattr(data, 'flags'):
        image.flags = copy.deepcopy(flags if data.flags is None
                                    else data.flags)
    return image


def _replaced(array, pixels, values):
    """
    Return a copy of an array, of floats, with new values.
    """
    array = np.array(array)
    if array.dtype.kind in 'iu':
        if array.dtype.itemsize > 4 and np.any(np.abs(array) > 2 ** 53):
            msg = ('data must not have integers beyond 2**53, which no float '
                   f'can hold; the largest is {array.max()}')
            raise ValueError(msg)
        array = array.astype('f4' if array.dtype.itemsize <= 2 else 'f8')
    limits = np.finfo(array.dtype)
    array[pixels] = np.where(
        np.isfinite(values), np.clip(values, limits.min, limits.max), values)
    return array


def _new_mask(old, shape, unmask, mask):
    """
    Return the new mask, `None` if there was none and none is needed.
    """
    if (old is None or old is np.ma.nomask) and not mask.any():
        return None if old is None else old
    new = (np.zeros(shape, dtype=bool) if old is None
           else np.array(np.broadcast_to(old, shape)))
    new[unmask] = False
    new[mask] = True
    return new


def _new_uncertainty(data, pixels, std, noise):
    """
    Return the uncertainties, in their class and unit; NaN in none known.
    """
    old = data.uncertainty
    if isinstance(old, UnknownUncertainty):
        return UnknownUncertainty(None if old.array is None else _replaced(
            np.broadcast_to(old.array, data.data.shape), pixels, np.nan),
            unit=old.unit)
    if old is None or old.array is None:
        array = np.array(np.broadcast_to(noise, data.data.shape), dtype=float)
        array[pixels] = std
        return StdDevUncertainty(array, copy=False)
    own_unit = data.unit or u.dimensionless_unscaled
    # an error of 0 is an infinite inverse variance
    with np.errstate(divide='ignore'):
        new = StdDevUncertainty(std, unit=own_unit).represent_as(type(old))
    try:
        values = (new.array if old.unit is None
                  else new.quantity.to_value(old.unit))
    except u.UnitConversionError:
        msg = ('the uncertainty of data must have a unit that goes with that '
               f"of data, '{own_unit}'; got '{old.unit}'. "
               'ccdproc.cosmicray_lacosmic leaves it behind if data are not '
               'in electrons: use ccdproc.gain_correct first')
        raise u.UnitsError(msg) from None
    array = _replaced(np.broadcast_to(old.array, data.data.shape), pixels,
                      values)
    return type(old)(array, unit=old.unit)


def add_to_metadata(result, add_keyword, name, text):
    """
    Add to the metadata what ccdproc's ``log_to_metadata`` would.

    Parameters
    ----------
    result : `~astropy.nddata.NDData`
        The object, changed in place.

    add_keyword : bool, str, dict or object
        What to add: `True` for the default, unless logging is off in
        the configuration of ccdproc.

    name, text : str
        The default keyword and value.

    Raises
    ------
    TypeError
        If ``add_keyword`` is none of these.
    """
    if add_keyword is None or add_keyword is False:
        return
    if add_keyword is True:
        # only who has imported ccdproc can have changed its configuration
        ccdproc = sys.modules.get('ccdproc')
        if ccdproc is None or ccdproc.conf.auto_logging:
            result.meta[name] = text
    elif isinstance(add_keyword, str):
        result.meta[add_keyword] = None
    elif hasattr(add_keyword, 'name') and hasattr(add_keyword, 'value'):
        result.meta[add_keyword.name] = add_keyword.value
    elif isinstance(add_keyword, Mapping):
        for key, value in add_keyword.items():
            result.meta[key] = value
    else:
        msg = ('add_keyword must be a bool, a keyword, a dict or a '
               f'ccdproc.Keyword; got {add_keyword!r}')
        raise TypeError(msg)
