# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What was measured beside what is true, star by star.
"""

import numpy as np
from astropy.table import QTable
from scipy.spatial import KDTree

from lpiphot.validation.columns import plain_flags, plain_values
from lpiphot.validation.matching import (finite_positions, match_positions,
                                         nearest_distance)

__all__ = ['pair_stars']


def pair_stars(stars, catalogue, radius, *, existing=None, measured=None,
               positions=('x_fit', 'y_fit')):
    """
    Put the measurements of a catalogue beside stars of known flux.

    Parameters
    ----------
    stars : `~astropy.table.Table`
        The true stars: columns ``x_0``, ``y_0`` in pixels and ``flux``.

    catalogue : `~astropy.table.Table`
        The catalogue of the image with these stars, of any photometry.

    radius : float
        The largest distance in pixels of a match.

    existing : (k, 2) array_like, optional
        Positions ``(x, y)`` in pixels of the sources that were in the
        image before. They are never matched (see `match_positions`).

    measured : dict, optional
        The fluxes to be scored: for each name the columns of flux and
        1-sigma error (or `None`) in the catalogue. The default is
        ``{'before': ('flux_fit', 'flux_err')}``.

    positions : 2-tuple of str, optional
        The columns of the positions in the catalogue.

    Returns
    -------
    pairs : `~astropy.table.QTable`
        A row for every star: ``x_true``, ``y_true``, ``flux_true``;
        ``recovered``; ``existing_distance`` and ``injected_distance``,
        the distances in pixels to the nearest source that was there
        before, and to the nearest other star; all numeric columns of
        the catalogue, NaN (0, `False`) where a star was not recovered;
        and for each name in ``measured``, ``z_<name>`` = (measured -
        true) / error.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    if measured is None:
        measured = {'before': ('flux_fit', 'flux_err')}
    wanted = [*positions, *(name for names in measured.values()
                            for name in names if name is not None)]
    missing = [name for name in wanted if name not in catalogue.colnames]
    if missing and len(catalogue) == 0:
        unit = getattr(stars['flux'], 'unit', None)
        catalogue = QTable({name: np.zeros(0) if name in positions
                            or unit is None else np.zeros(0) * unit
                            for name in wanted})
    elif missing:
        msg = (f'catalogue must have the columns {", ".join(missing)}; it '
               f'has {", ".join(catalogue.colnames) or "none"}')
        raise ValueError(msg)

    xy = np.transpose([plain_values(stars[name]) for name in ('x_0', 'y_0')])
    found = np.transpose([plain_values(catalogue[name]) for name in positions])
    index = match_positions(xy, found, radius, existing=existing)
    recovered = index >= 0
    pairs = QTable({'x_true': xy[:, 0], 'y_true': xy[:, 1],
                    'flux_true': stars['flux'], 'recovered': recovered,
                    'existing_distance': nearest_distance(
                        xy, finite_positions('existing', existing)),
                    'injected_distance': _distance_to_others(xy)})
    for name in catalogue.colnames:
        column = catalogue[name]
        if name not in pairs.colnames and _is_numeric(column):
            pairs[name] = _rows_of(column, index)
    for name, (flux, error) in measured.items():
        z = np.full(len(pairs), np.nan)
        if error is not None:
            with np.errstate(divide='ignore', invalid='ignore'):
                off = pairs[flux] - pairs['flux_true']
                z = plain_values(off) / plain_values(
                    pairs[error], getattr(off, 'unit', None))
        pairs[f'z_{name}'] = z
        pairs[f'z_{name}'].info.description = (
            f'({flux} - flux_true) / {error}')
    return pairs


def _distance_to_others(xy):
    """
    Return the distances of (n, 2) positions to the nearest of the others.
    """
    distance = np.full(len(xy), np.inf)
    finite = np.isfinite(xy).all(axis=1)
    if np.count_nonzero(finite) > 1:
        distance[finite] = KDTree(xy[finite]).query(xy[finite], k=2)[0][:, 1]
    return distance


def _is_numeric(column):
    dtype = getattr(column, 'dtype', None)
    return (dtype is not None and dtype.kind in 'biuf'
            and np.ndim(column) == 1)


def _rows_of(column, index):
    """
    Return rows of a column: empty ones where the index is negative.
    """
    unit = getattr(column, 'unit', None)
    if column.dtype.kind == 'f':
        values, empty = plain_values(column).astype(column.dtype), np.nan
    else:
        values, empty = plain_flags(column), 0
    rows = np.full(len(index), empty, dtype=values.dtype.newbyteorder('='))
    rows[index >= 0] = values[index[index >= 0]]
    return rows if unit is None else rows << unit
