"""
Shifted products in NumPy: the plain form of the compiled kernel.
"""

import numpy as np


def region_moments(region, corners, stamp_shape, window_shape):
    """
    Compute the moments of all stamps of a region.

    For each shift ``d`` between two pixels of a stamp, the region is
    multiplied with itself shifted by ``d`` and summed over windows:
    the sum whose window begins at pixel ``i`` is the element
    ``(i, i + d)`` of ``V^T V`` of every stamp that contains ``i`` and
    ``i + d``. This costs the same for one stamp and for many.

    Parameters
    ----------
    region : 2-D `~numpy.ndarray`
        The region about its level.

    corners : (n, 2) `~numpy.ndarray` of int
        The first pixel of the first window of each stamp.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the window of shifts.

    Returns
    -------
    mean : (n, n_pix) `~numpy.ndarray`
        The means about the level of the region.

    covariance : (n, n_pix, n_pix) `~numpy.ndarray`
        The covariances, both triangles.
    """
    ny, nx = stamp_shape
    n_pix = ny * nx
    n_sample = window_shape[0] * window_shape[1]
    rows = corners[:, 0, np.newaxis] + np.arange(ny)
    columns = corners[:, 1, np.newaxis] + np.arange(nx)

    sums = _window_sums(region, window_shape)
    mean = sums[rows[:, :, np.newaxis], columns[:, np.newaxis, :]]
    mean = mean.reshape(-1, n_pix) / n_sample

    products = np.empty((len(corners), n_pix, n_pix))
    height, width = region.shape
    for dy in range(ny):
        for dx in range(-(nx - 1) if dy else 0, nx):
            # the columns of pixel i for which i + d is in the stamp
            begin, end = max(0, -dx), nx - max(0, dx)
            left, right = max(0, -dx), width - max(0, dx)
            sums = _window_sums(
                region[:height - dy, left:right]
                * region[dy:, left + dx:right + dx], window_shape)
            values = sums[rows[:, :ny - dy, np.newaxis],
                          columns[:, np.newaxis, begin:end] - left]
            for view in _diagonals(products, stamp_shape, dy, dx):
                view[...] = values

    # V^T V / (N - 1) about the mean: equation 6
    products -= n_sample * (mean[:, :, np.newaxis] * mean[:, np.newaxis, :])
    products /= n_sample - 1
    return mean, products


def _window_sums(array, window_shape):
    """
    Sum an array over all windows that fit inside it.
    """
    for axis, size in enumerate(window_shape):
        total = np.cumsum(array, axis=axis)
        length = total.shape[axis]
        array = np.take(total, np.arange(size - 1, length), axis=axis)
        upper = [slice(None), slice(None)]
        lower = [slice(None), slice(None)]
        upper[axis] = slice(1, None)
        lower[axis] = slice(0, length - size)
        array[tuple(upper)] -= total[tuple(lower)]
    return array


def _diagonals(matrices, stamp_shape, dy, dx):
    """
    View the elements (i, i + d) and (i + d, i) of (n, n_pix, n_pix).

    Both views have the shape ``(n, ny - dy, nx - abs(dx))`` of the
    pixels ``i`` for which ``i + d`` is in the stamp. In C order, going
    from ``i`` to the next pixel moves down one row and right one
    column of the matrix.
    """
    ny, nx = stamp_shape
    n_pix = ny * nx
    step = matrices.itemsize
    diagonal = (n_pix + 1) * step
    flat = matrices.reshape(-1)
    first = max(0, -dx)
    shift = dy * nx + dx
    for offset in (shift, shift * n_pix):
        yield np.lib.stride_tricks.as_strided(
            flat[first * (n_pix + 1) + offset:],
            shape=(len(matrices), ny - dy, nx - abs(dx)),
            strides=(n_pix ** 2 * step, nx * diagonal, diagonal))
