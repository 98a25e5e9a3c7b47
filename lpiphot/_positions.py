# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Positions that are too close to each other.
"""

import numpy as np
from scipy.spatial import KDTree

__all__ = ['first_of_close']


def first_of_close(xy, distance):
    """
    Return which positions have no earlier one within a distance.

    One that is left out itself stands in the way of no other.

    Parameters
    ----------
    xy : (n, 2) `~numpy.ndarray`
        The positions. Those not finite stay.

    distance : float
        The distance; at 0, all stay.

    Returns
    -------
    keep : (n,) bool `~numpy.ndarray`
        `False` for those to leave out.
    """
    keep = np.ones(len(xy), dtype=bool)
    index = np.flatnonzero(np.isfinite(xy).all(axis=1))
    if distance > 0 and len(index) > 1:
        pairs = KDTree(xy[index]).query_pairs(distance, output_type='ndarray')
        for first, second in index[pairs[np.lexsort(pairs.T[::-1])]]:
            if keep[first]:
                keep[second] = False
    return keep
