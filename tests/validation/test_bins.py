# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the bins and report modules.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable

from lpiphot.validation import (bin_statistics, cell_statistics, make_report,
                                quantile_edges, star_statistics)

MEASURED = {'before': ('flux_fit', 'flux_err'), 'after': ('cflux', 'dcflux')}


def make_table(n=4000):
    """
    Stars with biased fluxes and errors too small by the roughness; the
    correction leaves a tenth of the bias, and errors that are honest.
    """
    rng = np.random.default_rng(5)
    true = 10 ** rng.uniform(2, 4, n)
    rough = rng.choice([1.0, 3.0], n)
    noise, bias = rng.normal(0, 2.0 * rough, n), rng.normal(0, 9.0, n)
    table = QTable({'flux_true': true, 'mag_true': -2.5 * np.log10(true),
                    'recovered': true > 300, 'roughness': rough,
                    'density': rng.uniform(0, 1, n),
                    'blended': rng.random(n) < 0.1,
                    'flux_fit': true + noise + bias,
                    'cflux': true + noise + 0.1 * bias,
                    'flux_err': np.full(n, 2.0),
                    'dcflux': np.hypot(2.0 * rough, 0.9),
                    'residual_around': bias, 'residual_at': bias,
                    'flags': rng.integers(0, 2, n)})
    for name, (flux, error) in MEASURED.items():
        table[f'z_{name}'] = (table[flux] - true) / table[error]
    table['flux_fit'][~table['recovered']] = np.nan
    return table


def test_star_statistics():
    table = make_table()
    values = star_statistics(table, MEASURED)
    assert values['n'] == 4000
    assert np.isclose(values['completeness'],
                      np.mean(table['flux_true'] > 300))
    assert abs(values['width_after'] - 1.0) < 0.1
    assert values['width_before'] > 4.0
    assert values['beyond5_before'] > 0.2
    assert values['rho_around_before'] > 0.7
    stars = table[table['recovered']]
    wrong = (stars['flux_fit'] - stars['flux_true']) / stars['dcflux']
    change = (stars['flux_fit'] - stars['cflux']) / stars['dcflux']
    assert np.isclose(values['ratio'], np.std(change) / np.std(wrong))
    assert values['ratio_robust'] != values['ratio']
    relative = (stars['cflux'] - stars['flux_true']) / stars['flux_true']
    assert np.isclose(values['bias_after'], np.median(relative))
    in_units = table.copy()
    for name, unit in (('flux_true', u.Jy), ('flux_fit', u.mJy),
                       ('cflux', u.Jy), ('dcflux', u.uJy)):
        in_units[name] = (in_units[name] * u.Jy).to(unit)
    for name, value in star_statistics(in_units, MEASURED).items():
        assert np.isclose(value, values[name]), name
    no_errors = star_statistics(table, {'before': ('flux_fit', 'flux_err'),
                                        'after': ('cflux', None)})
    assert no_errors['bias_after'] == values['bias_after']
    assert np.isnan(no_errors['ratio'])
    table['flux_true'][np.argmax(table['recovered'])] = 0.0
    assert np.isfinite(star_statistics(table, MEASURED)['bias_after'])
    empty = star_statistics(table[:0], MEASURED)
    assert empty['n'] == 0
    assert np.isnan(empty['width_after'])


def test_bins():
    table = make_table()
    edges = {'mag_true': quantile_edges(table['mag_true'], 3),
             'roughness': np.array([0.5, 2.0, 3.0])}
    bins = bin_statistics(table, MEASURED, edges)
    assert len(bins) == 6
    assert np.sum(bins['n']) == 4000  # upper edges are included
    assert np.array_equal(bins['roughness_high'], [2, 3] * 3)
    select = ((table['mag_true'] <= edges['mag_true'][1])
              & (table['roughness'] == 3.0))
    expected = star_statistics(table[select], MEASURED)
    assert bins['n'][1] == expected['n']
    assert bins['width_before'][1] == expected['width_before']
    assert len(quantile_edges([2.0, 2.0, np.nan], 4)) == 2


def test_bins_with_units():
    """
    Edges are in their unit, or else in that of the column.
    """
    table = make_table(400)
    measured = {'before': MEASURED['before']}
    want = bin_statistics(table, measured, {'flux_true': [1e2, 1e3, 1e4]})
    assert min(want['n']) > 100
    for name in ('flux_true', 'flux_fit', 'flux_err'):
        table[name] = table[name] * u.Jy
    for edges in ([1e2, 1e3, 1e4], [1e2, 1e3, 1e4] * u.Jy,
                  [1e5, 1e6, 1e7] * u.mJy):
        bins = bin_statistics(table, measured, {'flux_true': edges})
        assert np.array_equal(bins['n'], want['n'])
        assert bins['flux_true_low'][1] == edges[1]


def test_cells():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-0.5, 99.5, (2, 9000))
    z = rng.normal(size=9000) * np.where(x > 49.5, 3.0, 1.0)
    z[5] = np.nan
    factor, y_edges, x_edges = cell_statistics(x, y, z, (100, 100), 50)
    assert np.allclose(factor, [[1, 3], [1, 3]], rtol=0.12)
    assert np.array_equal(x_edges, [-0.5, 49.5, 99.5])
    assert np.array_equal(y_edges, x_edges)
    factor, *_ = cell_statistics(x[:9], y[:9], z[:9], (100, 100), 50)
    assert np.all(np.isnan(factor))


def test_report():
    table = make_table()
    report = make_report(table, MEASURED, n_bins=(3, 2, 1), purity=0.5,
                         facts={'field': 'none'})
    apart = table[~table['blended']]
    assert report.ways['all'] == star_statistics(table, MEASURED)
    assert report.ways['apart'] == star_statistics(apart, MEASURED)
    clean = apart[(apart['flags'] == 0) & apart['recovered']]
    assert report.ways['clean']['n'] == len(clean)
    assert report.ways['clean']['width_after'] == star_statistics(
        clean, MEASURED)['width_after']
    # nobody knows which of the stars that were not found would be clean
    assert np.isnan(report.ways['clean']['completeness'])
    assert list(report.limits) == ['apart', 'all']
    assert abs(report.limits['all'][0.5] + 2.5 * np.log10(300)) < 0.02
    assert len(report.by['mag_true']) == 3
    # roughness has two values, so that its quantiles make one bin
    assert len(report.bins) == 3 * len(report.by['roughness'])
    text = str(report)
    width = report.ways['apart']['width_after']
    for word in ('field', f'{width:.3f}', 'blends included', 'equation 11',
                 f'without a flag: {len(clean)} recovered\n',
                 'in bins of density'):
        assert word in text
    short = report.lines(short=True)
    assert text.startswith('\n'.join([*short, '', 'coverage of intervals']))
    table['flags'] = 0  # the clean ones are those apart once more
    assert 'without a flag' not in str(make_report(table, MEASURED))


def test_masked_flags():
    """
    What is under the mask of a column is no bit.
    """
    table = make_table()
    want = make_report(table, MEASURED)
    assert want.ways['clean']['n'] < want.ways['apart']['n']
    for name in ('blended', 'recovered', 'flags'):
        unset = table[name] == 0
        table[name] = MaskedColumn(np.where(unset, 1, table[name]),
                                   mask=unset)
    assert str(make_report(table, MEASURED)) == str(want)


def test_bad_way():
    from lpiphot.validation.report import choose

    with pytest.raises(ValueError, match='way must be one of apart, clean'):
        choose(make_table(9), 'good')
