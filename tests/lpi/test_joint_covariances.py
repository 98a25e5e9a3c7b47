"""
The compiled kernel against the shifted products in NumPy.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lpiphot.lpi.covariance import joint_covariances, training_region
from lpiphot.lpi.tiles import Region
from oracles.shifted_products import region_moments


def places_of(rng, n_stamps, n_pix):
    """
    Sort the pixels of each stamp into used ones, in any order, and others.
    """
    places = np.full((n_stamps, n_pix), -1)
    for place in places:
        used = rng.permutation(n_pix)[:rng.integers(1, n_pix + 1)]
        place[used] = np.arange(used.size)
    return places


# Sums of squares about the level of the region are rounded at each of
# some 100 steps along either axis: 1e2 units in the last place at worst.
@pytest.mark.parametrize(('dtype', 'rtol'), [('float64', 2e-14),
                                             ('float32', 1e-5)])
@pytest.mark.parametrize(('stamp_shape', 'window_shape'), [
    ((5, 5), (5, 5)), ((7, 9), (41, 35)), ((9, 5), (21, 33)),
    ((1, 9), (9, 9)), ((9, 1), (11, 15)), ((3, 17), (3, 61))])
def test_kernel(stamp_shape, window_shape, dtype, rtol):
    rng = np.random.default_rng(5)
    image = -300 + rng.normal(0, 1.7, (70, 83))
    image += 20 * np.sin(np.arange(83) / 9)
    centres = np.array([[0, 0], [40, 50], [45, 41], [69, 82]])
    for some in (centres[:1], centres[1:3], centres):
        region, _, corners = training_region(
            image, Region((0, 0), image.shape), some, stamp_shape,
            window_shape, image.shape)
        mean, covariance = region_moments(region, corners, stamp_shape,
                                          window_shape)
        places = places_of(rng, len(some), mean.shape[1])
        means, matrices = joint_covariances(
            region, corners, places, stamp_shape, window_shape,
            np.dtype(dtype))
        assert_allclose(means, mean, atol=1e-12)
        for place, full, matrix in zip(places, covariance, matrices,
                                       strict=True):
            order = np.argsort(place)[np.count_nonzero(place < 0):]
            assert matrix.dtype == dtype
            scale = np.max(full.diagonal()) + np.max(mean ** 2)
            assert_allclose(
                np.triu(matrix), np.triu(full[np.ix_(order, order)]),
                rtol=0, atol=rtol * scale)


def test_no_pixel_used():
    """
    A stamp without used pixels has an empty matrix, beside others.
    """
    rng = np.random.default_rng(5)
    image = rng.normal(size=(40, 50))
    places = np.array([np.full(25, -1), np.arange(25)])
    region, _, corners = training_region(
        image, Region((0, 0), image.shape), np.array([[20, 20], [21, 25]]),
        (5, 5), (11, 11), image.shape)
    _, matrices = joint_covariances(region, corners, places, (5, 5),
                                    (11, 11), np.dtype(float))
    assert [matrix.shape for matrix in matrices] == [(0, 0), (25, 25)]
