# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Residuals of training pixels -> errors of filled ones.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lpiphot._noise import MAD_TO_SIGMA
from lpiphot.gpr.model import MIN_CONTRAST, height

__all__ = ['KEPT', 'Residuals', 'error_nodes', 'height_nodes']

# So many pixels, at least, tell an error; with fewer it comes out far
# below the noise by chance
MIN_NODE = 100
# Each node is for the upper 60 % of what is above the one before, and the
# lower 60 % of what is below the one after
KEPT = 0.6


class Residuals(NamedTuple):
    """
    Training pixels that were filled as if they were bad.

    All is in units of the noise.

    Attributes
    ----------
    contrast : (n,) `~numpy.ndarray`
        The contrast of their neighbours.

    value : (n,) `~numpy.ndarray`
        What they were filled with, counted from the level of the image.

    size : (n,) `~numpy.ndarray`
        How far that is from what was measured, over the square root of
        the variance of the weights.

    share : (n,) `~numpy.ndarray`
        Weights by which the pixels are a fair sample.
    """

    contrast: np.ndarray
    value: np.ndarray
    size: np.ndarray
    share: np.ndarray


def error_nodes(contrast, size, share):
    """
    Return contrasts, and the error at each.

    Parameters
    ----------
    contrast, size, share : (n,) `~numpy.ndarray`
        Those of `Residuals`.

    Returns
    -------
    nodes, errors : tuple of float
        Contrasts, and the errors between which to interpolate.
    """
    nodes, errors = _widths(contrast, size, share)
    return (tuple(max(node, MIN_CONTRAST) for node in nodes),
            # of a constant image it is 0, which has no logarithm
            tuple(max(error, 1e-3) for error in errors))


def height_nodes(parts):
    """
    Return heights, and what errors are multiplied by at each.

    Parameters
    ----------
    parts : list of tuple
        The `~lpiphot.gpr.model.Steps` of each class, and its `Residuals`.

    Returns
    -------
    nodes, factors : tuple of float
        Heights, and the factors between which to interpolate.
    """
    size = np.concatenate([
        some.size / steps.choose(some.contrast)[1] for steps, some in parts])
    place = np.concatenate([
        height(some.value, some.contrast) for _, some in parts])
    share = np.concatenate([some.share for _, some in parts])
    nodes, factors = _widths(place, size, share)
    return nodes, tuple(max(factor, 1e-3) for factor in factors)


def _widths(place, size, share):
    """
    Return the widths (1 sigma, if normal) of values whose absolute sizes
    are given, at places that lie closer the more extreme they are.
    """
    order = np.argsort(place)
    edges = [0, len(order)]
    while (n_last := int((edges[-1] - edges[-2]) * KEPT)) >= MIN_NODE:
        edges.insert(-1, edges[-1] - n_last)
    while (n_first := int(edges[1] * (1 - KEPT))) >= MIN_NODE:
        edges.insert(1, n_first)
    nodes, widths = [], []
    for first, last in pairwise(edges):
        mine = order[first:last]
        nodes.append(float(place[mine[mine.size // 2]]))
        widths.append(MAD_TO_SIGMA * _median(size[mine], share[mine]))
    return tuple(nodes), tuple(widths)


def _median(values, share):
    order = values.argsort()  # methods, as there are many small medians
    total = share[order].cumsum()
    return float(values[order[total.searchsorted(total[-1] / 2)]])
