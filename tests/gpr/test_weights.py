"""
Weights of every pattern, by the compiled kernel, against equation 3.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lpiphot._core.imputation import fill_pixels
from lpiphot.gpr.kernels import KERNELS, Kernel
from lpiphot.gpr.weights import (Window, combine, stack_windows, weights,
                                 weights_of_many)
from lpiphot.gpr.window import offsets
from oracles import dense_gpr


def fill(data, bad, kernels, which, width=9, min_good=1):
    """
    All bad pixels of an image, by the compiled kernel.
    """
    y, x = (np.ascontiguousarray(axis) for axis in np.nonzero(bad))
    value, variance = np.full((2, y.size), np.nan)
    n_good = np.zeros(y.size, dtype=np.intc)
    fill_pixels(np.where(bad, 0.0, data), bad.view(np.uint8), y, x,
                *offsets(width), which,
                *stack_windows([Window(one, width) for one in kernels]),
                min_good, value, variance, n_good)
    return value, variance, n_good


@pytest.mark.parametrize(('name', 'a', 'pair', 'angle'), [
    ('squared_exponential', 3.02, (0.72, 0.72), 0.0),  # figure 1
    ('squared_exponential', 10.0, (1.0, 1.0), 0.0),  # figure 3
    ('squared_exponential', 5.0, (2.1, 0.9), 0.0),
    ('ornstein_uhlenbeck', 20.0, (3.0, 2.0), 30.0),
    ('matern32', 4.0, (1.5, 1.5), 0.0),
    ('matern52', 4.0, (1.5, 1.0), 120.0),
    ('periodic', 1.0, (6.0, 6.0), 0.0)])
@pytest.mark.parametrize('fraction', [0.02, 0.25, 0.7])
def test_every_pattern(name, a, pair, angle, fraction):
    """
    Isolated pixels, clusters, edges and corners, few and many bad.
    """
    rng = np.random.default_rng(8)
    data = 1.7 * rng.normal(size=(19, 23))
    bad = rng.random(data.shape) < fraction
    bad[0, 0] = bad[9, 12] = bad[18, 3] = True
    kernel = Kernel(name, a, pair, angle)
    value, variance, _ = fill(data, bad, [kernel],
                              np.zeros(bad.sum(), dtype=np.intc))
    wanted, wanted_variance = dense_gpr.fill(data, bad, name, a, pair, 9,
                                             angle=angle)
    # condition numbers here are below 1e5
    assert_allclose(value, wanted[bad], rtol=1e-10, atol=1e-10)
    assert_allclose(variance, wanted_variance[bad], rtol=1e-10)


def test_hard_kernel():
    """
    Amplitude and length scale at their bounds, condition number 6e8.
    """
    rng = np.random.default_rng(9)
    data = rng.normal(size=(13, 15))
    bad = rng.random(data.shape) < 0.1
    value, *_ = fill(data, bad,
                     [Kernel('squared_exponential', 3000.0, (9.0, 9.0))],
                     np.zeros(bad.sum(), dtype=np.intc))
    wanted, _ = dense_gpr.fill(data, bad, 'squared_exponential', 3000.0,
                               (9.0, 9.0), 9)
    # 6e8 times 2e-16, weights of both signs beyond 1
    assert_allclose(value, wanted[bad], rtol=0, atol=1e-5)


def test_several_kernels():
    """
    Each pixel has its own kernel; patterns are not mixed up.
    """
    rng = np.random.default_rng(10)
    data = rng.normal(size=(40, 30))
    bad = np.zeros(data.shape, dtype=bool)
    bad[4::9, 4::9] = bad[4::9, 6::9] = True  # equal patterns
    kernels = [Kernel('squared_exponential', 3.0, (h, h))
               for h in (0.7, 1.0, 2.0)]
    which = rng.integers(3, size=bad.sum()).astype(np.intc)
    value, *_ = fill(data, bad, kernels, which)
    for number, kernel in enumerate(kernels):
        wanted, _ = dense_gpr.fill(data, bad, kernel.name, 3.0,
                                   kernel.length_scale, 9)
        mine = which == number
        assert_allclose(value[mine], wanted[bad][mine], rtol=1e-10)


def test_few_good():
    """
    Pixels with too few good neighbours are left, and counted.
    """
    data, bad = np.ones((20, 20)), np.ones((20, 20), dtype=bool)
    bad[0, :5] = False
    kernel = Kernel('squared_exponential', 3.0, (1.0, 1.0))
    value, _, n_good = fill(data, bad, [kernel],
                            np.zeros(bad.sum(), dtype=np.intc), min_good=4)
    assert_allclose(value[n_good >= 4], 1, rtol=1e-12)
    assert np.isnan(value[n_good < 4]).all()
    assert set(n_good) == {0, 1, 2, 3, 4, 5}


def test_far_from_everything():
    """
    Weights that cannot be scaled are those of an unknown mean.
    """
    dy, dx = np.array([30.0, 31, 30]), np.array([0.0, 0, 40])
    result = weights(Kernel('squared_exponential', 2.0, (0.7, 0.7)), dy, dx)
    # two near each other count as one and a bit, the third as one
    covariance = 4 * np.exp(-0.5 / 0.49)
    pair = 5 + covariance
    share = np.array([1 / pair, 1 / pair, 1 / 5])
    assert_allclose(result.values, share / share.sum(), rtol=1e-12)
    assert_allclose(result.variance, 5 + 1 / share.sum(), rtol=1e-12)


@pytest.mark.parametrize(('name', 'a', 'pair', 'angle'), [
    ('squared_exponential', 5.0, (2.1, 0.9), 40.0),
    ('matern52', 46.0, (7.5, 7.5), 0.0),
    ('periodic', 1.0, (6.0, 6.0), 0.0)])
@pytest.mark.parametrize('width', [12, 900])
def test_many(name, a, pair, angle, width):
    """
    Those of one pixel, for many at once, near others or far from them.
    """
    rng = np.random.default_rng(11)
    places = np.array([rng.choice(width ** 2, 9, replace=False)
                       for _ in range(50)])
    dy, dx = np.divmod(places, width)
    dx -= 5
    kernel = Kernel(name, a, pair, angle)
    found = weights_of_many(kernel, dy, dx)
    # rounding times the condition number, which is 1 + 9 a ** 2 at most;
    # weights are about 1, and variances are what a ** 2 leaves
    rounding = np.finfo(float).eps * (1 + 9 * a ** 2)
    for n in range(len(places)):
        wanted = weights(kernel, dy[n], dx[n])
        assert_allclose(found.values[n], wanted.values, rtol=0,
                        atol=3 * rounding)
        assert_allclose(found.variance[n], wanted.variance, rtol=0,
                        atol=3 * rounding * max(a, 1))


def test_many_and_some_impossible():
    """
    A covariance that is none gives NaN, for its pixel only.
    """
    kernel = Kernel('periodic', 10.0, (1.0, 1.0), 0.0, 10.0)
    near = np.mgrid[1:7, 1:7].reshape(2, -1)
    dy, dx = np.stack([near, 40 * near], axis=1)
    weights(kernel, dy[0], dx[0])
    with pytest.raises(np.linalg.LinAlgError):
        weights(kernel, dy[1], dx[1])
    found = weights_of_many(kernel, dy, dx)
    assert_array_equal(np.isfinite(found.variance), [True, False])
    assert_array_equal(np.isfinite(found.values).all(axis=1), [True, False])


def test_combine_prefers_the_paper():
    """
    Between the two kinds of weights, the scaled ones if they are stable.
    """
    k = np.array([0.5, 0.4])
    covariance = np.array([[2.0, 0.3], [0.3, 2.0]])
    w, u = (np.linalg.solve(covariance, right) for right in (k, np.ones(2)))
    result = combine(k, w, u, 1.0)
    scaled = w / w.sum()
    assert_allclose(result.values, scaled, rtol=1e-14)
    assert_allclose(result.variance,
                    2 - 2 * scaled @ k + scaled @ covariance @ scaled)


@pytest.mark.parametrize('name', KERNELS)
def test_window(name):
    """
    A full window has the weights of the equations, and its variance.
    """
    window = Window(Kernel(name, 1.0, (6.0, 5.0)), 7)
    good = np.ones((7, 7), dtype=bool)
    good[3, 3] = False
    wanted, variance = dense_gpr.interpolation_weights(name, 1.0, (6.0, 5.0),
                                                       good)
    result = combine(window.k, window.w, window.u, window.a2)
    assert_allclose(result.values, wanted[good], rtol=1e-10, atol=1e-13)
    assert_allclose(window.variance, variance, rtol=1e-12)
    assert_allclose(window.precision @ window.covariance, np.eye(48),
                    atol=1e-10)


def test_not_positive_definite():
    kernel = Kernel('periodic', 100.0, (0.5, 0.5))
    with pytest.raises(ValueError, match=r'periodic.*amplitude 100.*width 9'):
        Window(kernel, 9)
