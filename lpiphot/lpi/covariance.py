# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Local mean and covariance of a stamp, by shifted products.

Section 2.4 and equation 6 of Saydjari & Finkbeiner (2022).
"""

import numpy as np

from lpiphot._core.moments import gather_covariances
from lpiphot.lpi.tiles import mirror

__all__ = ['cut_region', 'joint_covariances']

# The innermost loops run over a multiple of this: two vectors of float32
# or four of float64 at 256 bits.
LANE_GROUP = 16


def cut_region(image, centres, stamp_shape, window_shape):
    """
    Cut the part of an image that the moments of some stamps need.

    Parameters
    ----------
    image : (ny, nx) `~numpy.ndarray`
        The image without holes.

    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)`` of the stamps.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the window of shifts.

    Returns
    -------
    region : 2-D `~numpy.ndarray`
        The region about its level, mirrored beyond the image, float64.

    level : float
        The level that was subtracted. The moments are taken about it:
        a level of 1e5 then costs no digits.

    corners : (n, 2) `~numpy.ndarray` of int
        The first pixel ``(y, x)`` of the window of the first pixel of
        each stamp, in the region.
    """
    half = (np.array(stamp_shape) + np.array(window_shape)) // 2 - 1
    first = centres.min(axis=0) - half
    last = centres.max(axis=0) + half
    rows, columns = (
        mirror(np.arange(first[axis], last[axis] + 1), image.shape[axis])
        for axis in (0, 1))
    region = image[np.ix_(rows, columns)].astype(float)
    level = float(region.mean())
    region -= level
    return region, level, centres - half - first


def joint_covariances(region, corners, places, stamp_shape, window_shape,
                      dtype):
    r"""
    Compute the means and covariances of the stamps of a region.

    About their mean :math:`\mu`, the :math:`N` shifted samples
    :math:`V` of the pixels of a stamp have the covariance

    .. math::

        \hat C_{ij} = \frac{1}{N - 1} \left[ \sum_w
        R_{i+w} R_{j+w} - N \mu_i \mu_j \right]

    with the sum over all pixels :math:`w` of the window (equation 6).
    For a shift :math:`d = j - i` the sums of all pixels :math:`i` of
    all stamps are running sums over the product of the region with
    itself shifted by :math:`d`: the cost is that of the region, for one
    stamp or for many.

    Parameters
    ----------
    region, corners
        As returned by `cut_region`.

    places : (n, ny * nx) `~numpy.ndarray` of int
        The place of each pixel of the stamps in the covariance, from 0
        up; -1 for pixels that are not used.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the window of shifts.

    dtype : `~numpy.dtype`
        The dtype of products, sums and covariances. The means are
        float64.

    Returns
    -------
    means : (n, ny * nx) `~numpy.ndarray`
        The means of all pixels about the level of the region.

    covariances : list of 2-D `~numpy.ndarray`
        The covariances of the used pixels, in the order of their
        places. Only the upper triangle is set.
    """
    ny, nx = stamp_shape
    rows = corners[:, 0, np.newaxis] + np.arange(ny)
    columns = corners[:, 1, np.newaxis] + np.arange(nx)
    sums = _window_sums(region, window_shape)
    means = sums[rows[:, :, np.newaxis], columns[:, np.newaxis, :]]
    means = means.reshape(-1, ny * nx) / (window_shape[0] * window_shape[1])

    height, width = region.shape
    lanes = LANE_GROUP * -(-(2 * nx - 1) // LANE_GROUP)
    padded = np.zeros((height, nx - 1 + width + lanes), dtype=dtype)
    padded[:, nx - 1:nx - 1 + width] = region
    places = np.ascontiguousarray(places, dtype=np.intc)
    sizes = np.max(places, axis=1, initial=-1).astype(np.intc) + 1
    offsets = np.concatenate([[0], np.cumsum(sizes.astype(int) ** 2)])
    matrices = np.empty(offsets[-1], dtype=dtype)
    gather_covariances(
        padded, width, nx - 1, np.ascontiguousarray(corners, dtype=np.intc),
        places, sizes, means.astype(dtype), stamp_shape, window_shape,
        matrices, np.empty((width, lanes), dtype=dtype),
        np.empty((width - window_shape[1] + 1, lanes), dtype=dtype))
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
