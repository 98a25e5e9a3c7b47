# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The conditional Gaussian against the equations, by both factorisations.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import lpiphot.gaussian
from lpiphot.gaussian import condition, propagate

# About the sizes of blocks (24) and panels (96) of the own factorisation
SIZES = [1, 2, 23, 24, 25, 95, 96, 97, 120, 193, 260]


@pytest.fixture(params=[True, False], ids=['products', 'potrf'])
def by_products(request, monkeypatch):
    """
    Whichever the BLAS library of this machine prefers.
    """
    monkeypatch.setattr(lpiphot.gaussian, '_factor_by_products',
                        lambda: request.param)


def make_covariance(size):
    """
    A covariance with eigenvalues from 1.7 to about 8, and a mean.
    """
    rng = np.random.default_rng(size)
    samples = rng.normal(size=(size, 2 * size + 1))
    covariance = samples @ samples.T / size + 1.7 * np.eye(size)
    return covariance, rng.normal(3.0, 2.0, size), rng.normal(size=size)


@pytest.mark.usefixtures('by_products')
class TestCondition:
    """
    Means, factors and chi-squares, and what cannot be factored.
    """

    @pytest.mark.parametrize('size', SIZES)
    @pytest.mark.parametrize(('dtype', 'epsilon'), [('float32', 6e-8),
                                                    ('float64', 1.2e-16)])
    def test_equations(self, size, dtype, epsilon):
        """
        Equations 4 and 5 by a general solver in float64. Rounding grows
        with the size at most, times the condition number, below 5.
        """
        covariance, mean, values = make_covariance(size)
        n_known = 2 * size // 3
        got = condition(covariance.astype(dtype), mean, values[:n_known])

        known, predicted = slice(n_known), slice(n_known, None)
        weights = np.linalg.solve(covariance[known, known],
                                  covariance[known, predicted]).T
        offset = values[known] - mean[known]
        tolerance = 50 * (size + 3) * epsilon
        assert_allclose(got.mean, mean[predicted] + weights @ offset,
                        rtol=0, atol=tolerance)
        assert_allclose(
            got.covariance, covariance[predicted, predicted]
            - weights @ covariance[known, predicted],
            rtol=0, atol=8 * tolerance)
        assert_allclose(
            got.chi2,
            offset @ np.linalg.solve(covariance[known, known], offset),
            rtol=tolerance, atol=tolerance)
        assert got.factor.dtype == dtype
        assert np.all(np.triu(got.factor, 1) == 0)

    @pytest.mark.parametrize('place', [0, 23, 24, 95, 96, 130, 192])
    @pytest.mark.parametrize('value', [-1.0, np.nan])
    def test_not_positive_definite(self, place, value):
        """
        Wherever the factorisation fails.
        """
        covariance, mean, values = make_covariance(193)
        covariance[place, place] = value
        assert condition(covariance, mean, values[:100]) is None

    @pytest.mark.parametrize('dtype', ['float32', 'float64'])
    def test_lower_triangle_is_not_read(self, dtype):
        """
        The kernel that gathers covariances leaves it as it was.
        """
        covariance, mean, values = make_covariance(193)
        want = condition(covariance.astype(dtype), mean, values[:100])
        covariance[np.tril_indices(193, -1)] = np.nan
        got = condition(covariance.astype(dtype), mean, values[:100])
        assert np.array_equal(got.mean, want.mean)
        assert np.array_equal(got.factor, want.factor)


@pytest.mark.usefixtures('by_products')
@pytest.mark.parametrize('n_last', [0, 1, 4, 90])
def test_propagate(n_last):
    """
    Changes of the last known values move the mean as they should.
    """
    n_known, n_pred = 90, 50
    covariance, mean, known = make_covariance(n_known + n_pred)
    changes = 1.7 * np.random.default_rng(3).normal(size=(n_last, 3))
    factored = covariance.copy()
    condition(factored, mean, known[:n_known])
    all_changes = np.vstack([np.zeros((n_known - n_last, 3)), changes])
    want = covariance[n_known:, :n_known] @ np.linalg.solve(
        covariance[:n_known, :n_known], all_changes)
    # a condition number of 5
    assert_allclose(propagate(factored, n_known, changes), want, rtol=0,
                    atol=1e-13)
