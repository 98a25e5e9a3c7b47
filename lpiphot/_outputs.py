# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The one door for images that go out as they came in.
"""

import copy

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from astropy.utils.masked import Masked

__all__ = ['replace_pixels', 'with_unit']


def with_unit(values, unit):
    """
    Return values as a Quantity, if there is a unit.
    """
    return values if unit is None else u.Quantity(values, unit, copy=False)


def replace_pixels(data, pixels, values, std, *, unmask, mask):
    """
    Return a copy of an image in which some pixels are replaced.

    Parameters
    ----------
    data : 2-D array_like, `~astropy.units.Quantity` or \
            `~astropy.nddata.NDData`
        The image.

    pixels : 2-D bool `~numpy.ndarray`
        `True` for the pixels to replace.

    values, std : (n,) `~numpy.ndarray`
        Their values and 1-sigma uncertainties in C order, in the unit of
        the data.

    unmask, mask : 2-D bool `~numpy.ndarray`
        The pixels that become unmasked, and masked.

    Returns
    -------
    image : same type as ``data``
        The copy. Integers become float64, other types stay. An NDData
        gets the uncertainties in the class that it has; if it has none,
        a `~astropy.nddata.StdDevUncertainty` that is NaN, for unknown,
        for pixels that were not replaced.

    Raises
    ------
    TypeError
        If the uncertainty of an NDData is of a class that is no measure
        of a standard deviation.
    """
    if not isinstance(data, NDData):
        old_mask = (np.ma.getmask(data) if isinstance(data, np.ma.MaskedArray)
                    else getattr(data, 'mask', None)
                    if isinstance(data, Masked) else None)
        plain = (data.data if isinstance(data, np.ma.MaskedArray) else
                 data.unmasked if isinstance(data, Masked) else data)
        unit = plain.unit if isinstance(plain, u.Quantity) else None
        image = with_unit(_replaced(getattr(plain, 'value', plain), pixels,
                                    values), unit)
        if isinstance(data, np.ma.MaskedArray):
            return np.ma.MaskedArray(
                image, _new_mask(old_mask, pixels.shape, unmask, mask))
        if isinstance(data, Masked):
            return Masked(image, _new_mask(old_mask, pixels.shape, unmask,
                                           mask))
        return image

    others = {name: copy.deepcopy(getattr(data, name))
              for name in ('wcs', 'meta', 'psf', 'flags')
              if getattr(data, name, None) is not None}
    return type(data)(
        _replaced(data.data, pixels, values), unit=data.unit,
        uncertainty=_new_uncertainty(data, pixels, std),
        mask=_new_mask(data.mask, pixels.shape, unmask, mask), **others)


def _replaced(array, pixels, values):
    """
    Return a copy of an array, of floats, with new values.
    """
    array = np.array(array)
    if array.dtype.kind in 'iu':
        array = array.astype(float)
    array[pixels] = values
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


def _new_uncertainty(data, pixels, std):
    """
    Return the uncertainties, in their class and unit.
    """
    old = data.uncertainty
    if old is None:
        array = np.full(data.data.shape, np.nan)
        array[pixels] = std
        return StdDevUncertainty(array)
    own_unit = data.unit or u.dimensionless_unscaled
    # an error of 0 is an infinite inverse variance
    with np.errstate(divide='ignore'):
        new = StdDevUncertainty(std, unit=own_unit).represent_as(type(old))
    values = (new.array if old.unit is None
              else new.quantity.to_value(old.unit))
    array = _replaced(np.broadcast_to(old.array, data.data.shape), pixels,
                      values)
    return type(old)(array, unit=old.unit)
