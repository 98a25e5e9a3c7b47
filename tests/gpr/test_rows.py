# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Training pixels that lose neighbours, and what kernels make of them.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from lpiphot.gpr.patterns import patterns
from lpiphot.gpr.pixels import Candidates, count, whole_windows
from lpiphot.gpr.plane import Plane
from lpiphot.gpr.rows import LostRows, spread
from lpiphot.gpr.training import Bounds, Search, grid
from lpiphot.gpr.window import moments, offsets
from oracles import dense_gpr

WIDTH = 9


@pytest.mark.parametrize('n_images', [1, 2])
def test_lost_rows(n_images):
    """
    Moments are those of pixels whose neighbours are bad, and residuals
    those of a dense solution.
    """
    rng = np.random.default_rng(8)
    shape = 40, 44
    none = np.zeros(shape, dtype=bool)
    planes = [Plane.of(500 * gaussian_filter(rng.normal(size=shape), 1.5)
                       + rng.normal(size=shape) + 1e4, none)
              for _ in range(n_images)]
    search = Search('squared_exponential', WIDTH, None,
                    Bounds((1.0, 5000.0), (0.5, 9.0)))
    pixels = [whole_windows(plane, Candidates([(np.arange(none.size), 60)]),
                            search, rng) for plane in planes]
    n_all = count(pixels)
    assert n_all > 50 * n_images
    pixels = [some._replace(groups=[(len(some.y), len(some.y))])
              for some in pixels]  # as many as were wanted
    found = grid(search, (2.0, 30.0), ((1.5, 1.5), (2.5, 2.5)), 'all')
    key = WIDTH, 0.35, 0.8, 'all'
    rows = LostRows(pixels, found, key, n_all, np.random.default_rng(3))

    # who has lost what: drawn as there
    shapes = patterns(*key)
    pattern = np.random.default_rng(3).integers(len(shapes.which), size=n_all)
    order = np.argsort(shapes.which[pattern], kind='stable')
    drawn = [(some.plane, y, x) for some in pixels
             for y, x in zip(some.y, some.x, strict=True)]
    dy, dx = offsets(WIDTH)
    residuals = np.empty((n_all, len(found.kernels)))
    variance = np.empty_like(residuals)
    for row, number in enumerate(order):
        plane, y, x = drawn[number]
        lost = shapes.hidden[pattern[number]] == 1
        bad = none.copy()
        bad[y + dy[lost], x + dx[lost]] = True
        wanted = moments(plane.data, bad, np.array([y]), np.array([x]),
                         WIDTH)
        for got, want, unit in zip(rows.moments, wanted,
                                   (plane.noise, plane.noise, 1.0),
                                   strict=True):
            assert_allclose(got[row], want[0] / unit, rtol=1e-9, atol=1e-12)
        good = ~bad[y - 4:y + 5, x - 4:x + 5]
        good[4, 4] = False
        window = plane.data[y - 4:y + 5, x - 4:x + 5]
        for k, kernel in enumerate(found.kernels):
            weights, variance[row, k] = dense_gpr.interpolation_weights(
                kernel.name, kernel.amplitude, kernel.length_scale, good)
            residuals[row, k] = (np.sum(weights * window)
                                 - window[4, 4]) / plane.noise

    # sums of some 40 products of numbers up to 500 in single precision
    atol = 40 * 500 * 2.0 ** -24
    some = np.array([0, 3, 4, n_all - 1])
    for k in range(len(found.kernels)):
        left, of_pattern = rows.take(some, k)
        assert_allclose(left, residuals[some, k], atol=atol)
        assert_allclose(of_pattern, variance[some, k], rtol=1e-9)
    assert_allclose(rows.cost(np.arange(n_all)),
                    np.abs(residuals).mean(axis=0), atol=atol)


def test_scarce_pixels():
    """
    Rows are of images in the shares of their pixels, of groups in those
    that were wanted; scarce pixels have up to eight, as evenly as can be.
    """
    plane = Plane.of(np.random.default_rng(2).normal(size=(40, 40)),
                     np.zeros((40, 40), dtype=bool))
    search = Search('squared_exponential', WIDTH, None,
                    Bounds((1.0, 5000.0), (0.5, 9.0)))
    found = grid(search, (2.0,), ((1.5, 1.5),), 'all')
    pixels = [whole_windows(plane, Candidates(
        [(10 + np.arange(n) + 40 * 12, 60),
         (8 + np.arange(4 * n) + 40 * 20, 60)]),
                            search, np.random.default_rng(1))
              for n in (6, 3)]
    assert [some.groups for some in pixels] == [
        [(6, 60), (24, 60)], [(3, 60), (12, 60)]]
    for n_pixels, wanted in ((9, [(3, 3), (2, 1)]),
                             (90, [(30, 30), (15, 15)]),
                             # no more of the bright, so more of the others
                             (300, [(48, 152), (24, 76)]),
                             (10000, [(48, 192), (24, 96)])):
        rows = LostRows(pixels, found, (WIDTH, 0.35, 0.8, 'all'), n_pixels,
                        np.random.default_rng(3))
        assert rows.moments.lost.size == np.sum(wanted)
        for part, n, n_bright in zip(spread(pixels, n_pixels)[0], wanted,
                                         (6, 3),
                                     strict=True):
            n_times = np.bincount(part, minlength=5 * n_bright)
            for group, n_rows in zip(np.split(n_times, [n_bright]), n,
                                     strict=True):
                assert group.sum() == n_rows
                assert np.ptp(group) <= 1
    # none of a group, and none at all
    none = pixels[0]._replace(groups=[(0, 60), (30, 60)])
    assert len(spread([none], 20)[0][0]) == 20
    none = none._replace(y=none.y[:0], groups=[(0, 60), (0, 60)])
    assert len(spread([none], 20)[0][0]) == 0
