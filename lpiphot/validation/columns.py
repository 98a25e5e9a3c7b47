# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Columns of tables of any make, and images, as plain numbers.
"""

import numpy as np

__all__ = ['plain_flags', 'plain_values']


def plain_flags(column):
    """
    Return a column of integers or booleans as it is, 0 where masked.

    Parameters
    ----------
    column : array_like or `~astropy.table.Column`
        The column, masked or not.

    Returns
    -------
    flags : `~numpy.ndarray`
        A copy of its values.
    """
    return _plain(column, None, 0)


def plain_values(column, unit=None):
    """
    Return an array as float64 without its unit, NaN where masked.

    Parameters
    ----------
    column : array_like, `~astropy.table.Column` or \
            `~astropy.units.Quantity`
        The column or image, masked or not.

    unit : `~astropy.units.Unit`, optional
        The unit to convert to, if the column has one; by default its
        unit is taken off.

    Returns
    -------
    values : `~numpy.ndarray`
        A copy of its values.
    """
    values = _plain(column, float, np.nan)
    own = getattr(column, 'unit', None)
    return values if own is None or unit is None else own.to(unit, values)


def _plain(column, dtype, empty):
    """
    Return a copy of an array without unit or mask.
    """
    mask = getattr(column, 'mask', None)
    column = getattr(column, 'unmasked', column)
    values = np.array(np.ma.getdata(getattr(column, 'value', column)),
                      dtype=dtype)
    if mask is not None:
        values[np.asarray(mask)] = empty
    return values
