# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Local mean and covariance of a stamp, by shifted products.

Section 2.4 and equation 6 of Saydjari & Finkbeiner (2022).
"""

import numpy as np

from lpiphot._core.moments import gather_covariances
from lpiphot.lpi.tiles import mirror

__all__ = ['Workspace', 'joint_covariances', 'training_region']

# The numbers of a vector of the kernel are at most 8, and it keeps at most
# 4 vectors in registers (``lpiphot/_core/shifted_products.h``).
VECTOR = 8
N_VECTORS = 4


def training_region(filled, region, centres, stamp_shape, window_shape,
                    image_shape):
    """
    Cut the pixels that the moments of some stamps are learned from.

    Parameters
    ----------
    filled : 2-D `~numpy.ndarray`
        The image without holes, in a region.

    region : `~lpiphot.lpi.tiles.Region`
        This region, as of `~lpiphot.lpi.tiles.region_about`.

    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)`` of the stamps.

    stamp_shape, window_shape, image_shape : 2-tuple of int
        The shapes of stamp, window of shifts and image.

    Returns
    -------
    training : 2-D `~numpy.ndarray`
        The pixels about their level, mirrored beyond the image.

    level : float
        The level that was subtracted. The moments are taken about it:
        a level of 1e5 then costs no digits.

    corners : (n, 2) `~numpy.ndarray` of int
        The first pixel ``(y, x)`` of the window of the first pixel of
        each stamp, in ``training``.
    """
    half = np.array(stamp_shape) // 2 + np.array(window_shape) // 2
    first = centres.min(axis=0) - half
    last = centres.max(axis=0) + half
    rows, columns = (
        mirror(np.arange(first[axis], last[axis] + 1), image_shape[axis])
        - region.first[axis] for axis in (0, 1))
    training = filled[np.ix_(rows, columns)]
    level = float(training.mean())
    return training - level, level, centres - half - first


class Workspace:
    """
    Memory that is used again: pages of a new array cost more than sums.

    One workspace serves one thread at a time.
    """

    def __init__(self):
        self._bytes = np.empty(0, dtype=np.uint8)

    def array(self, size, dtype):
        """
        Return a one-dimensional array, of whatever was there before.

        Parameters
        ----------
        size : int
            The number of elements.

        dtype : `~numpy.dtype`
            Their type.

        Returns
        -------
        array : `~numpy.ndarray`
            An array that is valid until the next call.
        """
        n_bytes = int(size) * dtype.itemsize
        if self._bytes.size < n_bytes:
            self._bytes = np.empty(n_bytes, dtype=np.uint8)
        return self._bytes[:n_bytes].view(dtype)


def joint_covariances(training, corners, places, stamp_shape, window_shape,
                      dtype, workspace=None):
    r"""
    Compute the means and covariances of stamps.

    About their mean :math:`\mu`, the :math:`N` shifted samples
    :math:`V` of the pixels of a stamp have the covariance

    .. math::

        \hat C_{ij} = \frac{1}{N - 1} \left[ \sum_w
        R_{i+w} R_{j+w} - N \mu_i \mu_j \right]

    with the sum over all pixels :math:`w` of the window (equation 6).
    For a shift :math:`d = j - i` the sums of all pixels :math:`i` of
    all stamps are running sums over the product of the pixels with
    themselves shifted by :math:`d`: the cost is that of the pixels, for
    one stamp or for many.

    Parameters
    ----------
    training : 2-D `~numpy.ndarray`
        The pixels to learn from, as of `training_region`.

    corners : (n, 2) `~numpy.ndarray` of int
        The first pixels of the stamps' first windows in ``training``.

    places : (n, ny * nx) `~numpy.ndarray` of int
        The place of each pixel of the stamps in the covariance, from 0
        up; -1 for pixels that are not used.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the window of shifts.

    dtype : `~numpy.dtype`
        The dtype of products, sums and covariances. The means are
        float64.

    workspace : `Workspace`, optional
        Where the covariances are put, until it is used again.

    Returns
    -------
    means : (n, ny * nx) `~numpy.ndarray`
        The means of all pixels about the level of ``training``.

    covariances : list of 2-D `~numpy.ndarray`
        The covariances of the used pixels, in the order of their
        places. Only the upper triangle is set.
    """
    ny, nx = stamp_shape
    rows = corners[:, 0, np.newaxis] + np.arange(ny)
    columns = corners[:, 1, np.newaxis] + np.arange(nx)
    sums = _window_sums(training, window_shape)
    means = sums[rows[:, :, np.newaxis], columns[:, np.newaxis, :]]
    means = means.reshape(-1, ny * nx) / (window_shape[0] * window_shape[1])

    height, width = training.shape
    lanes = VECTOR * -(-(2 * nx - 1) // VECTOR)
    padded = np.zeros((height, nx - 1 + width + lanes), dtype=dtype)
    padded[:, nx - 1:nx - 1 + width] = training
    places = np.ascontiguousarray(places, dtype=np.intc)
    sizes = np.max(places, axis=1, initial=-1).astype(np.intc) + 1
    offsets = np.concatenate([[0], np.cumsum(sizes.astype(int) ** 2)])
    matrices = (workspace or Workspace()).array(offsets[-1], dtype)
    gather_covariances(
        padded, width, nx - 1, np.ascontiguousarray(corners, dtype=np.intc),
        places, sizes, means.astype(dtype), stamp_shape, window_shape,
        matrices, np.empty_like(places),
        np.empty(2 * len(places) * ny, dtype=np.intc),
        np.empty((width - window_shape[1] + 1) * lanes, dtype=dtype),
        np.empty(window_shape[1] * VECTOR * N_VECTORS, dtype=dtype))
    return means, [
        matrices[offset:offset + size * size].reshape(size, size)
        for offset, size in zip(offsets, sizes.tolist(), strict=False)]


def _window_sums(array, window_shape):
    """
    Sum an array over all windows that fit inside it.
    """
    for axis, size in enumerate(window_shape):
        total = np.insert(np.cumsum(array, axis=axis), 0, 0.0, axis=axis)
        n_windows = array.shape[axis] - size + 1
        array = (np.take(total, np.arange(size, size + n_windows), axis)
                 - np.take(total, np.arange(n_windows), axis))
    return array
