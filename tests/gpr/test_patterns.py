# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Patterns of bad neighbours, and what training makes of them.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lpiphot import GPRImputer
from lpiphot.gpr.kernels import Kernel
from lpiphot.gpr.patterns import pattern_weights, patterns
from lpiphot.gpr.window import offsets, taper
from oracles import dense_gpr

RANGES = [(0.08, 0.35), (0.35, 0.8), (0.8, 1.0)]


@pytest.mark.parametrize(('least', 'most'), RANGES)
@pytest.mark.parametrize('width', [7, 9, 11])
def test_shares(width, least, most):
    """
    Each loses so much of the weights, and leaves enough neighbours.
    """
    found = patterns(width, least, most, 'all')
    share = taper(width) / taper(width).sum()
    lost = found.hidden @ share
    assert ((lost > least) & (lost <= most)).all()
    assert (found.different == 0).sum(axis=1).min() >= 8
    # the pixels of a hole may be on any side of the one to fill
    dy, dx = offsets(width)
    sides = found.hidden @ np.stack([dy, dx], axis=1)
    assert_allclose(sides.sum(axis=0), 0, atol=len(sides))
    assert np.ptp(sides, axis=0).min() > 4


def test_none_is_left():
    assert patterns(3, 0.35, 0.8, 'all') is None
    assert patterns(5, 0.35, 0.8, 'all') is not None
    assert patterns(5, 0.8, 1.0, 'all') is None


@pytest.mark.parametrize(('symmetry', 'pair', 'angle', 'n_most'), [
    ('all', (1.3, 1.3), 0.0, 14), ('axes', (1.9, 1.2), 0.0, 25),
    ('point', (1.9, 1.2), 30.0, 35)])
@pytest.mark.parametrize(('least', 'most'), RANGES)
def test_weights(symmetry, pair, angle, n_most, least, most):
    """
    Those of a pattern are those of a dense solution, in its order.
    """
    width = 11
    found = patterns(width, least, most, symmetry)
    assert len(found.different) <= n_most
    kernels = tuple(Kernel('squared_exponential', a, pair, angle)
                    for a in (1.5, 40.0))
    weights, n_good, variance, middle = pattern_weights(
        kernels, width, least, most, symmetry)
    assert_allclose(middle, np.median(variance, axis=1))
    dy, dx = offsets(width)
    for number in range(0, len(found.which), 4):
        good = np.zeros((9, 9), dtype=bool)
        near = np.maximum(np.abs(dy), np.abs(dx)) <= 4
        seen = near & (found.hidden[number] == 0)
        good[4 + dy[seen], 4 + dx[seen]] = True
        for k, kernel in enumerate(kernels):
            wanted, size = dense_gpr.interpolation_weights(
                kernel.name, kernel.amplitude, pair, good, angle=angle)
            place = found.order[number]
            assert near[place].all()
            which = found.which[number]
            assert n_good[which] == good.sum()
            assert not weights[which, n_good[which]:].any()
            # kept in single precision
            assert_allclose(weights[which, :, k],
                            wanted[4 + dy[place], 4 + dx[place]], atol=1e-5)
            assert_allclose(variance[k, which], size, rtol=1e-9)


def _spoilt_stars(seed):
    """
    Return stars with noise of 1, the pixels above it, and bad ones.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:150, :160]
    data = np.zeros(y.shape)
    for flux, j, i in zip(10 ** rng.uniform(2, 4, 80), 150 * rng.random(80),
                          160 * rng.random(80), strict=True):
        data += flux * np.exp(-0.5 * ((y - j) ** 2 + (x - i) ** 2) / 1.2 ** 2)
    bright = data > 30
    data += rng.normal(size=data.shape)
    mask = np.zeros(data.shape, dtype=bool)
    for j, i in rng.permutation(np.argwhere(bright))[:60]:
        mask |= np.hypot(y - j, x - i) <= rng.choice([1.0, 1.5, 2.0, 2.5])
    return data, bright, mask


def test_holes():
    """
    In holes classes are better than the best of kernels for all pixels.
    """
    images = [_spoilt_stars(seed) for seed in (31, 32)]

    def size(imputer):
        return sum(np.abs(imputer(data, mask=mask) - data)[mask & bright]
                   .mean() for data, bright, mask in images)

    least = min(size(GPRImputer(amplitude=a, length_scale=h))
                for a in (10.0, 100.0, 1000.0) for h in (0.9, 1.2, 1.6, 2.2))
    assert size(GPRImputer()) < least
