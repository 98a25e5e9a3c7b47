# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Fill holes block by block, each from the pixels that are known by then.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, uniform_filter

from lpiphot import flags
from lpiphot.gaussian import condition, propagate
from lpiphot.lpi.covariance import joint_covariances, training_region
from lpiphot.lpi.infill import (HALF_WIDTHS, boxcar_infill, near_unreached,
                                pixel_noise)
from lpiphot.lpi.noise import block_moments, local_noise, spread_blocks
from lpiphot.lpi.tiles import Region

__all__ = ['Filling', 'Training', 'fill_block', 'make_training',
           'much_unknown']

# Added to the diagonal of a covariance that is singular, in units of its
# mean: far below the noise of any real image.
RIDGES = (1e-12, 1e-10, 1e-8)

# How the uncertainty of filled pixels goes on to those that are filled
# from them: exactly within holes of up to so many pixels, and in larger
# ones by so many random vectors, which gives its square to 9 %.
N_VECTORS = 256

# Smaller boxcars come first than behind stars: single pixels have good ones
# all around, and lose no structure.
_HALF_WIDTHS = (2, 3, 4, 6, *HALF_WIDTHS)

# Boxcar means have less structure than the image. Where they make up more
# than this part of a window, holes are filled twice: first with a draft,
# a draw by which the covariance is then learned.
MUCH_UNKNOWN = 0.05

# Second words of the keys of random streams, beside those of pixel_noise
DRAWS, VECTORS, DRAFT = 2 ** 63, 2 ** 62, 2 ** 61


class Training(NamedTuple):
    """
    What the covariance is learned from, as images.

    Attributes
    ----------
    good : bool `~numpy.ndarray`
        The pixels that are known.

    smooth : `~numpy.ndarray`
        The image, with boxcar means elsewhere.

    filled : `~numpy.ndarray`
        The same with noise, to learn from.

    scatter : `~numpy.ndarray`
        The local scatter of the good pixels.

    unreached : bool `~numpy.ndarray`
        The pixels that no boxcar could fill; they have the median.
    """

    good: np.ndarray
    smooth: np.ndarray
    filled: np.ndarray
    scatter: np.ndarray
    unreached: np.ndarray


def make_training(image, good, seed):
    """
    Infill an image, only to learn from it (section 2.5).

    The infilled pixels get the noise of the pixels, not the structure:
    this would give the draws too much power on small scales.

    Parameters
    ----------
    image : 2-D `~numpy.ndarray`
        The image; pixels that are not good may hold anything.

    good : 2-D bool `~numpy.ndarray`
        The pixels that are known, at least one.

    seed : int
        The seed of the noise.

    Returns
    -------
    training : `Training`
        The images.
    """
    bad = ~good
    smooth, n_boxcars = boxcar_infill(image, bad, _HALF_WIDTHS)
    unreached = n_boxcars > len(_HALF_WIDTHS)
    smooth[unreached] = np.median(image[good])
    scatter = block_moments(image, bad)[1]
    scatter[np.isnan(scatter)] = (
        np.nanmedian(scatter) if np.isfinite(scatter).any()
        else np.std(image[good]))
    noise = spread_blocks(local_noise(image, bad), image.shape)
    whole = Region((0, 0), image.shape)
    filled = smooth + noise * pixel_noise(bad, whole, seed)
    return Training(good, smooth, filled,
                    spread_blocks(scatter, image.shape), unreached)


def much_unknown(good, numbers, window_shape):
    """
    Find the holes with many unknown pixels in the windows about them.

    Parameters
    ----------
    good : 2-D bool `~numpy.ndarray`
        The pixels that are known.

    numbers : 2-D `~numpy.ndarray` of int
        The number of the hole of each pixel, 0 for none.

    window_shape : 2-tuple of int
        The shape of the window of shifts.

    Returns
    -------
    holes : set of int
        The numbers of these holes.
    """
    unknown = uniform_filter((~good).astype(float), window_shape,
                             mode='mirror')
    return set(np.unique(numbers[(numbers > 0)
                                 & (unknown > MUCH_UNKNOWN)]).tolist())


class Filling:
    """
    The pixels that are filled, while they are.

    Blocks of one level may be filled at the same time: each writes its
    own pixels, and reads those of levels before.

    Parameters
    ----------
    image : 2-D `~numpy.ndarray`
        The image, float64, which is filled in place.

    blocks : list of `~lpiphot.lpi.holes.Block`
        The blocks, by rank.

    n_draws : int
        The number of draws.

    seed : int
        The seed of the draws.

    draft : bool, optional
        Whether this is a draft: its draws are others, and it has no
        variance beside that of each block.

    Attributes
    ----------
    mean, variance : 2-D `~numpy.ndarray`
        The image with the holes filled by the mean, and the variance of
        the filled pixels.

    draws : (n_draws, n_filled) `~numpy.ndarray`
        The draws of the filled pixels about their mean.

    places : 2-D `~numpy.ndarray` of int
        The places of the filled pixels in ``draws``, -1 for others.

    flags : 2-D `~numpy.ndarray` of uint16
        The bits of `lpiphot.flags.FILL_FLAGS`.

    ranks : 2-D `~numpy.ndarray` of int
        The rank of the block of each pixel, -1 for others.
    """

    def __init__(self, image, blocks, n_draws, seed, *, draft=False):
        self.mean = image
        self.variance = np.zeros(image.shape)
        self.flags = np.zeros(image.shape, dtype=np.uint16)
        self.ranks = np.full(image.shape, -1)
        self._starts, self._sizes = {}, {}
        for block in blocks:
            pixels = block.rows, block.columns
            self.ranks[pixels] = block.rank
            if not block.alone:
                start = self._sizes.get(block.hole, 0)
                self._starts[block.rank] = start
                self._sizes[block.hole] = start + block.rows.size
        self.places = np.full(image.shape, -1)
        filled = self.ranks >= 0
        n_filled = np.count_nonzero(filled)
        self.places[filled] = np.arange(n_filled)
        self.draws = np.zeros((n_draws, n_filled))
        self._max_vectors = 0 if draft else N_VECTORS
        self._n_vectors = min(max(self._sizes.values(), default=0),
                              self._max_vectors)
        self._plan([block for block in blocks if not block.alone])
        self._seed = seed
        self._stream = DRAFT if draft else DRAWS

    def _plan(self, blocks):
        """
        Find out which blocks are filled from which.

        Vectors are large, 2 kB for each pixel: only those of pixels that
        a later block may be filled from are kept, until it is.
        """
        self._vectors = {}
        holes = {block.rank: block.hole for block in blocks}
        self._before = {rank: [] for rank in holes}
        self._after = {rank: set() for rank in holes}
        read = np.zeros(self.ranks.shape, dtype=bool)
        for block in blocks:
            inside = block.inside
            ranks = self.ranks[inside]
            for rank in np.unique(ranks[ranks < block.rank]).tolist():
                if holes.get(rank) == block.hole:
                    self._before[block.rank].append(rank)
                    self._after[rank].add(block.rank)
                    read[inside] |= ranks == rank
        # the places among those of their block
        self._rows = np.full(self.ranks.shape, -1, dtype=np.int32)
        for block in blocks:
            kept = read[block.rows, block.columns]
            self._rows[block.rows[kept], block.columns[kept]] = np.arange(
                np.count_nonzero(kept))

    def _random(self, stream, block, shape):
        """
        Return the normal numbers that belong to a block.
        """
        place = int(block.rows[0]) * self.mean.shape[1] + int(
            block.columns[0])
        key = np.array([self._seed, stream + place], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key)).standard_normal(
            shape)

    def deviations(self, pixels):
        """
        Return how filled pixels deviate from their mean.

        Parameters
        ----------
        pixels : 2-tuple of (n,) `~numpy.ndarray` of int
            Pixels that were filled, of the same hole as a block that is
            to be filled, and in its stamp.

        Returns
        -------
        draws : (n, n_draws) `~numpy.ndarray`
            The deviations of the draws.

        vectors : (n, n_vectors) `~numpy.ndarray`
            Vectors whose products are the covariances of the pixels.
        """
        ranks, rows = self.ranks[pixels], self._rows[pixels]
        vectors = np.empty((ranks.size, self._n_vectors))
        for rank in np.unique(ranks).tolist():
            mine = ranks == rank
            vectors[mine] = self._vectors[rank][rows[mine]]
        return self.draws[:, self.places[pixels]].T, vectors

    def write(self, block, mean, factor, inherited, bits):
        """
        Write what a block is filled with.

        Parameters
        ----------
        block : `~lpiphot.lpi.holes.Block`
            The block of n pixels.

        mean : (n,) `~numpy.ndarray`
            Their mean.

        factor : (n, n) `~numpy.ndarray`
            The lower Cholesky factor of their covariance, if all pixels
            they are filled from were known.

        inherited : 2-tuple of 2-D `~numpy.ndarray`
            The deviations, as of `deviations`, that they have from
            pixels that were filled.

        bits : int
            The flags.
        """
        pixels = block.rows, block.columns
        draws, vectors = inherited
        self.mean[pixels] = mean
        self.variance[pixels] = (np.sum(factor ** 2, axis=1)
                                 + np.sum(vectors ** 2, axis=1))
        self.flags[pixels] = bits
        normal = self._random(self._stream, block,
                              (len(self.draws), mean.size))
        self.draws[:, self.places[pixels]] = draws.T + normal @ factor.T
        if not block.alone:
            self._keep(block, factor, vectors)

    def _keep(self, block, factor, inherited):
        """
        Keep the vectors of a block as long as others need them.

        Blocks of one level may do so at the same time: a set loses an
        item, and a dict a key, at once.
        """
        if self._after[block.rank]:
            vectors = self._vectors_of(block, factor, inherited)
            self._vectors[block.rank] = vectors[
                self._rows[block.rows, block.columns] >= 0]
        for rank in self._before[block.rank]:
            self._after[rank].discard(block.rank)
            if not self._after[rank]:
                self._vectors.pop(rank, None)

    def _vectors_of(self, block, factor, inherited):
        """
        Return the vectors of all pixels of a block.
        """
        vectors = np.array(inherited)
        if self._sizes[block.hole] <= self._max_vectors:
            start = self._starts[block.rank]
            vectors[:, start:start + len(factor)] += factor
        elif self._max_vectors:
            normal = self._random(VECTORS, block,
                                  (self._max_vectors, len(factor)))
            vectors += (factor @ normal.T) / np.sqrt(self._max_vectors)
        return vectors


def fill_block(filling, training, block, numbers, *, condition_distance,
               window_shape):
    """
    Fill the pixels of a block.

    They are predicted from the pixels within ``condition_distance`` of
    them that are known: good ones, and those of the same hole that were
    filled before. Filled ones enter with their mean for the mean, and
    with the values of a draw for this draw, so that the draws of a hole
    come from one joint distribution.

    Parameters
    ----------
    filling : `Filling`
        Where the pixels are read from and written to.

    training : `Training`
        What the covariance is learned from.

    block : `~lpiphot.lpi.holes.Block`
        The block.

    numbers : 2-D `~numpy.ndarray` of int
        The number of the hole of each pixel.

    condition_distance : float
        The distance in pixels.

    window_shape : 2-tuple of int
        The shape of the window of shifts.
    """
    rows, columns, n_known, n_filled = _pixels_of(
        filling, training, block, numbers, condition_distance)
    known = rows[:n_known], columns[:n_known]
    bits = flags.FILLED
    if n_known == 0:
        bits |= flags.FROM_NOTHING
    for ridge in (0.0, *RIDGES):
        matrix, level, mean = _moments(training, block, rows, columns,
                                       window_shape)
        matrix.flat[::len(matrix) + 1] += ridge * np.mean(matrix.diagonal())
        conditional = condition(matrix, mean, filling.mean[known] - level)
        if conditional is not None:
            break
        bits |= flags.RIDGE
    if conditional is None:
        bits |= flags.LOCAL_MEAN
        pixels = block.rows, block.columns
        mean = training.smooth[pixels]
        factor = np.diag(training.scatter[pixels])
    else:
        mean, factor = conditional.mean + level, conditional.factor
    shape = training.good.shape
    if near_unreached(training.unreached, Region((0, 0), shape),
                      np.array([block.centre]), block.stamp_shape,
                      window_shape, shape)[0]:
        bits |= flags.FAR_MEDIAN
    last = tuple(axis[n_known - n_filled:n_known] for axis in (rows, columns))
    inherited = [
        propagate(matrix, n_known, deviations) if conditional is not None
        else np.zeros((mean.size, deviations.shape[1]))
        for deviations in filling.deviations(last)]
    filling.write(block, mean, factor, inherited, bits)


def _pixels_of(filling, training, block, numbers, condition_distance):
    """
    Return rows and columns of the pixels that a block is filled from, good
    ones first and then filled ones, and of its own; with the number of
    those that are known, and of the filled ones among them.
    """
    inside = block.inside
    first = inside[0].start, inside[1].start
    own = np.zeros(training.good[inside].shape, dtype=bool)
    own[block.rows - first[0], block.columns - first[1]] = True
    near = distance_transform_edt(~own) <= condition_distance
    ranks = filling.ranks[inside]
    filled = near & (ranks >= 0) & (ranks < block.rank) & (
        numbers[inside] == block.hole)
    parts = [np.argwhere(pixels) + first
             for pixels in (near & training.good[inside], filled, own)]
    return (*np.concatenate(parts).T, len(parts[0]) + len(parts[1]),
            len(parts[1]))


def _moments(training, block, rows, columns, window_shape):
    """
    Learn covariance, level and mean about it of pixels of a stamp.
    """
    centre = np.array([block.centre])
    ny, nx = block.stamp_shape
    (top, _), (left, _) = block.box
    places = np.full((1, ny * nx), -1)
    order = (rows - top) * nx + columns - left
    places[0, order] = np.arange(order.size)
    shape = training.good.shape
    region = Region((0, 0), shape)
    pixels, level, corners = training_region(
        training.filled, region, centre, block.stamp_shape, window_shape,
        shape)
    (mean,), (matrix,) = joint_covariances(
        pixels, corners, places, block.stamp_shape, window_shape,
        np.dtype(float))
    return matrix, level, mean[order]
