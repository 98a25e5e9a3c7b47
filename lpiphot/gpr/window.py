# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The neighbours of a pixel: their offsets, and which of them are alike.
"""

import numpy as np

__all__ = ['offsets', 'orbits']


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
        The offsets from the central pixel, which is left out.
    """
    half = width // 2
    dy, dx = np.mgrid[-half:half + 1, -half:half + 1].reshape(2, -1)
    others = (dy != 0) | (dx != 0)
    return dy[others], dx[others]


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
    return np.unique(np.stack(pair), axis=1, return_inverse=True)[1].ravel()
