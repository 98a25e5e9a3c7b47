# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Stamps of an image, and stars that are near each other in one job.
"""

import numpy as np

__all__ = ['cut_stamps', 'group_stars', 'mirror', 'outside_image']

TILE = 128          # pixels: about a window, so that stars share sums
MAX_STARS = 32      # a job: at most 300 MB of covariances in float64


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


def group_stars(centres):
    """
    Group stars that are near each other.

    Parameters
    ----------
    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)``.

    Returns
    -------
    groups : list of `~numpy.ndarray` of int
        The indices of at most 32 stars of one tile of 128 x 128 pixels
        each. The groups do not depend on the order of the stars.
    """
    y, x = centres.T
    order = np.lexsort((x, y, x // TILE, y // TILE))
    tiles = np.column_stack([y // TILE, x // TILE])[order]
    starts = np.flatnonzero(np.any(np.diff(tiles, axis=0) != 0, axis=1)) + 1
    return [tile[first:first + MAX_STARS]
            for tile in np.split(order, starts)
            for first in range(0, len(tile), MAX_STARS)]
