# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the pairs module.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable, Table

from lpiphot.validation import pair_stars

STARS = QTable({'x_0': [10.0, 30.0, 50.0], 'y_0': [10.0, 30.0, 50.0],
                'flux': [100.0, 200.0, 300.0] * u.adu})


def make_catalogue():
    return QTable({'id': [1, 2, 3], 'x_fit': [30.2, 10.1, 80.0],
                   'y_fit': [30.0, 10.0, 80.0],
                   'flux_fit': [210.0, 90.0, 5.0] * u.adu,
                   'flux_err': [5.0, 4.0, 1.0] * u.adu,
                   'flags': [4, 0, 0], 'name': ['a', 'b', 'c']})


def test_pairs():
    catalogue = make_catalogue()
    pairs = pair_stars(STARS, catalogue, 2.0, existing=[(80, 80), (30, 36)])
    assert pairs['recovered'].tolist() == [True, True, False]
    assert np.allclose(pairs['z_before'], [-2.5, 2.0, np.nan],
                       equal_nan=True)
    assert pairs['flux_fit'].unit == u.adu
    assert pairs['flags'].tolist() == [0, 4, 0]
    assert pairs['flags'].dtype == catalogue['flags'].dtype
    assert np.isnan(pairs['flux_fit'][2])
    assert 'name' not in pairs.colnames
    assert np.allclose(pairs['existing_distance'],
                       [np.hypot(20, 26), 6.0, np.hypot(20, 14)])
    assert np.all(np.isinf(pair_stars(STARS, catalogue, 2.0)[
        'existing_distance']))


def test_other_units():
    """
    Fluxes and errors may each have a unit of their own.
    """
    stars, catalogue = STARS.copy(), make_catalogue()
    stars['flux'] = stars['flux'].value * u.Jy
    for name, unit in (('flux_fit', u.mJy), ('flux_err', u.uJy)):
        catalogue[name] = (catalogue[name].value * u.Jy).to(unit)
    pairs = pair_stars(stars, catalogue, 2.0)
    assert np.allclose(pairs['z_before'], [-2.5, 2.0, np.nan],
                       equal_nan=True)
    assert pairs['z_before'].unit is None


def test_position_not_finite():
    """
    Of one star, as a masked one: the others keep their distances.
    """
    stars = Table(STARS)
    stars['x_0'] = MaskedColumn(stars['x_0'], mask=[False, False, True])
    pairs = pair_stars(stars, make_catalogue(), 2.0, existing=[(30, 36)])
    assert pairs['recovered'].tolist() == [True, True, False]
    far = np.hypot(20, 20)
    assert np.allclose(pairs['injected_distance'], [far, far, np.inf])
    assert np.allclose(pairs['existing_distance'],
                       [np.hypot(20, 26), 6.0, np.inf])


def test_any_names():
    """
    Any photometry, several fluxes of it, and one without errors.
    """
    catalogue = Table({'xc': [10.0], 'yc': [10.5], 'f1': [90.0],
                       'f2': MaskedColumn([110.0]), 'e2': [5.0]})
    stars = Table({'x_0': [10.0], 'y_0': [10.0], 'flux': [100.0]})
    pairs = pair_stars(stars, catalogue, 1.0, positions=('xc', 'yc'),
                       measured={'one': ('f1', None), 'two': ('f2', 'e2')})
    assert np.isnan(pairs['z_one'][0])
    assert pairs['z_two'][0] == 2.0


def test_empty_catalogue():
    pairs = pair_stars(STARS, QTable(), 2.0)
    assert not np.any(pairs['recovered'])
    assert pairs['flux_fit'].unit == u.adu


def test_missing_columns():
    catalogue = make_catalogue()
    catalogue.remove_column('flux_err')
    with pytest.raises(ValueError, match='must have the columns flux_err'):
        pair_stars(STARS, catalogue, 2.0)
