# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the calibration module.
"""

import json
import os

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from photutils.psf import CircularGaussianPRF, CircularGaussianSigmaPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.validation import Calibration

Z = np.random.default_rng(4).normal(0, 1.3, 2000)
META = {'lpiphot_stamp_shape': '(33, 33)', 'lpiphot_rng': 3}
PSF = CircularGaussianPRF(fwhm=3.0)
OPTIONS = {'stamp_shape': 9, 'window_shape': 25, 'condition_radius': 5}


def make_table(**meta):
    table = QTable({'cflux': [10.0, 20.0] * u.adu,
                    'dcflux': [2.0, 3.0] * u.adu})
    table.meta = meta
    return table


def test_measure():
    calibration = Calibration.measure(Z, parameters=META)
    assert abs(calibration.factor - 1.3) < 4 * calibration.factor_error
    assert calibration.n_stars == 2000
    assert calibration.parameters == {'lpiphot_stamp_shape': '(33, 33)',
                                      'lpiphot_max_iterations': 0}
    # the scatter of the factor is what it says
    rng = np.random.default_rng(1)
    several = [Calibration.measure(rng.normal(0, 1.3, 300))
               for _ in range(200)]
    factors = np.array([one.factor for one in several])
    assert np.isclose(np.std(factors), several[0].factor_error, rtol=0.2)
    with pytest.raises(ValueError, match='at least 30 finite values'):
        Calibration.measure([*Z[:29], np.nan])


def test_apply():
    calibration = Calibration(1.25, factor_error=0.01, n_stars=90)
    table = make_table()
    new = calibration.apply(table)
    assert table.colnames == ['cflux', 'dcflux']
    assert np.allclose(new['dcflux_calibrated'].to_value(u.adu), [2.5, 3.75])
    assert np.array_equal(new['dcflux'], table['dcflux'])
    assert '1.25' in new['dcflux_calibrated'].info.description
    assert new.meta['lpiphot_calibration_factor'] == 1.25
    assert new.meta['lpiphot_calibration_n_stars'] == 90
    with pytest.raises(ValueError, match='has the column dcflux_calibrated'):
        calibration.apply(new)
    with pytest.raises(ValueError, match='must have the column other'):
        Calibration(1.2, column='other').apply(table)


def correct(psf_model=PSF, noise=1.0, unit=None, error=None, fitted=PSF,
            fwhm=None, **options):
    """
    A small table of the corrector, with its metadata.

    The PSF that photutils records, and the FWHM of the star, may be others
    than those of the corrector's model.
    """
    rng = np.random.default_rng(1)
    data = rng.normal(0.0, noise, (40, 45))
    phot = QTable({'x_fit': [20.0], 'y_fit': [18.0], 'flux_fit': [90.0],
                   'flux_err': [9.0]})
    phot.meta['psf_model'] = repr(fitted)
    if fwhm is not None:
        phot['fwhm_fit'] = [fwhm]
    if unit is not None:
        data, phot['flux_fit'] = data << unit, phot['flux_fit'] << unit
    corrector = LPIBackgroundCorrector(psf_model, **(OPTIONS | options))
    return corrector(data, phot, error=error)


class TestOptions:
    """
    A calibration is for tables that were made as its stars were.
    """

    calibration = Calibration.measure(Z, parameters=correct().meta)

    @pytest.mark.parametrize(('name', 'options'), [
        ('lpiphot_psf_model', {'psf_model': CircularGaussianSigmaPRF()}),
        ('lpiphot_psf_model_fwhm',
         {'psf_model': CircularGaussianPRF(fwhm=6.0)}),
        ('lpiphot_psf_model_fwhm', {'fwhm': 3.0}),
        (' psf_model', {'fitted': CircularGaussianPRF(fwhm=6.0)}),
        ('stamp_shape', {'stamp_shape': 11}),
        ('window_shape', {'window_shape': 27}),
        ('mask_threshold', {'mask_threshold': 0.5}),
        ('min_mask_flux', {'min_mask_flux': 30.0}),
        ('residual_threshold', {'residual_threshold': 5000.0}),
        ('condition_radius', {'condition_radius': 4}),
        ('gain', {'gain': 0.01}),
        ('star_noise_from', {'error': np.ones((40, 45))}),
        ('neighbours', {'neighbours': 'flux_err'}),
        ('positions', {'positions': True}),
        ('data_unit', {'unit': u.adu})])
    def test_other(self, name, options):
        with pytest.raises(ValueError, match=f'table must have.*{name} ='):
            self.calibration.apply(correct(**options))

    @pytest.mark.parametrize('options', [
        {'rng': 7}, {'dtype': 'float64'}, {'n_threads': 2}, {'noise': 3.0},
        {'condition_radius': 5.0}])
    def test_same(self, options, tmp_path):
        """
        Also if thresholds differ because the noise does.
        """
        table = correct(**options)
        table.meta['photutils_version'] = '0.1'
        self.calibration.apply(table)
        self.calibration.save(tmp_path / 'cal.json')
        Calibration.load(tmp_path / 'cal.json').apply(table)

    def test_fitted_psf(self):
        """
        Where each star has its own FWHM, that of the model does not matter.
        """
        calibration = Calibration.measure(Z, parameters=correct(fwhm=3.1).meta)
        for some in (CircularGaussianPRF(fwhm=6.0), PSF):
            calibration.apply(correct(some, fwhm=2.9))
        with pytest.raises(ValueError, match="fwhm = 'per star' as"):
            calibration.apply(correct())

    def test_table_without_psf_parameters(self):
        table = correct()
        del table.meta['lpiphot_psf_model_fwhm']
        with pytest.raises(ValueError, match='the metadata lpiphot_psf_mod'):
            self.calibration.apply(table)

    def test_given_thresholds(self):
        """
        Those that were asked for are compared as numbers.
        """
        given = {'mask_threshold': 1 / 3, 'min_mask_flux': 200 / 3}
        calibration = Calibration.measure(
            Z, parameters=correct(**given).meta)
        calibration.apply(correct(noise=3.0, **given))
        for name in given:
            with pytest.raises(ValueError, match=name):
                calibration.apply(correct(**(given | {name: 0.7})))

    @pytest.mark.filterwarnings('ignore:Keyword name .*:astropy.io.fits.'
                                'verify.VerifyWarning')
    @pytest.mark.parametrize('suffix', ['ecsv', 'fits'])
    def test_file(self, suffix, tmp_path):
        path = tmp_path / f'table.{suffix}'
        given = {'mask_threshold': 1 / 3, 'gain': 0.1 + 0.2}
        table = correct(**given)
        table.write(path)
        calibration = Calibration.measure(Z, parameters=correct(**given).meta)
        for_any = Calibration(calibration.factor)
        del table.meta['psf_model']  # as of other photometry
        for some in (QTable.read(path), table):
            assert np.array_equal(
                calibration.apply(some)['dcflux_calibrated'],
                for_any.apply(some)['dcflux_calibrated'])

    def test_no_metadata(self):
        table = make_table(lpiphot_gain='none')
        with pytest.raises(ValueError, match='metadata lpiphot_condition_rad'):
            self.calibration.apply(table)
        Calibration(1.2).apply(table)  # of anything, for anything

    def test_iterated(self):
        """
        Tables of lpi_photometry are others.
        """
        table = correct()
        table.meta['lpiphot_max_iterations'] = 10
        with pytest.raises(ValueError, match='max_iterations = 0'):
            self.calibration.apply(table)


def test_file(tmp_path, monkeypatch):
    path = tmp_path / 'calibration.json'
    calibration = Calibration.measure(Z, column='e', parameters=META)
    calibration.save(path)
    assert vars(Calibration.load(path)) == vars(calibration)
    with pytest.raises(FileExistsError):
        calibration.save(path)
    Calibration(2.0).save(path, overwrite=True)
    assert Calibration.load(path).factor == 2.0
    assert np.isnan(Calibration.load(path).factor_error)
    values = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert values['factor_error'] is None
    calibration.parameters['lpiphot_gain'] = {1}
    with pytest.raises(TypeError, match='not JSON serializable'):
        calibration.save(path, overwrite=True)
    assert json.loads(path.read_text()) == values
    with monkeypatch.context() as patch:  # the file cannot be written
        patch.setattr(json, 'dumps', lambda *_, **__: '\ud800')
        with pytest.raises(UnicodeEncodeError):
            Calibration(3.0).save(path, overwrite=True)
    assert json.loads(path.read_text()) == values
    assert os.listdir(tmp_path) == ['calibration.json']
    path.write_text(json.dumps(values | {'format': 2}))
    with pytest.raises(ValueError, match='has the format 2'):
        Calibration.load(path)
    del values['factor_error']
    for text in ('no', '[1]', '{"kind": "other"}', '{}', json.dumps(values),
                 json.dumps(values | {'factor': 'a', 'factor_error': 1.0})):
        path.write_text(text)
        with pytest.raises(ValueError, match='must be a calibration'):
            Calibration.load(path)


@pytest.mark.parametrize('factor', [0, -1, np.nan, np.inf])
def test_bad_factor(factor):
    with pytest.raises(ValueError, match='factor must be finite and pos'):
        Calibration(factor)
    assert repr(Calibration(2)).startswith('Calibration(2.0000, ')
