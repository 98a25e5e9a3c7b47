# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The image as LPI sees it: stages 1 to 3, for any region of it.

Nothing is computed over the whole image that only a region needs; a
pixel has the same value in every region that contains it.
"""

import threading
from collections import Counter
from typing import NamedTuple

import numpy as np

from lpiphot.lpi.infill import HALF_WIDTHS, boxcar_infill, pixel_noise
from lpiphot.lpi.loudness import Loudness
from lpiphot.lpi.masks import outlier_mask
from lpiphot.lpi.noise import BLOCK, block_moments, spread_blocks
from lpiphot.lpi.rendering import StarRenderer
from lpiphot.lpi.star_noise import inverse_gain
from lpiphot.lpi.tiles import Region, shared_regions

__all__ = ['Field', 'Scene', 'SharedScenes', 'Thresholds']

# Defaults in units of the noise. A star is hidden as far out as it
# rises above the noise of a pixel; any star is taken to be at least as
# bright as 500 times that (20 and 10,000 ADU in section 5.1).
MASK_LIMIT = 1.0
MIN_MASK_FLUX = 500.0

# Stars are rendered out to a fiftieth of the noise: what is cut is lost
# in it even where many wings overlap.
RENDER_LIMIT = 0.02

# So many times the noise is no measurement but stands for none, as -1e30
# or the largest float32 do. So does an error, whose square is to leave sums
# of other squares their digits, if it is as many times the least one, too.
NULL_LIMIT, NULL_ERROR = 1e25, 1e6

# An error so many times those about it is that of a bad pixel, and tells
# nothing of them.
ODD_ERROR = 10.0

# The typical noise is that of blocks in at most 8 x 8 cells of 64 x 64
# pixels, evenly spread: 1024 blocks, all of them in a small image.
SAMPLE_CELL = 64
MAX_SAMPLES = 8


class Thresholds(NamedTuple):
    """
    The thresholds of the masks, in units of data and flux.

    Attributes are as the parameters of
    `lpiphot.LPIBackgroundCorrector`; `None` stands for the default,
    which depends on the image.
    """

    mask_threshold: float
    min_mask_flux: float
    residual_threshold: float


class Scene(NamedTuple):
    """
    The planes of a region of an image that stars are solved on.

    Attributes
    ----------
    region : `~lpiphot.lpi.tiles.Region`
        The region, whose shape all planes have.

    residual : `~numpy.ndarray`
        Data minus model; not finite where the data are not.

    no_data : bool `~numpy.ndarray`
        Pixels that are masked by the user, not finite, or null values.

    mask : bool `~numpy.ndarray`
        Pixels that are infilled: those without data, those under stars,
        and outliers.

    filled : `~numpy.ndarray`
        The residual, infilled.

    unreached : bool `~numpy.ndarray`
        Pixels infilled with the median, for want of good ones in reach.

    model : `~numpy.ndarray`
        The stars.

    star_variance : `~numpy.ndarray`
        The variance by the photon noise of the stars, if there is a gain;
        or else what squared errors have in excess of ``error_level``.

    error_level : `~numpy.ndarray` or `None`
        The squared errors as they would be without stars; `None` if they
        do not matter.

    inverse_gain : float
        The variance per unit of star light, as the errors of the image
        tell it.

    loudness : `~lpiphot.lpi.loudness.Loudness`
        How loud and how noisy the blocks of the region are.
    """

    region: Region
    residual: np.ndarray
    no_data: np.ndarray
    mask: np.ndarray
    filled: np.ndarray
    unreached: np.ndarray
    model: np.ndarray
    star_variance: np.ndarray
    error_level: np.ndarray
    inverse_gain: float
    loudness: Loudness


class Field:
    """
    An image with its stars, of which scenes are made.

    Parameters
    ----------
    image : `~lpiphot._inputs.ImageReader`
        The image.

    psf : `~lpiphot.lpi.psf.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.psf.Sources`
        All stars whose position and flux are finite.

    thresholds : `Thresholds`
        The thresholds, or `None` for the defaults.

    stamp_shape : 2-tuple of int
        The shape of the stamps.

    gain : float or `None`
        Electrons per data unit, for photon noise.

    background : 2-D `~numpy.ndarray` or `None`
        The sky that was subtracted from the data. With it and the gain,
        infilled pixels get the photon noise of sky and infill (equation
        7); otherwise the local scatter of the good pixels.

    seed : int
        The seed of the noise of infilled pixels.

    Raises
    ------
    ValueError
        If no block of 16 x 16 pixels has 16 good pixels, or a threshold
        cannot be had from the noise because there is none.
    """

    def __init__(self, image, psf, sources, thresholds, *, stamp_shape,
                 gain=None, background=None, seed=0):
        self.image_shape = image.shape
        self._image = image
        self._gain = gain
        self._background = background
        self._seed = seed
        # all cells, where the good pixels are not in the samples
        for n_max in (MAX_SAMPLES, max(image.shape)):
            samples = _sample_regions(image.shape, n_max)
            parts = [image.read(region) for region in samples]
            _, scatter = _typical([part.data for part in parts], parts)
            if np.isfinite(scatter):
                break
        else:  # said first: without it stars are rendered without limit
            msg = ('data must have a block of 16 x 16 pixels with 16 that '
                   'are finite and not masked; they have none')
            raise ValueError(msg)

        limits = [scatter, thresholds.mask_threshold or np.nan]
        faintest = RENDER_LIMIT * min(
            (limit for limit in limits if limit > 0), default=0.0)
        self._renderer = StarRenderer(
            psf, _sources_within(sources, image.shape), image.shape,
            stamp_shape, faintest)
        models = [self._render(region)[0] for region in samples]
        residuals = [part.data - model
                     for part, model in zip(parts, models, strict=True)]
        self.level, self.noise = _typical(residuals, parts)
        self.thresholds = _resolve(thresholds, self.noise)
        self.inverse_gain = 0.0
        self._largest_error = NULL_ERROR * max(self.noise, _least_error(parts))
        if gain is None and parts[0].error is not None:
            for part in parts:
                _drop_null_errors(part, self._largest_error)
            self.inverse_gain = inverse_gain(parts, models, self.noise)

    @property
    def robust(self):
        """
        Whether outliers, loud parts and skewed backgrounds are treated as
        the image needs it. With a ``residual_threshold`` the method is
        that of the paper.
        """
        return self.thresholds.residual_threshold is None

    def _render(self, region, threshold=np.inf, known=None, stars=()):
        """
        Return the star model of a region, and where any one of the stars
        is above a threshold.

        Both may be known for a part of it.
        """
        model = np.zeros(region.shape)
        covered = np.zeros(region.shape, dtype=bool)
        for part, values in self._renderer.render(region, known):
            model[part] += values
            covered[part] |= values > threshold
        if known is not None:
            inner = known.within(region)
            model[inner], covered[inner] = stars
        return model, covered

    def scene(self, region):
        """
        Subtract the stars, mask what is left of them, and infill.

        Parameters
        ----------
        region : `~lpiphot.lpi.tiles.Region`
            A region of the image.

        Returns
        -------
        scene : `Scene`
            Its planes.
        """
        # The margin is that of the boxcars that the masked pixels of the
        # region need; more pixels within reach can only make them less.
        n_within, n_needed = 0, 1
        outer, stars = None, ()
        while n_within < min(n_needed, len(HALF_WIDTHS)):
            n_within = min(n_needed, len(HALF_WIDTHS))
            known, outer = outer, region.grown(
                HALF_WIDTHS[n_within - 1], self.image_shape, BLOCK)
            inner = region.within(outer)
            stars = self._render(outer, self.thresholds.mask_threshold,
                                 known, stars)
            residual, no_data, mask, error = self._masked(outer, *stars)
            filled, n_boxcars = boxcar_infill(residual, mask, HALF_WIDTHS)
            n_needed = n_boxcars[inner].max(initial=0)
        level, scatter, loudness = block_moments(residual, mask,
                                                 loudness=True)
        squares = None
        if error is not None:
            squares = block_moments(error ** 2, mask)[0]
        # from here on, only what makes the level of the errors has a margin
        model, residual, no_data, filled, n_boxcars = (
            plane[inner].copy() for plane in
            (stars[0], residual, no_data, filled, n_boxcars))
        stars = None
        unreached = n_boxcars > len(HALF_WIDTHS)
        filled[unreached] = self.level
        variance, error_level = self._star_variance(
            model, error, squares, mask, inner)
        mask = mask[inner].copy()
        if self._gain is not None and self._background is not None:
            sky = self._background[region.slices]
            scatter = np.sqrt(np.abs(sky + filled) / self._gain)
        else:
            scatter[np.isnan(scatter)] = self.noise
            scatter = spread_blocks(scatter, outer.shape)[inner]
        filled += scatter * pixel_noise(mask, region, self._seed)
        return Scene(region, residual, no_data, mask, filled, unreached,
                     model, variance, error_level, self.inverse_gain,
                     Loudness(outer, level, loudness, self.noise, squares))

    def _masked(self, region, model, covered):
        """
        Return residual and masks of a region, with the error.
        """
        image = self._image.read(region)
        _drop_null_errors(image, self._largest_error)
        data, error, no_data = image
        residual = np.subtract(data, model, out=data)
        if self.noise > 0:
            no_data |= np.abs(residual) > NULL_LIMIT * self.noise
        mask = no_data | covered
        mask |= outlier_mask(residual, mask, self.noise,
                             self.thresholds.residual_threshold)
        return residual, no_data, mask, error

    def _star_variance(self, model, error, squares, mask, inner):
        """
        Return the photon noise of the stars of a region as a variance.

        From the gain; or else the excess of the squared errors over their
        level on nearby good pixels, which are free of stars, and this.
        Among these, one with an odd error counts as the median of its block.
        """
        if self._gain is not None:
            return np.abs(model) / self._gain, None
        if error is None:
            return np.zeros(model.shape), None
        variance = np.where(np.isfinite(error), error, 0.0) ** 2
        usual = spread_blocks(squares, mask.shape)
        odd = variance > ODD_ERROR ** 2 * np.fmax(usual, self.noise ** 2)
        odd &= usual > 0  # unknown, or none: few photons
        level, n_boxcars = boxcar_infill(np.where(odd, usual, variance), mask,
                                         HALF_WIDTHS)
        variance, level = variance[inner], level[inner]
        # sums in floating point may leave it below 0
        told = mask[inner] & (n_boxcars[inner] <= len(HALF_WIDTHS))
        level = np.where(told, np.maximum(level, 0), variance)
        return variance - level, level


class SharedScenes:
    """
    Scenes for the jobs of a run, neighbours in one where that is cheaper.

    The first job to ask makes the scene and the last one to ask lets it
    go. Jobs in an order of `staggered` need few scenes at a time.

    Parameters
    ----------
    field : `Field`
        The image with its stars.

    regions : list of `~lpiphot.lpi.tiles.Region`
        The region of each job.
    """

    def __init__(self, field, regions):
        self._field = field
        shared = shared_regions(regions)
        self._region_about = dict(zip(regions, shared, strict=True))
        self._shared = shared
        self._n_left = Counter(shared)
        self._locks = {region: threading.Lock() for region in shared}
        self._scenes = {}

    def staggered(self, n_threads):
        """
        Return an order of the jobs in which threads need not wait.

        While one thread makes a scene the others have jobs of earlier
        scenes to do: the first job of a scene goes before the other jobs
        of the scene ``n_threads - 1`` before.

        Parameters
        ----------
        n_threads : int
            The number of threads that take jobs in this order.

        Returns
        -------
        order : list of int
            The indices of the jobs.
        """
        jobs = {}
        for index, region in enumerate(self._shared):
            jobs.setdefault(region, []).append(index)
        jobs = list(jobs.values())
        ahead = n_threads - 1
        order = []
        for i in range(-ahead, len(jobs)):
            if i + ahead < len(jobs):
                order.append(jobs[i + ahead][0])
            if i >= 0:
                order.extend(jobs[i][1:])
        return order

    def scene(self, region):
        """
        Return a scene that contains the region of a job.

        Parameters
        ----------
        region : `~lpiphot.lpi.tiles.Region`
            The region, one of those announced, as often as it was.

        Returns
        -------
        scene : `Scene`
            Planes of this or a larger region.
        """
        region = self._region_about[region]
        with self._locks[region]:
            if region not in self._scenes:
                self._scenes[region] = self._field.scene(region)
            self._n_left[region] -= 1
            if self._n_left[region] == 0:
                return self._scenes.pop(region)
            return self._scenes[region]


def _sample_regions(shape, n_max):
    """
    Return regions of 64 x 64 pixels, evenly spread over an image.
    """
    starts = []
    for size in shape:
        n_cells = -(-size // SAMPLE_CELL)
        cells = np.linspace(0, n_cells - 1, min(n_cells, n_max))
        starts.append(SAMPLE_CELL * np.round(cells).astype(int))
    return [Region((y, x), (min(y + SAMPLE_CELL, shape[0]),
                            min(x + SAMPLE_CELL, shape[1])))
            for y in starts[0].tolist() for x in starts[1].tolist()]


def _typical(images, parts):
    """
    Return the medians over blocks of their level and scatter.

    Neither stars, nor structure larger than a block, nor a part of the
    image with more of both, move the scatter much.
    """
    level, scatter = (
        np.concatenate([blocks.ravel() for blocks in moment])
        for moment in zip(*(
            block_moments(image, part.mask)
            for image, part in zip(images, parts, strict=True)), strict=True))
    some = scatter > 0
    if some.any():  # else they may be integers, most of them the same
        null = np.abs(level) > NULL_LIMIT * np.median(scatter[some])
        level, scatter = level[~null], scatter[~null]
    known = np.isfinite(scatter)
    if not known.any():
        return [np.nan, np.nan]
    return [float(np.median(values[known])) for values in (level, scatter)]


def _least_error(parts):
    """
    Return the least error above 0 of parts of an image; 0 if there is none.
    """
    errors = [part.error[part.error > 0] for part in parts
              if part.error is not None]
    return min((float(some.min()) for some in errors if some.size),
               default=0.0)


def _drop_null_errors(image, largest):
    """
    Leave out pixels whose error stands for none, in place.
    """
    if image.error is not None and largest > 0:
        null = image.error > largest
        image.error[null] = np.inf
        image.mask[null] = True


def _sources_within(sources, shape):
    """
    Leave out sources farther beyond the image than it is large. Only the
    wings of very bright ones would reach it.
    """
    near = ((np.abs(sources.y - shape[0] / 2) < 1.5 * shape[0])
            & (np.abs(sources.x - shape[1] / 2) < 1.5 * shape[1]))
    return sources.take(near)


def _resolve(thresholds, noise):
    """
    Fill in the thresholds that follow from the noise.
    """
    mask_threshold = thresholds.mask_threshold
    if mask_threshold is None:
        if not noise > 0:
            msg = ('mask_threshold must be given: the residual has no noise '
                   f'to take it from (its typical scatter is {noise})')
            raise ValueError(msg)
        mask_threshold = MASK_LIMIT * noise
    min_mask_flux = thresholds.min_mask_flux
    if min_mask_flux is None:
        min_mask_flux = MIN_MASK_FLUX * mask_threshold
    return Thresholds(mask_threshold, min_mask_flux,
                      thresholds.residual_threshold)
