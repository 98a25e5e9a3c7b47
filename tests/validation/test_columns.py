# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the columns module.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, QTable
from astropy.utils.masked import Masked

from lpiphot.validation.columns import plain_flags, plain_values

MASK = [False, True, False]


@pytest.mark.parametrize(('column', 'masked'), [
    ([1, 2, 3], False), (np.array([1.0, 2.0, 3.0], dtype='>f4'), False),
    (Column([1, 2, 3]), False), ([1.0, 2.0, 3.0] * u.Jy, False),
    (QTable({'a': [1, 2, 3] * u.Jy})['a'], False),
    (MaskedColumn([1.0, 2.0, 3.0], unit='Jy'), False),
    (MaskedColumn([1, 2, 3], mask=MASK), True),
    (np.ma.array([1.0, 2.0, 3.0], mask=MASK), True),
    (Masked([1.0, 2.0, 3.0] * u.Jy, mask=MASK), True)])
def test_plain_values(column, masked):
    """
    Whatever tables have, as a copy: numbers, and NaN where masked.
    """
    values = plain_values(column)
    assert type(values) is np.ndarray
    assert values.dtype == np.dtype(float)
    wanted = np.where(masked & np.array(MASK), np.nan, [1.0, 2.0, 3.0])
    assert np.array_equal(values, wanted, equal_nan=True)
    values[:] = 9.0
    assert plain_values(column)[0] == 1.0


@pytest.mark.parametrize('kind', [u.Quantity, MaskedColumn, Masked])
def test_converted(kind):
    column = kind([1.0, 2.0] * u.Jy)
    assert np.allclose(plain_values(column, u.mJy), [1000.0, 2000.0])
    assert np.array_equal(plain_values([1.0, 2.0], u.mJy), [1.0, 2.0])
    with pytest.raises(u.UnitConversionError, match='Jy'):
        plain_values(column, u.adu)


@pytest.mark.parametrize(('column', 'masked'), [
    (Column([1, 2, 3], dtype='>u2'), False),
    (MaskedColumn([1, 2, 3], mask=MASK, dtype='>u2'), True),
    (Masked(np.array([1, 2, 3], dtype='>u2'), mask=MASK), True)])
def test_plain_flags(column, masked):
    """
    They keep their type, for bits, and none is set where masked.
    """
    flags = plain_flags(column)
    assert type(flags) is np.ndarray
    assert flags.dtype == np.dtype('>u2')
    assert np.array_equal(flags, [1, 0 if masked else 2, 3])
