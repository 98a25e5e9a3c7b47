# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the commands print about their stars.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from lpiphot.cli._results import _summary


@pytest.mark.parametrize('unit', [None, u.adu])
def test_flags_by_severity(unit):
    """
    A PSF with a slightly negative pixel is nothing to look at; the fits
    have flags of their own.
    """
    table = QTable({'dcflux': [1.0, 2.0, np.nan, 1.5, 1.7],
                    'dnt': np.array([8, 8 + 1, 256, 8 + 16, 8])})
    table.meta['lpiphot_star_noise_from'] = 'gain'
    if unit is not None:
        table['dcflux'] = table['dcflux'] * unit
    lines = _summary(table, {'output': 'out.ecsv'}, 1.0, None)
    assert lines == ['5 stars in 1.0 s (200.0 ms per star)',
                     '3 flagged, 1 without a result',
                     '       1  radius_lifted (1)',
                     '       1  psf_negative_1e-3 (16)',
                     '       1  no_position (256)',
                     '       4  psf_negative (8), harmless',
                     'wrote out.ecsv']
    table['flags'] = np.array([0, 8, 8, 0, 1])
    table.meta['lpiphot_star_noise_from'] = 'none'
    lines = _summary(table, {}, 1.0, 3.456)
    assert lines[1] == 'FWHM 3.46 pixels'
    assert lines[2] == ('3 flagged, 1 without a result; '
                        '3 with flags of the fit')
    assert lines[-1].startswith('no photon noise of stars: neither')
    table.meta['lpiphot_star_noise_from'] = 'error'
    for gain, told in ((1.7, False), ('none', True)):
        table.meta['lpiphot_error_gain'] = gain
        lines = _summary(table, {}, 1.0, None)
        assert told == lines[-1].startswith(
            'no photon noise of stars: error does not grow')


def test_no_star():
    table = QTable({'dcflux': [], 'dnt': np.array([], dtype=int)})
    assert _summary(table, {}, 1.0, None) == ['0 stars in 1.0 s']
