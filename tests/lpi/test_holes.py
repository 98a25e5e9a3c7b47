"""
Holes cut into blocks, and the order in which these are filled.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lpiphot.lpi.holes import cut_holes, in_levels

SHAPE = 71, 93
STAMP, MARGIN = (17, 21), 3
LARGEST = 11, 15  # stamp without margins


def disc(y, x, radius):
    yy, xx = np.indices(SHAPE)
    return np.hypot(yy - y, xx - x) <= radius


def some_holes():
    holes = disc(35, 40, 14) | disc(8, 80, 3) | disc(70, 92, 6)
    holes[:, 60] = True
    holes[50, :20] = True
    holes[20, 5] = True
    return holes


def ranks_of(blocks):
    ranks = np.full(SHAPE, -1)
    for block in blocks:
        assert np.all(ranks[block.rows, block.columns] == -1)
        ranks[block.rows, block.columns] = block.rank
    return ranks


@pytest.mark.parametrize('order', ['outside_in', 'centre_out'])
def test_blocks(order):
    """
    Each pixel is in one block, and each block in a stamp with margins.
    """
    holes = some_holes()
    blocks, numbers = cut_holes(holes, ~holes, STAMP, MARGIN, order)
    assert [block.rank for block in blocks] == list(range(len(blocks)))
    assert_array_equal(ranks_of(blocks) >= 0, holes)
    assert_array_equal(numbers > 0, holes)
    for block in blocks:
        assert np.all(numbers[block.rows, block.columns] == block.hole)
        assert all(size % 2 for size in block.stamp_shape)
        for pixels, (first, last), size, most in zip(
                (block.rows, block.columns), block.box, block.stamp_shape,
                STAMP, strict=True):
            assert size == last - first <= most
            assert pixels.min() - first >= MARGIN
            assert last - 1 - pixels.max() >= MARGIN
    n_blocks = np.bincount([block.hole for block in blocks])
    assert all(block.alone == (n_blocks[block.hole] == 1)
               for block in blocks)
    assert n_blocks[numbers[35, 40]] > 4
    assert n_blocks[numbers[8, 80]] == 1


def test_largest_in_one():
    """
    As large as it may be; one pixel more, and the hole is cut.
    """
    for more in (0, 1):
        for axis in (0, 1):
            holes = np.zeros(SHAPE, dtype=bool)
            size = list(LARGEST)
            size[axis] += more
            holes[20:20 + size[0], 30:30 + size[1]] = True
            blocks, _ = cut_holes(holes, ~holes, STAMP, MARGIN)
            assert len(blocks) == 1 + more
            # the cut is in the middle
            sizes = [block.rows.size for block in blocks]
            assert max(sizes) - min(sizes) <= min(size) * 1.1


def test_depth():
    """
    Outside in, depth grows from block to block; centre out, it falls.
    Pixels beyond the image are not known.
    """
    holes = np.zeros(SHAPE, dtype=bool)
    holes[:40, 10:75] = True
    depth = np.minimum(40 - np.indices(SHAPE)[0], np.minimum(
        np.indices(SHAPE)[1] - 9, 75 - np.indices(SHAPE)[1]))
    for order, sign in [('outside_in', 1), ('centre_out', -1)]:
        blocks, _ = cut_holes(holes, ~holes, STAMP, MARGIN, order)
        depths = [depth[block.rows, block.columns].max()
                  for block in blocks]
        assert np.all(sign * np.diff(depths) >= 0)
        assert max(depths) == 33  # from column 75, at the upper edge
        assert min(depths) < 16


@pytest.mark.parametrize(('gap', 'n_holes'), [(0, 1), (1, 1), (4, 1),
                                              (5, 2)])
def test_links(gap, n_holes):
    """
    Holes with up to four pixels between them are one.
    """
    holes = np.zeros(SHAPE, dtype=bool)
    holes[20, 30] = holes[21 + gap, 31 + gap] = True
    blocks, numbers = cut_holes(holes, ~holes, STAMP, MARGIN)
    assert numbers.max() == len(blocks) == n_holes


def test_levels():
    """
    A block comes after all of its hole that it may be filled from.
    """
    holes = some_holes()
    blocks, numbers = cut_holes(holes, ~holes, STAMP, MARGIN)
    ranks = ranks_of(blocks)
    levels = in_levels(blocks, ranks)
    assert sorted(block.rank for level in levels for block in level) == [
        block.rank for block in blocks]
    level_of = {block.rank: i for i, level in enumerate(levels)
                for block in level}
    n_pairs = 0
    for block in blocks:
        (top, bottom), (left, right) = block.box
        part = (slice(max(top, 0), bottom), slice(max(left, 0), right))
        before = np.unique(ranks[part][
            (ranks[part] >= 0) & (ranks[part] < block.rank)
            & (numbers[part] == block.hole)])
        n_pairs += len(before)
        want = max((level_of[rank] + 1 for rank in before), default=0)
        assert level_of[block.rank] == want
    assert n_pairs > 10
    assert 2 < len(levels) < len(blocks)


def test_nothing():
    """
    No holes, no blocks.
    """
    none = np.zeros(SHAPE, dtype=bool)
    blocks, numbers = cut_holes(none, ~none, STAMP, MARGIN)
    assert blocks == []
    assert not numbers.any()
    assert in_levels(blocks, np.full(SHAPE, -1)) == []
