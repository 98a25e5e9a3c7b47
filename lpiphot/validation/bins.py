# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Statistics of measured stars in bins of what they are and where.
"""

import itertools

import numpy as np
from astropy.table import QTable

from lpiphot.validation.columns import plain_flags, plain_values
from lpiphot.validation.pit import pit_deviation
from lpiphot.validation.statistics import (change_ratio, finite_values,
                                           rank_correlation, robust_width,
                                           zscore_summary)

__all__ = ['bin_statistics', 'cell_statistics', 'quantile_edges',
           'star_statistics']


def star_statistics(table, measured):
    """
    Summarize how well stars of known flux were measured.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The stars, as `pair_stars` makes them. Those not recovered count
        for completeness only.

    measured : dict
        For each name the columns of flux and error; see `pair_stars`.

    Returns
    -------
    statistics : dict
        ``n`` stars, ``n_recovered``, ``completeness``; and for each
        name, with ``_<name>`` appended: ``bias``, the median of
        (measured - true) / true; ``scatter``, the median of its
        absolute value; of z ``median``, ``width`` (robust; the factor
        by which errors are too small), ``beyond3`` and ``beyond5``,
        ``pit`` (`pit_deviation`); and the rank correlations of z with
        the residual ``rho_around`` and ``rho_at`` the star, if the
        table has these columns. With two names also ``ratio`` and
        ``ratio_robust`` (equation 11), NaN if the second has no error.
    """
    recovered = plain_flags(table['recovered']).astype(bool)
    n = len(table)
    statistics = {'n': n, 'n_recovered': int(np.count_nonzero(recovered)),
                  'completeness': float(np.mean(recovered)) if n else np.nan}
    stars = table[recovered]
    true = plain_values(stars['flux_true'])
    unit = getattr(stars['flux_true'], 'unit', None)
    for name, (flux, _) in measured.items():
        z = np.asarray(stars[f'z_{name}'])
        with np.errstate(divide='ignore', invalid='ignore'):
            relative = finite_values(
                (plain_values(stars[flux], unit) - true) / true)
        values = zscore_summary(z)
        values['bias'] = _median(relative)
        values['scatter'] = _median(np.abs(relative))
        values['pit'] = pit_deviation(z)
        for key in ('around', 'at'):
            if f'residual_{key}' in stars.colnames:
                values[f'rho_{key}'] = rank_correlation(
                    z, stars[f'residual_{key}'])
        statistics |= {f'{key}_{name}': value
                       for key, value in values.items()}
    if len(measured) > 1:
        (before, _), (after, error) = list(measured.values())[:2]
        for key, robust in (('ratio', False), ('ratio_robust', True)):
            statistics[key] = change_ratio(
                plain_values(stars[before], unit),
                plain_values(stars[after], unit), true,
                np.nan if error is None else plain_values(stars[error], unit),
                robust=robust)
    return statistics


def quantile_edges(values, n):
    """
    Return the edges of bins that hold about equally many values.

    Parameters
    ----------
    values : array_like
        The values; those not finite are left out.

    n : int
        The number of bins; fewer if values are the same.

    Returns
    -------
    edges : `~numpy.ndarray`
        The edges, one more than bins.
    """
    values = finite_values(values)
    if values.size == 0:
        return np.array([0.0, 1.0])
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n + 1)))
    return edges if len(edges) > 1 else np.array([edges[0], edges[0]])


def bin_statistics(table, measured, edges):
    """
    Summarize stars in the bins of one or several columns.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The stars, as `pair_stars` makes them.

    measured : dict
        For each name the columns of flux and error.

    edges : dict
        For each column the edges of its bins, in order, in its unit if
        they have none. The last bin includes its upper edge.

    Returns
    -------
    bins : `~astropy.table.QTable`
        A row for each bin of all columns together, the last one fastest:
        ``<column>_low`` and ``<column>_high``, and the values of
        `star_statistics`.
    """
    places = {name: _places(table[name], plain_values(
        limits, getattr(table[name], 'unit', None)))
        for name, limits in edges.items()}
    rows = []
    for cell in itertools.product(*(range(len(limits) - 1)
                                    for limits in edges.values())):
        select = np.ones(len(table), dtype=bool)
        row = {}
        for i, (name, limits) in zip(cell, edges.items(), strict=True):
            select &= places[name] == i
            row[f'{name}_low'], row[f'{name}_high'] = limits[i:i + 2]
        rows.append(row | star_statistics(table[select], measured))
    return QTable(rows)


def cell_statistics(x, y, z, shape, size, *, n_min=30):
    """
    Return the rescaling factor that errors need, as a map.

    Parameters
    ----------
    x, y : (n,) array_like
        Positions in pixels.

    z : (n,) array_like
        The z-scores.

    shape : 2-tuple of int
        The shape ``(ny, nx)`` of the image.

    size : float
        About the width of the cells in pixels: the image is divided
        evenly.

    n_min : int, optional
        The least number of stars in a cell (the paper's figure 12 asks
        for more than 30).

    Returns
    -------
    factor : (my, mx) `~numpy.ndarray`
        The robust width of z in each cell, which is the factor by which
        errors are too small; NaN with fewer stars.

    y_edges, x_edges : `~numpy.ndarray`
        The edges of the cells in pixels.
    """
    edges = [np.linspace(-0.5, n - 0.5, max(1, round(n / size)) + 1)
             for n in shape]
    x, y, z = (np.asarray(values, dtype=float) for values in (x, y, z))
    rows, columns = _places(y, edges[0]), _places(x, edges[1])
    factor = np.full((len(edges[0]) - 1, len(edges[1]) - 1), np.nan)
    finite = np.isfinite(z)
    for i, j in np.ndindex(factor.shape):
        here = finite & (rows == i) & (columns == j)
        if np.count_nonzero(here) >= n_min:
            factor[i, j] = robust_width(z[here])
    return factor, *edges


def _places(values, edges):
    """
    Return the bin of each value, -1 outside or not finite.
    """
    values = plain_values(values)
    places = np.searchsorted(edges, values, side='right') - 1
    places[values == edges[-1]] = len(edges) - 2
    places[~np.isfinite(values) | (places >= len(edges) - 1)] = -1
    return places


def _median(values):
    return float(np.median(values)) if values.size else np.nan
