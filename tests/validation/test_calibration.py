# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the calibration module.
"""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from lpiphot.validation import Calibration

Z = np.random.default_rng(4).normal(0, 1.3, 2000)
META = {'lpiphot_stamp_shape': '(33, 33)', 'lpiphot_seed': 3}


def make_table(**meta):
    table = QTable({'cflux': [10.0, 20.0] * u.adu,
                    'dcflux': [2.0, 3.0] * u.adu})
    table.meta = meta
    return table


def test_measure():
    calibration = Calibration.measure(Z, parameters=META)
    assert abs(calibration.factor - 1.3) < 4 * calibration.factor_error
    assert calibration.n_stars == 2000
    assert calibration.parameters == {'lpiphot_stamp_shape': '(33, 33)'}
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


def test_other_parameters():
    calibration = Calibration.measure(Z, parameters=META)
    calibration.apply(make_table())
    calibration.apply(make_table(lpiphot_stamp_shape='(33, 33)'))
    with pytest.raises(ValueError, match='lpiphot_stamp_shape'):
        calibration.apply(make_table(lpiphot_stamp_shape='(31, 31)'))


def test_file(tmp_path):
    path = tmp_path / 'calibration.json'
    calibration = Calibration.measure(Z, column='e', parameters=META)
    calibration.save(path)
    assert vars(Calibration.load(path)) == vars(calibration)
    with pytest.raises(FileExistsError):
        calibration.save(path)
    Calibration(2.0).save(path, overwrite=True)
    assert Calibration.load(path).factor == 2.0

    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {'format': 2}))
    with pytest.raises(ValueError, match='has the format 2'):
        Calibration.load(path)
    for text in ('no', '[1]', '{"kind": "other"}', '{}'):
        path.write_text(text)
        with pytest.raises(ValueError, match='must be a calibration'):
            Calibration.load(path)


@pytest.mark.parametrize('factor', [0, -1, np.nan, np.inf])
def test_bad_factor(factor):
    with pytest.raises(ValueError, match='factor must be finite and pos'):
        Calibration(factor)
    assert repr(Calibration(2)).startswith('Calibration(2.0000, ')
