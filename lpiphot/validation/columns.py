# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Columns of tables of any make, and images, as plain numbers.
"""

import numpy as np

__all__ = ['plain_values']


def plain_values(column):
    """
    Return an array as float64 without its unit, NaN where masked.

    Parameters
    ----------
    column : array_like, `~astropy.table.Column` or \
            `~astropy.units.Quantity`
        The column or image, masked or not.

    Returns
    -------
    values : `~numpy.ndarray`
        A copy of its values.
    """
    mask = getattr(column, 'mask', None)
    column = getattr(column, 'unmasked', column)
    values = np.array(np.ma.getdata(getattr(column, 'value', column)),
                      dtype=float)
    if mask is not None:
        values[np.asarray(mask)] = np.nan
    return values
