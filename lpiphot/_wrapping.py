# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Plain arrays back to what the user had: units, NDData, metadata.
"""

import copy
import sys

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty, UnknownUncertainty
from astropy.utils.masked import Masked

__all__ = ['add_to_metadata', 'as_float_copy', 'wrap_pixels']


def as_float_copy(name, values):
    """
    Copy an array; integers become floats that hold them.

    Parameters
    ----------
    name : str
        What the array is, for the message.

    values : `~numpy.ndarray`
        The array.

    Returns
    -------
    copy : `~numpy.ndarray`
        A copy in C order: floats in their own dtype and byte order,
        integers of 8 and 16 bits as float32, others as float64.

    Raises
    ------
    ValueError
        If an integer has more digits than float64.
    """
    if values.dtype.kind == 'f':
        return np.array(values, order='C')
    dtype = np.float32 if values.dtype.itemsize <= 2 else np.float64
    floats = np.array(values, dtype=dtype, order='C')
    if (values.dtype.itemsize > 4
            and np.any(np.abs(floats) >= 2.0 ** 53)):
        msg = (f'{name} has integers of 2**53 or more, which a float may not '
               f'hold; the largest is {values.max()}')
        raise ValueError(msg)
    return floats


def wrap_pixels(data, clean, error, bits, bad, *, clear_mask):
    """
    Return an imputed image as an object of the kind of the original.

    Parameters
    ----------
    data : object
        The original.

    clean, error : `~numpy.ndarray`
        The new pixels, and the 1-sigma errors of those filled.

    bits : `~numpy.ndarray` of int
        The flags.

    bad : bool `~numpy.ndarray`
        The pixels that were filled.

    clear_mask : bool
        Whether filled pixels are unmasked.

    Returns
    -------
    result : object
        A new object.
    """
    if isinstance(data, NDData):
        return _wrap_nddata(data, clean, error, bits, bad,
                            clear_mask=clear_mask)
    if isinstance(data, np.ma.MaskedArray):
        return np.ma.MaskedArray(clean, _new_mask(
            np.ma.getmaskarray(data), bad, clear_mask=clear_mask))
    unit = getattr(data, 'unit', None)
    if unit is not None:
        clean = u.Quantity(clean, unit, copy=False, dtype=clean.dtype)
    if isinstance(data, Masked):
        return Masked(clean, _new_mask(data.mask, bad,
                                       clear_mask=clear_mask))
    return clean


def _new_mask(mask, bad, *, clear_mask):
    if mask is None:
        return None
    mask = np.array(mask)
    return mask & ~bad if clear_mask else mask


def _wrap_nddata(data, clean, error, bits, bad, *, clear_mask):
    others = {name: copy.deepcopy(getattr(data, name))
              for name in ('meta', 'wcs', 'psf')
              if getattr(data, name, None) is not None}
    result = type(data)(
        clean, unit=data.unit, **others,
        mask=_new_mask(data.mask, bad, clear_mask=clear_mask),
        uncertainty=_set_uncertainty(data, error, bad))
    if hasattr(data, 'flags'):
        result.flags = (bits if data.flags is None
                        else copy.deepcopy(data.flags))
    return result


def _set_uncertainty(data, error, bad):
    """
    Return the uncertainty with that of filled pixels in it.
    """
    own = data.uncertainty
    if own is None or own.array is None:
        return StdDevUncertainty(error, unit=data.unit, copy=False)
    own = copy.deepcopy(own)
    if isinstance(own, UnknownUncertainty):
        return own
    new = StdDevUncertainty(error[bad], unit=data.unit).represent_as(
        type(own))
    values = new.array
    if own.unit is not None and new.unit is not None:
        values = u.Quantity(values, new.unit).to_value(own.unit)
    array = np.array(np.broadcast_to(own.array, bad.shape))
    if array.dtype.kind != 'f':
        array = array.astype(float)
    array[bad] = values
    own.array = array
    return own


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
    else:
        for key, value in dict(add_keyword).items():
            result.meta[key] = value
