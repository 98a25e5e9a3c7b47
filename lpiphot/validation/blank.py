# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A test of LPI that needs no truth: predict pixels that are in fact seen.
"""

import astropy.units as u
import numpy as np
from astropy.table import QTable, vstack
from scipy.linalg import cho_factor, cho_solve

from lpiphot._checks import as_count, as_gain, as_seed
from lpiphot._fwhm import model_fwhm
from lpiphot._inputs import ImageReader
from lpiphot._outputs import with_unit
from lpiphot._psf_names import psf_names
from lpiphot._tables import (catalogue_of, column_values, find_column,
                             flux_unit_of, neighbour_values, parameter_values)
from lpiphot.corrector import LPIBackgroundCorrector
from lpiphot.validation.environment import (BLEND_FWHM, add_environment,
                                            subtract_stars)
from lpiphot.validation.injection import inject_stars, random_positions
from lpiphot.validation.matching import nearest_distance
from lpiphot.validation.recovery_result import RecoveryResult

__all__ = ['check_blank_positions']

# Tries to place one more position, in terms of the room there is
_FILLING = 0.25


def check_blank_positions(corrector, data, phot, *, error=None, mask=None,
                          background=None, n_positions=200, rng=None):
    """
    Test an LPI correction where there are no stars.

    At random blank positions, the pixels that a faint star would hide
    are predicted from those around, and compared with what is in fact
    there: the flux of the PSF in the difference of seen and predicted
    pixels, divided by its predicted error, is a unit Gaussian if the
    covariance is right. No photometry is repeated, and no truth needed,
    so this takes seconds on any image; it does not test what finding
    and fitting of stars do to their fluxes, as
    `~lpiphot.validation.InjectionRecovery` does.

    For the masks to be as they are for stars, a stand-in of known flux
    (``min_mask_flux`` of the corrector) is added to the image at each
    position, and to the catalogue.

    Parameters
    ----------
    corrector : `~lpiphot.LPIBackgroundCorrector`
        The corrector.

    data : 2-D array_like, `~astropy.units.Quantity` or \
            `~astropy.nddata.NDData`
        The image, as the corrector takes it.

    phot : `~astropy.table.Table` or photutils object
        The photometry of all its stars, corrected already or not.

    error : 2-D array_like or `~astropy.units.Quantity`, optional
        The 1-sigma errors of the data.

    mask : 2-D bool array_like, optional
        `True` for pixels to leave out.

    background : float or 2-D array_like, optional
        The sky that was already subtracted.

    n_positions : int, optional
        The number of positions.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the positions.

    Returns
    -------
    result : `~lpiphot.validation.RecoveryResult`
        The table has ``x_true``, ``y_true``, and ``flux_true`` of the
        stand-ins; ``cflux`` and ``dcflux`` as of stars; ``z_after``;
        ``chi2``, that of all hidden pixels under their predicted mean
        and covariance, and ``n_hidden``, what it should be about.
        Report and plots are as of injected stars.

    Raises
    ------
    TypeError
        If the corrector is none, or an input is of the wrong kind.

    ValueError
        If the positions do not fit into the image, or an input is bad
        (see the corrector).

    astropy.units.UnitsError
        If units do not match.
    """
    if not isinstance(corrector, LPIBackgroundCorrector):
        msg = ('corrector must be an LPIBackgroundCorrector; got '
               f'{type(corrector).__name__}')
        raise TypeError(msg)
    n_positions = as_count('n_positions', n_positions, 1)
    seed = as_seed(rng)
    reader = ImageReader(data, error=error, mask=mask)
    table = catalogue_of(phot)
    unit = flux_unit_of(table, find_column(table, 'flux'), reader.unit)
    given = {name: value for name, value in (
        ('error', error), ('mask', mask), ('background', background))
        if value is not None}
    psf_model = corrector.psf_model
    known = _short_catalogue(table, corrector, reader.unit)
    xy_known = np.transpose((known['x_fit'], known['y_fit']))
    fwhm = float(model_fwhm(psf_model, reader.shape))
    image = reader.read()
    no_place = image.mask
    residual = subtract_stars(image.data, known, psf_model)
    meta = _parameters(corrector, residual, known[:0], image, reader.unit,
                       background)
    flux = meta['lpiphot_min_mask_flux']

    rng = np.random.default_rng(seed)
    half = max(corrector.stamp_shape) // 2
    # so far apart that none is within the stamp of another
    separation = 2.0 * half
    room = np.count_nonzero(~no_place) / separation ** 2
    n_together = max(1, int(_FILLING * room))
    rows = []
    while len(rows) < n_positions:
        n = min(n_together, n_positions - len(rows))
        xy = random_positions(
            reader.shape, n, min_separation=separation, avoid=xy_known,
            avoid_radius=BLEND_FWHM * fwhm,
            border=min(half, (min(reader.shape) - 1) // 2), mask=no_place,
            seed=rng)
        rows += _predict(corrector, data, known, xy, flux, reader.unit, given,
                         rng)

    result = QTable(rows)
    n = len(result)
    result.add_column(np.ones(n, dtype=int), 0, name='round')
    result['recovered'] = np.ones(n, dtype=bool)
    xy = np.transpose((result['x_true'], result['y_true']))
    result['existing_distance'] = nearest_distance(xy, xy_known)
    # positions of one image are apart, and those of others do not matter
    result['injected_distance'] = np.full(n, np.inf)
    if unit is not None:
        for name in ('flux_true', 'cflux', 'dcflux'):
            result[name] = (result[name] * reader.unit).to(unit)
    add_environment(result, residual, no_place, xy_known, fwhm=fwhm,
                    blend_radius=BLEND_FWHM * fwhm)
    # photutils' record of the PSF, and the parameters as of a table
    result.meta = {
        **{name: value for name, value in table.meta.items()
           if name == 'psf_model'},
        **meta,
        'recovery_shape': ' '.join(str(size) for size in reader.shape),
        'recovery_fwhm': fwhm,
        'recovery_kind': 'blank positions',
        'recovery_seed': seed,
        'recovery_n_sources': len(known),
        'recovery_noise_from': 'none',
        'recovery_measured_after': 'cflux dcflux',
        'recovery_counts': {'round': [1], 'n_true': [n], 'n_found': [n],
                            'n_matched': [n], 'n_existing': [0],
                            'n_false': [0]},
    }
    return RecoveryResult(result, residual=residual, mask=no_place)


def _parameters(corrector, residual, nothing, image, unit, background):
    """
    Return the parameters that the corrector uses for an image.

    They are the metadata of a table without stars, of the image without
    its stars.
    """
    error = None if image.error is None else with_unit(image.error, unit)
    return corrector(with_unit(residual, unit), _with_units(nothing, unit),
                     error=error, mask=image.mask, background=background).meta


def _with_units(catalogue, unit):
    """
    Return a short catalogue with the unit of the data.
    """
    return QTable({name: with_unit(catalogue[name], unit)
                   if name in ('flux_fit', 'flux_err') else catalogue[name]
                   for name in catalogue.colnames})


def _short_catalogue(table, corrector, unit):
    """
    Return a catalogue of what the corrector reads, as plain numbers.
    """
    short = QTable()
    for name, wanted in (('x', u.pix), ('y', u.pix), ('flux', unit)):
        short[f'{name}_fit'] = column_values(
            table, find_column(table, name), wanted)
    for name, values in parameter_values(table,
                                         corrector.psf_model).items():
        short[f'{name}_fit'] = values
    finite = np.all([np.isfinite(short[name]) for name in short.colnames],
                    axis=0)
    name = corrector.neighbours
    if name is not None:
        short[name] = neighbour_values(table, name, unit)
    return short[finite]


def _predict(corrector, data, known, xy, flux, unit, given, rng):
    """
    Predict the pixels at some positions; return rows of the table.
    """
    stars = QTable({'x_fit': xy[:, 0], 'y_fit': xy[:, 1],
                    'flux_fit': np.full(len(xy), flux)})
    # their fluxes are exact, and they are in no group
    if corrector.neighbours is not None:
        stars[corrector.neighbours] = np.full(
            len(xy), 0.0 if corrector.neighbours == 'flux_err' else np.nan)
    catalogue = stars
    if len(known) > 0:
        for name in known.colnames:
            if name not in stars.colnames:
                stars[name] = np.full(len(xy), np.median(known[name]))
        catalogue = vstack([known, stars])
    model = corrector.psf_model
    params = QTable([stars[f'{key}_fit'] for key in ('x', 'y', 'flux')],
                    names=psf_names(model))
    for name in model.param_names:
        if f'{name}_fit' in stars.colnames and name not in params.colnames:
            params[name] = stars[f'{name}_fit']
    image = inject_stars(data, model, params, error=given.get('error'),
                         gain=as_gain(corrector.gain, unit), rng=rng)
    if 'error' in given:  # it has their photons, as an uncertainty would
        image, error = image
        given = given | {'error': error}
    catalogue = _with_units(catalogue, unit)
    # what an error message calls them
    names = [f'({x:.1f}, {y:.1f})' for x, y in xy]
    catalogue['id'] = [''] * len(known) + names
    try:
        predictions = corrector.predict(image, catalogue, names, **given)
    except ValueError as exc:
        msg = ('mask must be True where data have no noise, as in padding: '
               f'a position (x, y) cannot be predicted, {exc}')
        raise ValueError(msg) from exc
    return [_row(x, y, flux, prediction)
            for (x, y), prediction in zip(xy, predictions, strict=True)]


def _row(x, y, flux, prediction):
    """
    Return seen against predicted at one position.
    """
    hidden = prediction.hidden
    psf = prediction.psf[hidden]
    off = prediction.stamp[hidden] - prediction.mean
    factor = cho_factor(prediction.covariance, lower=True)
    weights = cho_solve(factor, psf)
    error = (psf @ weights) ** -0.5
    difference = (off @ weights) * error ** 2
    return {'x_true': x, 'y_true': y, 'flux_true': flux,
            'cflux': flux + difference, 'dcflux': error,
            'z_after': difference / error,
            'chi2': float(off @ cho_solve(factor, off)),
            'n_hidden': int(np.count_nonzero(hidden))}
