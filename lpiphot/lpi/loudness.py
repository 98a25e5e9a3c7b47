# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Loud parts of a window, seen from a star in a quiet one.

Equation 6 gives all of the window the same weight. A part in which the
pixels scatter several times as much as about the star (a bright filament,
what is left of bright stars) then makes up most of the covariance, and
the star's error is that of another place.
"""

import numpy as np

from lpiphot.lpi.noise import BLOCK

__all__ = ['Loudness']

# Blocks are calmed that are louder than so many times what is about the
# star, which is rounded up to a power of 2 times the noise of the image.
# For other numbers see docs/method/calibration.rst.
LIMIT = 3.0


class Loudness:
    """
    The level and the loudness of the blocks of 16 x 16 pixels of a region.

    Parameters
    ----------
    region : `~lpiphot.lpi.tiles.Region`
        The region, in whole blocks of the image.

    level, loudness : 2-D `~numpy.ndarray`
        Median and root mean square about it; NaN if unknown.

    noise : float
        The typical scatter of the pixels of the image.
    """

    def __init__(self, region, level, loudness, noise):
        self._first = np.array(region.first) // BLOCK
        self._level = level
        self._loudness = loudness
        self._noise = noise

    def limits(self, centres, stamp_shape, window_shape):
        """
        Return how loud blocks may be in the training pixels of stars.

        About a star are the four blocks whose middles are nearest: on or
        beside a filament they are as loud as it is.

        Parameters
        ----------
        centres : (n, 2) `~numpy.ndarray` of int
            The centre pixels ``(y, x)`` of the stamps.

        stamp_shape, window_shape : 2-tuple of int
            The shapes of the stamp and of the window of shifts.

        Returns
        -------
        limits : (n,) `~numpy.ndarray`
            The limits; inf if no block of the window is louder, or it is
            not known how loud it is about the star. Most stars of a
            neighbourhood have the same, so that they share sums.
        """
        loudness = np.where(np.isnan(self._loudness), 0.0, self._loudness)
        nearest = (centres - BLOCK // 2) // BLOCK - self._first
        about = _largest(loudness, nearest, nearest + 2)
        reach = (np.array(stamp_shape) // 2
                 + np.array(window_shape) // 2) // BLOCK + 1
        block = centres // BLOCK - self._first
        loudest = _largest(loudness, block - reach, block + reach + 1)
        known = (about > 0) & (self._noise > 0)
        limits = np.full(len(centres), np.inf)
        limits[known] = LIMIT * self._noise * 2.0 ** np.ceil(
            np.log2(about[known] / self._noise))
        return np.where(limits < loudest, limits, np.inf)

    def calm(self, values, rows, columns, limit):
        """
        Scale down what blocks that are too loud have about their level.

        Parameters
        ----------
        values : (ny, nx) `~numpy.ndarray`
            The pixels of an image.

        rows : (ny, 1) `~numpy.ndarray` of int
            Their rows in the image.

        columns : (1, nx) `~numpy.ndarray` of int
            Their columns in the image.

        limit : float
            The largest loudness.

        Returns
        -------
        values : (ny, nx) `~numpy.ndarray`
            The pixels, those of louder blocks calmed.
        """
        if np.isinf(limit):
            return values
        loud = self._loudness > limit
        factor = np.where(loud, limit / np.where(loud, self._loudness, 1), 1)
        block = (rows // BLOCK - self._first[0],
                 columns // BLOCK - self._first[1])
        level = np.where(loud, self._level, 0.0)[block]
        return level + factor[block] * (values - level)


def _largest(values, first, last):
    """
    Return the largest values in parts that may reach over the edges.
    """
    return np.array([
        values[y_0:y_1, x_0:x_1].max() for (y_0, x_0), (y_1, x_1) in
        zip(np.maximum(first, 0).tolist(), last.tolist(), strict=True)])
