# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the completeness module.
"""

import numpy as np
import pytest
from astropy.stats import binom_conf_interval
from astropy.table import MaskedColumn

from lpiphot.validation import (completeness_curve, completeness_limits,
                                count_detections)


def draw(n=20000, limit=21.3, width=0.4):
    """
    Stars whose chance to be found is a logistic function of magnitude.
    """
    rng = np.random.default_rng(6)
    magnitude = rng.uniform(18, 24, n)
    chance = 1 / (1 + np.exp((magnitude - limit) / width))
    return magnitude, rng.random(n) < chance


def test_limits():
    """
    The limits of a known curve.

    With density d of stars, slope s and fraction p, the regression is
    good to (p (1 - p) s / d)^(1/3), or 0.04, 0.05 and 0.08 mag here.
    """
    magnitude, recovered = draw()
    limits = completeness_limits(magnitude, recovered, (0.9, 0.7, 0.5))
    for level, limit in limits.items():
        expected = 21.3 + 0.4 * np.log(1 / level - 1)
        assert abs(limit - expected) < 0.2
    order = np.random.default_rng(1).permutation(len(magnitude))
    assert limits == completeness_limits(magnitude[order], recovered[order],
                                         (0.9, 0.7, 0.5))


@pytest.mark.parametrize('recovered', [True, False])
def test_limits_out_of_range(recovered):
    limits = completeness_limits([1, 2, 3], [recovered] * 3)
    assert list(limits) == [0.9, 0.7, 0.5]
    assert np.all(np.isnan(list(limits.values())))
    assert np.isnan(completeness_limits([], [], [0.5])[0.5])


def test_single_stars_make_no_limit():
    """
    A faint star lost, or all but a few bright ones, tell of no limit.
    """
    magnitude = np.arange(50.0)
    recovered = np.ones(50, dtype=bool)
    recovered[-9:] = False
    assert np.isnan(completeness_limits(magnitude, recovered, [0.5])[0.5])
    recovered[-10] = False
    limit = completeness_limits(magnitude, recovered, [0.5])[0.5]
    assert limit == 39.5
    assert np.isnan(completeness_limits(magnitude, magnitude < 9, [0.5])[0.5])


def test_curve():
    magnitude, recovered = draw(500)
    edges = [17.0, 18.0, 20.0, 22.0, 24.0]
    curve = completeness_curve(magnitude, recovered, edges)
    assert curve['n'][0] == 0
    assert np.isnan(curve['completeness'][0])
    inside = (magnitude >= 20) & (magnitude < 22)
    assert curve['n'][2] == np.count_nonzero(inside)
    fraction = np.mean(recovered[inside])
    assert np.isclose(curve['completeness'][2], fraction)
    low, high = binom_conf_interval(np.count_nonzero(recovered[inside]),
                                    np.count_nonzero(inside))
    assert (curve['lower'][2], curve['upper'][2]) == (low, high)
    assert low < fraction < high


def test_counts():
    true = [(10, 10), (30, 30), (50, 50)]
    existing = [(70, 70), (10, 14), (np.nan, 1)]
    found = [(10.2, 10), (70.4, 70), (90, 5), (30, 31), (np.nan, 4),
             (10, 14.1)]
    counts = count_detections(true, found, 1.5, existing=existing)
    assert counts == {'n_true': 3, 'n_found': 5, 'n_matched': 2,
                      'n_existing': 2, 'n_false': 1,
                      'completeness': 2 / 3, 'purity': 2 / 3}
    counts = count_detections([], [], 1.0)
    assert np.isnan(counts['completeness'])
    assert np.isnan(counts['purity'])


def test_limits_of_same_magnitudes():
    """
    Stars of one magnitude are in no order: the fit is that of their mean.
    """
    magnitude = np.full(60, -5.0)
    recovered = np.arange(60) < 30
    for rows in (slice(None), slice(None, None, -1)):
        limits = completeness_limits(magnitude, recovered[rows])
        assert np.isnan(list(limits.values())).all()

    magnitude = np.repeat([1.0, 2.0, 3.0], 20)
    recovered = np.arange(60) % 20 < np.repeat([20, 16, 4], 20)
    for rows in (slice(None), slice(None, None, -1)):
        limits = completeness_limits(magnitude[rows], recovered[rows])
        assert limits == {0.9: 1.5, 0.7: 2.5, 0.5: 2.5}


def test_limits_without_magnitude():
    """
    A star of no flux is at no magnitude.
    """
    magnitude = np.append(np.arange(30.0), [np.inf, np.nan] * 6)
    limits = completeness_limits(magnitude, np.arange(42) < 30)
    assert np.isnan(list(limits.values())).all()
    magnitude = MaskedColumn(np.arange(40.0), mask=np.arange(40) > 30)
    limits = completeness_limits(magnitude, np.arange(40) < 25)
    assert np.isnan(list(limits.values())).all()
