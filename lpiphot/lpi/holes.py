# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Holes of any shape and size, cut into blocks that are filled in turn.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import (binary_dilation, distance_transform_cdt,
                           find_objects, label)

__all__ = ['ORDERS', 'Block', 'cut_holes', 'in_levels']

ORDERS = ('outside_in', 'centre_out')

# Holes with up to four pixels between them are filled as one: draws of
# pixels that are nearer than this are correlated, those of pixels farther
# apart hardly, once the good pixels between them are known.
LINK = 2


class Block(NamedTuple):
    """
    Pixels that are filled together, by one conditional Gaussian.

    Attributes
    ----------
    rows, columns : (n,) `~numpy.ndarray` of int
        The pixels, in C order.

    centre : 2-tuple of int
        The middle pixel ``(y, x)`` of their stamp.

    stamp_shape : 2-tuple of int
        The shape of the stamp, odd: the box about the pixels and the
        margin.

    hole : int
        The number of the hole that the block belongs to, from 1.

    rank : int
        The place of the block in the order of filling, from 0.

    alone : bool
        Whether the block is the whole hole.
    """

    rows: np.ndarray
    columns: np.ndarray
    centre: tuple
    stamp_shape: tuple
    hole: int
    rank: int
    alone: bool

    @property
    def box(self):
        """
        The first pixel of the stamp and the one after the last.
        """
        return tuple((middle - size // 2, middle + size // 2 + 1)
                     for middle, size in zip(self.centre, self.stamp_shape,
                                             strict=True))

    @property
    def inside(self):
        """
        The stamp as slices of the image, beyond which it may reach.
        """
        return tuple(slice(max(a, 0), b) for a, b in self.box)


def cut_holes(holes, good, stamp_shape, margin, order='outside_in'):
    """
    Cut holes into blocks, in the order in which they are filled.

    A hole that fits into a stamp with the margin about it is one block.
    A larger one is cut along a grid about its middle. Its blocks are
    sorted by their depth, the largest distance of a pixel from the
    nearest good one.

    Parameters
    ----------
    holes : 2-D bool `~numpy.ndarray`
        The pixels to fill.

    good : 2-D bool `~numpy.ndarray`
        The pixels that are known.

    stamp_shape : 2-tuple of int
        The shape of the largest stamp.

    margin : int
        The pixels about a block that its stamp has at least.

    order : {'outside_in', 'centre_out'}, optional
        Whether the blocks of a hole are filled from the least to the
        greatest depth, or the other way.

    Returns
    -------
    blocks : list of `Block`
        The blocks, by rank.

    numbers : 2-D `~numpy.ndarray` of int
        The number of the hole of each pixel of ``holes``, from 1; 0 for
        others.
    """
    box = np.ones((2 * LINK + 1, 2 * LINK + 1), dtype=bool)
    numbers, _ = label(binary_dilation(holes, box),
                       structure=np.ones((3, 3), dtype=bool))
    numbers[~holes] = 0
    # pixels beyond the image are not known
    depth = distance_transform_cdt(~good, metric='chessboard')
    cell = np.array(stamp_shape) - 2 * margin

    pieces = []
    for hole, part in enumerate(find_objects(numbers), start=1):
        first = np.array([axis.start for axis in part])
        rows, columns = np.nonzero(numbers[part] == hole)
        pixels = np.column_stack([rows, columns])
        size = pixels.max(axis=0) + 1
        n_cells = -(-size // cell)
        # the grid is wider than the hole by the same on either side
        offset = (n_cells * cell - size) // 2
        keys = (pixels + offset) // cell @ np.array([n_cells[1], 1])
        # all pixels of a cell together, in C order
        by_cell = np.argsort(keys, kind='stable')
        starts = np.flatnonzero(np.diff(keys[by_cell])) + 1
        for piece in np.split(pixels[by_cell] + first, starts):
            deepest = int(depth[tuple(piece.T)].max())
            pieces.append((deepest if order == 'outside_in' else -deepest,
                           *piece[0].tolist(), hole, piece,
                           bool(n_cells.max() == 1)))
    pieces.sort(key=lambda piece: piece[:3])
    return [_block(piece, margin, hole, rank, alone) for rank, (
        *_, hole, piece, alone) in enumerate(pieces)], numbers


def _block(pixels, margin, hole, rank, alone):
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    centre = (low + high) // 2
    reach = np.maximum(centre - low, high - centre) + margin
    return Block(*pixels.T, tuple(centre.tolist()),
                 tuple((2 * reach + 1).tolist()), hole, rank, alone)


def in_levels(blocks, ranks):
    """
    Sort blocks into levels: those of one level do not need each other.

    Parameters
    ----------
    blocks : list of `Block`
        The blocks of some holes, by rank.

    ranks : 2-D `~numpy.ndarray` of int
        The rank of the block of each pixel, -1 for others.

    Returns
    -------
    levels : list of list of `Block`
        Each block is in the level after the last of the blocks of its
        hole that have pixels in its stamp and a lower rank.
    """
    levels = []
    level_of = {}
    for block in blocks:
        level = 0
        if not block.alone:
            near = np.unique(ranks[block.inside])
            level = 1 + max((level_of.get((block.hole, rank), -1)
                             for rank in near[near < block.rank].tolist()),
                            default=-1)
        level_of[block.hole, block.rank] = level
        if level == len(levels):
            levels.append([])
        levels[level].append(block)
    return levels
