# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Image and model -> filled pixels, their errors and flags.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from lpiphot import flags
from lpiphot._core.imputation import fill_pixels
from lpiphot.gpr.weights import Weights, Window, stack_windows, weights
from lpiphot.gpr.window import Moments, moments, offsets

__all__ = ['Filled', 'Filler']

# A window with fewer good pixels grows, to this many
MIN_GOOD = 8
N_NEAREST = 36
# Good pixels for windows that have grown lie so near to bad ones
RIM = 3


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
    plane : `~lpiphot.gpr.sample.Plane`
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
        bits = np.full(y.size, flags.FILLED, dtype=np.uint16)
        bits[n_good < (width ** 2 - 1) / 2] |= flags.FEW_GOOD
        if model.n_training == 0:
            bits |= flags.NOT_TRAINED
        bits[self._near_spikes[part]] |= flags.SPIKE_NEAR
        bits[n_good < MIN_GOOD] |= flags.WINDOW_GROWN
        return Filled(value, self._error(error, variance), bits)

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
        mean where the kernel does not reach so far.

        Parameters
        ----------
        filled : `Filled`
            All bad pixels, changed in place.
        """
        deep = np.flatnonzero(filled.flags & flags.WINDOW_GROWN)
        if deep.size == 0:
            return
        rim = np.argwhere(~self._bad & binary_dilation(
            self.plane.bad, np.ones((2 * RIM + 1, 2 * RIM + 1))))
        if len(rim) < N_NEAREST:
            rim = np.argwhere(~self._bad)
        pixels = np.stack([self.y[deep], self.x[deep]], axis=1)
        n_near = min(N_NEAREST, len(rim))
        _, near = cKDTree(rim).query(pixels, k=np.arange(1, n_near + 1))
        values = self.plane.data[tuple(np.moveaxis(rim[near], -1, 0))]
        scatter = values.std(axis=1)
        kernel, error = self.model.classify(
            Moments(scatter, np.zeros(deep.size), np.ones(deep.size)),
            self.plane.noise)
        variance = np.empty(deep.size)
        for i, index in enumerate(deep):
            offset = (rim[near[i]] - pixels[i]).T
            try:
                result = weights(self.model.kernels[kernel[i]], *offset)
            except np.linalg.LinAlgError:  # a periodic kernel, perhaps
                result = Weights(
                    np.full(n_near, 1 / n_near),
                    2 * self._windows[kernel[i]].variance)
            filled.value[index] = result.values @ values[i]
            variance[i] = result.variance
        filled.error[deep] = self._error(error, variance)
