"""
Invariants, on inputs that hypothesis chooses.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import GaussianPSF

from lpiphot import (LPIBackgroundCorrector, decode_dnt_flags,
                     decode_fill_flags, local_covariance)
from oracles import dense_lpi
from oracles.scenes import catalogue, star_image

FEW = settings(max_examples=25, deadline=None, derandomize=True)
FEWER = settings(max_examples=6, deadline=None, derandomize=True)

odd = st.integers(1, 4).map(lambda n: 2 * n + 1)  # 3 to 9
seeds = st.integers(0, 2 ** 32 - 1)


@st.composite
def problems(draw):
    """
    An image with some structure, a position, a stamp and a window.
    """
    stamp = draw(odd), draw(odd)
    window = stamp[0] + 2 * draw(st.integers(1, 7)), (
        stamp[1] + 2 * draw(st.integers(1, 7)))
    shape = tuple(w + draw(st.integers(0, 12)) for w in window)
    position = (draw(st.integers(0, shape[0] - 1)),
                draw(st.integers(0, shape[1] - 1)))
    rng = np.random.default_rng(draw(seeds))
    image = rng.normal(scale=1.7, size=shape)
    image += 5 * np.sin(np.arange(shape[1]) / 3)
    return image, position, stamp, window


def moments(image, position, stamp, window):
    """
    The moments at one position.
    """
    mean, cov = local_covariance(image, [position], stamp_shape=stamp,
                                 window_shape=window)
    return mean[0], cov[0]


@FEW
@given(problems(), st.sampled_from([0.0, 1e5, -3e4]))
def test_covariance_is_oracle(problem, level):
    """
    V^T V, for any shapes and any place; the contract's 1e-5.
    """
    image, position, stamp, window = problem
    mean, cov = moments(image + level, position, stamp, window)
    want_mean, want_cov = dense_lpi.local_moments(image + level, *position,
                                                  stamp, window)
    variance = np.median(np.diag(want_cov))
    assert_allclose(cov, want_cov, rtol=0, atol=1e-5 * variance)
    assert_allclose(mean, want_mean, rtol=0, atol=1e-5 * np.sqrt(variance))


@FEW
@given(problems(), st.sampled_from([2.0 ** -9, -4.0, 2.0 ** 12]))
def test_covariance_scales(problem, factor):
    """
    By the square of a power of two: not a bit is lost.
    """
    mean, cov = moments(*problem)
    mean_f, cov_f = moments(problem[0] * factor, *problem[1:])
    assert_array_equal(mean_f, factor * mean)
    assert_array_equal(cov_f, factor ** 2 * cov)


@FEW
@given(problems())
def test_covariance_turns(problem):
    """
    The transposed image has the transposed moments: y and x are equal.
    """
    image, (y, x), stamp, window = problem
    mean, cov = moments(image, (y, x), stamp, window)
    mean_t, cov_t = moments(image.T, (x, y), stamp[::-1], window[::-1])
    turn = np.arange(mean.size).reshape(stamp).T.ravel()
    atol = 1e-10 * np.abs(cov).max()
    assert_allclose(mean_t, mean[turn], rtol=0, atol=1e-10)
    assert_allclose(cov_t, cov[np.ix_(turn, turn)], rtol=0, atol=atol)


@FEW
@given(problems())
def test_covariance_flips(problem):
    """
    So has the image turned upside down, edges included.
    """
    image, (y, x), stamp, window = problem
    _, cov = moments(image, (y, x), stamp, window)
    _, cov_f = moments(image[::-1], (image.shape[0] - 1 - y, x), stamp,
                       window)
    flip = np.arange(len(cov)).reshape(stamp)[::-1].ravel()
    assert_allclose(cov_f, cov[np.ix_(flip, flip)], rtol=0,
                    atol=1e-10 * np.abs(cov).max())


@FEW
@given(problems())
def test_covariance_symmetric_positive(problem):
    """
    Symmetric to the bit; eigenvalues not below rounding.
    """
    _, cov = moments(*problem)
    assert_array_equal(cov, cov.T)
    values = np.linalg.eigvalsh(cov)
    assert values[0] > -1e-12 * len(cov) * values[-1]


PSF = GaussianPSF(x_fwhm=2.0, y_fwhm=2.5)


@st.composite
def fields(draw):
    """
    A noisy gradient with three stars anywhere, edges included.
    """
    rng = np.random.default_rng(draw(seeds))
    shape = 45, 51
    data = rng.normal(scale=1.7, size=shape) + np.arange(51) / 5
    x = rng.uniform(-0.5, 50.49, 3)
    y = rng.uniform(-0.5, 44.49, 3)
    flux = 10 ** rng.uniform(2, 5, 3)
    for x_1, y_1, flux_1 in zip(x, y, flux, strict=True):
        data += star_image(PSF, x_1, y_1, shape, flux_1)
    return data, catalogue(x, y, flux, 10)


def correct(data, phot, factor=1.0, dtype='float64', residual_threshold=60):
    """
    The corrector in a setting where nothing is left open.
    """
    corrector = LPIBackgroundCorrector(
        PSF, stamp_shape=(9, 11), window_shape=(29, 27),
        mask_threshold=5 * factor, min_mask_flux=300 * factor,
        residual_threshold=residual_threshold and residual_threshold * factor,
        condition_radius=6, rng=3, dtype=dtype)
    return corrector(data * factor, phot)


@pytest.mark.parametrize(('factor', 'dtype', 'threshold'), [
    (2.0 ** 6, 'float64', 60), (2.0 ** 60, 'float32', 60),
    (2.0 ** -70, 'float32', 60), (2.0 ** -70, 'float32', None)])
@FEWER
@given(field=fields())
def test_corrector_scales(factor, dtype, threshold, field):
    """
    Another unit of flux, a power of two: the same table in that unit, also
    where squares of the values, as of erg/s/cm2/A, are beyond float32.
    """
    data, phot = field
    other = phot.copy()
    other['flux_fit'] = phot['flux_fit'] * factor
    one = correct(data, phot, 1.0, dtype, threshold)
    two = correct(data, other, factor, dtype, threshold)
    # leaves room for a BLAS that sums in another order
    rtol = 1e-9 if dtype == 'float64' else 1e-4
    for name in ('cflux', 'dcflux', 'dcflux_diag', 'fdb_res', 'fdb_pred'):
        assert_allclose(two[name], factor * np.asarray(one[name]), rtol=rtol,
                        atol=rtol * factor * np.nanmax(one['dcflux']))
    assert_allclose(two['cchi2'], one['cchi2'], rtol=rtol)
    for name in ('kcond0', 'kcond', 'kpred', 'dnt'):
        assert_array_equal(two[name], one[name])


@FEWER
@given(fields())
def test_corrector_table_is_consistent(field):
    """
    What holds in every row that was done.
    """
    data, phot = field
    out = correct(data, phot)
    done = np.isfinite(out['cflux'])
    assert np.all(done | (out['dnt'] >= 128))
    out = out[done]
    assert_allclose(out['cflux'],
                    out['flux_fit'] - out['fdb_res'] + out['fdb_pred'],
                    rtol=1e-12)
    assert np.all(out['dcflux'] > 0)
    assert np.all(out['dcflux_diag'] > 0)
    assert np.all(out['cchi2'] > 0)
    assert np.all(out['kpred'] > 0)
    assert np.all(out['kcond'] >= out['kcond0'])
    assert np.all(out['kcond'] + out['kpred'] <= 99)
    few = out['kcond0'] < dense_lpi.few_good_limit((9, 11))
    assert_array_equal(few, out['dnt'] & 1 > 0)
    assert np.all(out['kcond'][out['dnt'] & 3 == 0]
                  == out['kcond0'][out['dnt'] & 3 == 0])
    # the ring bit is never set alone
    assert np.all((out['dnt'] & 2 == 0) | few)


@FEW
@given(st.sets(st.sampled_from([1, 2, 8, 16, 32, 128])))
def test_flags_decode(bits):
    """
    One name for every bit that is set, and the same name always.
    """
    names = decode_dnt_flags(sum(bits))
    assert len(names) == len(set(names)) == len(bits)
    assert set(names) == {decode_dnt_flags(bit)[0] for bit in bits}
    assert decode_dnt_flags(sum(bits), return_bit_values=True) == sorted(bits)


def test_flags_of_a_column():
    """
    An array gives a list for each value.
    """
    assert [len(names) for names in
            decode_dnt_flags(np.array([0, 1, 3, 56]))] == [0, 1, 2, 3]
    assert decode_dnt_flags(np.ma.array([1, 3], mask=[0, 1])) == [
        ['radius_lifted'], []]
    with pytest.raises(TypeError, match='flags'):
        decode_dnt_flags(1.5)


def test_fill_flags():
    """
    Of filled pixels, in the type of their plane too.
    """
    assert decode_fill_flags(np.array([[0, 65], [961, 512]], np.uint16)) == [
        [], ['filled', 'far_median'],
        ['filled', 'far_median', 'from_nothing', 'ridge', 'local_mean'],
        ['local_mean']]
    assert decode_fill_flags(257, return_bit_values=True) == [1, 256]
    with pytest.raises(ValueError, match='the value 1024'):
        decode_fill_flags(np.uint16(1024))
