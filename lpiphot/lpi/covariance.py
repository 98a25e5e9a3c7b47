# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Local mean and covariance of a stamp, by shifted products.

Section 2.4 and equation 6 of Saydjari & Finkbeiner (2022).
"""

import math

import numpy as np

from lpiphot._core.moments import make_covariance, sum_products
from lpiphot.lpi.tiles import mirror

__all__ = ['Workspace', 'joint_covariances', 'to_vectors', 'training_index',
           'training_region']

# The numbers of a vector of a kernel are at most 8 (``lpiphot/_core/simd.h``),
# and this one keeps at most 4 vectors in registers (``shifted_products.h``).
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
    part, corners = training_index(region, centres, stamp_shape, window_shape,
                                   image_shape)
    training = filled[part]
    level = float(training.mean())
    return training - level, level, corners


def training_index(region, centres, stamp_shape, window_shape, image_shape):
    """
    Return the index that cuts those pixels out of a plane of the region.

    Parameters
    ----------
    region : `~lpiphot.lpi.tiles.Region`
        This region, as of `~lpiphot.lpi.tiles.region_about`.

    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)`` of the stamps.

    stamp_shape, window_shape, image_shape : 2-tuple of int
        The shapes of stamp, window of shifts and image.

    Returns
    -------
    index : tuple of `~numpy.ndarray`
        The rows and columns, mirrored beyond the image.

    corners : (n, 2) `~numpy.ndarray` of int
        As of `training_region`.
    """
    half = np.array(stamp_shape) // 2 + np.array(window_shape) // 2
    first = centres.min(axis=0) - half
    last = centres.max(axis=0) + half
    index = np.ix_(*(
        mirror(np.arange(first[axis], last[axis] + 1), image_shape[axis])
        - region.first[axis] for axis in (0, 1)))
    return index, centres - half - first


class Workspace:
    """
    Memory that is used again: pages of a new array cost more than sums.

    One workspace serves one thread at a time.
    """

    def __init__(self):
        self._bytes = {}

    def array(self, name, shape, dtype):
        """
        Return an array, of whatever was there before.

        Parameters
        ----------
        name : str
            The name of the memory.

        shape : tuple of int
            The shape of the array.

        dtype : `~numpy.dtype`
            Its type.

        Returns
        -------
        array : `~numpy.ndarray`
            An array that is valid until the next call with this name.
        """
        n_bytes = math.prod(shape) * dtype.itemsize
        if name not in self._bytes or self._bytes[name].size < n_bytes:
            self._bytes[name] = np.empty(n_bytes, dtype=np.uint8)
        return self._bytes[name][:n_bytes].view(dtype).reshape(shape)


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
        Where sums and covariances are put. A covariance is then valid
        until the next one is taken.

    Returns
    -------
    means : (n, ny * nx) `~numpy.ndarray`
        The means of all pixels about the level of ``training``.

    covariances : iterator of 2-D `~numpy.ndarray`
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
    lanes = to_vectors(2 * nx - 1)
    padded = np.zeros((height, nx - 1 + width + lanes), dtype=dtype)
    padded[:, nx - 1:nx - 1 + width] = training
    places = np.ascontiguousarray(places, dtype=np.intc)
    first, last = _row_extents(places.reshape(-1, ny, nx))
    starts = _starts(first, last)
    kept = (workspace or Workspace()).array('sums', (starts[-1],), dtype)
    sum_products(
        padded, width, nx - 1, np.ascontiguousarray(corners, dtype=np.intc),
        first, last, stamp_shape, window_shape, kept, starts[:-1].copy(),
        np.empty((width - window_shape[1] + 1) * lanes + VECTOR, dtype=dtype),
        np.empty(window_shape[1] * VECTOR * N_VECTORS, dtype=dtype))

    def covariances():
        """
        Yield the covariances, one at a time.
        """
        n_samples = window_shape[0] * window_shape[1]
        scratch = (np.empty(ny * nx, dtype=np.intc),
                   np.empty(ny * ny, dtype=np.longlong))
        for i, size in enumerate(np.max(places, axis=1) + 1):
            covariance = (workspace or Workspace()).array(
                'covariance', (size, size), dtype)
            make_covariance(
                covariance, places[i], means[i].astype(dtype),
                kept[starts[i]:starts[i + 1]], first[i], last[i], n_samples,
                *scratch)
            yield covariance

    return means, covariances()


def _row_extents(places):
    """
    Return first and last used pixel of each row, -1 where there is none.
    """
    used = places >= 0
    any_used = used.any(axis=2)
    first = np.argmax(used, axis=2)
    last = places.shape[2] - 1 - np.argmax(used[:, :, ::-1], axis=2)
    return tuple(np.where(any_used, column, -1).astype(np.intc)
                 for column in (first, last))


def _starts(first, last):
    """
    Return where the sums of each stamp start, and where the last ones end.

    Each row has sums with itself, from each pixel on, and with all rows
    below. A vector more is for what is copied beyond the end.
    """
    width = np.where(last < 0, 0, last - first + 1).astype(np.longlong)
    below = np.cumsum(width[:, ::-1], axis=1)[:, ::-1] - width
    n_sums = np.sum(width * (width + 1) // 2 + width * below, axis=1)
    return np.concatenate([[0], np.cumsum(n_sums + VECTOR)])


def _window_sums(array, window_shape):
    """
    Sum an array over all windows that fit inside it.
    """
    for size in window_shape:  # along the columns, then along the rows
        total = np.zeros((len(array) + 1, array.shape[1]))
        np.cumsum(array, axis=0, out=total[1:])
        array = (total[size:] - total[:-size]).T
    return array


def to_vectors(n):
    """
    Return a number of columns, filled up to vectors.

    Parameters
    ----------
    n : int
        The number.

    Returns
    -------
    n : int
        The least multiple of ``VECTOR`` that is no less.
    """
    return VECTOR * -(-n // VECTOR)
