# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The noise that measured pixels get if nobody gave their uncertainty.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF, PSFPhotometry
from scipy.ndimage import gaussian_filter

from lpiphot import GPRImputer, LPIBackgroundCorrector, LPIImputer
from lpiphot.imputation import noise_of_measured
from lpiphot.pipeline import PSFPipeline

SHAPE = 130, 141
NOISE = 1.7
PSF = CircularGaussianPRF(fwhm=3.4)
STARS = [(20.3, 25.1), (60.8, 30.4), (110.2, 100.7), (40.1, 105.9),
         (90.6, 64.2), (15.5, 70.8)]
IMPUTERS = [GPRImputer(), LPIImputer(stamp_shape=17, window_shape=65)]


def some_field(level=-40.0, noise=NOISE):
    """
    Stars on a slope, with white noise.
    """
    y, x = np.indices(SHAPE)
    rng = np.random.default_rng(5)
    data = level + 0.05 * x + rng.normal(0, noise, SHAPE)
    for x_0, y_0 in STARS:
        data += CircularGaussianPRF(flux=900, x_0=x_0, y_0=y_0,
                                    fwhm=3.4)(x, y)
    return data


def noise_of(ccd):
    """
    The noise alone, of an image without bad pixels.
    """
    return noise_of_measured(ccd, ccd.data, np.zeros(ccd.shape, bool))[0, 0]


def some_mask():
    """
    A row, through no star, and single pixels.
    """
    mask = np.random.default_rng(6).random(SHAPE) < 0.004
    mask[48:50] = True
    return mask


@pytest.mark.parametrize('imputer', IMPUTERS)
def test_is_that_of_the_sky(imputer):
    """
    One number, about right for white noise, the errors of filled pixels
    apart; of a cube one for each image.
    """
    mask = some_mask()
    ccd = CCDData(some_field(), mask=mask, unit='adu')
    error = imputer(ccd).uncertainty.array
    assert error.shape == SHAPE
    # from some 10 000 differences, which are not independent: their median
    # scatters by 1 to 2 per cent, and the least of eight is taken
    assert_allclose(error[~mask], NOISE, rtol=0.05)
    assert_array_equal(error[~mask], error[0, 0])
    assert_array_equal(error[mask], imputer.run(ccd).std.value[mask])
    assert ccd.uncertainty is None
    if isinstance(imputer, GPRImputer):
        cube = CCDData(np.stack([ccd.data, 3 * ccd.data]), mask=np.stack(
            [mask, mask]), unit='adu')
        errors = imputer(cube).uncertainty.array
        assert_array_equal(errors[0], error)
        assert_allclose(errors[1][~mask], 3 * error[0, 0])


@pytest.mark.parametrize('imputer', IMPUTERS)
def test_does_not_depend_on_what_was_filled(imputer):
    """
    Nothing filled, or one pixel that the noise is hardly made from.
    """
    ccd = CCDData(some_field(), unit='adu')
    whole = imputer(ccd).uncertainty.array
    assert np.all(whole == whole[0, 0])
    ccd.mask = np.zeros(SHAPE, dtype=bool)
    ccd.mask[70, 71] = True
    assert_allclose(imputer(ccd).uncertainty.array[0, 0], whole[0, 0],
                    rtol=1e-2)


@pytest.mark.parametrize('imputer', IMPUTERS)
def test_constant_image(imputer):
    """
    An image without noise has none, rather than some tiny number.
    """
    ccd = CCDData(np.full(SHAPE, 7.0), unit='adu')
    assert not imputer(ccd).uncertainty.array.any()


@pytest.mark.parametrize('sigma', [0.6, 1.0])
def test_correlated_noise(sigma):
    """
    Resampled images have the noise of a pixel, not that of neighbours.
    """
    data = gaussian_filter(np.random.default_rng(8).normal(0, 1, SHAPE),
                           sigma)
    noise = noise_of(CCDData(data, unit='adu'))
    # at most exp(-4) of correlation is left four pixels away; one in 13
    # pixels is independent, so that the median scatters by 3 per cent, of
    # eight of which the least is taken
    assert_allclose(noise, np.std(data), rtol=0.1)


def test_faint_part():
    """
    Bright parts with their photon noise are not the sky.
    """
    rng = np.random.default_rng(9)
    y, x = np.indices(SHAPE)
    light = np.where(x < 85, 100, 10000 + 30 * y)
    noise = noise_of(CCDData(rng.poisson(light), unit='electron'))
    assert_allclose(noise, 10, rtol=0.05)


def test_margin_and_counts():
    """
    Zeros around an image are no pixels; zeros among counts are.
    """
    data = np.zeros((200, 210))
    data[30:160, 40:181] = some_field()
    assert_allclose(noise_of(CCDData(data, unit='adu')), NOISE, rtol=0.05)
    counts = np.random.default_rng(3).poisson(0.2, SHAPE)
    noise = noise_of(CCDData(counts, unit='adu'))
    assert 0.3 < noise < 0.6  # 0.45, but for the shape of such counts


@pytest.mark.parametrize('shape', [(8, 30), (9, 9)])
def test_small_image(shape):
    """
    Where no pixel has others so far away, that about the median.
    """
    data = np.random.default_rng(4).normal(5, NOISE, shape)
    noise = noise_of(CCDData(data, unit='adu'))
    if shape == (8, 30):
        sizes = np.abs(data - np.median(data))
        assert_allclose(noise, 1.4826 * np.median(sizes), rtol=1e-12)
    assert 0 < noise < 4 * NOISE


@pytest.mark.parametrize('noise', [2.5, 2.5 * u.adu])
def test_noise_that_is_given(noise):
    ccd = CCDData(some_field(), mask=some_mask(), unit='adu')
    error = GPRImputer(noise=noise)(ccd).uncertainty.array
    assert np.all(error[~ccd.mask] == 2.5)


@pytest.mark.parametrize('imputer', IMPUTERS)
def test_photometry_goes_on(imputer):
    """
    The image goes straight into photutils, the pipeline and LPI.
    """
    ccd = CCDData(some_field(), mask=some_mask(), unit='adu')
    clean = imputer(ccd)
    x, y = np.transpose(STARS)
    init = QTable({'x': x, 'y': y, 'flux': np.full(len(x), 900.0) * u.adu})
    data = CCDData(some_field(0.0), mask=some_mask(), unit='adu')
    table = PSFPhotometry(PSF, (9, 9))(imputer(data), init_params=init)
    known = PSFPhotometry(PSF, (9, 9))(
        data.data * u.adu, mask=data.mask, init_params=init,
        error=np.full(SHAPE, NOISE) * u.adu)
    assert_allclose(table['flux_fit'].value, known['flux_fit'].value,
                    rtol=1e-3)
    assert_allclose(table['flux_err'].value, known['flux_err'].value,
                    rtol=0.05)

    result = PSFPipeline(fwhm=3.4)(clean)
    assert len(result.table) >= len(STARS)
    assert_array_equal(result.mask, clean.mask)
    corrector = LPIBackgroundCorrector(PSF, stamp_shape=17, window_shape=65)
    corrected = corrector(CCDData(result.data_subtracted, mask=clean.mask,
                                  uncertainty=clean.uncertainty),
                          result.table)
    assert np.isfinite(corrected['dcflux']).all()
