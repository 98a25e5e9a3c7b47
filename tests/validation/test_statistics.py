# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the statistics module.
"""

import numpy as np
from scipy.stats import norm

from lpiphot.validation import outlier_fraction, robust_width, zscore_summary

# Quantiles of a Gaussian, from -4 sigma to 4 sigma
GAUSSIAN = 0.3 + 1.7 * norm.ppf((np.arange(20001) + 0.5) / 20001)


def test_robust_width():
    assert np.isclose(robust_width(GAUSSIAN), 1.7, rtol=1e-3)
    # quartiles 1 and 3 by construction
    expected = 2.0 / (2.0 * norm.ppf(0.75))
    assert np.isclose(robust_width([0, 1, 2, 3, 4]), expected, rtol=1e-14)
    # one value has no width
    assert np.isnan(robust_width([0.7]))
    assert np.isnan(robust_width([0.7, np.nan]))


def test_outliers_do_not_widen():
    z = GAUSSIAN.copy()
    z[-1000:] = 1e6
    assert np.isclose(robust_width(z), 1.7, rtol=0.01)


def test_outlier_fraction():
    z = [-6.0, -5.0, 0.0, 5.1, 2.0]
    assert outlier_fraction(z, 5.0) == 0.4
    assert outlier_fraction(z, 1.0) == 0.8


def test_summary():
    summary = zscore_summary(GAUSSIAN)
    assert summary['n'] == 20001
    assert np.isclose(summary['median'], 0.3)
    assert summary['width'] == robust_width(GAUSSIAN)
    assert np.isclose(summary['beyond3'],
                      norm.sf(2.7 / 1.7) + norm.cdf(-3.3 / 1.7), atol=1e-4)
    assert summary['beyond5'] == outlier_fraction(GAUSSIAN, 5.0) > 0


def test_not_finite_or_masked():
    z = np.ma.masked_array([1.0, np.nan, 3.0, np.inf, 2.0, 500.0],
                           mask=[0, 0, 0, 0, 0, 1])
    assert zscore_summary(z) == zscore_summary([1.0, 3.0, 2.0])
    assert zscore_summary(z)['n'] == 3


def test_empty():
    summary = zscore_summary([np.nan])
    assert summary.pop('n') == 0
    assert np.isnan(list(summary.values())).all()
