# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The pixels that training looks at, and the noise of the sky.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lpiphot.gpr.sample import (PART, SPIKE_RATIO, SPIKE_SHARPNESS,
                                SPIKE_SIGMA, Limits, Plane, bright_pixels,
                                noise_of, pixels_above)

SIGMA = 1.7


@pytest.fixture(scope='module')
def plane():
    """
    A large image with few bright pixels, some of them bad.
    """
    rng = np.random.default_rng(21)
    data = rng.normal(1e3, SIGMA, (1111, 503))
    places = rng.integers(data.size, size=700)
    data.ravel()[places] += rng.uniform(0, 900, places.size)
    bad = rng.random(data.shape) < 0.1
    return Plane.of(data, bad)


@pytest.mark.parametrize('n_pixels', [10, 10 ** 6])
def test_pixels_above(plane, n_pixels):
    """
    All that are good, above one limit and below another, once each; in
    some of the rows, if these are enough.
    """
    index = pixels_above(plane, 50.0, n_pixels, 800.0)
    wanted = np.flatnonzero((plane.data > 50) & (plane.data < 800)
                            & ~plane.bad)
    if n_pixels == 10:
        assert n_pixels <= index.size < wanted.size
        assert np.isin(index, wanted).all()
        assert (np.diff(index) > 0).all()
    else:
        assert index.tolist() == wanted.tolist()


@pytest.fixture(scope='module')
def uneven():
    """
    A large image, each part with a level of its own, the last ones wider;
    one part is bad, and some pixels are bright.
    """
    rng = np.random.default_rng(22)
    shape = 11 * PART + 60, 5 * PART + 23
    parts = rng.permutation(np.arange(55.0)).reshape(11, 5) * 1000
    y, x = (np.minimum(np.arange(size) // PART, size // PART - 1)
            for size in shape)
    data = parts[np.ix_(y, x)] + rng.normal(0, SIGMA, shape)
    places = rng.integers(data.size, size=700)
    data.ravel()[places] += 900
    bad = rng.random(shape) < 0.1
    bad[3 * PART:4 * PART, PART:2 * PART] = True
    return Plane.of(data, bad), parts


def test_limits(uneven):
    """
    Of the image and of its parts, from medians and their scatter.
    """
    plane, levels = uneven
    limits = Limits.of(plane, 10)
    assert limits.image == 10 * plane.spread
    above = limits.parts + plane.level - levels
    assert above[3, 1] == np.inf
    above = above[np.isfinite(above)]
    assert above.size == 54
    # 10 median absolute deviations of the noise, from some 30 pixels: five
    # errors of their median and of these
    sigma = SIGMA / np.sqrt(30)
    assert above.min() > 6.745 * SIGMA - 5 * 1.25 * sigma
    assert above.max() < 6.745 * (SIGMA + 5 * 1.17 * sigma)
    # a step in the image, and nothing else: the noise is the least scatter
    step = np.repeat([0.0, 1e-3], [150, 151]) * np.ones((300, 1))
    step[::7, ::7] += np.random.default_rng(1).normal(0, 2, (43, 43))
    flat = Plane.of(step, np.zeros(step.shape, dtype=bool))
    assert flat.noise > 0
    assert Limits.of(flat, 10).parts.min() >= 6.7 * flat.noise


@pytest.mark.parametrize('n_pixels', [10, 10 ** 6])
def test_bright_pixels(uneven, n_pixels):
    """
    All that stand out of their part of the image, or some of them if that
    is enough; of those that do not, but are bright, some.
    """
    plane, _ = uneven
    limits = Limits.of(plane, 10)._replace(image=2e4)
    kinds = np.zeros(plane.data.shape, dtype=int)
    for j, i in np.ndindex(limits.parts.shape):
        part = tuple(slice(PART * k, None if k + 1 == size else PART * (k + 1))
                     for k, size in zip((j, i), limits.parts.shape,
                                        strict=True))
        kinds[part] = np.where(plane.data[part] > limits.parts[j, i], 2,
                               plane.data[part] > 2e4)
    found = limits.kinds(plane, *np.indices(kinds.shape).reshape(2, -1))
    assert np.array_equal(found, kinds.ravel())
    local, wide = bright_pixels(plane, limits, n_pixels)
    for index, kind in ((local, 2), (wide, 1)):
        wanted = np.flatnonzero((kinds == kind) & ~plane.bad)
        assert np.isin(index, wanted).all()
        assert (np.diff(index) > 0).all()
        # the first rows are almost half of all
        assert wanted.size > index.size > 0.3 * wanted.size or (
            kind == 2 and n_pixels > 10 and index.size == wanted.size)


def _noise_by_loops(data, bad):
    stencil = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
    means, sizes = [], []
    for j in range(1, data.shape[0] - 1):
        for i in range(1, data.shape[1] - 1):
            part = np.s_[j - 1:j + 2, i - 1:i + 2]
            if not bad[part].any() and np.ptp(data[part]) > 0:
                means.append(data[part].mean())
                sizes.append(abs((stencil * data[part]).sum()))
    faint = np.array(means) <= np.quantile(means, 0.6)
    return 1.4826 * np.median(np.array(sizes)[faint])


def test_noise():
    """
    The second differences of the fainter pixels, without bad ones and
    margins of zeros.
    """
    rng = np.random.default_rng(22)
    data = rng.normal(30.0, SIGMA, (90, 80))
    data[:, 55:] += 1e3 * rng.random((90, 25))
    data[:20] = 0
    bad = rng.random(data.shape) < 0.03
    found = noise_of(np.where(bad, 0, data), bad)
    assert_allclose(found, _noise_by_loops(data, bad), rtol=1e-9)
    assert 0.9 * SIGMA < found < 1.1 * SIGMA


def test_noise_of_constant_images():
    """
    It is 0 only if all pixels are the same.
    """
    data = np.zeros((30, 30))
    bad = np.zeros(data.shape, dtype=bool)
    assert noise_of(data, bad) == 0
    data[4, 5] = 7.0
    assert noise_of(data, bad) > 0


@pytest.mark.parametrize(('halo', 'is_spike'), [
    (0.05, True), (0.2, True), (0.265, True), (0.275, False), (0.6, False)])
@pytest.mark.parametrize('sign', [1, -1])
def test_spikes_on_a_halo(halo, is_spike, sign):
    """
    A pixel whose eight neighbours are all alike is a spike only if it is
    four times as far from the rest of the window as these: the core of a
    star has a halo.
    """
    data = np.random.default_rng(23).normal(50.0, SIGMA, (31, 33))
    data[14:17, 14:17] += sign * halo * 5000
    data[15, 15] = 50 + sign * 5000
    plane = Plane.of(data, np.zeros(data.shape, dtype=bool))
    y, x = np.array([15]), np.array([18])
    spikes, near = plane.mark_spikes(y, x, 9)
    assert spikes[15, 15] == near[0] == is_spike
    assert np.count_nonzero(spikes) == is_spike
    assert plane.near_spikes(y, x, 9, np.array([np.inf]))[0] == is_spike


def _is_spike(plane, window, j, i):
    """
    Tell whether a good pixel of a window is a spike, by loops.
    """
    data, good = plane.data, ~plane.bad
    value, values = data[j, i], data[window][good[window]]
    if abs(value - values.mean()) <= SPIKE_SIGMA * plane.noise:
        return False
    near = sorted(data[y, x] for y in range(j - 1, j + 2)
                  for x in range(i - 1, i + 2)
                  if (y, x) != (j, i) and 0 <= y < data.shape[0]
                  and 0 <= x < data.shape[1] and good[y, x])
    if len(near) < 5:
        return False
    second = int(len(near) == 8)
    low, high = near[second], near[-1 - second]
    rest = (values.sum() - value) / (values.size - 1)
    spread = SPIKE_SHARPNESS * max(high - low, 3 * plane.noise)
    return ((value - high > spread
             and value - rest > SPIKE_RATIO * (high - rest))
            or (low - value > spread
                and rest - value > SPIKE_RATIO * (rest - low)))


@pytest.mark.parametrize('sign', [1, -1])
def test_spikes_by_loops(sign):
    """
    Pixels that stand out by little or much, beside others that do, in
    holes and at edges; in one window after the other.
    """
    rng = np.random.default_rng(24)
    shape = 61, 57
    data = rng.normal(50.0, SIGMA, shape)
    strange = np.argwhere(rng.random(shape) < 0.02)
    for j, i in strange:
        size = sign * 10 ** rng.uniform(1.5, 3)
        data[max(j - 1, 0):j + 2, max(i - 1, 0):i + 2] += (
            size * rng.uniform(0, 0.3))
        data[j, i] += size
    bad = rng.random(shape) < 0.2
    edges = (0, 30), (60, 21), (22, 0), (33, 56)
    for j, i in edges:
        data[j, i] += sign * 800
        bad[max(j - 1, 0):j + 2, max(i - 1, 0):i + 2] = False
    plane = Plane.of(data, bad)
    y, x = (axis.ravel() for axis in np.indices(shape))
    found, in_window = np.zeros((2, *shape), dtype=bool)
    for j, i in zip(y, x, strict=True):
        window = np.s_[max(j - 3, 0):j + 4, max(i - 3, 0):i + 4]
        for k, m in np.argwhere(~plane.bad[window]):
            place = k + window[0].start, m + window[1].start
            if _is_spike(plane, window, *place):
                found[place] = in_window[j, i] = True
    spikes, near = plane.mark_spikes(y, x, 7)
    assert 20 < np.count_nonzero(found) < len(strange)
    assert all(found[edge] for edge in edges)
    assert np.array_equal(spikes, plane.bad | found)
    assert np.array_equal(near.reshape(shape), in_window)
