# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the blank module.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.psf import CircularGaussianPRF, ImagePSF

from lpiphot import LPIBackgroundCorrector
from lpiphot.datasets import make_cloud_image
from lpiphot.validation import check_blank_positions, inject_stars

SHAPE = (150, 170)
PSF = CircularGaussianPRF(fwhm=3.0)
STARS = QTable({'x_0': [40.0, 120.0], 'y_0': [50.0, 90.0],
                'flux': [900.0, 1500.0]})
PHOT = QTable({'id': [7, 8], 'x_fit': STARS['x_0'], 'y_fit': STARS['y_0'],
               'flux_fit': STARS['flux']})
SMALL = {'stamp_shape': 15, 'window_shape': 51, 'condition_radius': 7,
         'mask_threshold': 1.7, 'min_mask_flux': 60.0}


def make_data(rms):
    cloud = make_cloud_image(SHAPE, power=-3.0, rms=rms or 1.0, seed=2)
    noise = np.random.default_rng(3).normal(0, 1.7, SHAPE)
    return inject_stars(noise + (cloud if rms else 0.0), PSF, STARS)


@pytest.mark.parametrize('rms', [0.0, 15.0])
def test_honest(rms):
    """
    Prediction and its errors are right, on noise and on clouds.

    Of 120 positions the width is good to 0.1; 225 pixels learned from
    2601 shifts make errors some 4 % too small.
    """
    corrector = LPIBackgroundCorrector(PSF, **SMALL)
    result = check_blank_positions(corrector, make_data(rms), PHOT,
                                   n_positions=120, rng=1)
    table = result.table
    assert len(table) == 120
    assert np.all(table['existing_distance'] >= 4.0)
    apart = result.report().ways['apart']
    assert abs(apart['width_after'] - 1.04) < 0.3
    assert abs(apart['median_after']) < 0.35
    assert apart['beyond5_after'] == 0
    assert abs(apart['rho_around_after']) < 0.27
    chi2 = np.sum(table['chi2']) / np.sum(table['n_hidden'])
    assert 0.85 < chi2 < 1.25
    assert np.allclose(table['z_after'], (
        table['cflux'] - table['flux_true']) / table['dcflux'])
    assert table.meta['recovery_kind'] == 'blank positions'
    assert table.meta['recovery_seed'] == 1
    again = check_blank_positions(corrector, make_data(rms), PHOT,
                                  n_positions=120, rng=1)
    assert np.array_equal(again.table['z_after'], table['z_after'])


def test_plots():
    corrector = LPIBackgroundCorrector(PSF, **SMALL)
    result = check_blank_positions(corrector, make_data(0.0), PHOT,
                                   n_positions=30)
    assert len(result.plot().axes) == 7  # no map of cells: they are few
    drawn = [axes.axison for axes in result.plot('profile').axes[:4]]
    assert drawn == [True, True, False, True]  # there is no term before
    assert '30 of 30' in result.to_html(figures={'': result.plot('pdf')})
    assert 'at blank positions' in str(result.report())
    with pytest.raises(ValueError, match='when must be one of after, as'):
        result.calibration('before')


def test_same_as_corrector():
    """
    The stand-ins get the flux that the corrector gives to such stars.
    """
    data = make_data(15.0)
    corrector = LPIBackgroundCorrector(PSF, dtype='float64', **SMALL)
    table = check_blank_positions(corrector, data, PHOT, n_positions=3,
                                  rng=2).table
    stars = QTable({'x_0': table['x_true'], 'y_0': table['y_true'],
                    'flux': table['flux_true']})
    phot = QTable({'x_fit': [*PHOT['x_fit'], *stars['x_0']],
                   'y_fit': [*PHOT['y_fit'], *stars['y_0']],
                   'flux_fit': [*PHOT['flux_fit'], *stars['flux']]})
    expected = corrector(inject_stars(data, PSF, stars), phot)[2:]
    assert np.allclose(table['cflux'], expected['cflux'], rtol=1e-9)
    assert np.allclose(table['dcflux'], expected['dcflux'], rtol=1e-9)
    assert np.all(table['flux_true'] == 60.0)


def test_parameters():
    """
    The metadata are those of a table that the corrector makes.
    """
    data, error = make_data(0.0), np.full(SHAPE, 1.7)
    given = {'stamp_shape': 15, 'window_shape': 51, 'condition_radius': 7,
             'residual_threshold': 90.0}
    corrector = LPIBackgroundCorrector(PSF, **given)
    phot = PHOT.copy()
    phot.meta['psf_model'] = repr(PSF)
    table = corrector(data, phot, error=error)
    result = check_blank_positions(corrector, data, phot, error=error,
                                   n_positions=35, rng=4)
    for name, value in table.meta.items():
        assert result.table.meta[name] == (
            pytest.approx(value, rel=1e-3) if isinstance(value, float)
            else value), name
    calibration = result.calibration(way='all')
    calibration.apply(table)
    with pytest.raises(ValueError, match='star_noise_from'):
        calibration.apply(corrector(data, phot))


@pytest.mark.parametrize('unit', [None, u.adu])
def test_neighbours(unit):
    """
    Uncertain fluxes make errors larger beside stars, groups do not.
    """
    data, phot = make_data(0.0), PHOT.copy()
    phot['flux_err'] = [np.nan, 2000.0]
    phot['group_id'] = [1, 1]
    if unit is not None:
        data = data * unit
        for name in ('flux_fit', 'flux_err'):
            phot[name] = phot[name] * unit
    alone, errors, groups = (check_blank_positions(
        LPIBackgroundCorrector(PSF, neighbours=neighbours, **SMALL), data,
        phot, n_positions=60, rng=2).table for neighbours in
        (None, 'flux_err', 'group_id'))
    assert np.all(groups['dcflux'] == alone['dcflux'])
    near = errors['existing_distance'] < 7
    assert np.all(errors['dcflux'][near] > alone['dcflux'][near])
    assert near.any()
    far = errors['existing_distance'] > 20
    assert np.all(errors['dcflux'][far] == alone['dcflux'][far])
    assert errors.meta['lpiphot_neighbours'] == 'flux_err'


def test_no_stars_with_parameters():
    """
    Where there are none, positions have those of the model.
    """
    empty = PHOT[:0]
    want = check_blank_positions(LPIBackgroundCorrector(PSF, **SMALL),
                                 make_data(0.0), empty, n_positions=5)
    empty['fwhm_fit'] = np.empty(0)
    result = check_blank_positions(LPIBackgroundCorrector(PSF, **SMALL),
                                   make_data(0.0), empty, n_positions=5)
    assert np.array_equal(result.table['z_after'], want.table['z_after'])


def test_flux_of_the_corrector():
    """
    Not of one that made the table before.
    """
    corrector = LPIBackgroundCorrector(PSF, **SMALL)
    table = LPIBackgroundCorrector(PSF, **(SMALL | {'min_mask_flux': 99.0}))(
        make_data(0.0), PHOT)
    result = check_blank_positions(corrector, make_data(0.0), table,
                                   n_positions=2)
    assert np.all(result.table['flux_true'] == 60.0)
    assert result.table.meta['lpiphot_min_mask_flux'] == 60.0


def test_bad_input():
    corrector = LPIBackgroundCorrector(PSF, **SMALL)
    data = make_data(0.0)
    for n_positions in (0, -1):
        with pytest.raises(ValueError, match='n_positions must be at least'):
            check_blank_positions(corrector, data, PHOT,
                                  n_positions=n_positions)
    with pytest.raises(TypeError, match='n_positions must be an integer'):
        check_blank_positions(corrector, data, PHOT, n_positions=10.5)
    sky = PHOT.copy()
    sky['x_fit'] = sky['x_fit'] * u.arcsec
    with pytest.raises(u.UnitsError, match=r"x_fit of phot .* 'pix'; got"):
        check_blank_positions(corrector, data, sky)
    with pytest.raises(TypeError, match='corrector must be an LPIBackground'):
        check_blank_positions(len, data, PHOT)
    with pytest.warns(AstropyUserWarning, match='is -25, not about 1,'):
        dark = LPIBackgroundCorrector(ImagePSF(-np.ones((5, 5))), **SMALL)
    with pytest.raises(ValueError, match='psf_model must have a peak'):
        check_blank_positions(dark, data, PHOT)
    data[:, 60:] = 0.0
    with pytest.raises(ValueError, match=r'no noise.* predicted, ids has \('):
        check_blank_positions(corrector, data, PHOT[:1])


def test_units_and_gain():
    data = make_data(0.0)
    corrector = LPIBackgroundCorrector(
        PSF, gain=2.5 * u.electron / u.mJy, **SMALL)
    phot = PHOT.copy()
    phot['flux_fit'] = phot['flux_fit'] * 1000.0 * u.uJy
    result = check_blank_positions(corrector, data * u.mJy, phot,
                                   n_positions=12)
    assert result.table['dcflux'].unit == u.uJy
    assert np.allclose(result.table['flux_true'].to_value(u.mJy), 60.0)
    assert np.allclose(result.table['mag_true'], -2.5 * np.log10(60000.0))
    plain = check_blank_positions(
        LPIBackgroundCorrector(PSF, gain=2.5, **SMALL), data, PHOT,
        n_positions=12)
    assert np.allclose(plain.table['z_after'], result.table['z_after'])


def test_error_is_that_of_an_uncertainty():
    """
    With the photons of the stand-ins, which a gain tells.
    """
    data, error = make_data(0.0), np.full(SHAPE, 1.7)
    error[:, 85:] = 2.9
    data[:, 85:] *= 1.7
    corrector = LPIBackgroundCorrector(PSF, gain=2.5, **SMALL)
    one = check_blank_positions(corrector, data, PHOT, error=error,
                                n_positions=12)
    ccd = NDData(data, uncertainty=StdDevUncertainty(error))
    other = check_blank_positions(corrector, ccd, PHOT, n_positions=12)
    assert np.array_equal(one.table['z_after'], other.table['z_after'])
    assert np.all(error[:, :85] == 1.7)


def test_keeps_away_from_stars():
    """
    No stand-in is blended with a star, however many there are.
    """
    y, x = (axis.ravel() for axis in np.mgrid[10:150:11, 10:170:11])
    phot = QTable({'x_fit': x.astype(float), 'y_fit': y.astype(float),
                   'flux_fit': np.full(len(x), 1.0)})
    corrector = LPIBackgroundCorrector(PSF, **SMALL)
    table = check_blank_positions(corrector, make_data(0.0), phot,
                                  n_positions=25, rng=3).table
    distance = np.hypot(table['x_true'][:, np.newaxis] - x,
                        table['y_true'][:, np.newaxis] - y).min(axis=1)
    assert np.all(distance >= 4.0)
    assert np.allclose(distance, table['existing_distance'])


def test_no_room():
    mask = np.ones(SHAPE, dtype=bool)
    mask[60:90, 60:90] = False
    mask[70:80, 70:80] = True
    corrector = LPIBackgroundCorrector(PSF, **SMALL)
    result = check_blank_positions(corrector, make_data(0.0), PHOT[:0],
                                   mask=mask, n_positions=3)
    pixel = tuple(np.round([result.table['y_true'],
                            result.table['x_true']]).astype(int))
    assert not mask[pixel].any()
    mask[:] = False
    mask[5:-5, 5:-5] = True  # only the margin is left
    with pytest.raises(ValueError, match='positions do not fit'):
        check_blank_positions(corrector, make_data(0.0), PHOT[:0], mask=mask,
                              n_positions=3)
