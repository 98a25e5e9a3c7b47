"""
What users do wrong, and what fits leave behind.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import InverseVariance, NDData
from astropy.table import QTable
from astropy.utils.masked import Masked
from photutils.psf import CircularGaussianPRF, ImagePSF, MoffatPSF

from lpiphot import LPIBackgroundCorrector, decode_dnt_flags, local_covariance

SHAPE = (70, 76)
KEYS = {'stamp_shape': 11, 'window_shape': 31, 'condition_radius': 5,
        'mask_threshold': 3.0}


@pytest.fixture(name='phot')
def fixture_phot():
    """
    Four sources far from each other.
    """
    return QTable({'x_fit': [20.0, 50.0, 20.0, 50.0],
                   'y_fit': [20.0, 20.0, 50.0, 50.0],
                   'flux_fit': [500.0, 600.0, 700.0, 800.0]})


@pytest.fixture(name='data')
def fixture_data():
    """
    Noise.
    """
    return np.random.default_rng(3).normal(0, 1.7, SHAPE)


@pytest.mark.filterwarnings('ignore:.*sources of phot above 10 sigma')
def test_close_pair(data, phot):
    """
    Two fits of one star are told.
    """
    phot.add_row([20.3, 20.1, 500.0])
    table = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=3.0),
                                   **KEYS)(data, phot)
    pairs = ['close_pair' in decode_dnt_flags(int(dnt))
             for dnt in table['dnt']]
    assert pairs == [True, False, False, False, True]


def test_failed_extra_parameter(data, phot):
    """
    A fit that left a useless PSF takes no other source with it.
    """
    phot['alpha_fit'] = [2.0, 0.0, 2.0, 2.0]
    model = MoffatPSF(alpha=2.0, beta=3.0)
    table = LPIBackgroundCorrector(model, **KEYS)(data, phot)
    assert decode_dnt_flags(int(table['dnt'][1])) == ['no_hidden_pixels',
                                                      'psf_invalid']
    assert np.isfinite(table['cflux']).tolist() == [True, False, True, True]


def test_psf_undefined_outside(data, phot):
    """
    A PSF that is NaN beyond its image is as good as one that is 0.
    """
    y, x = np.mgrid[:9, :9]
    stamp = CircularGaussianPRF(x_0=4, y_0=4, fwhm=3.0)(x, y)
    nan, zero = (LPIBackgroundCorrector(
        ImagePSF(stamp, fill_value=fill_value), **KEYS)(data, phot)
        for fill_value in (np.nan, 0.0))
    np.testing.assert_array_equal(nan['cflux'], zero['cflux'])


def test_masked_quantity(data, phot):
    """
    The mask of astropy's Masked is used, and not given twice.
    """
    mask = np.zeros(SHAPE, dtype=bool)
    mask[18:21, 19:30] = True
    corrector = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=3.0), **KEYS)
    masked = corrector(Masked(data, mask), phot)
    np.testing.assert_array_equal(
        masked['cflux'], corrector(data, phot, mask=mask)['cflux'])
    assert masked['kpred'][0] < corrector(data, phot)['kpred'][0]
    with pytest.raises(ValueError, match='mask is given twice'):
        corrector(Masked(data, mask), phot, mask=mask)


def test_inverse_variance_of_zero(data, phot):
    """
    A weight of 0 masks the pixel, and warns of nothing.
    """
    weights = np.full(SHAPE, 1.7 ** -2)
    weights[20, 20] = 0.0
    phot['flux_fit'] *= u.adu
    ndd = NDData(data, unit='adu', uncertainty=InverseVariance(weights),
                  mask=False)
    table = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=3.0),
                                   **KEYS)(ndd, phot)
    assert ['pixels_lost' in decode_dnt_flags(int(dnt))
            for dnt in table['dnt']] == [True, False, False, False]


def test_refused(data, phot):
    """
    What cannot be meant is refused, by its name.
    """
    model = CircularGaussianPRF(fwhm=3.0)
    corrector = LPIBackgroundCorrector(model, gain=2.0, **KEYS)
    with pytest.raises(ValueError, match='background must be finite'):
        corrector(data, phot, background=np.nan)
    with pytest.raises(ValueError, match='rng must be from 0'):
        LPIBackgroundCorrector(model, rng=2 ** 64)
    with pytest.raises(ValueError, match='window_shape must have more'):
        local_covariance(data, [(20, 20)], stamp_shape=1, window_shape=1)
    finder = QTable({'x_centroid': [20.0], 'y_centroid': [20.0],
                     'flux': [3.0]})
    with pytest.raises(ValueError, match='no column for x; looked for'):
        corrector(data, finder)
    phot['x_fit'] = phot['x_fit'] * u.deg
    with pytest.raises(u.UnitsError, match=r"x_fit of phot .* 'pix'"):
        corrector(data, phot)


def test_threshold_units(data, phot):
    """
    A threshold with a unit needs data with one, and is converted.
    """
    model = CircularGaussianPRF(fwhm=3.0)
    keys = KEYS | {'mask_threshold': 3.0 * u.Jy}
    with pytest.raises(u.UnitsError, match='mask_threshold and data'):
        LPIBackgroundCorrector(model, **keys)(data, phot)
    plain = LPIBackgroundCorrector(model, **KEYS)(data, phot)
    keys['mask_threshold'] = 3000.0 * u.mJy
    phot['flux_fit'] = phot['flux_fit'] * u.Jy
    table = LPIBackgroundCorrector(model, **keys)(data * u.Jy, phot)
    np.testing.assert_allclose(table['cflux'].value, plain['cflux'],
                               rtol=1e-6)


@pytest.mark.parametrize('seed', [2 ** 63, 2 ** 64 - 1])
def test_large_seeds(data, phot, seed):
    """
    Large seeds are seeds of their own.
    """
    model = CircularGaussianPRF(fwhm=3.0)
    one, other = (LPIBackgroundCorrector(model, rng=number, **KEYS)(
        data, phot) for number in (seed, seed - 1))
    assert not np.array_equal(one['dcflux'], other['dcflux'])


@pytest.mark.parametrize('unit', [u.pix, u.dimensionless_unscaled])
def test_pixel_units(data, phot, unit):
    """
    Positions in pixels may say so, or that they have no unit.
    """
    corrector = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=3.0), **KEYS)
    plain = corrector(data, phot)
    phot['x_fit'] = phot['x_fit'] * unit
    np.testing.assert_array_equal(plain['cflux'],
                                  corrector(data, phot)['cflux'])


def test_large_wings_cost_no_large_stamps(phot):
    """
    A star that covers the image is rendered on the region alone.
    """
    shape = (300, 320)
    data = np.random.default_rng(4).normal(0, 1.0, shape)
    model = MoffatPSF(alpha=2.0, beta=1.5)  # falls as r^-3
    phot['flux_fit'][0] = 1e8
    y, x = np.mgrid[:shape[0], :shape[1]]
    for row in phot:
        data += MoffatPSF(flux=row['flux_fit'], x_0=row['x_fit'],
                          y_0=row['y_fit'], alpha=2.0, beta=1.5)(x, y)
    result = LPIBackgroundCorrector(model, **KEYS).run(data, phot)
    # of 1e8, no more than 0.02 of the noise of the data is left at a time
    assert np.abs(result.residual).max() < 6


def test_good_pixels_between_the_samples():
    """
    The noise is found where the only blocks of good pixels are.
    """
    shape = (700, 700)  # 11 x 11 cells of 64 pixels; cell 5 is no sample
    data = np.random.default_rng(4).normal(0, 1.7, shape)
    mask = np.ones(shape, dtype=bool)
    mask[::64, ::64] = False  # a pixel in each cell
    mask[320:384, 320:384] = False
    phot = QTable({'x_fit': [352.0], 'y_fit': [352.0], 'flux_fit': [500.0]})
    table = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=3.0),
                                   **KEYS)(data, phot, mask=mask)
    assert np.isfinite(table['cflux'][0])
    # 16 blocks of 256 pixels, the scatter of each good to 7 %
    assert table.meta['lpiphot_pixel_noise'] == pytest.approx(1.7, rel=0.1)
