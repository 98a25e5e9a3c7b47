# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The neighbours of a pixel: offsets, which are alike, how they scatter.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import neighbour_moments

__all__ = ['Moments', 'moments', 'offsets', 'orbits', 'taper']

# The scale in pixels of the weights of the moments
TAPER = 1.5

# Numbers whose squares are none are divided by it first
HUGE = 2.0 ** 600


@lru_cache(maxsize=32)
def offsets(width):
    """
    Return the offsets of the neighbours of a pixel, in C order.

    Parameters
    ----------
    width : int
        The odd width of the window in pixels.

    Returns
    -------
    dy, dx : (width**2 - 1,) `~numpy.ndarray` of int
        The offsets from the central pixel, which is left out; not to be
        written to.
    """
    half = width // 2
    dy, dx = np.mgrid[-half:half + 1, -half:half + 1].reshape(2, -1)
    others = (dy != 0) | (dx != 0)
    found = dy[others].astype(np.intp), dx[others].astype(np.intp)
    for array in found:
        array.flags.writeable = False
    return found


def orbits(width, symmetry):
    """
    Return which neighbours have the same weight, by symmetry.

    A kernel that is isotropic ('all'), stretched along the axes
    ('axes') or at an angle ('point') has the same weights for all
    neighbours of an orbit, as long as none of them is bad. For a width
    of 9 the 80 neighbours are 14, 24 or 40 orbits.

    Parameters
    ----------
    width : int
        The odd width of the window in pixels.

    symmetry : {'all', 'axes', 'point'}
        The symmetry.

    Returns
    -------
    orbit : (width**2 - 1,) `~numpy.ndarray` of int
        The orbit of each neighbour, counted from 0.
    """
    dy, dx = offsets(width)
    if symmetry == 'point':
        flip = np.where((dy < 0) | ((dy == 0) & (dx < 0)), -1, 1)
        pair = flip * dy, flip * dx
    else:
        pair = np.abs(dy), np.abs(dx)
        if symmetry == 'all':
            pair = np.minimum(*pair), np.maximum(*pair)
    orbit = np.unique(np.stack(pair), axis=1, return_inverse=True)[1]
    return orbit.ravel().astype(np.intp)


class Moments(NamedTuple):
    """
    How the good neighbours of pixels scatter, near ones counting most.

    Attributes
    ----------
    scatter : (n,) `~numpy.ndarray`
        Their weighted standard deviation.

    peak : (n,) `~numpy.ndarray`
        Their weighted mean less their plain mean: positive on a peak.

    lost : (n,) `~numpy.ndarray`
        The share that bad neighbours have of the weights inside the
        image, from 0 to 1.
    """

    scatter: np.ndarray
    peak: np.ndarray
    lost: np.ndarray


@lru_cache(maxsize=8)
def taper(width):
    """
    Return the weights of the neighbours in the moments.

    Parameters
    ----------
    width : int
        The odd width of the window in pixels.

    Returns
    -------
    weights : (width**2 - 1,) `~numpy.ndarray`
        The weights; not to be written to.
    """
    dy, dx = offsets(width)
    weights = np.exp(-0.5 * (dy ** 2 + dx ** 2) / TAPER ** 2)
    weights.flags.writeable = False
    return weights


def moments(data, bad, y, x, width):
    """
    Find how the good neighbours of pixels scatter.

    Parameters
    ----------
    data : (ny, nx) `~numpy.ndarray`
        The image.

    bad : (ny, nx) bool `~numpy.ndarray`
        The bad pixels.

    y, x : (n,) `~numpy.ndarray` of int
        The pixels.

    width : int
        The odd width of the window in pixels.

    Returns
    -------
    result : `Moments`
        The moments.
    """
    others = bad.view(np.uint8), y, x, *offsets(width), taper(width)
    result = Moments(*np.zeros((3, len(y))))
    neighbour_moments(data, *others, *result)
    large = ~np.isfinite(result.scatter + result.peak)
    if large.any():  # squares are too large
        small = Moments(*np.zeros((3, len(y))))
        neighbour_moments(data / HUGE, *others, *small)
        result.scatter[large] = small.scatter[large] * HUGE
    return result
