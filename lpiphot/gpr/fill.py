# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Image and model -> filled pixels, their errors and flags.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.spatial import cKDTree

from lpiphot import flags
from lpiphot._core.imputation import fill_pixels
from lpiphot._noise import MAD_TO_SIGMA
from lpiphot.gpr.slopes import remove_slopes
from lpiphot.gpr.weights import Window, stack_windows, weights_of_many
from lpiphot.gpr.window import Moments, moments, offsets

__all__ = ['Filled', 'Filler']

# A window with fewer good pixels grows, to this many
MIN_GOOD = 8
N_NEAREST = 36
# Good pixels for windows that have grown lie so near to bad ones
RIM = 3
# Pixels that are filled at a time from the nearest good ones: each needs some
# 40 kB
N_CHUNK = 512
# Good pixels farther than this, in rows or columns, and than so many length
# scales, tell nothing of a pixel. (Up to some 50 pixels their mean may be
# better than the median of the image, or worse; its errors become too small.)
REACH, N_SCALES = 32, 4


class Filled(NamedTuple):
    """
    Pixels that were filled.

    Attributes
    ----------
    value : (n,) `~numpy.ndarray`
        The values, less the level of the plane.

    error : (n,) `~numpy.ndarray`
        The 1-sigma error of the values as measurements of these pixels:
        with the noise that a measurement would have.

    flags : (n,) `~numpy.ndarray` of uint16
        Bits of `lpiphot.flags.FILL_FLAGS`.
    """

    value: np.ndarray
    error: np.ndarray
    flags: np.ndarray


class Filler:
    """
    What fills the bad pixels of an image.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    model : `~lpiphot.gpr.model.Model`
        The kernels.

    noise : float, optional
        The noise in data units, for errors that are those of the
        kernels with this noise. By default they are those of training.

    Attributes
    ----------
    y, x : (n,) `~numpy.ndarray` of int
        The bad pixels.
    """

    def __init__(self, plane, model, noise=None):
        self.plane, self.model, self._noise = plane, model, noise
        self.y, self.x = (np.ascontiguousarray(axis)
                          for axis in np.nonzero(plane.bad))
        self._bad, self._near_spikes = plane.mark_spikes(self.y, self.x,
                                                         model.width)
        self._windows = [Window(kernel, model.width)
                         for kernel in model.kernels]
        self._stacked = stack_windows(self._windows)

    def __call__(self, part):
        """
        Fill some of the bad pixels.

        Parameters
        ----------
        part : slice
            Which of them.

        Returns
        -------
        filled : `Filled`
            The pixels.
        """
        model, width = self.model, self.model.width
        y, x = self.y[part], self.x[part]
        found = moments(self.plane.data, self._bad, y, x, width)
        kernel, error = model.classify(found, self.plane.noise)
        value, variance = np.zeros((2, y.size))
        n_good = np.zeros(y.size, dtype=np.intc)
        fill_pixels(self.plane.data, self._bad.view(np.uint8), y, x,
                    *offsets(width), kernel, *self._stacked,
                    MIN_GOOD, value, variance, n_good)
        error *= model.factor(value, found.scatter, self.plane.noise)
        error = self._error(error, variance)
        edge = np.flatnonzero(self._at_edge(y, x) & (n_good >= MIN_GOOD))
        if edge.size:
            level, doubt = self._level(y[edge], x[edge], kernel[edge])
            error[edge] = np.hypot(error[edge],
                                   doubt * (level - value[edge]))
            value[edge] = level
        bits = np.full(y.size, flags.FILLED, dtype=np.uint16)
        bits[n_good < (width ** 2 - 1) / 2] |= flags.FEW_GOOD
        if model.n_training == 0:
            bits |= flags.NOT_TRAINED
        bits[self._near_spikes[part]] |= flags.SPIKE_NEAR
        bits[n_good < MIN_GOOD] |= flags.WINDOW_GROWN
        return Filled(value, error, bits)

    def _at_edge(self, y, x):
        """
        Tell which pixels have windows that reach over the edge.

        None, if the model is a single kernel: the weights are those of
        the paper.
        """
        if not self.model.shape_edges:
            return np.zeros(len(y), dtype=bool)
        half = self.model.width // 2
        n_y, n_x = self.plane.data.shape
        return ((y < half) | (y >= n_y - half)
                | (x < half) | (x >= n_x - half))

    def _level(self, y, x, kernel):
        """
        Fill pixels at the edge from neighbours without their slope.

        Return the values, and the doubt of `remove_slopes`.
        """
        width = self.model.width
        dy, dx = offsets(width)
        near_y, near_x = y[:, np.newaxis] + dy, x[:, np.newaxis] + dx
        n_y, n_x = self.plane.data.shape
        good = ((near_y >= 0) & (near_y < n_y)
                & (near_x >= 0) & (near_x < n_x))
        near = near_y.clip(0, n_y - 1), near_x.clip(0, n_x - 1)
        good &= ~self._bad[near]
        level, doubt = remove_slopes(self.plane.data[near], good, dy, dx,
                                     self.plane.noise)
        # one window below the other
        tiles = np.zeros((y.size, width, width))
        bad = np.ones(tiles.shape, dtype=bool)
        half = width // 2
        tiles[:, half + dy, half + dx] = level
        bad[:, half + dy, half + dx] = ~good
        value, variance = np.zeros((2, y.size))
        fill_pixels(tiles.reshape(-1, width),
                    bad.reshape(-1, width).view(np.uint8),
                    np.arange(half, y.size * width, width),
                    np.full(y.size, half), dy, dx,
                    np.ascontiguousarray(kernel), *self._stacked, MIN_GOOD,
                    value, variance, np.zeros(y.size, dtype=np.intc))
        return value, doubt

    def _error(self, error, variance):
        """
        Return errors from those of unit variance, and the variances.
        """
        if self._noise is not None:
            error = self._noise
        return error * np.sqrt(variance)

    def fill_holes(self, filled):
        """
        Fill the pixels whose windows must grow.

        They take the nearest good pixels, with weights for an unknown
        mean where the kernel does not reach so far. Where there are none
        within reach, as beyond the field of a mosaic, they are any pixel
        of the image, and take its median and scatter.

        Parameters
        ----------
        filled : `Filled`
            All bad pixels, changed in place.
        """
        deep = np.flatnonzero(filled.flags & flags.WINDOW_GROWN)
        if deep.size:
            far = self._find_far(deep)
            self._fill_far(filled, deep[far])
            deep = deep[~far]
        if deep.size == 0:
            return
        rim = np.argwhere(~self._bad & maximum_filter(
            self.plane.bad, 2 * RIM + 1, mode='constant'))
        if len(rim) < N_NEAREST:
            rim = np.argwhere(~self._bad)
        tree = cKDTree(rim)
        for first in range(0, deep.size, N_CHUNK):
            self._fill_deep(filled, deep[first:first + N_CHUNK], rim, tree)

    def _find_far(self, deep):
        """
        Tell which of the bad pixels have no good one within reach.
        """
        if any(kernel.name == 'periodic' for kernel in self.model.kernels):
            return np.zeros(deep.size, dtype=bool)  # it reaches everywhere
        longest = max(max(kernel.length_scale)
                      for kernel in self.model.kernels)
        reach = max(REACH, math.ceil(min(N_SCALES * longest,
                                         max(self._bad.shape))))
        far = minimum_filter(self._bad, 2 * reach + 1, mode='constant',
                             cval=True)
        return far[self.y[deep], self.x[deep]]

    def _fill_far(self, filled, far):
        """
        Fill some of the bad pixels as any pixel of the image.
        """
        noise = self.plane.noise if self._noise is None else self._noise
        filled.value[far] = 0
        filled.error[far] = max(MAD_TO_SIGMA * self.plane.spread, noise)
        filled.flags[far] |= flags.FROM_NOTHING

    def _fill_deep(self, filled, deep, rim, tree):
        """
        Fill some of the bad pixels from the nearest of the ``rim``.
        """
        pixels = np.stack([self.y[deep], self.x[deep]], axis=1)
        n_near = min(N_NEAREST, len(rim))
        _, near = tree.query(pixels, k=np.arange(1, n_near + 1))
        values = self.plane.data[tuple(np.moveaxis(rim[near], -1, 0))]
        scatter = values.std(axis=1)
        kernel, error = self.model.classify(
            Moments(scatter, np.zeros(deep.size), np.ones(deep.size)),
            self.plane.noise)
        apart = np.moveaxis(rim[near] - pixels[:, np.newaxis], -1, 0)
        level, doubt = remove_slopes(
            values, np.ones(values.shape, dtype=bool), *apart,
            self.plane.noise)
        # from far off a slope says little
        corner = (self._at_edge(*pixels.T)
                  & (np.hypot(*apart[..., 0]) <= self.model.width))
        level = np.where(corner[:, np.newaxis], level, values)
        value, variance, change = np.empty((3, deep.size))
        for number in np.unique(kernel):
            mine = kernel == number
            found = weights_of_many(self.model.kernels[number],
                                    *apart[:, mine])
            lost = np.isnan(found.variance)  # a periodic kernel, perhaps
            found.values[lost] = 1 / n_near
            found.variance[lost] = 2 * self._windows[number].variance
            value[mine], change[mine] = (
                (found.values[:, np.newaxis] @ some[..., np.newaxis])[:, 0, 0]
                for some in (level[mine], level[mine] - values[mine]))
            variance[mine] = found.variance
        filled.value[deep] = value
        error *= self.model.factor(value, scatter, self.plane.noise)
        filled.error[deep] = np.hypot(self._error(error, variance),
                                      doubt * change)
