# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Loud and noisy parts of a window, seen from a star elsewhere.

Equation 6 gives all of the window the same weight. A part in which the
pixels scatter several times as much as about the star (a bright filament,
what is left of bright stars) then makes up most of the covariance, and
the star's error is that of another place. So does a part with other
noise, as of other exposures of a mosaic, which errors of the image tell.
"""

import numpy as np

from lpiphot.lpi.noise import BLOCK

__all__ = ['Loudness']

# Blocks are calmed that are louder than so many times what is about the
# star, which is rounded up to a power of 2 times the noise of the image.
# For other numbers see docs/method/calibration.rst.
LIMIT = 3.0

# The noise is evened out if its variance somewhere in the window is by more
# than this factor another than about the star, which is rounded to a power
# of 2 ** (1 / 4) times that of the image. The first leaves dcflux wrong by a
# tenth, the second by 4 per cent (benchmarks/bench_noise.py).
VARIED, N_STEPS = 1.5, 4


class Loudness:
    """
    Level, loudness and noise of the blocks of 16 x 16 pixels of a region.

    Parameters
    ----------
    region : `~lpiphot.lpi.tiles.Region`
        The region, in whole blocks of the image.

    level, loudness : 2-D `~numpy.ndarray`
        Median and root mean square about it; NaN if unknown.

    noise : float
        The typical scatter of the pixels of the image.

    variance : 2-D `~numpy.ndarray`, optional
        The variance of the noise, by the errors of the image; NaN if
        unknown.

    factor : float or 2-D `~numpy.ndarray`, optional
        What pixels about their level have to be scaled by to be as loud.
    """

    def __init__(self, region, level, loudness, noise, variance=None,
                 factor=1.0):
        self._region = region
        self._first = np.array(region.first) // BLOCK
        self._level = level
        self._loudness = loudness
        self._noise = noise
        self._variance = variance
        self._factor = factor

    def variances(self, centres, stamp_shape, window_shape):
        """
        Return the variance of the noise about stars, where it varies.

        Parameters
        ----------
        centres : (n, 2) `~numpy.ndarray` of int
            The centre pixels ``(y, x)`` of the stamps.

        stamp_shape, window_shape : 2-tuple of int
            The shapes of the stamp and of the window of shifts.

        Returns
        -------
        variances : (n,) `~numpy.ndarray`
            That of the block of each star; 0 if that of all blocks of the
            window is much the same, or it is not known.
        """
        variances = np.zeros(len(centres))
        if self._variance is None or not self._noise > 0:
            return variances
        known = np.where(self._variance > 0, self._variance, 0.0)
        inverse = np.divide(1.0, known, out=np.zeros_like(known),
                            where=known > 0)
        half = np.array(stamp_shape) // 2 + np.array(window_shape) // 2
        # no block more: of another region it may not be known
        block, first, last = (pixels // BLOCK - self._first for pixels in
                              (centres, centres - half, centres + half))
        parts = first, last + 1
        own = known[tuple(block.T)]
        varied = (own > 0) & ((_largest(known, *parts) > VARIED * own)
                              | (_largest(inverse, *parts) * own > VARIED))
        steps = N_STEPS * np.log2(own[varied] / self._noise ** 2)
        variances[varied] = self._noise ** 2 * 2.0 ** (
            np.round(steps) / N_STEPS)
        return variances

    def evened(self, variance):
        """
        Return what it would be if the noise were the same everywhere.

        The mean square :math:`T` of a block is that of noise, of variance
        :math:`v`, and of structure. With :math:`v_*` in place of
        :math:`v` it is :math:`T - v + v_*`: the pixels are scaled by the
        root of :math:`1 + (v_* - v) / T`. A block in which structure is
        all there is stays as it is, and one that is noise gets the noise
        of the star, also if it is correlated.

        Parameters
        ----------
        variance : float
            The variance of the noise, :math:`v_*`; 0 for what there is.

        Returns
        -------
        evened : `Loudness`
            The same blocks, scaled.
        """
        if variance == 0:
            return self
        known = np.where(self._variance > 0, self._variance, variance)
        total = np.fmax(self._loudness ** 2, known)
        factor = np.sqrt(1 + (variance - known) / total)
        return Loudness(self._region, self._level, factor * self._loudness,
                        self._noise, factor=factor)

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
        block = centres // BLOCK - self._first
        # a block more changes no star, only with which it shares its sums
        reach = (np.array(stamp_shape) // 2
                 + np.array(window_shape) // 2) // BLOCK + 1
        loudest = _largest(loudness, block - reach, block + reach + 1)
        known = (about > 0) & (self._noise > 0)
        limits = np.full(len(centres), np.inf)
        limits[known] = LIMIT * self._noise * 2.0 ** np.ceil(
            np.log2(about[known] / self._noise))
        return np.where(limits < loudest, limits, np.inf)

    def scale(self, values, rows, columns, limit=np.inf):
        """
        Scale what blocks have about their level, if they are scaled or
        too loud.

        Parameters
        ----------
        values : (..., ny, nx) `~numpy.ndarray`
            The pixels of an image.

        rows : (..., ny, 1) `~numpy.ndarray` of int
            Their rows in the image.

        columns : (..., 1, nx) `~numpy.ndarray` of int
            Their columns in the image.

        limit : float, optional
            The largest loudness.

        Returns
        -------
        values : (..., ny, nx) `~numpy.ndarray`
            The pixels, those of noisier and of louder blocks calmed.
        """
        loud = self._loudness > limit
        factor = self._factor * np.where(
            loud, limit / np.where(loud, self._loudness, 1), 1)
        scaled = factor != 1
        if not scaled.any():
            return values
        block = (rows // BLOCK - self._first[0],
                 columns // BLOCK - self._first[1])
        level = np.where(scaled, self._level, 0.0)[block]
        return level + factor[block] * (values - level)


def _largest(values, first, last):
    """
    Return the largest values in parts that may reach over the edges.
    """
    return np.array([
        values[y_0:y_1, x_0:x_1].max() for (y_0, x_0), (y_1, x_1) in
        zip(np.maximum(first, 0).tolist(), last.tolist(), strict=True)])
