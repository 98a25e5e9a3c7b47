# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Stamps of an image, and stars that are near each other in one job.
"""

import numpy as np

__all__ = ['cut_stamps', 'group_stars', 'mirror', 'outside_image']

TILE = 256          # pixels: two windows, so that stars share most sums
MAX_STARS = 64      # a job: 160 MB of float32 covariances, 33 x 33 pixels


def mirror(index, size):
    """
    Mirror indices at the first and last pixel, which are not repeated.

    Parameters
    ----------
    index : `~numpy.ndarray` of int
        Indices, also beyond ``0`` and ``size - 1``.

    size : int
        The size of the axis.

    Returns
    -------
    index : `~numpy.ndarray` of int
        Indices from ``0`` to ``size - 1``.
    """
    period = max(2 * (size - 1), 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index)


def cut_stamps(image, centres, stamp_shape):
    """
    Cut the stamps about some pixels, mirrored beyond the image.

    Parameters
    ----------
    image : (ny, nx) `~numpy.ndarray`
        The image.

    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)``.

    stamp_shape : 2-tuple of int
        The shape of the stamps.

    Returns
    -------
    stamps : (n, *stamp_shape) `~numpy.ndarray`
        The stamps.
    """
    rows, columns = (
        mirror(centres[:, axis, np.newaxis]
               + np.arange(stamp_shape[axis]) - stamp_shape[axis] // 2,
               image.shape[axis])
        for axis in (0, 1))
    return image[rows[:, :, np.newaxis], columns[:, np.newaxis, :]]


def outside_image(centres, stamp_shape, image_shape):
    """
    Tell which pixels of stamps lie beyond the image.

    Parameters
    ----------
    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)``.

    stamp_shape, image_shape : 2-tuple of int
        The shapes.

    Returns
    -------
    outside : (n, *stamp_shape) bool `~numpy.ndarray`
        `True` for pixels beyond the image.
    """
    outside = []
    for axis in (0, 1):
        index = (centres[:, axis, np.newaxis]
                 + np.arange(stamp_shape[axis]) - stamp_shape[axis] // 2)
        outside.append((index < 0) | (index >= image_shape[axis]))
    return outside[0][:, :, np.newaxis] | outside[1][:, np.newaxis, :]


def group_stars(centres, stamp_shape, window_shape):
    """
    Group stars so that those that share sums over windows share them.

    The stars of a tile of 256 x 256 pixels are divided at the widest
    gap between them as long as the parts together cost less than the
    whole, and in halves as long as they are too many for a job.

    Parameters
    ----------
    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)``.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the window of shifts.

    Returns
    -------
    groups : list of `~numpy.ndarray` of int
        The indices of the stars of each group, at most 64. The groups
        do not depend on the order of the stars.
    """
    y, x = centres.T
    order = np.lexsort((x, y, x // TILE, y // TILE))
    tiles = np.column_stack([y // TILE, x // TILE])[order]
    starts = np.flatnonzero(np.any(np.diff(tiles, axis=0) != 0, axis=1)) + 1
    groups = []
    todo = [tile for tile in np.split(order, starts) if tile.size][::-1]
    while todo:
        group = todo.pop()
        parts = _divide(centres, group, stamp_shape, window_shape)
        if parts is None:
            groups.append(group)
        else:
            todo.extend(parts[::-1])
    return groups


def _divide(centres, group, stamp_shape, window_shape):
    """
    Divide a group in two if that is cheaper or it is too large.
    """
    def cost(part):
        extent = np.ptp(centres[part], axis=0)
        return _cost(extent, stamp_shape, window_shape)

    best, best_cost = None, cost(group)
    for axis in (0, 1):
        by_axis = group[np.argsort(centres[group, axis], kind='stable')]
        gaps = np.diff(centres[by_axis, axis])
        if not gaps.size:
            return None
        parts = np.split(by_axis, [np.argmax(gaps) + 1])
        parts_cost = sum(cost(part) for part in parts)
        if parts_cost < best_cost:
            best, best_cost = parts, parts_cost
    if best is None and len(group) > MAX_STARS:
        axis = np.argmax(np.ptp(centres[group], axis=0))
        by_axis = group[np.argsort(centres[group, axis], kind='stable')]
        best = np.split(by_axis, [len(group) // 2])
    return best


def _cost(extent, stamp_shape, window_shape):
    """
    Return the vector operations of the products of stars in a box.

    A row of pixels of the region costs one product for the first
    window and two for each move of it, and a row of sums two additions
    a pixel, the first one an addition for each column of the window
    (see ``lpiphot/_core/shifted_products.h``).
    """
    n_sums = extent + np.array(stamp_shape)
    width = n_sums[1] + window_shape[1] - 1
    return (window_shape[0] * width
            + n_sums[0] * (2 * width + 2 * n_sums[1] + window_shape[1]))
