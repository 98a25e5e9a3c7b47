"""
The oracle on cases that have a closed form.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from oracles import dense_lpi
from oracles.matched_filter import flux_error


@pytest.mark.parametrize('eps', [0.05, 0.3])
def test_toy_problem(eps):
    """
    Section 3.1: of two pixels one is known, and the other follows.
    """
    # The population's moments: each component has mean (-+1, +-1).
    centres = np.array([[-1.0, 1.0], [1.0, -1.0]])
    mean = centres.mean(axis=0)
    cov = eps ** 2 * np.eye(2) + (centres.T @ centres) / 2
    good, hidden = np.array([False, True]), np.array([True, False])
    pred, pred_cov = dense_lpi.condition(mean, cov, np.array([1.0]), good,
                                         hidden)
    assert_allclose(pred, -1 / (1 + eps ** 2), rtol=1e-12)
    exact = 1 + eps ** 2 - 1 / (1 + eps ** 2)
    assert_allclose(pred_cov, [[exact]], rtol=1e-10)
    # The paper's sqrt(2) eps is the first term: next one is -eps^2 / 4.
    assert_allclose(np.sqrt(pred_cov[0, 0]) / (np.sqrt(2) * eps), 1,
                    atol=eps ** 2 / 3)
    assert_allclose(dense_lpi.cholesky_conditional(cov, good, hidden),
                    pred_cov, rtol=1e-10)


def test_toy_problem_from_samples():
    """
    The same, with the population sampled and its moments estimated.
    """
    rng = np.random.default_rng(31)
    eps, n = 0.1, 40_000
    sign = rng.choice([-1.0, 1.0], n)
    v = sign[:, None] * [1.0, -1.0] + eps * rng.normal(size=(n, 2))
    pred, pred_cov = dense_lpi.condition(
        v.mean(axis=0), np.cov(v.T), np.array([1.0]),
        np.array([False, True]), np.array([True, False]))
    # slope error is sqrt(2) eps / sqrt(n) = 7e-4, mean error the same
    assert_allclose(pred, -1 / (1 + eps ** 2), atol=4e-3)
    # a variance from n samples is good to sqrt(2 / n) = 0.7 %
    assert_allclose(pred_cov[0, 0],
                    1 + eps ** 2 - 1 / (1 + eps ** 2), rtol=0.03)


def test_shifted_stamps_by_hand():
    """
    V of a small image, written out.
    """
    image = np.array([[0.0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23],
                      [30, 31, 32, 33]])
    v = dense_lpi.shifted_stamps(image, 0, 1, (1, 3), (3, 1))
    # up one row from row 0 is row 1, mirrored without repeating row 0
    assert_array_equal(v, [[10, 11, 12], [0, 1, 2], [10, 11, 12]])


def test_local_moments_is_np_cov():
    """
    V^T V about its mean over N - 1 is what np.cov computes.
    """
    rng = np.random.default_rng(5)
    image = 1.7 * rng.normal(size=(31, 29)) - 40
    v = dense_lpi.shifted_stamps(image, 2, 27, (3, 5), (9, 7))
    mean, cov = dense_lpi.local_moments(image, 2, 27, (3, 5), (9, 7))
    assert v.shape == (63, 15)
    assert_allclose(mean, v.mean(axis=0), rtol=1e-13)
    assert_allclose(cov, np.cov(v.T), rtol=1e-11, atol=1e-13)


def test_white_noise():
    """
    Uncorrelated pixels: nothing is predicted, and eq. 10 is matched filter.
    """
    sigma = 1.7
    yy, xx = np.mgrid[:7, :9]
    psf = np.exp(-0.5 * ((yy - 3) ** 2 + (xx - 4) ** 2) / 1.2 ** 2)
    psf /= psf.sum()
    hidden = psf.ravel() > 0.01
    mean = np.full(63, -2.0)
    pred, pred_cov = dense_lpi.condition(
        mean, sigma ** 2 * np.eye(63), np.arange(63.0)[~hidden], ~hidden,
        hidden)
    assert_array_equal(pred, -2.0)
    p = psf.ravel()[hidden]
    r = 0.1 * p - 2
    out = dense_lpi.corrections(p, pred_cov, r, pred, 100.0)
    assert_allclose(out['dcflux'], flux_error(sigma, p), rtol=1e-13)
    assert_allclose(out['dcflux_diag'], out['dcflux'], rtol=1e-13)
    # the residual holds 0.1 of a star on the predicted background
    assert_allclose(out['cflux'], 100.1, rtol=1e-13)


def test_bright_patch_lowers_flux():
    """
    The sign: background above the model under a star, flux comes down.
    """
    p = np.array([0.25, 0.5, 0.25])
    out = dense_lpi.corrections(p, np.eye(3), np.zeros(3), 4 * p, 100.0)
    assert out['fdb_pred'] == pytest.approx(-4)
    assert out['cflux'] == pytest.approx(96)


def test_few_good_limit():
    """
    248 pixels for a stamp of 33 x 33, as published.
    """
    assert dense_lpi.few_good_limit((33, 33)) == 248
    assert dense_lpi.few_good_limit((13, 11)) == 80


def test_classify_by_hand():
    """
    The classes and fallbacks on a stamp small enough to count.
    """
    psf = np.full((7, 9), 1e-3)
    psf[3, 4] = 1.0
    keys = {'mask_threshold': 5.0, 'min_mask_flux': 10.0}
    none = np.zeros((7, 9), dtype=bool)

    # the ring of a 7 x 9 stamp has 63 - 3 * 5 = 48 pixels
    good, hidden, dnt, kcond0 = dense_lpi.classify(
        psf, np.nan, none, none, condition_radius=9, **keys)
    assert (good.sum(), hidden.sum(), dnt, kcond0) == (62, 1, 0, 62)

    # radius 1: four neighbours, so the limit is lifted
    good, hidden, dnt, kcond0 = dense_lpi.classify(
        psf, 20.0, none, none, condition_radius=1, **keys)
    assert (good.sum(), hidden.sum(), dnt, kcond0) == (62, 1, 1, 4)

    # so bright that all is hidden: the ring is taken back
    good, hidden, dnt, kcond0 = dense_lpi.classify(
        psf, 1e4, none, none, condition_radius=9, **keys)
    assert (good.sum(), hidden.sum(), dnt, kcond0) == (48, 15, 3, 0)

    # no data in the core: neither hidden nor good
    hole = none.copy()
    hole[3, 3:5] = True
    good, hidden, dnt, kcond0 = dense_lpi.classify(
        psf, 20.0, hole, hole, condition_radius=9, **keys)
    assert (good.sum(), hidden.sum(), dnt, kcond0) == (61, 0, 0, 61)


@pytest.mark.parametrize(('low', 'dnt'), [(0.0, 0), (-5e-4, 8), (-0.05, 24),
                                          (-0.2, 56)])
def test_psf_bits(low, dnt):
    """
    Each bit contains the ones before it.
    """
    assert dense_lpi.psf_bits(np.array([[0.0, 2.0, 2 * low]])) == dnt
