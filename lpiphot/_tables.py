# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The catalogue: columns that are read, columns that are added, metadata.
"""

import warnings
from importlib.metadata import version

import astropy.units as u
import numpy as np
from astropy.io.fits.card import Undefined
from astropy.table import QTable, Row, Table
from astropy.utils.exceptions import AstropyUserWarning

from lpiphot._checks import unit_name
from lpiphot._outputs import with_unit
from lpiphot._psf_names import extra_names

__all__ = ['COLUMNS', 'POSITION_COLUMNS', 'add_columns', 'catalogue_of',
           'column_unit', 'column_values', 'find_column', 'flux_unit_of',
           'mend_positions', 'neighbour_values', 'pair_table',
           'parameter_values', 'psf_metadata', 'rows_of', 'versions']

# What keys of the metadata begin with that are parameters of the PSF model
_PSF_PREFIX = 'psf_model_'

# Names under which photutils, now and earlier, and its users have the
# fitted position and flux.
ALIASES = {
    'x': ('x_fit', 'xfit', 'x_0', 'x0', 'x'),
    'y': ('y_fit', 'yfit', 'y_0', 'y0', 'y'),
    'flux': ('flux_fit', 'fluxfit', 'flux_0', 'flux0', 'flux'),
}

# name: (has the unit of the flux, description)
COLUMNS = {
    'cflux': (True, 'LPI-corrected flux: flux_fit - fdb_res + fdb_pred'),
    'dcflux': (True, '1-sigma uncertainty of cflux'),
    'dcflux_diag': (True, 'as dcflux, covariance between pixels left out'),
    'fdb_res': (True, 'bias offset from the residual'),
    'fdb_pred': (True, 'bias offset from the predicted background'),
    'cchi2': (False, 'chi-square of the good pixels, beside kcond of them'),
    'kcond0': (False, 'number of good pixels before the fallbacks'),
    'kcond': (False, 'number of good pixels'),
    'kpred': (False, 'number of hidden pixels'),
    'dnt': (False, 'quality bits, see lpiphot.decode_dnt_flags'),
}

# Those of the optional positions, by the columns whose unit they have
POSITION_COLUMNS = {
    'cx': ('x', 'x, corrected together with the flux'),
    'cy': ('y', 'y, corrected together with the flux'),
    'dcx': ('x', '1-sigma uncertainty of cx'),
    'dcy': ('y', '1-sigma uncertainty of cy'),
}


def catalogue_of(phot):
    """
    Return the catalogue as a new `~astropy.table.QTable`.

    Parameters
    ----------
    phot : `~astropy.table.Table` or object with ``results``
        A table, or a `~photutils.psf.PSFPhotometry` or
        `~photutils.psf.IterativePSFPhotometry` that has been run.
    """
    if not isinstance(phot, Table):
        if not hasattr(phot, 'results'):
            msg = ('phot must be a table, or a PSFPhotometry or '
                   f'IterativePSFPhotometry object; got {type(phot).__name__}')
            if isinstance(phot, Row):
                msg += '. Give a part of the table, as phot[3:4]'
            elif isinstance(getattr(phot, 'table', None), Table):
                msg += '. Give its .table'
            raise TypeError(msg)
        if phot.results is None:
            msg = (f'phot has no results: the {type(phot).__name__} object '
                   'was not called on the data yet, or found no star')
            raise ValueError(msg)
        phot = phot.results
    table = QTable(phot, copy=True)
    for key, value in table.meta.items():
        if isinstance(value, Undefined):  # None in FITS; ECSV cannot write it
            table.meta[key] = None
    n_mended = mend_positions(table)
    if n_mended > 0:
        msg = (f'{n_mended} sources of phot were fitted in groups at fixed '
               'positions, of which photutils 3.0 makes 0 in x_fit and y_fit; '
               'x_init and y_init are taken')
        warnings.warn(msg, AstropyUserWarning)
    return table


def mend_positions(table):
    """
    Put the sources back that photutils 3.0 has put to 0.

    Of the members of groups, it gives fixed positions as 0, with no
    error, while their fluxes are those of the positions that were held.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The table, changed in place.

    Returns
    -------
    n_mended : int
        The number of sources that were put back.
    """
    mended = np.zeros(len(table), dtype=bool)
    for axis in 'xy':
        names = [f'{axis}_{end}' for end in ('fit', 'err', 'init')]
        if set(names) <= set(table.colnames):
            at, sigma, held = (column_values(table, name) for name in names)
            lost = (at == 0) & np.isnan(sigma) & (np.abs(held) > 0)
            unit = column_unit(table, names[0])
            table[names[0]][lost] = (held[lost] if unit is None
                                     else held[lost] * unit)
            mended |= lost
    return int(np.count_nonzero(mended))


def find_column(table, quantity):
    """
    Return the name of the column of a position or the flux.
    """
    for name in ALIASES[quantity]:
        if name in table.colnames:
            return name
    msg = (f'phot has no column for {quantity}; looked for '
           f'{", ".join(ALIASES[quantity])}; it has '
           f'{", ".join(table.colnames) or "no columns"}')
    raise ValueError(msg)


def column_unit(table, name):
    """
    Return the unit of a column, `None` if it has none.
    """
    # columns that are masked arrays have no attribute for it
    return getattr(table[name], 'unit', None)


def column_values(table, name, unit=None):
    """
    Return a column as plain float64, NaN where masked.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The table.

    name : str
        The name of the column.

    unit : `~astropy.units.Unit`, optional
        The unit to convert to, if the column has one; by default its
        unit is taken off.
    """
    column = table[name]
    mask = getattr(column, 'mask', None)
    if isinstance(column, u.Quantity):
        if unit is None or column.unit == u.dimensionless_unscaled:
            column = column.value
        elif column.unit.is_equivalent(unit):
            column = column.to_value(unit)
        else:
            msg = (f"column {name} of phot must have the unit '{unit}'; got "
                   f"'{column.unit}'")
            raise u.UnitsError(msg)
    kind = getattr(column, 'dtype', type(column).__name__)  # SkyCoord, Time
    msg = f'column {name} of phot must hold numbers; got {kind}'
    if np.iscomplexobj(column):
        raise TypeError(msg)
    try:
        values = np.array(np.ma.getdata(column), dtype=float)
    except (TypeError, ValueError):
        raise TypeError(msg) from None
    if values.ndim != 1:
        msg = (f'column {name} of phot must hold one number a row; its shape '
               f'is {values.shape}')
        raise ValueError(msg)
    if mask is not None:
        values[np.asarray(mask)] = np.nan
    return values


def parameter_values(table, psf_model):
    """
    Return the fitted values of the parameters beside position and flux.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The table.

    psf_model : `~astropy.modeling.Model`
        The PSF model.

    Returns
    -------
    values : dict of (n,) `~numpy.ndarray`
        Those of which the table has the column ``<parameter>_fit``, in
        the unit of the parameter, and those that are tied to them, which
        photutils leaves out.
    """
    values, names = {}, extra_names(psf_model)
    for name in names:
        column = f'{name}_fit'
        if column not in table.colnames:
            continue
        unit = getattr(psf_model, name).unit
        own = column_unit(table, column)
        if unit is None and own is not None and own.is_equivalent('rad'):
            # degrees to some models, radians to others
            msg = (f'column {column} of phot must have no unit, as {name} of '
                   f"psf_model has none; got '{own}'")
            raise u.UnitsError(msg)
        values[name] = column_values(table, column, unit)
    tied = [name for name in names
            if name not in values and psf_model.tied[name]]
    if values and tied:
        model = psf_model.copy()
        rows = []
        for row in zip(*values.values(), strict=True):
            for name, value in zip(values, row, strict=True):
                getattr(model, name).value = value
            # what ties it may return the other parameter itself
            rows.append([np.asarray(model.tied[name](model), dtype=float)
                         for name in tied])
        values |= zip(tied, np.reshape(rows, (-1, len(tied))).T, strict=True)
    return values


def psf_metadata(psf_model, own):
    """
    Return what a PSF model has beside position and flux, as metadata.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        The PSF model.

    own : collection of str
        The parameters of which each star has its own value.

    Returns
    -------
    metadata : dict
        By names that begin with ``psf_model_``: numbers, with their unit
        as text if they have one, and 'per star' for those in ``own``; of
        models that hold images the shape of these and their
        oversampling.
    """
    metadata = {}
    for name in extra_names(psf_model):
        parameter = getattr(psf_model, name)
        value = np.asarray(parameter.value, dtype=float).item()
        unit = '' if parameter.unit is None else str(parameter.unit)
        metadata[name] = ('per star' if name in own else
                          f'{value} {unit}' if unit else value)
    images = getattr(psf_model, 'data', None)
    if isinstance(images, np.ndarray) and images.ndim > 1:
        metadata['data_shape'] = str(images.shape)
        oversampling = np.ravel(getattr(psf_model, 'oversampling', 1))
        metadata['oversampling'] = str(tuple(oversampling.tolist()))
    return {f'{_PSF_PREFIX}{name}': value for name, value in metadata.items()}


def flux_unit_of(table, name, data_unit):
    """
    Return the unit of the flux column, which must match the data.
    """
    unit = column_unit(table, name)
    if unit == u.dimensionless_unscaled and data_unit is None:
        unit = None
    if (unit is None) != (data_unit is None):
        msg = (f'column {name} of phot and data must both have units or both '
               f'have none; got {unit_name(unit)} for {name} and '
               f'{unit_name(data_unit)} for data')
        raise u.UnitsError(msg)
    if unit is not None and not unit.is_equivalent(data_unit):
        msg = (f'column {name} of phot must have a unit equivalent to that '
               f"of data, '{data_unit}'; got '{unit}'")
        raise u.UnitsError(msg)
    if isinstance(unit, u.function.FunctionUnitBase):
        # their errors are no errors of fluxes
        msg = (f'column {name} of phot must be a flux, no magnitude; got the '
               f"unit '{unit}'. Convert it with .to({str(data_unit)!r})")
        raise u.UnitsError(msg)
    return unit


def neighbour_values(table, name, data_unit):
    """
    Return ``flux_err``, in the unit of the data, or numbers of groups, one
    for each ``group_id``.
    """
    if name not in table.colnames:
        msg = (f'phot must have the column {name}, which neighbours names; '
               f'it has {", ".join(table.colnames)}')
        raise ValueError(msg)
    if name == 'flux_err':
        flux_unit_of(table, name, data_unit)
        return column_values(table, name, data_unit)
    values = column_values(table, name)  # which are not all integers of int64
    numbers = np.unique(np.asarray(np.ma.getdata(table[name])),
                        return_inverse=True)[1]
    return np.where(np.isfinite(values), numbers, np.nan)


def _flat(meta):
    """
    Return metadata of which FITS can hold each, from those of photutils.
    """
    flat = {}
    for key, value in meta.items():
        if isinstance(value, dict):
            flat |= _flat({f'{key}_{name}': item
                           for name, item in value.items()})
        elif isinstance(value, (tuple, np.ndarray)):
            flat[key] = ' '.join(str(item) for item in np.ravel(value))
        else:
            flat[key] = 'none' if value is None else value
    return flat


def add_columns(table, values, data_unit, flux_unit, parameters):
    """
    Append the columns of LPI to a table, and say how they were made.

    What photutils has put into the metadata as dicts and arrays becomes
    flat, and None 'none', so that FITS keeps it.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The table, changed in place.

    values : dict of `~numpy.ndarray`
        The values by the names of `COLUMNS`, fluxes in ``data_unit``, and
        those of `POSITION_COLUMNS`, if solved for, in pixels.

    data_unit, flux_unit : `~astropy.units.Unit` or `None`
        The units of the data and of the fluxes of the table.

    parameters : dict
        The parameters as used: numbers and strings.
    """
    for name, (is_flux, description) in COLUMNS.items():
        column = values[name]
        if is_flux and flux_unit is not None:
            column = (column * data_unit).to(flux_unit)
        table[name] = column
        table[name].info.description = description
    for name, (axis, description) in POSITION_COLUMNS.items():
        if name in values:
            unit = column_unit(table, find_column(table, axis))
            # a column without dimensions is in pixels
            factor = 1.0 if unit in (None, u.one) else u.pix.to(unit)
            table[name] = with_unit(factor * values[name], unit)
            table[name].info.description = description
        elif table.meta.get('lpiphot_positions') and name in table.colnames:
            table.remove_column(name)  # of an earlier correction
    # another PSF model had other parameters
    kept = {key: value for key, value in _flat(table.meta).items()
            if not str(key).startswith(f'lpiphot_{_PSF_PREFIX}')}
    table.meta = kept | {
        f'lpiphot_{key}': value
        for key, value in parameters.items()} | versions()


def versions():
    """
    Return metadata of the packages that numbers of a table rest on.
    """
    return {f'{package}_version': version(package)
            for package in ('lpiphot', 'numpy', 'astropy', 'photutils')}


def pair_table(table, correlations):
    """
    Return the covariances of the corrected fluxes of pairs of sources.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The corrected table.

    correlations : list of 3-tuple
        Two rows and the correlation coefficient of their fluxes; for a
        pair that is in it twice, in either order, their mean is taken.

    Returns
    -------
    pairs : `~astropy.table.QTable`
        The columns ``id_1`` and ``id_2``, ``correlation`` and
        ``covariance``, each pair once.
    """
    values = {}
    for one, two, value in correlations:
        values.setdefault((min(one, two), max(one, two)), []).append(value)
    rows = np.array(sorted(values), dtype=int).reshape(-1, 2).T
    mean = np.array([np.mean(values[pair]) for pair in sorted(values)])
    ids = _ids_of(table)
    errors = table['dcflux']
    return QTable({'id_1': ids[rows[0]], 'id_2': ids[rows[1]],
                   'correlation': mean,
                   'covariance': mean * errors[rows[0]] * errors[rows[1]]})


def _ids_of(table):
    if 'id' not in table.colnames:
        return np.arange(len(table))
    ids = np.asarray(table['id'])
    return np.char.decode(ids) if ids.dtype.kind == 'S' else ids  # of FITS


def rows_of(table, ids, argument='ids'):
    """
    Return the rows of sources from their ids.
    """
    known = _ids_of(table)
    given = np.ones(len(table), dtype=bool)
    if 'id' in table.colnames:
        given &= ~np.asarray(getattr(table['id'], 'mask', False))
    rows = []
    for name in ids:
        text = name.decode() if isinstance(name, bytes) else name
        matches = np.flatnonzero(given & (known == text))
        if matches.size == 0:
            ordered = np.sort(known[given])
            msg = (f'{argument} has {name}, which is not in the table; its '
                   f'ids are {ordered[0]} to {ordered[-1]}' if ordered.size
                   else f'{argument} has {name}, but the table is empty')
            raise ValueError(msg)
        if matches.size > 1:
            msg = (f'{argument} has {name}, which {matches.size} rows of phot '
                   'have; make its ids unique')
            raise ValueError(msg)
        rows.append(matches[0])
    return rows
