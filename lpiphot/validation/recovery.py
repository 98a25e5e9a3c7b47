# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Stars of known flux, injected into an image and measured again.
"""

import copy
import os

import astropy.units as u
import numpy as np
from astropy.table import QTable, Table, vstack

from lpiphot._checks import (as_count, as_finite, as_gain, as_number,
                             as_optional, as_range, as_seed)
from lpiphot._fwhm import model_fwhm
from lpiphot._inputs import ImageReader, parse_pixels
from lpiphot._outputs import with_unit
from lpiphot._parallel import one_blas_thread
from lpiphot._psf_names import psf_names
from lpiphot._tables import versions
from lpiphot.corrector import LPIBackgroundCorrector
from lpiphot.pipeline import as_psf
from lpiphot.validation.columns import plain_flags, plain_values
from lpiphot.validation.environment import (BLEND_FWHM, add_environment,
                                            subtract_stars)
from lpiphot.validation.fingerprint import describe
from lpiphot.validation.injection import gain_from_error
from lpiphot.validation.recovery_result import RecoveryResult
from lpiphot.validation.rounds import (Measurement, Setup, column_names,
                                       measure, positions_of)
from lpiphot.validation.run_rounds import open_folder, run_rounds

__all__ = ['InjectionRecovery']


class InjectionRecovery:
    """
    Test photometry, and its correction, on the user's own image.

    In every round, stars of known flux are added to the image, the
    identical pipeline is run on it, its fluxes are corrected, and the
    stars are looked up in the catalogue: how many are found, how far
    their fluxes are off, and whether the errors say so (sections 4 and
    5 of `Saydjari & Finkbeiner 2022
    <https://ui.adsabs.harvard.edu/abs/2022ApJ...933..155S>`_).

    Parameters
    ----------
    pipeline : callable
        The photometry: called with an image as `__call__` got it (and
        the keywords ``error`` and ``mask``, if those were given), it
        returns a table with photutils' columns ``x_fit``, ``y_fit``,
        ``flux_fit`` and ``flux_err``; or an object with such a
        ``table``, and perhaps the image that was fitted as
        ``data_subtracted``, with ``mask`` and ``background``, as
        `~lpiphot.pipeline.PSFPipeline` does. If it finds nothing, which
        is a result as others, then it returns an empty table or
        `None`, or raises `~lpiphot.pipeline.NoSourcesError`; other
        errors end the test. To run in several
        processes it must be a module-level function or an object that
        can be pickled.

    psf_model : `~astropy.modeling.Model`, optional
        The PSF of the injected stars: any that photutils accepts. If
        `None`, then the ``psf_model`` that the pipeline returns.

    corrector : 'lpi', callable or `None`, optional
        What corrects a catalogue: called as
        `~lpiphot.LPIBackgroundCorrector` is, with data, table and the
        keywords ``error``, ``mask``, ``background`` as known, it
        returns the same rows with the columns of ``columns``. With
        'lpi' it is that, with its defaults, the ``psf_model`` and the
        ``gain``; with `None` the pipeline alone is tested.

    columns : 2-tuple of str, optional
        The columns of the corrected flux and its 1-sigma error.

    n_rounds : int, optional
        The number of rounds. More of them can be added later to those
        of a ``folder``.

    fraction : float, optional
        The number of stars in a round, as a fraction of the sources of
        the catalogue: few enough not to change the image much.

    n_stars : int, optional
        The number of stars in a round, in place of ``fraction``.

    fluxes : 'catalogue', float, array_like or Quantity, optional
        The distribution of the fluxes: that of the sources of the
        catalogue that are not flagged, or that of these numbers (one
        number: all the same), in their unit, or else in that of the
        image; see `~lpiphot.validation.draw_fluxes`.

    flux_quantiles : 2-tuple of float, optional
        The part of the distribution to draw from. The default leaves
        out the ends of a catalogue: saturated stars and false sources.

    magnitudes : 2-tuple of float, optional
        The brightest and faintest magnitude, uniform between, in place
        of ``fluxes``. Choose a range that ends well below the limit of
        detection to measure completeness.

    zero_point : float, optional
        The magnitude of flux 1.

    min_separation : float, optional
        The smallest distance between injected stars in pixels. If
        `None`, then 4/3 FWHM, below which two stars are not told apart.

    avoid_blends : bool, optional
        Whether to inject no star within 4/3 FWHM of a source of the
        catalogue, as the paper does. If `False`, then stars are put
        anywhere, those blended with a source (or with each other, if
        ``min_separation`` allows it) are told by the column
        ``blended``, and the report is made both with and without them.

    border : int, optional
        The width in pixels of the margin of the image without stars.

    integer : bool, optional
        Whether stars are at the centres of pixels.

    gain : float or `~astropy.units.Quantity`, optional
        Electrons per data unit, for the photon noise of the stars. If
        `None`, then it is taken from the errors of the image if they
        grow with the signal; else stars are added without noise.

    match_radius : float, optional
        The largest distance in pixels between a star and its
        measurement. If `None`, then one FWHM.

    n_processes : int, optional
        The number of processes. The results are the same, bit for bit,
        for any number. With more than one, a script must keep its own
        calls under ``if __name__ == '__main__':``, as always when
        processes are started in Python.

    folder : str or `~pathlib.Path`, optional
        A folder to keep finished rounds in: a run that was interrupted
        goes on where it was. It must be of the same image, pipeline and
        options, or else that is an error; of a pipeline that is a
        function, the minor version of Python is a part.

    progress_bar : bool, optional
        Whether to show a progress bar; needs ``tqdm``.

    rng : int or `~numpy.random.Generator`, optional
        The seed. Every round has its own random numbers, which do not
        depend on the number of rounds or processes.

    Raises
    ------
    TypeError
        If a parameter is of the wrong kind.

    ValueError
        If a parameter has a value that cannot be used.

    See Also
    --------
    lpiphot.validation.check_blank_positions : A test without injections.

    Notes
    -----
    Sources of the image itself are never matched: a measurement counts
    for an injected star only if it is nearer to it than to any source
    of the catalogue that the pipeline makes of the image alone.

    Examples
    --------
    >>> from lpiphot.datasets import load_horsehead
    >>> from lpiphot.pipeline import PSFPipeline
    >>> from lpiphot.validation import InjectionRecovery
    >>> tool = InjectionRecovery(PSFPipeline(fwhm=4.3), n_rounds=20)
    >>> result = tool(load_horsehead())  # doctest: +SKIP
    >>> print(result.report())  # doctest: +SKIP
    >>> result.plot().savefig('recovery.png')  # doctest: +SKIP
    """

    def __init__(self, pipeline, psf_model=None, *, corrector='lpi',
                 columns=('cflux', 'dcflux'), n_rounds=10, fraction=0.1,
                 n_stars=None, fluxes='catalogue',
                 flux_quantiles=(0.05, 0.95), magnitudes=None,
                 zero_point=0.0, min_separation=None, avoid_blends=False,
                 border=16, integer=False, gain=None, match_radius=None,
                 n_processes=1, folder=None, progress_bar=False, rng=None):
        if not callable(pipeline):
            msg = ('pipeline must be callable: image -> table; got '
                   f'{type(pipeline).__name__}')
            raise TypeError(msg)
        if corrector is not None and corrector != 'lpi' and not callable(
                corrector):
            msg = ("corrector must be 'lpi', a callable or None; got "
                   f'{corrector!r}')
            raise TypeError(msg)
        n_rounds = as_count('n_rounds', n_rounds, 1)
        n_processes = as_count('n_processes', n_processes, 1)
        if n_stars is not None:
            n_stars = as_count('n_stars', n_stars, 1)
        fraction = as_number('fraction', fraction)
        flux_quantiles = as_range('flux_quantiles', flux_quantiles, 0, 1)
        if min_separation is not None and min_separation != 0:
            min_separation = as_number('min_separation', min_separation)
        border = as_count('border', border)
        gain = as_optional('gain', gain)
        if match_radius is not None:
            match_radius = as_number('match_radius', match_radius)
        if isinstance(fluxes, str) and fluxes != 'catalogue':
            msg = ("fluxes must be 'catalogue', numbers or a Quantity; got "
                   f'{fluxes!r}')
            raise ValueError(msg)
        if magnitudes is not None:
            if not (isinstance(fluxes, str) and fluxes == 'catalogue'):
                msg = 'fluxes and magnitudes are both given; give one'
                raise ValueError(msg)
            magnitudes = as_range('magnitudes', magnitudes)
        self.pipeline = pipeline
        self.psf_model = None if psf_model is None else as_psf(psf_model)
        self.corrector = corrector
        self.columns = _as_columns(columns)
        self.n_rounds = n_rounds
        self.fraction = fraction
        self.n_stars = n_stars
        self.fluxes = fluxes
        self.flux_quantiles = flux_quantiles
        self.magnitudes = magnitudes
        self.zero_point = as_finite('zero_point', zero_point)
        self.min_separation = min_separation
        self.avoid_blends = bool(avoid_blends)
        self.border = border
        self.integer = bool(integer)
        self.gain = gain
        self.match_radius = match_radius
        self.n_processes = n_processes
        self.folder = folder
        self.progress_bar = bool(progress_bar)
        self._seed = as_seed(rng)

    def __call__(self, data, *, error=None, mask=None, catalogue=None,
                 stars=None):
        """
        Inject stars into an image and measure them.

        Parameters
        ----------
        data : (ny, nx) array_like, `~astropy.units.Quantity`, or \
                `~astropy.nddata.NDData`
            The image.

        error : (ny, nx) array_like or `~astropy.units.Quantity`, optional
            The total 1-sigma errors. The pipeline gets them, with the
            photons of the stars added.

        mask : (ny, nx) bool array_like, optional
            `True` for pixels to exclude; the pipeline gets it.

        catalogue : `~astropy.table.Table`, optional
            The sources of the image, if they are known: then the
            pipeline is not run on the image alone. An empty table says
            that there are none, as in a synthetic image.

        stars : `~astropy.table.Table`, optional
            The stars to inject, in place of drawing them: columns
            ``x_0``, ``y_0``, ``flux``, and ``round`` from 1 up if there
            is more than one round; or the table of an earlier result,
            so that another pipeline is tested with the same stars.

        Returns
        -------
        result : `~lpiphot.validation.RecoveryResult`
            The table of all stars, with a report and plots.

        Raises
        ------
        TypeError
            If the pipeline does not return a catalogue, or cannot be
            sent to other processes.

        ValueError
            If the stars do not fit into the image, columns are missing,
            or the ``folder`` has rounds of another configuration.
        """
        reader = ImageReader(data, error=error, mask=mask)
        # before it runs, for it may keep what it found
        described = None if self.folder is None else describe(self.pipeline)
        with one_blas_thread:
            if catalogue is None:
                baseline = measure(self.pipeline, copy.deepcopy(data), error,
                                   mask)
            else:
                baseline = _known(catalogue, data, error, mask)
        psf_model = self._psf_of(baseline)
        fwhm = float(model_fwhm(psf_model, reader.shape))
        setup = self._setup(data, error, mask, reader, baseline, psf_model,
                            fwhm, stars)
        n_rounds = (self.n_rounds if stars is None
                    else int(np.max(setup.stars['round'])))
        done = open_folder(setup, n_rounds, described)
        rounds = run_rounds(setup, n_rounds, done,
                            n_processes=self.n_processes,
                            progress_bar=self.progress_bar)
        return self._collect(rounds, setup, baseline, fwhm)

    def _psf_of(self, baseline):
        psf_model = self.psf_model
        if psf_model is None:
            psf_model = baseline.psf_model
        if psf_model is None:
            msg = ('psf_model must be given: the pipeline does not return '
                   'one')
            raise ValueError(msg)
        return psf_model

    def _setup(self, data, error, mask, reader, baseline, psf_model, fwhm,
               stars):
        """
        Put together what the rounds need.
        """
        unit = reader.unit
        gain, noise_from = as_gain(self.gain, unit), 'gain'
        if gain is None:
            gain, noise_from = _gain_of_errors(reader), 'error'
        if gain is None:
            noise_from = 'none'
        corrector = self.corrector
        if isinstance(corrector, str):
            corrector = LPIBackgroundCorrector(psf_model, gain=self.gain)

        no_place = reader.read().mask | parse_pixels(baseline.data)[1]
        if isinstance(baseline.mask, np.ndarray):
            no_place = no_place | baseline.mask
        existing = positions_of(baseline.table)
        n_stars = self.n_stars
        if n_stars is None:
            n_stars = max(1, round(self.fraction * len(baseline.table)))
        options = {
            'n_stars': int(n_stars),
            'flux_quantiles': list(self.flux_quantiles),
            'magnitudes': (None if self.magnitudes is None
                           else list(self.magnitudes)),
            'zero_point': self.zero_point,
            'min_separation': (BLEND_FWHM * fwhm if self.min_separation
                               is None else self.min_separation),
            'avoid_blends': self.avoid_blends,
            'blend_radius': BLEND_FWHM * fwhm,
            'border': self.border,
            'integer': self.integer,
            'gain': gain,
            'noise_from': noise_from,
            'match_radius': (fwhm if self.match_radius is None
                             else self.match_radius),
        }
        if stars is not None:
            stars = _as_stars(stars, psf_model, unit)
        source = None
        if stars is None and self.magnitudes is None:
            source = self._fluxes_of(baseline.table, unit)
        elif unit is not None:
            source = 1.0 * unit
        return Setup(
            data=data, error=error, mask=mask, pipeline=self.pipeline,
            psf_model=psf_model, corrector=corrector, columns=self.columns,
            existing=existing, no_place=no_place, flux_source=source,
            options=options, seed=self._seed, stars=stars,
            folder=None if self.folder is None else os.fspath(self.folder))

    def _fluxes_of(self, catalogue, unit):
        """
        Return the fluxes whose distribution to draw from.
        """
        if not isinstance(self.fluxes, str):
            fluxes = u.Quantity(self.fluxes)
            mask = getattr(self.fluxes, 'mask', None)
            if np.ndim(mask) > 0:
                fluxes = fluxes[~np.asarray(mask)]
            plain = (fluxes.unit == u.dimensionless_unscaled
                     and not isinstance(self.fluxes, u.Quantity))
            if unit is None:
                return (fluxes.value if plain
                        else fluxes.to_value(u.dimensionless_unscaled))
            return fluxes.value << unit if plain else fluxes.to(unit)
        fluxes = catalogue[column_names(catalogue)[2]] if len(
            catalogue) else np.zeros(0)
        if 'flags' in catalogue.colnames:
            clean = plain_flags(catalogue['flags']) == 0
            fluxes = fluxes[clean] if clean.any() else fluxes
        if len(fluxes) == 0:
            msg = ('fluxes must be given: the catalogue has no sources to '
                   'take them from')
            raise ValueError(msg)
        # a Quantity that is a column refers to its table, and cannot be
        # sent to other processes
        return fluxes.copy()

    def _collect(self, rounds, setup, baseline, fwhm):
        """
        Make one table of all rounds, and add what is around the stars.
        """
        counts = [pairs.meta['counts'] for pairs in rounds]
        # only rounds in which something was found tell the names of its
        # columns, and the parameters of the corrector
        telling = [pairs for pairs, count in zip(rounds, counts, strict=True)
                   if count['n_found'] > 0]
        meta = dict((telling or rounds)[0].meta)
        measured = meta.pop('measured')
        del meta['counts']
        for pairs in rounds:
            pairs.meta = {}
        table = (vstack(rounds, metadata_conflicts='silent')
                 if len(rounds) > 1 else rounds[0])
        table = _without_masks(table)

        options = setup.options
        x, y, flux, _ = column_names(baseline.table)
        residual, _, unit = parse_pixels(baseline.data)
        residual = np.array(residual, dtype=float)
        if len(baseline.table) > 0:
            residual = subtract_stars(
                with_unit(residual, unit), baseline.table, setup.psf_model,
                positions=(x, y), flux=flux)
        else:
            residual = residual - np.nanmedian(residual[~setup.no_place])
        add_environment(table, residual, setup.no_place, setup.existing,
                        fwhm=fwhm, blend_radius=options['blend_radius'],
                        zero_point=options['zero_point'])
        # photutils' record of the PSF that was fitted, which may be another
        # than that of the injected stars
        meta |= {name: value for name, value in baseline.table.meta.items()
                 if name == 'psf_model'}
        table.meta = meta | {
            'recovery_shape': ' '.join(str(n) for n in residual.shape),
            'recovery_fwhm': fwhm,
            'recovery_kind': 'injected stars',
            'recovery_seed': self._seed,
            'recovery_n_sources': len(baseline.table),
            'recovery_psf_model': type(setup.psf_model).__name__,
            **{f'recovery_{key}': (
                'none' if value is None else ' '.join(
                    str(item) for item in value) if isinstance(value, list)
                else value) for key, value in options.items()},
            **{f'recovery_measured_{name}': ' '.join(
                str(item) for item in names)
               for name, names in measured.items()},
            **versions(),
            'recovery_counts': {key: [count[key] for count in counts]
                                for key in counts[0]},
        }
        return RecoveryResult(table, residual=residual, mask=setup.no_place,
                              baseline=baseline)


def _as_columns(columns):
    """
    Return the names of two columns as a tuple.
    """
    if (isinstance(columns, str) or not np.iterable(columns)
            or len(columns) != 2
            or not all(isinstance(name, str) for name in columns)):
        msg = ('columns must be the names of two columns, of the flux and its '
               f'error; got {columns!r}')
        raise TypeError(msg)
    return tuple(columns)


def _gain_of_errors(reader):
    """
    Return the gain that the errors of an image tell, or `None`.
    """
    if not reader.has_error:
        return None
    image = reader.read()
    return gain_from_error(image.data, image.error, mask=image.mask)


def _known(catalogue, data, error, mask):
    """
    Return a measurement whose catalogue is given.
    """
    if not isinstance(catalogue, Table):
        msg = ('catalogue must be an astropy Table; got '
               f'{type(catalogue).__name__}')
        raise TypeError(msg)
    return Measurement(QTable(catalogue), data, error, mask, None, None)


def _as_stars(stars, psf_model, unit):
    """
    Return given stars with the names of the PSF model, and rounds.
    """
    if not isinstance(stars, Table):
        msg = f'stars must be an astropy Table; got {type(stars).__name__}'
        raise TypeError(msg)
    if len(stars) == 0:
        msg = 'stars must have at least one row; it has none'
        raise ValueError(msg)
    names = psf_names(psf_model)
    table = QTable()
    for name, (true, usual) in zip(names, (
            ('x_true', 'x_0'), ('y_true', 'y_0'), ('flux_true', 'flux')),
            strict=True):
        # in the table of a result, columns with other names are measured
        present = [choice for choice in (true, name, usual)
                   if choice in stars.colnames]
        if not present:
            msg = (f'stars must have the columns x_0, y_0 and flux; got '
                   f'{", ".join(stars.colnames)}')
            raise ValueError(msg)
        column = stars[present[0]]
        values = plain_values(column)
        if not np.isfinite(values).all():
            msg = f'stars must have finite {present[0]}; got {values}'
            raise ValueError(msg)
        own = getattr(column, 'unit', None) or unit
        if usual == 'flux' and own is not None:
            values = values << own
        table[name] = values
    table['round'] = (np.asarray(stars['round'], dtype=int)
                      if 'round' in stars.colnames
                      else np.ones(len(stars), dtype=int))
    if np.min(table['round']) < 1:
        msg = ('stars must have rounds from 1 up; got '
               f'{np.min(table["round"])}')
        raise ValueError(msg)
    return table


def _without_masks(table):
    """
    Fill what vstack masked, where rounds had different columns.
    """
    for name in table.colnames:
        column = table[name]
        if getattr(column, 'mask', None) is not None and hasattr(
                column, 'filled'):
            table[name] = column.filled(
                np.nan if column.dtype.kind == 'f' else 0)
    return table
