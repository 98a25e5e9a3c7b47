# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
One round: inject, measure, correct, match.
"""

import copy
import os
import time
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from astropy.nddata import NDData
from astropy.table import QTable, Table
from astropy.utils.exceptions import AstropyUserWarning

from lpiphot._files import whole_file
from lpiphot._inputs import std_of
from lpiphot._psf_names import psf_names
from lpiphot._tables import ALIASES, mend_positions
from lpiphot.pipeline import NoSourcesError
from lpiphot.validation.columns import plain_values
from lpiphot.validation.completeness import count_detections
from lpiphot.validation.fluxes import draw_fluxes, draw_magnitudes
from lpiphot.validation.injection import inject_stars, random_positions
from lpiphot.validation.pairs import pair_stars

__all__ = ['Measurement', 'Setup', 'measure', 'positions_of']

_ERROR_ALIASES = ('flux_err', 'flux_unc', 'fluxerr', 'flux_error')


class Measurement(NamedTuple):
    """
    What a pipeline made of an image.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        The catalogue.

    data : array or NDData
        The image that was fitted, perhaps less its background.

    error, mask, background : array or `None`
        What is known of it.

    psf_model : `~astropy.modeling.Model` or `None`
        The PSF, if the pipeline told it.
    """

    table: QTable
    data: object
    error: object
    mask: object
    background: object
    psf_model: object


def measure(pipeline, data, error=None, mask=None):
    """
    Run a pipeline, and sort what it returns.

    Parameters
    ----------
    pipeline : callable
        The pipeline.

    data : array_like, `~astropy.units.Quantity` or NDData
        The image, which the pipeline may change: no one else's.

    error, mask : array_like, optional
        Given to the pipeline as keywords, if there are any.

    Returns
    -------
    measurement : `Measurement`
        The results.

    Raises
    ------
    TypeError
        If the pipeline does not return a table, `None`, or an object
        with a ``table`` or ``results``.
    """
    # copies, for a pipeline may change what it is given
    given = {name: copy.deepcopy(value)
             for name, value in (('error', error), ('mask', mask))
             if value is not None}
    with warnings.catch_warnings():
        # of fits that fail; their flags tell
        warnings.simplefilter('ignore', AstropyUserWarning)
        try:
            found = pipeline(data, **given)
        except NoSourcesError:
            found = None
    table = found
    if not isinstance(found, Table) and found is not None:
        table = getattr(found, 'table', getattr(found, 'results', found))
    if table is None:
        table = QTable()
    if not isinstance(table, Table):
        msg = ('pipeline must return a table, or an object with a table as '
               f'table or results; got {type(found).__name__}')
        raise TypeError(msg)

    fitted = getattr(found, 'data_subtracted', None)
    if fitted is None:
        fitted = data
    elif isinstance(data, NDData):
        if error is None and data.uncertainty is not None:
            error = std_of(data)
        mask = data.mask if mask is None else mask
    elif mask is None and not hasattr(fitted, 'mask') and isinstance(
            getattr(data, 'mask', None), np.ndarray):
        mask = data.mask
    own_mask = getattr(found, 'mask', None)
    if isinstance(own_mask, np.ndarray) and not hasattr(fitted, 'mask'):
        mask = own_mask
    table = QTable(table)
    mend_positions(table)
    return Measurement(table, fitted, error, mask,
                       getattr(found, 'background', None),
                       getattr(found, 'psf_model', None))


def positions_of(table):
    """
    Return the positions of a catalogue.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The catalogue, with any of the names that photutils uses.

    Returns
    -------
    xy : (n, 2) `~numpy.ndarray`
        The positions ``(x, y)`` in pixels, NaN where masked.
    """
    return np.transpose([
        plain_values(table[name] if name in table.colnames else [])
        for name in column_names(table)[:2]])


def column_names(table):
    """
    Return the names of the columns x, y, flux and error of a catalogue.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The catalogue.

    Returns
    -------
    names : list of str
        The four names; `None` for an error that is not there.

    Raises
    ------
    ValueError
        If a catalogue with rows has no position or flux.
    """
    names = []
    for quantity, aliases in (*ALIASES.items(), ('error', _ERROR_ALIASES)):
        present = [name for name in aliases if name in table.colnames]
        if not present and len(table) > 0 and quantity != 'error':
            msg = (f'pipeline must return a table with one of the columns '
                   f'{", ".join(aliases)}; it has '
                   f'{", ".join(table.colnames) or "none"}')
            raise ValueError(msg)
        default = None if quantity == 'error' and len(table) else aliases[0]
        names.append(present[0] if present else default)
    return names


@dataclass(frozen=True, eq=False)
class Setup:
    """
    All that a round needs; it can be sent to other processes.

    Attributes are those of `lpiphot.validation.InjectionRecovery`, and
    what was found in the image before anything was injected.
    """

    data: object
    error: object
    mask: object
    pipeline: object
    psf_model: object
    corrector: object
    columns: tuple
    existing: np.ndarray
    no_place: np.ndarray
    flux_source: object
    options: dict
    seed: int
    stars: object
    folder: str

    def draw(self, number):
        """
        Draw the stars of a round.

        Parameters
        ----------
        number : int
            The number of the round, from 1.

        Returns
        -------
        stars : `~astropy.table.QTable`
            Columns as `~lpiphot.validation.inject_stars` takes them.

        rng : `~numpy.random.Generator`
            The generator of this round, for the photon noise.
        """
        options = self.options
        rng = np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(number,)))
        if self.stars is not None:
            rows = self.stars[np.asarray(self.stars['round']) == number]
            return rows[psf_names(self.psf_model)], rng
        n = options['n_stars']
        xy = random_positions(
            self.no_place.shape, n,
            min_separation=options['min_separation'],
            avoid=self.existing if options['avoid_blends'] else None,
            avoid_radius=options['blend_radius'], border=options['border'],
            mask=self.no_place, seed=rng, integer=options['integer'])
        if options['magnitudes'] is not None:
            flux = draw_magnitudes(n, *options['magnitudes'],
                                   zero_point=options['zero_point'], rng=rng)
            unit = getattr(self.flux_source, 'unit', None)
            flux = flux if unit is None else flux << unit
        else:
            flux = draw_fluxes(n, self.flux_source, rng=rng,
                               quantiles=options['flux_quantiles'])
        x_name, y_name, flux_name = psf_names(self.psf_model)
        return QTable({x_name: xy[:, 0], y_name: xy[:, 1],
                       flux_name: flux}), rng

    def _inject(self, number):
        """
        Return the stars of a round, and image and errors with them.
        """
        stars, rng = self.draw(number)
        made = inject_stars(self.data, self.psf_model, stars,
                            gain=self.options['gain'], error=self.error,
                            rng=rng)
        image, error = made if self.error is not None else (made, None)
        return stars, image, error

    def run(self, number):
        """
        Do a round, and keep it in the folder if there is one.

        Parameters
        ----------
        number : int
            The number of the round, from 1.

        Returns
        -------
        pairs : `~astropy.table.QTable`
            A row for each star; counts and times are in the metadata.
        """
        stars, image, error = self._inject(number)
        start = time.perf_counter()
        found = measure(self.pipeline, image, error, self.mask)
        between = time.perf_counter()
        table = found.table
        x, y, *before = column_names(table)
        measured = {'before': before}
        if self.corrector is not None:
            measured['after'] = self.columns
            if len(table) > 0:
                table = self.correct(found)
        end = time.perf_counter()

        truth = QTable(stars, copy=True)
        truth.rename_columns(psf_names(self.psf_model),
                             ('x_0', 'y_0', 'flux'))
        radius = self.options['match_radius']
        xy = np.transpose((np.asarray(truth['x_0']), np.asarray(truth['y_0'])))
        pairs = pair_stars(truth, table, radius, existing=self.existing,
                           measured=measured, positions=(x, y))
        if 'round' in pairs.colnames:  # of the catalogue
            pairs.remove_column('round')
        pairs.add_column(np.full(len(pairs), number), 0, name='round')
        counts = count_detections(xy, positions_of(table), radius,
                                  existing=self.existing)
        pairs.meta = {key: value for key, value in table.meta.items()
                      if key.startswith('lpiphot_')}
        pairs.meta['counts'] = {
            'round': number, **{key: counts[key] for key in (
                'n_true', 'n_found', 'n_matched', 'n_existing', 'n_false')},
            'pipeline_seconds': round(between - start, 3),
            'corrector_seconds': round(end - between, 3)}
        pairs.meta['measured'] = {name: list(names)
                                  for name, names in measured.items()}
        if self.folder is not None:
            with whole_file(self.path(number), overwrite=True) as part:
                pairs.write(part, format='ascii.ecsv')
        return pairs

    def correct(self, found):
        """
        Run the corrector on what the pipeline found.

        Parameters
        ----------
        found : `Measurement`
            The measurement.

        Returns
        -------
        table : `~astropy.table.QTable`
            The catalogue with the columns of the corrector.
        """
        given = {name: getattr(found, name)
                 for name in ('error', 'mask', 'background')
                 if getattr(found, name) is not None}
        table = QTable(self.corrector(found.data, found.table, **given))
        missing = set(self.columns) - set(table.colnames)
        if missing or len(table) != len(found.table):
            msg = (f'corrector must return the same {len(found.table)} rows '
                   f'with the columns {", ".join(self.columns)}; it returned '
                   f'{len(table)} rows with {", ".join(table.colnames)}')
            raise ValueError(msg)
        return table

    def path(self, number):
        """
        Return the name of the file of a round.

        Parameters
        ----------
        number : int
            The number of the round.

        Returns
        -------
        path : str
            The file name.
        """
        return os.path.join(self.folder, f'round-{number:05d}.ecsv')
