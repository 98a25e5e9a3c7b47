# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
PSF photometry and LPI in turn: the fit gets the predicted background.
"""

import warnings
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.datasets import make_model_image
from photutils.psf import IterativePSFPhotometry, PSFPhotometry
from scipy.spatial import KDTree

from lpiphot._checks import as_count, as_number
from lpiphot._fwhm import model_fwhm
from lpiphot._inputs import ImageReader
from lpiphot._psf_names import psf_names
from lpiphot._tables import (catalogue_of, column_values, mend_positions,
                             parameter_values)
from lpiphot.corrector import LPIBackgroundCorrector

__all__ = ['lpi_photometry']

# Bits of photutils' flags of a fit that is none: outside, no convergence,
# no overlap, masked, too few pixels, not finite, outside of its box
_FAILED = 2 | 8 | 64 | 128 | 256 | 512 | 1024 | 4096

# The same and negative, or at the bounds: gone astray, on a background that
# is far off
_ASTRAY = _FAILED | 4 | 32

# The bit of a fit to less than the box of the photometry
_PARTIAL = 1

# Two fits that end nearer than this, in FWHM, are of the same star
_SAME = 0.5

# The steps of a star are halved if its flux would go back by more than this
# part of its last change, or change by more than all of it
_BACK = 0.5

# Columns of photutils' table that are not of the fit, and those ending in
# _fit that are no parameters
_GIVEN = ('id', 'group_id', 'group_size', 'iter_detected')
_COUNTS = ('n_pixels_fit', 'npixfit')


def lpi_photometry(data, photometry, corrector, *, error=None, mask=None,
                   background=None, tolerance=0.1, max_iterations=10):
    """
    Refit stars on the data minus the predicted background, and correct.

    A structured background does not only change the flux of a fit: it
    also draws its position to where the background is bright, by a FWHM
    and more on the edge of a dark cloud, and `LPIBackgroundCorrector`
    corrects the flux at the position that it is given. Here, in turn,
    the background behind all stars is predicted, the stars are fitted
    again to the data minus this, with the settings of the photometry,
    and are corrected again.

    Parameters
    ----------
    data : 2-D array_like, `~astropy.units.Quantity`, \
            `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
        The image that was fitted. The mask and the uncertainty of an
        NDData are used.

    photometry : `~photutils.psf.PSFPhotometry` or \
            `~photutils.psf.IterativePSFPhotometry`
        The photometry, which has been run on the data. It is not
        changed. Its local background estimator is not used again. Fits
        show their progress if it does.

    corrector : `~lpiphot.LPIBackgroundCorrector`
        The corrector, with the PSF model of the photometry. With its
        ``progress_bar``, each correction shows its progress.

    error : 2-D array_like or `~astropy.units.Quantity`, optional
        The 1-sigma errors of the data, for the fits and the corrector.

    mask : 2-D bool array_like, optional
        `True` for pixels to leave out.

    background : float or 2-D array_like, optional
        The sky that was already subtracted from the data, as for the
        corrector.

    tolerance : float, optional
        A star has converged when ``cflux`` would change by less than
        this number times ``dcflux`` in a whole step. It ends when all
        have.

    max_iterations : int, optional
        The largest number of refits; 0 is the corrector alone.

    Returns
    -------
    result : `~lpiphot.results.LPIResult`
        Table and images of the last correction. The table has the
        columns of the photometry, with the results of the last fit, of
        the corrector, and two more: ``n_iter``, the number of refits
        that the star took (0 if it took none, and did not converge), and
        ``converged``.

    Raises
    ------
    TypeError
        If an input is of the wrong kind.

    ValueError
        If the photometry has not been run, or a value cannot be used.

    Notes
    -----
    A fit begins where the first one began (``x_init``, ``y_init``), and
    uses the pixels alone whose background was predicted: on others,
    data minus background would be the star as it was fitted before.
    ``n_pixels_fit`` counts these pixels; the bit 1 of ``flags``, fewer
    than the box of the photometry has, is that of the first fit. A star
    keeps its former fit where the new one fails, moves farther from its
    beginning than one FWHM (and than the former), or comes within half a
    FWHM of another star. All stars are corrected again each time, but only
    those whose flux changed by the tolerance or more, or that have no new
    fit yet, are fitted again. The mode ``'new'`` of
    `~photutils.psf.IterativePSFPhotometry` fits what is left after its
    former rounds: so do the refits, round by round.

    A first fit that failed, ended at a bound or has a negative flux
    went astray. LPI then looks for the background where the fit began,
    as of a faint star there. If no refit is taken, the first fit is back
    in the last correction, and stars whose flux this changes have not
    converged; but if the image has not half of its light, it stays out,
    and the star where it began, with a ``flux_fit`` of 0.

    It does not diverge: whenever a flux changes by more than it did last
    time, or goes back by more than half of that, the steps of the star
    are halved from then on. Changes are those of whole steps: of shorter
    ones the change divided by the step. A star that goes back and forth
    between two fits comes to rest between them so, but has not
    converged.

    At a fixed position there is nothing to iterate: ``cflux`` does not
    depend on the flux that was subtracted, but for its wings.
    """
    if not isinstance(corrector, LPIBackgroundCorrector):
        msg = ('corrector must be an LPIBackgroundCorrector; got '
               f'{type(corrector).__name__}')
        raise TypeError(msg)
    tolerance = as_number('tolerance', tolerance)
    max_iterations = as_count('max_iterations', max_iterations)
    photometry, table, rounds = _take_apart(photometry)
    reader = ImageReader(data, error=error, mask=mask)
    image, error, mask = reader.read()
    if reader.unit is not None:
        image = image << reader.unit
        error = None if error is None else error << reader.unit

    correct = partial(corrector.run, image, error=error, mask=mask,
                      background=background)
    fwhm = float(model_fwhm(photometry.psf_model, image.shape))
    first, astray = table, np.zeros(len(table), dtype=bool)
    if max_iterations > 0:
        table, astray = _begun_again(first)
    steps = _Steps(len(table))
    n_iter = np.zeros(len(table), dtype=int)
    taken = np.zeros(len(table), dtype=bool)
    for i in range(max_iterations + 1):
        result = correct(table)
        cflux, dcflux = (column_values(result.table, name)
                         for name in ('cflux', 'dcflux'))
        change = steps.change(cflux, dcflux)
        moving = np.abs(change) >= tolerance  # not so if it has no result
        if i == max_iterations or not moving.any():
            break
        again = _with_groups(moving | ~taken, table)
        steps.begin(moving, again)
        table, new = _refit_rounds(
            photometry, rounds, result, table, error, fwhm,
            astray & (n_iter == 0), steps.length, again)
        steps.end(new)
        taken = np.where(again, new, taken)
        n_iter += new
    converged = taken & (np.abs(change) < tolerance)
    lost = astray & (n_iter == 0)
    lost[lost] = _are_there(first[lost], result, photometry.psf_model)
    if lost.any():
        table[lost] = first[lost]
        result = correct(table)
        # of stars beside them the flux may be another now
        last = column_values(result.table, 'cflux')
        converged &= np.abs(last - cflux) < tolerance * dcflux
    return _with_columns(result, {
        'n_iter': (n_iter, 'number of refits of lpi_photometry'),
        'converged': (converged, 'whether cflux has converged'),
    }, {'tolerance': tolerance, 'max_iterations': max_iterations})


class _Steps:
    """
    How much of the way to its next fit each of n stars goes, the ``length``.
    """

    def __init__(self, n):
        self.length = np.ones(n)
        self._taken = np.ones(n)  # 1 for stars that kept their fit
        self._cflux = self._change = self._last = np.full(n, np.inf)

    def change(self, cflux, dcflux):
        """
        Return the changes of the fluxes in whole steps, in their errors.
        """
        self._change = (cflux - self._cflux) / (self._taken * dcflux)
        self._cflux = cflux
        return self._change

    def begin(self, moving, again):
        """
        Halve the steps of moving stars whose fluxes would diverge.

        Only of those that are fitted again is the change remembered.
        """
        back = np.signbit(self._change) != np.signbit(self._last)
        limit = np.where(back, _BACK, 1.0) * np.abs(self._last)
        self.length[moving & (np.abs(self._change) > limit)] *= 0.5
        self._last = np.where(again, self._change, np.inf)

    def end(self, taken):
        """
        Say which stars have taken their fits.
        """
        self._taken = np.where(taken, self.length, 1.0)


class _Rounds(NamedTuple):
    """
    The rows that are fitted together, and how far their stars reach.
    """

    rows: list
    shape: tuple


def _take_apart(photometry):
    """
    Return a photometry without its local background, its table and rounds.
    """
    if not isinstance(photometry, PSFPhotometry | IterativePSFPhotometry):
        msg = ('photometry must be a PSFPhotometry or IterativePSFPhotometry '
               f'object; got {type(photometry).__name__}')
        raise TypeError(msg)
    table = catalogue_of(photometry)
    rounds = _Rounds([np.arange(len(table))], None)
    if isinstance(photometry, IterativePSFPhotometry):
        if photometry.mode == 'new':
            number = np.asarray(table['iter_detected'])
            rounds = _Rounds([np.flatnonzero(number == one)
                              for one in np.unique(number)],
                             photometry.sub_shape)
        photometry = photometry.fit_results[0]
    photometry = PSFPhotometry(
        photometry.psf_model, photometry.fit_shape,
        fitter=photometry.fitter, fitter_maxiters=photometry.fitter_maxiters,
        xy_bounds=photometry.xy_bounds,
        aperture_radius=photometry.aperture_radius,
        group_warning_threshold=photometry.group_warning_threshold,
        progress_bar=photometry.progress_bar)
    return photometry, table, rounds


def _begun_again(table):
    """
    Put fits that went astray back to their beginning, with no flux.
    """
    astray = (np.asarray(table['flags']) & _ASTRAY) != 0
    new = table.copy()
    for name in ('x', 'y'):
        new[f'{name}_fit'][astray] = table[f'{name}_init'][astray]
    new['flux_fit'][astray] = 0.0
    return new, astray


def _are_there(table, result, psf_model):
    """
    Return which stars have at least half of their light in what is left.

    That is the residual of a result without them, less the background.
    Stars that are not finite are taken to be there: they have no light.
    """
    light = result.residual - result.background
    light[~np.isfinite(light)] = 0.0
    there = np.ones(len(table), dtype=bool)
    for i in range(len(table)):
        star = _stars_of(psf_model, table[i:i + 1], light.shape, None)
        there[i] = not np.vdot(star, light) < 0.5 * np.vdot(star, star)
    return there


def _with_groups(chosen, table):
    """
    Return the chosen stars and those that are fitted together with them.
    """
    if 'group_id' not in table.colnames:
        return chosen
    groups = np.asarray(table['group_id'])
    return np.isin(groups, groups[chosen])


def _refit_rounds(photometry, rounds, result, table, error, fwhm, begun,
                  step, chosen):
    """
    Fit the chosen stars, those of each round without the stars of rounds
    before.

    ``begun`` are the stars that began again and have no fit since. Return
    the table after the steps of the fits that are taken, and which are.
    """
    taken = np.zeros(len(table), dtype=bool)
    for i, rows in enumerate(rounds.rows):
        now = np.zeros(len(table), dtype=bool)
        now[rows[chosen[rows]]] = True
        if now.any():
            some = _refit(photometry, result, table[now], error)
            fit = table.copy()
            for name in _results_of(some, table):
                fit[name][now] = some[name]
            now &= _accepted(fit, table, fwhm, begun & ~taken)
            table = _updated(table, fit, now, step)
            taken |= now
        if i + 1 < len(rounds.rows):
            result = replace(result, data=result.data - _stars_of(
                photometry.psf_model, table[rows], result.data.shape,
                rounds.shape))
    return table, taken


def _results_of(fit, table):
    """
    Return the names of the columns of a fit that change with it.
    """
    return [name for name in fit.colnames
            if name in table.colnames and name not in _GIVEN
            and not name.endswith('_init')]


def _stars_of(psf_model, table, shape, model_shape):
    """
    Return the image of the stars of a table, as it is now.
    """
    names = psf_names(psf_model)
    params = QTable({name: table[f'{axis}_fit'] for name, axis in
                     zip(names, ('x', 'y', 'flux'), strict=True)})
    params.update(parameter_values(table, psf_model))
    finite = np.all([np.isfinite(column_values(params, name))
                     for name in params.colnames], axis=0)
    return make_model_image(
        shape, psf_model, params[finite], model_shape=model_shape,
        x_name=names[0], y_name=names[1])


def _refit(photometry, result, table, error):
    """
    Fit some stars on the data minus the predicted background.
    """
    # groups and beginnings as they were; fluxes measured again, if they can
    # be: from a flux of the wrong sign, a fit hardly finds its way
    init = table[[name for name in table.colnames if name.endswith('_init')
                  or name in {'id', 'group_id'}]]
    if photometry.aperture_radius is not None:
        init.remove_column('flux_init')
    # reduced_chi2 of a fit to as many pixels as parameters is one by 0
    with warnings.catch_warnings(), np.errstate(divide='ignore',
                                                invalid='ignore'):
        # the bits of failed fits are in the flags; those are not taken
        warnings.simplefilter('ignore', AstropyUserWarning)
        fit = photometry(result.data - result.background, error=error,
                         mask=~result.hidden, init_params=init)
    mend_positions(fit)
    # all fits are without the pixels that have no prediction: the bit keeps
    # telling of pixels without data
    fit['flags'] = (fit['flags'] & ~_PARTIAL) | (table['flags'] & _PARTIAL)
    return fit


def _accepted(fit, table, fwhm, begun):
    """
    Return which fits are taken, others keeping their former one.

    ``begun`` are the stars that began again and have no fit since.
    """
    new, old, start = (
        np.column_stack([column_values(one, f'{axis}_{end}')
                         for axis in 'xy'])
        for one, end in ((fit, 'fit'), (table, 'fit'), (table, 'init')))
    distance, former = (np.hypot(*(xy - start).T) for xy in (new, old))
    taken = (np.asarray(fit['flags']) & _FAILED) == 0
    taken &= distance <= np.fmax(former, fwhm)

    # pairs that are new, with all that keep their place; those that only
    # began near a star are not two of it yet
    xy = np.where(taken[:, np.newaxis], new, old)
    index = np.flatnonzero(np.isfinite(xy).all(axis=1))
    pairs = index[KDTree(xy[index]).query_pairs(_SAME * fwhm,
                                                output_type='ndarray')]
    apart = ~(np.hypot(*(old[pairs[:, 0]] - old[pairs[:, 1]]).T)
              <= _SAME * fwhm) | begun[pairs].any(axis=1)
    pairs = pairs[apart]
    lost = np.ones(pairs.shape, dtype=bool)
    alone = begun[pairs].sum(axis=1) == 1
    lost[alone] = begun[pairs[alone]]
    taken[pairs[lost]] = False
    return taken


def _updated(table, fit, taken, step):
    """
    Return the table after the steps of the fits that are taken.
    """
    new = table.copy()
    for name in _results_of(fit, table):
        new[name][taken] = fit[name][taken]
        if name.endswith('_fit') and name not in _COUNTS:
            part = taken & (step < 1) & np.isfinite(
                column_values(table, name))
            new[name][part] = (table[name][part] + step[part]
                               * (fit[name][part] - table[name][part]))
    return new


def _with_columns(result, columns, parameters):
    """
    Add columns and metadata to the table of a result.
    """
    for name, (values, description) in columns.items():
        result.table[name] = values
        result.table[name].info.description = description
    result.table.meta.update({f'lpiphot_{name}': value
                              for name, value in parameters.items()})
    return result
