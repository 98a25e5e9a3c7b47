# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the pit module.
"""

import numpy as np
import pytest
from scipy.stats import norm

from lpiphot.validation import coverage, pit_deviation, pit_values

N = 20000
Z = np.random.default_rng(3).normal(size=N)


def test_honest():
    """
    Flat, to four sigma of the counts.
    """
    counts, _ = np.histogram(pit_values(Z), 20, (0, 1))
    assert np.all(np.abs(counts - N / 20) < 4 * np.sqrt(N / 20))
    assert pit_deviation(Z) < 1.63 / np.sqrt(N)
    levels = np.array([[0.5, 0.6827], [0.9, 0.9973]])
    fractions = coverage(Z, levels)
    assert fractions.shape == levels.shape
    assert np.all(np.abs(fractions - levels)
                  < 4 * np.sqrt(levels * (1 - levels) / N))


@pytest.mark.parametrize(('scale', 'shift'), [(1.3, 0), (0.8, 0), (1, 0.3)])
def test_dishonest(scale, shift):
    """
    Errors too small, too large, and bias, by their known amounts.
    """
    z = scale * Z + shift
    x = np.linspace(-8, 8, 4001)
    expected = np.max(np.abs(norm.cdf((x - shift) / scale) - norm.cdf(x)))
    assert np.isclose(pit_deviation(z), expected, atol=3 / np.sqrt(N))
    limit = norm.ppf(0.95)
    inside = (norm.cdf((limit - shift) / scale)
              - norm.cdf((-limit - shift) / scale))
    assert np.isclose(coverage(z, 0.9), inside, atol=2 / np.sqrt(N))


def test_left_out():
    z = np.ma.array([0.1, np.nan, np.inf, 90.0], mask=[0, 0, 0, 1])
    assert np.allclose(pit_values(z), norm.cdf(0.1))
    assert coverage(z, [0.5]) == [1.0]
    assert np.isnan(pit_deviation([]))
    assert np.all(np.isnan(coverage([np.nan])))


def test_bad_input():
    with pytest.raises(ValueError, match='levels must be between 0 and 1'):
        coverage(Z, [0.5, 1.0])
