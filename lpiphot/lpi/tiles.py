# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Parts of an image, and stars that are near each other in one job.
"""

from typing import NamedTuple

import numpy as np

__all__ = ['Region', 'group_stars', 'mirror', 'region_about',
           'shared_regions', 'stamp_pixels']

TILE = 256          # pixels: two windows, so that stars share most sums
N_TILES = 4         # tiles along a side of a square that shares a scene
MARGIN = 16         # pixels about a region that its scene needs in any case
MAX_BYTES = 2 ** 29  # a job's sums, if all pixels of stamps are used


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


class Region(NamedTuple):
    """
    A rectangle of pixels of an image.

    Attributes
    ----------
    first, last : 2-tuple of int
        The first pixel ``(y, x)``, and the one after the last.
    """

    first: tuple
    last: tuple

    @property
    def shape(self):
        """
        The shape of the region.
        """
        return tuple(b - a for a, b in zip(*self, strict=True))

    @property
    def slices(self):
        """
        The region as slices of the image.
        """
        return tuple(slice(a, b) for a, b in zip(*self, strict=True))

    def within(self, outer):
        """
        Return the region as slices of a region that contains it.

        Parameters
        ----------
        outer : `Region`
            The region that contains it.

        Returns
        -------
        slices : 2-tuple of slice
            The slices of arrays of the outer region.
        """
        return tuple(slice(a - c, b - c) for a, b, c in
                     zip(*self, outer.first, strict=True))

    def grown(self, margin, image_shape, block=1):
        """
        Return the region with a margin, in whole blocks of the image.

        Parameters
        ----------
        margin : int
            The margin in pixels.

        image_shape : 2-tuple of int
            The shape of the image, beyond which the region cannot grow.

        block : int, optional
            The size of blocks in pixels.

        Returns
        -------
        region : `Region`
            The larger region.
        """
        first = tuple(max(0, a - margin) // block * block
                      for a in self.first)
        last = tuple(min(size, -(-(b + margin) // block) * block)
                     for b, size in zip(self.last, image_shape, strict=True))
        return Region(first, last)


def region_about(centres, stamp_shape, window_shape, image_shape):
    """
    Return the region of the image that the moments of stamps need.

    What they need beyond the image is mirrored into it.

    Parameters
    ----------
    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)`` of the stamps.

    stamp_shape, window_shape, image_shape : 2-tuple of int
        The shapes.
    """
    first, last = [], []
    for axis in (0, 1):
        reach = stamp_shape[axis] // 2 + window_shape[axis] // 2
        index = mirror(np.arange(centres[:, axis].min() - reach,
                                 centres[:, axis].max() + reach + 1),
                       image_shape[axis])
        first.append(int(index.min()))
        last.append(int(index.max()) + 1)
    return Region(tuple(first), tuple(last))


def stamp_pixels(centres, stamp_shape, image_shape, region):
    """
    Return the pixels of stamps as indices into a region of the image.

    Parameters
    ----------
    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)``.

    stamp_shape, image_shape : 2-tuple of int
        The shapes of the stamps and of the image.

    region : `Region`
        A region that contains the stamps, mirrored into the image.

    Returns
    -------
    pixels : 2-tuple of `~numpy.ndarray` of int
        Indices that broadcast to ``(n, *stamp_shape)``.

    outside : (n, *stamp_shape) bool `~numpy.ndarray`
        `True` for pixels beyond the image.
    """
    pixels, outside = [], []
    for axis, size in enumerate(image_shape):
        index = (centres[:, axis, np.newaxis]
                 + np.arange(stamp_shape[axis]) - stamp_shape[axis] // 2)
        pixels.append(mirror(index, size) - region.first[axis])
        outside.append((index < 0) | (index >= size))
    return ((pixels[0][:, :, np.newaxis], pixels[1][:, np.newaxis, :]),
            outside[0][:, :, np.newaxis] | outside[1][:, np.newaxis, :])


def group_stars(centres, stamp_shape, window_shape, itemsize=4):
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

    itemsize : int, optional
        The bytes of a number of the sums.

    Returns
    -------
    groups : list of `~numpy.ndarray` of int
        The indices of the stars of each group, whose sums take 512 MB
        at most (twice that where float32 gives way to float64). The
        groups do not depend on the order of the stars, and those near
        each other are near each other in the list.
    """
    # each row of a stamp with itself and with all rows below
    ny, nx = stamp_shape
    max_stars = max(1, 2 * MAX_BYTES // (itemsize * ny * (ny + 1) * nx ** 2))
    y, x = centres.T
    shared = N_TILES * TILE
    order = np.lexsort((x, y, x // TILE, y // TILE, x // shared,
                        y // shared))
    tiles = np.column_stack([y // TILE, x // TILE])[order]
    starts = np.flatnonzero(np.any(np.diff(tiles, axis=0) != 0, axis=1)) + 1
    groups = []
    todo = [tile for tile in np.split(order, starts) if tile.size][::-1]
    while todo:
        group = todo.pop()
        parts = _divide(centres, group, max_stars, stamp_shape,
                        window_shape)
        if parts is None:
            groups.append(group)
        else:
            todo.extend(parts[::-1])
    return groups


def shared_regions(regions):
    """
    Join regions that cost less in one piece.

    Parameters
    ----------
    regions : list of `Region`
        The regions that groups of stars need, as ordered by
        `group_stars`.

    Returns
    -------
    shared : list of `Region`
        For each of them the region to make: that about all which begin
        in the same square of 1024 x 1024 pixels, if it is not larger
        than they are together, or else itself.
    """
    squares = {}
    for region in regions:
        square = tuple(a // (N_TILES * TILE) for a in region.first)
        squares.setdefault(square, []).append(region)
    about = {}
    for members in squares.values():
        first = np.min([region.first for region in members], axis=0)
        last = np.max([region.last for region in members], axis=0)
        whole = Region(tuple(first.tolist()), tuple(last.tolist()))
        for region in members:
            about[region] = (whole if _area(whole) <= sum(map(_area, members))
                             else region)
    return [about[region] for region in regions]


def _area(region):
    return np.prod(np.array(region.shape) + 2 * MARGIN)


def _divide(centres, group, max_stars, stamp_shape, window_shape):
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
    if best is None and len(group) > max_stars:
        axis = np.argmax(np.ptp(centres[group], axis=0))
        by_axis = group[np.argsort(centres[group, axis], kind='stable')]
        best = np.split(by_axis, [len(group) // 2])
    return best


def _cost(extent, stamp_shape, window_shape):
    """
    Return the vector operations of the products of stars in a box.

    A row of sums costs two products a column of the region, each of
    the rows of the first window about half of that (see
    ``lpiphot/_core/shifted_products.h``).
    """
    n_rows, n_sums = extent + np.array(stamp_shape)
    return (n_rows + 0.5 * window_shape[0]) * (n_sums + window_shape[1])
