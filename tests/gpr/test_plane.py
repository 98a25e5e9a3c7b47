# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The noise of the sky, and spikes.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lpiphot.gpr.plane import (SPIKE_RATIO, SPIKE_SHARPNESS, SPIKE_SIGMA,
                               Plane, noise_of)

SIGMA = 1.7


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
