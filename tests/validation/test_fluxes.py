# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the fluxes module.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn
from astropy.utils.masked import Masked
from scipy.stats import kstest

from lpiphot.validation import draw_fluxes, draw_magnitudes


def test_same_distribution():
    given = np.random.default_rng(1).lognormal(3, 1, 4000)
    drawn = draw_fluxes(3000, given, rng=2)
    assert kstest(drawn, given).pvalue > 0.01
    drawn = draw_fluxes(3000, given, quantiles=(0.2, 0.7), rng=2)
    low, high = np.quantile(given, [0.2, 0.7])
    assert low <= drawn.min() < drawn.max() <= high
    assert np.array_equal(drawn, draw_fluxes(3000, given, rng=2,
                                             quantiles=(0.2, 0.7)))


def test_one_flux_and_units():
    assert np.array_equal(draw_fluxes(3, 5.0), [5.0, 5.0, 5.0])
    drawn = draw_fluxes(4, [np.nan, -3.0, 0.0, 7.0] * u.MJy, rng=1)
    assert drawn.unit == u.MJy
    assert np.all(drawn.value == 7.0)


@pytest.mark.parametrize('kind', [MaskedColumn, np.ma.MaskedArray, Masked])
def test_masked(kind):
    """
    What is masked, as in tables that were joined, is no flux.
    """
    fluxes = kind([7.0, 1e9, 7.0], mask=[False, True, False])
    assert np.array_equal(draw_fluxes(4, fluxes, rng=1), np.full(4, 7.0))


def test_magnitudes():
    magnitude = 25.0 - 2.5 * np.log10(draw_magnitudes(
        4000, 18.0, 22.0, zero_point=25.0, rng=3))
    assert kstest((magnitude - 18) / 4, 'uniform').pvalue > 0.01


def test_bad_input():
    with pytest.raises(ValueError, match='fluxes must have finite positive'):
        draw_fluxes(2, [np.nan, -1.0])
    with pytest.raises(ValueError, match='quantiles must be two numbers'):
        draw_fluxes(2, [1.0], quantiles=(0.9, 0.1))
    with pytest.raises(ValueError, match='bright must not be a larger'):
        draw_magnitudes(2, 22, 18)
