"""
Orbits and moments of neighbours.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lpiphot.gpr.kernels import Kernel
from lpiphot.gpr.window import TAPER, moments, offsets, orbits


@pytest.mark.parametrize(('symmetry', 'count', 'pair', 'angle'), [
    ('all', 14, (1.3, 1.3), 0.0), ('axes', 24, (1.3, 2.1), 0.0),
    ('point', 40, (1.3, 2.1), 28.0)])
def test_orbits(symmetry, count, pair, angle):
    """
    So many orbits, on each of which the covariance is the same.
    """
    dy, dx = offsets(9)
    orbit = orbits(9, symmetry)
    assert orbit.shape == (80,)
    assert set(orbit) == set(range(count))
    values = Kernel('matern52', 2.0, pair, angle)(dy, dx)
    for number in range(count):
        assert np.ptp(values[orbit == number]) < 1e-14


def test_moments():
    """
    Mean and scatter by loops, with bad neighbours, at edges and corners.
    """
    rng = np.random.default_rng(4)
    data = 1e5 + 1.7 * rng.normal(size=(13, 11)).cumsum(axis=0)
    bad = rng.random(data.shape) < 0.2
    bad[:3, :3] = True
    y, x = np.array([0, 6, 12, 1, 5]), np.array([10, 5, 0, 1, 9])
    result = moments(data, bad, y, x, 5)
    for i in range(len(y)):
        pixels = [(j, k) for j in range(y[i] - 2, y[i] + 3)
                  for k in range(x[i] - 2, x[i] + 3)
                  if 0 <= j < 13 and 0 <= k < 11 and (j, k) != (y[i], x[i])]
        taper = np.array([np.exp(-((j - y[i]) ** 2 + (k - x[i]) ** 2)
                                 / 2 / TAPER ** 2) for j, k in pixels])
        good = np.array([not bad[pixel] for pixel in pixels])
        # neighbours outside the image are not lost
        assert_allclose(result.lost[i], taper[~good].sum() / taper.sum(),
                        rtol=1e-12)
        values = np.array([data[pixel] for pixel in pixels])[good]
        taper = taper[good]
        mean = np.average(values, weights=taper)
        scatter = np.sqrt(np.average((values - mean) ** 2, weights=taper))
        # a level of 1e5 costs five of 16 digits
        assert_allclose(result.peak[i], mean - values.mean(), atol=1e-9)
        assert_allclose(result.scatter[i], scatter, rtol=1e-9)


def test_moments_of_nothing():
    """
    Zeros, not NaN, where no neighbour is good.
    """
    data, bad = np.ones((9, 9)), np.ones((9, 9), dtype=bool)
    result = moments(data, bad, np.array([4]), np.array([4]), 5)
    assert result.scatter[0] == result.peak[0] == 0
    assert result.lost[0] == 1
