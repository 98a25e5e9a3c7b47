# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Patterns of bad neighbours to train with, and weights for each.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import weights_of_patterns
from lpiphot.gpr.training import columns
from lpiphot.gpr.weights import Window, stack_windows
from lpiphot.gpr.window import offsets, taper

__all__ = ['Patterns', 'pattern_weights', 'patterns']

# Bad pixels come in discs with these radii in pixels, and in lines, in
# so many directions; a line counts like so many pixels of a disc. Where
# more than the given share is lost, discs are larger
RADII, LARGE_RADII, LARGE_SHARE = (1.0, 1.5, 2.0, 2.5), (3.0, 4.0, 6.0), 0.8
N_ANGLES, LINE_COUNTS = 8, 4
# Neighbours that must be left
MIN_GOOD = 8
# Weights are for windows of this width at most: more distant neighbours
# matter little for which kernel is best
NEAR_WIDTH = 9

# How offsets (y, x) map onto each other: factors of y and x, exchange
_SIGNS = [(j, i) for j in (1, -1) for i in (1, -1)]
SYMMETRIES = {'all': [(*signs, swap) for signs in _SIGNS
                      for swap in (False, True)],
              'axes': [(*signs, False) for signs in _SIGNS],
              'point': [(1, 1, False), (-1, -1, False)]}


class Patterns(NamedTuple):
    """
    Ways in which neighbours of a pixel may be bad.

    Many are the same but for reflections that kernels do not notice:
    they have their weights in common.

    Attributes
    ----------
    hidden : (n, n_neighbours) `~numpy.ndarray` of uint8
        1 for the neighbours that are bad, in the order of
        `~lpiphot.gpr.window.offsets`.

    which : (n,) `~numpy.ndarray` of int
        The row of ``different`` that each is like.

    order : (n, n_near) `~numpy.ndarray` of int
        The neighbours in the order in which they are like those of
        that row, the good ones first.

    different : (n_different, n_near) `~numpy.ndarray` of uint8
        The bad neighbours of the patterns that differ, for windows of
        9 x 9 pixels at most.
    """

    hidden: np.ndarray
    which: np.ndarray
    order: np.ndarray
    different: np.ndarray


def _shapes(radii):
    """
    Return the offsets of the pixels of discs and lines.
    """
    y, x = np.mgrid[-7:8, -7:8].reshape(2, -1)
    for radius in radii:
        inside = np.hypot(y, x) <= radius
        disc = np.stack([y[inside], x[inside]], axis=1)
        # each of its pixels may be the one to fill
        yield from (disc - pixel for pixel in disc)
    along = np.arange(-100, 101) * 0.3
    for angle in np.pi / N_ANGLES * np.arange(N_ANGLES):
        line = np.rint(np.stack([along * np.sin(angle),
                                 along * np.cos(angle)], axis=1))
        yield from [line.astype(int)] * LINE_COUNTS


@lru_cache(maxsize=32)
def patterns(width, least, most, symmetry):
    """
    Return the patterns that lose some share of the neighbours.

    Parameters
    ----------
    width : int
        The odd width of the window in pixels.

    least, most : float
        The range of the share, see `~lpiphot.gpr.window.Moments`.

    symmetry : {'all', 'axes', 'point'}
        The symmetry of the kernels.

    Returns
    -------
    result : `Patterns` or `None`
        The patterns, if there are any.
    """
    half, near = width // 2, min(width, NEAR_WIDTH)
    places = np.full((width, width), -1)
    dy, dx = offsets(width)
    places[dy + half, dx + half] = np.arange(dy.size)
    near_y, near_x = offsets(near)
    orders = []
    for sign_y, sign_x, swap in SYMMETRIES[symmetry]:
        j, i = sign_y * near_y, sign_x * near_x
        if swap:
            j, i = i, j
        orders.append(places[j + half, i + half])
    share = taper(width) / taper(width).sum()
    found, different = [], {}
    for pixels in _shapes(LARGE_RADII if least >= LARGE_SHARE else RADII):
        hidden = np.zeros((width, width), dtype=np.uint8)
        y, x = pixels[np.abs(pixels).max(axis=1) <= half].T
        hidden[y + half, x + half] = 1
        hidden = hidden[dy + half, dx + half]
        if (not least < share @ hidden <= most
                or np.count_nonzero(hidden[orders[0]] == 0) < MIN_GOOD):
            continue
        like, order = min(((hidden[order].tobytes(), order)
                           for order in orders), key=lambda pair: pair[0])
        found.append((hidden, different.setdefault(like, len(different)),
                      order[_good_first(hidden[order])]))
    if not found:
        return None
    hidden, which, order = map(np.array, zip(*found, strict=True))
    return Patterns(hidden, which, order.astype(np.intp), np.array(
        [np.frombuffer(like, dtype=np.uint8) for like in different]))


def _good_first(hidden):
    return np.argsort(hidden, kind='stable')


@lru_cache(maxsize=8)
def pattern_weights(kernels, width, least, most, symmetry):
    """
    Return the weights of kernels for patterns.

    Parameters
    ----------
    kernels : tuple of `~lpiphot.gpr.kernels.Kernel`
        The kernels.

    width : int
        The odd width of the window in pixels.

    least, most : float
        The range of the share that the patterns lose.

    symmetry : {'all', 'axes', 'point'}
        The symmetry of the kernels.

    Returns
    -------
    weights : (n_different, n_near, n_columns) `~numpy.ndarray`
        The weights, as `columns` has them, the good neighbours first; 0
        for bad ones.

    n_good : (n_different,) `~numpy.ndarray` of int
        How many are good.

    variance : (n_kernels, n_different) `~numpy.ndarray`
        The variances.

    middle : (n_kernels,) `~numpy.ndarray`
        Their medians over the patterns.
    """
    hidden = patterns(width, least, most, symmetry).different
    values = np.zeros((len(kernels), *hidden.shape))
    variance = np.zeros((len(kernels), len(hidden)))
    for number, kernel in enumerate(kernels):
        window = Window(kernel, min(width, NEAR_WIDTH))
        weights_of_patterns(hidden, *stack_windows([window]),
                            values[number], variance[number])
    weights = np.stack([columns(values[:, i, _good_first(row)])
                        for i, row in enumerate(hidden)])
    return (weights, np.count_nonzero(hidden == 0, axis=1), variance,
            np.median(variance, axis=1))
