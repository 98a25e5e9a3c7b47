# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The typical background, where its mean is not what is typical.

Stars too faint to be found make the background skewed: at most places
it is a little below its mean, at few far above. Equation 4 predicts the
mean; a flux corrected by it is too low at most places.
"""

import math

import numpy as np

from lpiphot._core.places import filter_places
from lpiphot.lpi.covariance import VECTOR

__all__ = ['FreePlaces']

# A place is free if nothing is masked where the PSF is above this part
# of its peak: nine tenths of a Gaussian.
CORE = 0.1

# A median of so many places is good to some 0.04 of the scatter. More of
# them would be next to each other, and tell the same.
N_PLACES = 1000

# As in ``filtered_places.h``: sums are made four at a time.
N_AT_A_TIME = 4


class FreePlaces:
    """
    The places in the windows of stars where no star was found.

    Parameters
    ----------
    training : 2-D `~numpy.ndarray`
        The pixels to learn from, about their level.

    mask : 2-D bool `~numpy.ndarray`
        `True` for those of them that are infilled.

    corners : (n, 2) `~numpy.ndarray` of int
        The first pixels ``(y, x)`` of the stars' first windows in them.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the window of shifts.

    dtype : `~numpy.dtype`
        The dtype of products and sums.
    """

    def __init__(self, training, mask, corners, stamp_shape, window_shape,
                 dtype):
        self._corners = corners.tolist()
        self._stamp_shape = stamp_shape
        self._window_shape = window_shape
        self._lanes = VECTOR * -(-stamp_shape[1] // VECTOR)
        height, width = training.shape
        shape = height, width + self._lanes - stamp_shape[1]
        self._pixels = np.zeros(shape, dtype=dtype)
        self._pixels[:, :width] = training
        self._mask = np.zeros(shape, dtype=np.uint8)
        self._mask[:, :width] = mask
        self._step = max(round(math.sqrt(math.prod(window_shape)
                                         / N_PLACES)), 1)
        self._n_grid = math.prod(-(-size // self._step)
                                 for size in window_shape)

    def typical_errors(self, number, order, mean, psfs, weights, dcflux):
        r"""
        Return the medians of the errors that fluxes have at free places.

        With the weights :math:`a` of the pixels in a corrected flux, a
        background :math:`b` changes it by :math:`a^T (b - \mu)`. The
        backgrounds are those of the window, at the places of a grid where
        no pixel below the core of the star is masked: where no star was
        found, as no other was found at that of the star.

        Of a Gaussian background, the median of :math:`n` independent
        places of :math:`N` differs from the mean of all by chance, with
        the variance :math:`\sigma^2 (\pi / 2 - n / N) / n`. The median is
        shrunk by as much (James & Stein 1961, one number about 0), so
        that nothing is left of one that chance alone explains.

        Parameters
        ----------
        number : int
            The number of the star.

        order : (n,) `~numpy.ndarray` of int
            The pixels of the stamp that are used, each by its number.

        mean : (ny * nx,) `~numpy.ndarray`
            The mean of the pixels, about the level of the training
            pixels.

        psfs : (k, ny, nx) `~numpy.ndarray`
            The absolute values of the unit-flux PSFs of the k fluxes.

        weights : (m, n) `~numpy.ndarray`
            Their weights in what is solved for, fluxes first.

        dcflux : (m,) `~numpy.ndarray`
            The scatter of the errors, :math:`\sigma`.

        Returns
        -------
        errors : (k,) `~numpy.ndarray`
            The typical errors, 0 where there is no free place.
        """
        mean = weights @ mean[order]
        ny, nx = self._stamp_shape
        stamp = np.zeros((ny, self._lanes), dtype=self._pixels.dtype)
        used = np.divmod(order, nx)
        medians = np.zeros(len(psfs))
        for j, psf in enumerate(psfs):
            stamp[used] = weights[j]
            errors = self._errors(number, psf, stamp)
            n = errors.size
            if n == 0:
                continue
            errors.sort()  # much quicker than numpy's median
            median = 0.5 * (errors[(n - 1) // 2] + errors[n // 2]) - mean[j]
            # as many pixels as the PSF covers are one place
            flat = psf.ravel()
            area = flat.sum() ** 2 / (flat @ flat)
            variance = (dcflux[j] ** 2 * (np.pi / 2 - n / self._n_grid)
                        / (n * min(self._step ** 2 / area, 1.0)))
            if median ** 2 > variance:
                medians[j] = median - variance / median
        return medians

    def _errors(self, number, psf, stamp):
        """
        Return the sums of the weights on a stamp times the free places.
        """
        rows, columns = np.nonzero(psf > CORE * psf.max())
        core = (rows * self._pixels.shape[1] + columns).astype(np.intc)
        sums = np.empty(self._n_grid + N_AT_A_TIME, dtype=stamp.dtype)
        n = filter_places(
            sums, self._pixels, self._mask, *self._corners[number],
            self._window_shape, self._step, core, stamp)
        return sums[:n]
