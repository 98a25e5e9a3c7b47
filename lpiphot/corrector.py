# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
LPI correction of a finished PSF-photometry table.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import astropy.units as u
import numpy as np
from astropy.table import QTable

from lpiphot import flags
from lpiphot._checks import (as_choice, as_count, as_gain, as_number,
                             as_optional, as_seed, as_shape, as_shapes)
from lpiphot._doubts import (warn_of_low_peak, warn_of_other_fluxes,
                             warn_of_other_psf, warn_of_psf_flux,
                             warn_of_shift, warn_of_sources_outside)
from lpiphot._inputs import ImageReader, as_plane
from lpiphot._outputs import with_unit
from lpiphot._parallel import run_jobs
from lpiphot._psf_names import extra_names
from lpiphot._tables import (COLUMNS, add_columns, catalogue_of, column_values,
                             find_column, flux_unit_of, neighbour_values,
                             pair_table, parameter_values, psf_metadata,
                             rows_of)
from lpiphot.depth import DepthMap, append_nodes, grid_nodes
from lpiphot.lpi.covariance import Workspace
from lpiphot.lpi.masks import GOOD, HIDDEN
from lpiphot.lpi.neighbours import Groups, Neighbours, close_pairs
from lpiphot.lpi.psf import PSF, Sources, centre_pixels
from lpiphot.lpi.scene import Field, SharedScenes, Thresholds
from lpiphot.lpi.solve import StarSolver
from lpiphot.lpi.tiles import Region, group_stars
from lpiphot.results import LPIResult, Prediction

__all__ = ['LPIBackgroundCorrector']


class LPIBackgroundCorrector:
    """
    Correct PSF photometry for the structured background behind stars.

    Local pixelwise infilling (LPI; Saydjari & Finkbeiner 2022) learns
    the local covariance of the pixels of the residual image, predicts
    the background behind each star from the pixels around it, and
    fits the star again against this prediction under its covariance.
    The result is a corrected flux, free of the bias by structure that
    the photometry took for the star or for smooth sky, and an
    uncertainty that knows of this structure.

    Parameters
    ----------
    psf_model : 2-D `~astropy.modeling.Model`
        The PSF model of the photometry: any that photutils accepts, for
        example `~photutils.psf.CircularGaussianPRF`,
        `~photutils.psf.ImagePSF` or `~photutils.psf.GriddedPSFModel`.
        There is a warning if the data of these two do not sum to about
        the product of their oversampling, as photutils wants it.

    stamp_shape : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` in pixels, odd, of the stamp about each
        star whose pixels are predicted or used to predict. The cost of
        a star grows with the third power of its number of pixels. The
        default is the paper's (section 5.1), as are those of
        ``window_shape`` and ``condition_radius``.

    window_shape : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` in pixels, odd, of the window of shifts
        that the covariance is learned from. Small windows are more
        local; they need many more pixels than the stamp has (the
        default has 16 times as many).

    mask_threshold : float or `~astropy.units.Quantity`, optional
        The value in data units above which a fitted star hides the
        background. By default the typical scatter of the pixels of the
        residual, taken as the median over blocks of 16 x 16 pixels.

    min_mask_flux : float or `~astropy.units.Quantity`, optional
        Fainter stars are masked as if they had this flux, so that the
        background is predicted behind each. By default 500 times
        ``mask_threshold``; with a FWHM of more than 11 pixels this is too
        little, and there is a warning, for ``templates`` too.

    residual_threshold : float or `~astropy.units.Quantity`, optional
        The absolute residual in data units beyond which a pixel is
        masked: a star that was missed or fitted badly is no background.
        With a number the rest is as published. By default the limit is
        6 times the local robust scatter about the local median, parts
        of the window that are much louder than what is about the star
        are scaled down, and the typical background is predicted where
        undetected stars make it skewed.

    condition_radius : float, optional
        The pixels used to predict lie within this radius in pixels,
        which belongs to the stamp: about half its width.

    gain : float or `~astropy.units.Quantity`, optional
        Electrons per data unit, for the photon noise of the stars. By
        default this comes from ``error``, if that is given.

    neighbours : {None, 'flux_err', 'group_id'}, optional
        The column of the table that tells which other stars have fluxes
        that are not exact. ``'group_id'``: those of the same group are
        solved jointly with the star, on all pixels that they hide.
        ``'flux_err'``: all, by this uncertainty: a neighbour of PSF
        ``p`` adds ``flux_err**2 p p^T`` to the covariance of the pixels
        of the star. By default none: the fluxes are taken for exact, as
        they nearly are after a joint fit of all that overlap.

    positions : bool, optional
        Whether the positions are solved for together with the fluxes, in
        two linear steps, which gives the columns ``cx``, ``cy``,
        ``dcx`` and ``dcy``. The uncertainty of the flux is then that
        with the position unknown, as that of a fit with free positions
        should be; on structure, the positions of the photometry are
        biased as its fluxes are.

    dtype : {'float32', 'float64'}, optional
        The precision of the sums and the factorisation. float32 takes
        half the time, and changes ``cflux`` by less than 0.01
        ``dcflux``; where the structure exceeds the noise 32 times, or
        the factorisation fails in float32, float64 is used anyway.

    n_threads : int, optional
        The number of threads. The results are the same, bit for bit,
        for any number.

    progress_bar : bool, optional
        Whether to show a progress bar. Needs ``tqdm``.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the noise that infilled pixels get before the
        covariance is learned, or a generator to draw it from. The
        default is a fixed seed: the same call gives the same table.

    Raises
    ------
    TypeError
        If a parameter is of the wrong kind.

    ValueError
        If a parameter has a value that cannot be used.

    See Also
    --------
    lpiphot.decode_dnt_flags : The meaning of the ``dnt`` bits.
    lpiphot.local_covariance : The covariance alone.

    Notes
    -----
    The object keeps no state of a call, so that one instance may serve
    many images and threads.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lpiphot import LPIBackgroundCorrector
    >>> from photutils.psf import CircularGaussianPRF, PSFPhotometry
    >>> rng = np.random.default_rng(1)
    >>> psf_model = CircularGaussianPRF(fwhm=4.0)
    >>> y, x = np.mgrid[:90, :90]
    >>> data = 20 * np.sin(x / 8) + rng.normal(0, 1, x.shape)
    >>> data += CircularGaussianPRF(flux=500, x_0=48, y_0=40, fwhm=4)(x, y)
    >>> photometry = PSFPhotometry(psf_model, (5, 5))
    >>> phot = photometry(data, init_params=QTable(
    ...     {'x': [48.0], 'y': [40.0], 'flux': [500.0]}))
    >>> corrector = LPIBackgroundCorrector(psf_model, stamp_shape=21,
    ...                                    window_shape=67)
    >>> table = corrector(data, photometry)
    >>> bool(abs(table['cflux'][0] - 500) < 3 * table['dcflux'][0])
    True
    """

    def __init__(self, psf_model, *, stamp_shape=33, window_shape=129,
                 mask_threshold=None, min_mask_flux=None,
                 residual_threshold=None, condition_radius=16, gain=None,
                 neighbours=None, positions=False, dtype='float32',
                 n_threads=1, progress_bar=False, rng=None):
        psf = PSF(psf_model)
        warn_of_psf_flux(psf_model)
        self.psf_model = psf_model.copy()
        self.stamp_shape = as_shape('stamp_shape', stamp_shape, smallest=5)
        self.window_shape = as_shape('window_shape', window_shape)
        if any(np.less(self.window_shape, self.stamp_shape)):
            msg = ('window_shape must not be smaller than stamp_shape '
                   f'{self.stamp_shape}; got {self.window_shape}')
            raise ValueError(msg)
        self.mask_threshold = as_optional('mask_threshold', mask_threshold)
        self.min_mask_flux = as_optional('min_mask_flux', min_mask_flux)
        self.residual_threshold = as_optional('residual_threshold',
                                            residual_threshold)
        self.condition_radius = as_number('condition_radius',
                                          condition_radius)
        self.gain = as_optional('gain', gain)
        self.neighbours = as_choice('neighbours', neighbours,
                                    (None, 'flux_err', 'group_id'))
        self.positions = bool(positions)
        self.dtype = _float_name(dtype)
        self.n_threads = as_count('n_threads', n_threads, 1)
        self.progress_bar = bool(progress_bar)
        self._seed = as_seed(rng)
        if self.min_mask_flux is None:
            warn_of_low_peak([psf], self.stamp_shape)

    def __repr__(self):
        names = ('stamp_shape', 'window_shape', 'mask_threshold',
                 'min_mask_flux', 'residual_threshold', 'condition_radius',
                 'gain', 'neighbours', 'positions', 'dtype', 'n_threads')
        values = ', '.join(f'{name}={getattr(self, name)!r}'
                           for name in names)
        return (f'{type(self).__name__}({type(self.psf_model).__name__}, '
                f'{values}, rng={self._seed})')

    def __call__(self, data, phot, *, error=None, mask=None, background=None,
                 templates=None):
        """
        Correct a photometry table.

        Parameters
        ----------
        data : 2-D array_like, `~astropy.units.Quantity`, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image that was fitted. The mask and the uncertainty of
            an NDData are used.

        phot : `~astropy.table.Table` or photutils object
            The photometry: a table with the columns ``x_fit``,
            ``y_fit`` and ``flux_fit`` (or an older name of these), or
            a `~photutils.psf.PSFPhotometry` or
            `~photutils.psf.IterativePSFPhotometry` that has been run.
            Columns ``<parameter>_fit`` of further parameters of the PSF
            model are used too, and by parameters that are tied. It must
            have every star that was fitted: stars left out are taken for
            background.

        error : 2-D array_like or `~astropy.units.Quantity`, optional
            The 1-sigma errors of the data. What they have in excess of
            their level away from stars tells the photon noise of the
            stars, if ``gain`` is not given. Where this level changes,
            as from exposure to exposure of a mosaic, what is learned on
            one side is scaled to the noise of the other. How much noise
            there is, is learned from the data.

        mask : 2-D bool array_like, optional
            `True` for pixels to leave out. Pixels that are not finite
            are left out always.

        background : float or 2-D array_like, optional
            The sky that was already subtracted from ``data``, if any.
            With ``gain``, the noise of infilled pixels is the photon
            noise of this sky and the infill (equation 7); otherwise it
            is the local scatter of the good pixels.

        templates : dict, optional
            The models of sources that are not stars, by their values of
            the ``id`` column, or row numbers if there is none: any 2-D
            model that photutils accepts for a PSF, for example an
            `~photutils.psf.ImagePSF` of the image of a galaxy. Position
            and flux are those of the table, as for stars.

        Returns
        -------
        table : `~astropy.table.QTable`
            A copy of the table, same rows and order, with the columns
            ``cflux``, ``dcflux``, ``dcflux_diag``, ``fdb_res``,
            ``fdb_pred``, ``cchi2``, ``kcond0``, ``kcond``, ``kpred``
            and ``dnt``, and ``cx``, ``cy``, ``dcx`` and ``dcy`` if
            positions are solved for. A source that cannot be done has
            NaN and a bit of ``dnt``; if ``cflux`` is not positive, or the
            pixels with data do not tell it, then there is no position.

        Raises
        ------
        TypeError
            If an input is of the wrong kind.

        ValueError
            If shapes do not match, a column is missing, or mask or
            error are given twice.

        astropy.units.UnitsError
            If units do not match.
        """
        call = self._open(data, phot, error, mask, background, templates)
        self._solve_all(call)
        return call.table

    def run(self, data, phot, *, error=None, mask=None, background=None,
            templates=None):
        """
        Correct a photometry table, and return the images as well.

        Parameters
        ----------
        data : 2-D array_like, `~astropy.units.Quantity`, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image, as for calling the object.

        phot : `~astropy.table.Table` or photutils object
            The photometry.

        error : 2-D array_like or `~astropy.units.Quantity`, optional
            The 1-sigma errors of the data.

        mask : 2-D bool array_like, optional
            `True` for pixels to leave out.

        background : float or 2-D array_like, optional
            The sky that was already subtracted.

        templates : dict, optional
            The models of sources that are not stars, by id.

        Returns
        -------
        result : `~lpiphot.results.LPIResult`
            The table, and the residual, mask and predicted background
            as images, with a plot.

        Raises
        ------
        TypeError, ValueError, astropy.units.UnitsError
            As for calling the object.
        """
        call = self._open(data, phot, error, mask, background, templates)
        rows = self._solve_all(call, images=True)
        scene = call.field.scene(Region((0, 0), call.image.shape))

        # Where stars are close, the nearest one tells the background.
        predicted = scene.filled.copy()
        nearest = np.zeros(predicted.shape)
        for row in rows:
            if row.hidden is not None:
                pixels, psf, behind = row.hidden
                closer = psf > nearest[pixels]
                pixels = tuple(axis[closer] for axis in pixels)
                predicted[pixels] = behind[closer]
                nearest[pixels] = psf[closer]

        unit = call.image.unit
        return LPIResult(
            table=call.table,
            data=with_unit(call.image.read().data, unit),
            residual=with_unit(scene.residual, unit),
            mask=scene.mask,
            filled=with_unit(scene.filled, unit),
            background=with_unit(predicted, unit),
            hidden=nearest > 0,
            pairs=pair_table(call.table, [
                (row.star, *pair) for row in rows for pair in row.pairs]))

    def _open(self, data, phot, error, mask, background, templates,
              fitted=None):
        """
        Check the inputs of a call and take them apart.

        The PSF model that was fitted is that of the photometry, or given.
        """
        fitted = getattr(phot, 'psf_model', fitted)
        image = ImageReader(data, error=error, mask=mask)
        as_shapes(self.stamp_shape, self.window_shape, image.shape)
        if background is not None:
            background = as_plane('background', background, image.shape,
                                  image.unit)
            if not np.isfinite(background).all():
                msg = 'background must be finite; it has values that are not'
                raise ValueError(msg)

        table = catalogue_of(phot)
        psf = PSF(self.psf_model)
        flux_name = find_column(table, 'flux')
        flux_unit = flux_unit_of(table, flux_name, image.unit)
        sources = Sources(
            column_values(table, find_column(table, 'x'), u.pix),
            column_values(table, find_column(table, 'y'), u.pix),
            column_values(table, flux_name, image.unit),
            parameter_values(table, self.psf_model))
        shapes = []
        if templates is not None:
            shapes, numbers = _shapes_of(table, templates)
            sources = sources._replace(template=numbers)
        finite = sources.finite
        valid = finite.copy()
        centres = centre_pixels(sources.take(finite))
        valid[finite] = np.all((centres >= 0) & (centres < image.shape),
                               axis=1)

        warn_of_sources_outside(np.count_nonzero(finite),
                                np.count_nonzero(valid), image.shape)
        if fitted is not None and valid.any():
            source = sources.take(np.flatnonzero(valid)[:1])
            warn_of_other_psf(psf, PSF(fitted), source._replace(
                template=None), self.stamp_shape)
        if shapes:
            psf = PSF(self.psf_model, templates=shapes)
            if self.min_mask_flux is None:
                warn_of_low_peak(shapes, self.stamp_shape)
        if valid.any():
            warn_of_shift(image, psf, sources.take(valid), self.stamp_shape)

        thresholds = {name: getattr(self, name)
                      for name in Thresholds._fields}
        field = Field(
            image, psf, sources.take(finite),
            Thresholds(*(None if value is None else
                         as_number(name, value, image.unit)
                         for name, value in thresholds.items())),
            stamp_shape=self.stamp_shape,
            gain=as_gain(self.gain, image.unit), background=background,
            seed=self._seed)
        neighbours = groups = None
        if self.neighbours is not None:
            values = neighbour_values(table, self.neighbours, image.unit)
            if self.neighbours == 'flux_err':
                neighbours = Neighbours(psf, sources, values,
                                        image.shape, field.noise)
            else:
                groups = Groups(sources, values)
        solver = StarSolver(
            field, psf, sources, stamp_shape=self.stamp_shape,
            window_shape=self.window_shape,
            condition_radius=self.condition_radius,
            dtype=np.dtype(self.dtype), neighbours=neighbours, groups=groups,
            positions=self.positions)
        return _Call(image, table, flux_unit, psf, sources, valid, field,
                     solver)

    def _solve(self, call, images):
        """
        Return rows of the sources that can be solved, in jobs of near ones.
        """
        index = np.flatnonzero(call.valid)
        groups = group_stars(centre_pixels(call.sources.take(index)),
                             self.stamp_shape, self.window_shape,
                             np.dtype(self.dtype).itemsize)
        jobs = [index[group] for group in groups]
        scenes = SharedScenes(call.field,
                              [call.solver.region(job) for job in jobs])
        local = threading.local()

        def solve(job):
            if not hasattr(local, 'workspace'):
                local.workspace = Workspace()
            scene = scenes.scene(call.solver.region(job))
            return [_Row.from_solution(solution, images) for solution in
                    call.solver(job, scene, local.workspace)]

        order = scenes.staggered(self.n_threads)
        results = run_jobs(solve, [jobs[i] for i in order],
                           n_threads=self.n_threads,
                           progress_bar=self.progress_bar)
        return [row for i in np.argsort(order) for row in results[i]]

    def _solve_all(self, call, *, others=None, images=False):
        """
        Solve all sources of a call, complete its table and return rows.

        The bit of close pairs is for those close to some others, in place
        of each other, if these are given. The rows have the pixels that
        ``images`` need, or not.
        """
        n_sources = len(call.table)
        values = {name: np.full(n_sources, np.nan) for name in COLUMNS}
        for name in ('kcond0', 'kcond', 'kpred', 'dnt'):
            values[name] = np.zeros(n_sources, dtype=np.int32)
        values['dnt'][~call.valid] = flags.NO_POSITION
        rows = self._solve(call, images)
        for row in rows:
            for name, value in row.values.items():
                values[name][row.star] = value
        index = np.flatnonzero(call.valid)
        pairs = close_pairs(call.psf, call.sources.take(index),
                            self.stamp_shape, call.image.shape, others)
        values['dnt'][index[pairs]] |= flags.CLOSE_PAIR
        values['cflux'] = (call.sources.flux - values['fdb_res']
                           + values['fdb_pred'])
        warn_of_other_fluxes(call.sources.flux, values['cflux'],
                             values['dcflux'])
        if self.positions:
            _add_positions(values, call.sources, rows)
        add_columns(call.table, values, call.image.unit, call.flux_unit,
                    self._parameters(call))
        return rows

    def predict(self, data, phot, ids, *, error=None, mask=None,
                background=None, templates=None):
        """
        Predict the background behind chosen stars, with its covariance.

        Parameters
        ----------
        data : 2-D array_like, `~astropy.units.Quantity`, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image, as for calling the object.

        phot : `~astropy.table.Table` or photutils object
            The photometry, of all stars.

        ids : int or sequence of int
            The stars: values of the ``id`` column of the table, or row
            numbers if it has none.

        error : 2-D array_like or `~astropy.units.Quantity`, optional
            The 1-sigma errors of the data.

        mask : 2-D bool array_like, optional
            `True` for pixels to leave out.

        background : float or 2-D array_like, optional
            The sky that was already subtracted.

        templates : dict, optional
            The models of sources that are not stars, by id.

        Returns
        -------
        predictions : `~lpiphot.results.Prediction` or list of them
            One for each star; a single one if ``ids`` is a number.

        Raises
        ------
        TypeError, astropy.units.UnitsError
            As for calling the object.

        ValueError
            As there; and if an id is not in the table, or several rows
            have it, or the background behind this star cannot be
            predicted.
        """
        call = self._open(data, phot, error, mask, background, templates)
        names = np.atleast_1d(ids).tolist()
        rows = rows_of(call.table, names)
        for name, row in zip(names, rows, strict=True):
            if not call.valid[row]:
                msg = (f'ids has {name}, a source whose position or flux is '
                       'not finite or which is outside the image')
                raise ValueError(msg)
        solutions = run_jobs(
            lambda job: call.solver(job)[0],
            [np.array([row]) for row in rows], n_threads=self.n_threads,
            progress_bar=self.progress_bar)
        predictions = []
        for name, solution in zip(names, solutions, strict=True):
            if solution.conditional is None:
                bits = flags.decode_dnt_flags(solution.dnt)
                msg = (f'ids has {name}, a source whose background cannot be '
                       f'predicted; its dnt flags are {bits}')
                raise ValueError(msg)
            predictions.append(
                Prediction.from_solution(name, solution, call.image.unit))
        return predictions[0] if np.ndim(ids) == 0 else predictions

    def depth(self, data, phot, *, error=None, mask=None, background=None,
              templates=None, step=16, n_sigma=5.0):
        """
        Map the flux of the faintest star that can be measured.

        At each node of a grid, ``dcflux`` is computed as for a star of
        no flux there, with all stars of the catalogue subtracted: it
        hides the pixels that any faint star does, and has no photon
        noise of its own. Between nodes it is interpolated. Of the bits
        of ``dnt``, ``close_pair`` tells of nodes within half the FWHM of
        a star of the catalogue.

        Parameters
        ----------
        data : 2-D array_like, `~astropy.units.Quantity`, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image, as for calling the object.

        phot : `~astropy.table.Table` or photutils object
            The photometry, of all stars.

        error : 2-D array_like or `~astropy.units.Quantity`, optional
            The 1-sigma errors of the data.

        mask : 2-D bool array_like, optional
            `True` for pixels to leave out.

        background : float or 2-D array_like, optional
            The sky that was already subtracted.

        templates : dict, optional
            The models of sources that are not stars, by id.

        step : int, optional
            The largest distance in pixels of neighbouring nodes, each
            of which costs as much as a star.

        n_sigma : float, optional
            The flux is this number times its uncertainty.

        Returns
        -------
        depth : `~lpiphot.depth.DepthMap`
            The flux at all positions as an image, with a plot.

        Raises
        ------
        TypeError
            If an input is of the wrong kind.

        ValueError
            If an input has a value that cannot be used.

        astropy.units.UnitsError
            If units do not match.
        """
        n_sigma = as_number('n_sigma', n_sigma)
        step = as_count('step', step, 1)
        table = catalogue_of(phot)
        if templates is not None:  # the nodes have no ids
            templates = _by_row(table, templates)
        x, y = grid_nodes(ImageReader(data).shape, step)
        nodes = append_nodes(table, x, y, extra_names(self.psf_model),
                             self.neighbours)
        call = self._open(data, nodes, error, mask, background, templates,
                          fitted=getattr(phot, 'psf_model', None))
        is_node = np.arange(len(call.table)) >= len(table)
        stars = call.sources.take(np.flatnonzero(call.valid & ~is_node))
        call = call._replace(valid=call.valid & is_node)
        self._solve_all(call, others=stars)
        return DepthMap.from_nodes(
            call.table[is_node], x, y, n_sigma,
            with_unit(call.image.read().data, call.image.unit))

    def _parameters(self, call):
        """
        Return the parameters as used, as numbers and strings.
        """
        thresholds = call.field.thresholds
        gain = as_gain(self.gain, call.image.unit)
        error_gain = call.field.inverse_gain
        star_noise = ('gain' if self.gain is not None else
                      'error' if call.image.has_error else 'none')
        return {
            'psf_model': type(self.psf_model).__name__,
            **psf_metadata(self.psf_model, call.sources.extra),
            'stamp_shape': str(self.stamp_shape),
            'window_shape': str(self.window_shape),
            'mask_threshold': thresholds.mask_threshold,
            'min_mask_flux': thresholds.min_mask_flux,
            'residual_threshold': (
                thresholds.residual_threshold
                if thresholds.residual_threshold is not None else 'robust'),
            'condition_radius': self.condition_radius,
            'gain': 'none' if gain is None else float(gain),
            'star_noise_from': star_noise,
            'error_gain': 1 / error_gain if error_gain else 'none',
            'neighbours': self.neighbours or 'none',
            'positions': self.positions,
            'pixel_noise': call.field.noise,
            'data_unit': str(call.image.unit or 'none'),
            'dtype': self.dtype,
            'rng': self._seed,
        }


class _Call(NamedTuple):
    """
    The inputs of one call, checked and taken apart.
    """

    image: ImageReader
    table: QTable
    flux_unit: u.Unit
    psf: PSF
    sources: Sources
    valid: np.ndarray
    field: Field
    solver: StarSolver


class _Row(NamedTuple):
    """
    What the table, and the images if asked for, need of a solution.

    That is the row of the star and values of columns by name; if there is a
    correction, the stars that were solved with it and the correlations of
    their fluxes; if positions were solved for, by how much the star was moved,
    then flux times x and flux times y, and their errors; for images, the
    hidden pixels, and PSF and background on them.
    """

    star: int
    values: dict
    pairs: tuple = ()
    moments: tuple = None
    hidden: tuple = None

    @classmethod
    def from_solution(cls, solution, images):
        """
        Return the row of a solution, which itself is large.
        """
        classes, found = solution.classes, solution.correction
        values = {
            'kcond0': solution.n_good_first,
            'kcond': np.count_nonzero(classes == GOOD),
            'kpred': np.count_nonzero(classes == HIDDEN),
            'dnt': solution.dnt,
        }
        star, *others = solution.rows
        if found is None:
            return cls(star, values)
        values |= {name: getattr(found, name)[0] for name in
                   ('fdb_res', 'fdb_pred', 'dcflux', 'dcflux_diag')}
        values['cchi2'] = solution.conditional.chi2
        k = len(solution.rows)
        correlations = found.covariance[0, 1:k] / (
            found.dcflux[0] * found.dcflux[1:k])
        moments = hidden = None
        if len(found.dcflux) > k:
            first = [k, 2 * k]  # those of this star, of the k of each
            moments = (solution.shifts[:, 0],
                       (found.fdb_pred - found.fdb_res)[first],
                       found.dcflux[first])
        if images:
            y, x = np.nonzero(classes == HIDDEN)
            corner = solution.centre - np.array(classes.shape) // 2
            hidden = ((y + corner[0], x + corner[1]), solution.psf[y, x],
                      solution.hidden_mean)
        return cls(star, values, tuple(zip(others, correlations, strict=True)),
                   moments, hidden)


def _by_row(table, templates):
    """
    Return a dict with rows in place of ids.
    """
    if not isinstance(templates, Mapping):
        msg = ('templates must be a dict of models by id; got '
               f'{type(templates).__name__}')
        raise TypeError(msg)
    return dict(zip(rows_of(table, templates, 'templates'),
                    templates.values(), strict=True))


def _float_name(dtype):
    """
    Return the name of a dtype of single or double precision.
    """
    with suppress(TypeError):
        name = 'none' if dtype is None else np.dtype(dtype).name
        if name in {'float32', 'float64'}:
            return name
    msg = f"dtype must be 'float32' or 'float64'; got {dtype!r}"
    raise ValueError(msg)


def _shapes_of(table, templates):
    """
    Return the shapes of templates, and the number of each source's.
    """
    rows = list(_by_row(table, templates))
    shapes, known = [], {}
    for name, model in templates.items():
        if id(model) not in known:  # many sources may have the same
            shapes.append(PSF(model, f'templates[{name!r}]'))
            warn_of_psf_flux(model, shapes[-1].name)
            known[id(model)] = len(shapes)
    numbers = np.zeros(len(table), dtype=int)
    numbers[rows] = [known[id(model)] for model in templates.values()]
    return shapes, numbers


def _add_positions(values, sources, rows):
    """
    Add the positions that were solved for to the values of the table.
    """
    shifts, moments, errors = np.full((3, 2, len(sources.x)), np.nan)
    for row in rows:
        if row.moments is not None:
            shifts[:, row.star], moment, error = row.moments
            told = np.isfinite(error)
            moments[told, row.star] = moment[told]
            errors[told, row.star] = error[told]
    flux = np.where(values['cflux'] > 0, values['cflux'], np.nan)
    values['cx'], values['cy'] = ([sources.x, sources.y] + shifts
                                  + moments / flux)
    values['dcx'], values['dcy'] = errors / flux
