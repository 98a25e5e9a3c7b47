# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Slopes of neighbours on one side.
"""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from lpiphot.gpr.slopes import remove_slopes
from lpiphot.gpr.window import offsets

DY, DX = offsets(9)
LEFT = np.broadcast_to(DX <= 0, (1, DX.size))


def test_plane():
    """
    A steep plane is flat without its slope; bad pixels do not count.
    """
    values = 5 + 200.0 * DX - 300 * DY
    level, doubt = remove_slopes(np.where(LEFT, values, np.nan), LEFT, DY, DX,
                                 0.5)
    assert_allclose(level[LEFT], 5, atol=1e-2)
    assert_array_equal(level[~LEFT], 0)
    assert 0 < doubt[0] < 1e-2


def test_no_plane():
    """
    What is curved stays as it is, and so does what is constant.
    """
    for values in (30.0 * DX ** 2 + 30 * DX, np.full(DX.shape, 7.0)):
        level, _ = remove_slopes(values[np.newaxis], LEFT, DY, DX, 1.0)
        assert_array_equal(level, np.where(LEFT, values, 0))


def test_neighbours_in_a_row():
    """
    Along a row there is a slope, across it none.
    """
    row = np.broadcast_to((DY == 0) & (DX < 0), (1, DX.size))
    level, _ = remove_slopes(100.0 * DX[np.newaxis], row, DY, DX, 1.0)
    assert_allclose(level[row], 0, atol=0.1)


def test_row_that_misses_the_pixel():
    """
    Neighbours in a row on one side, at a level far from that of the
    image: what is across the row is not known, and is no slope.
    """
    row = np.broadcast_to(DX == 4, (1, DX.size))
    values = 1000 + 100.0 * DY
    level, _ = remove_slopes(values[np.newaxis], row, DY, DX, 1.0)
    assert_allclose(level[row], 1000, atol=0.1)


def test_noise():
    """
    The slope of noise is mostly left alone.
    """
    values = np.random.default_rng(1).normal(size=(2000, DX.size))
    good = np.broadcast_to(LEFT, values.shape)
    level, doubt = remove_slopes(values, good, DY, DX, 1.0)
    change = np.abs(level - np.where(good, values, 0)).max(axis=1)
    assert np.mean(change == 0) > 0.4
    assert (doubt > 0.2).all()
