# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
One-to-one matches between true and found positions.
"""

import numpy as np
from scipy.spatial import KDTree

__all__ = ['finite_positions', 'match_positions', 'nearest_distance']


def match_positions(xy_true, xy_found, radius, *, existing=None):
    """
    Match each true position with the found one that belongs to it.

    A true and a found position are a match if each is the nearest to
    the other and they are not further apart than ``radius``; so every
    position has one match at most.

    Parameters
    ----------
    xy_true : (n, 2) array_like
        The true positions ``(x, y)`` in pixels, as of injected stars.

    xy_found : (m, 2) array_like
        The found positions ``(x, y)``.

    radius : float
        The largest distance of a match in pixels.

    existing : (k, 2) array_like, optional
        Positions ``(x, y)`` of sources that were there already, before
        the injection. A found position that is not nearer to its true
        position than to all of these is that source found again, and
        no match.

    Returns
    -------
    index : (n,) int `~numpy.ndarray`
        The index into ``xy_found`` of the match of each true position,
        -1 where there is none.

    Raises
    ------
    ValueError
        If a shape is wrong, or ``radius`` is negative.

    Notes
    -----
    Positions that are not finite, as of failed fits, have no match.

    Examples
    --------
    >>> from lpiphot.validation import match_positions
    >>> match_positions([(10, 20), (40, 50)], [(41, 50), (9.5, 20)], 2.0)
    array([1, 0])
    """
    if not radius >= 0:
        msg = f'radius must not be negative; got {radius!r}'
        raise ValueError(msg)
    xy_true = _as_positions('xy_true', xy_true)
    xy_found = _as_positions('xy_found', xy_found)
    index = np.full(len(xy_true), -1)

    true = np.flatnonzero(np.isfinite(xy_true).all(axis=1))
    found = np.flatnonzero(np.isfinite(xy_found).all(axis=1))
    if len(true) == 0 or len(found) == 0:
        return index
    distance, nearest_found = KDTree(xy_found[found]).query(xy_true[true])
    _, nearest_true = KDTree(xy_true[true]).query(xy_found[found])

    matched = distance <= radius
    matched &= nearest_true[nearest_found] == np.arange(len(true))
    matched &= distance < nearest_distance(
        xy_found[found][nearest_found],
        finite_positions('existing', existing))
    index[true[matched]] = found[nearest_found[matched]]
    return index


def finite_positions(name, xy):
    """
    Return the finite ones of some positions.

    Parameters
    ----------
    name : str
        What messages call them.

    xy : (n, 2) array_like or `None`
        The positions, if there are any.

    Returns
    -------
    xy : (m, 2) `~numpy.ndarray`
        Those whose x and y are both finite.

    Raises
    ------
    ValueError
        If the shape is wrong.
    """
    xy = _as_positions(name, [] if xy is None else xy)
    return xy[np.isfinite(xy).all(axis=1)]


def nearest_distance(xy, others):
    """
    Return the distance of positions to the nearest of others.

    Parameters
    ----------
    xy, others : (n, 2), (m, 2) `~numpy.ndarray`
        The positions; those of the others are all finite.

    Returns
    -------
    distance : (n,) `~numpy.ndarray`
        The distances; infinite if there are no others, or a position is
        not finite.
    """
    distance = np.full(len(xy), np.inf)
    finite = np.isfinite(xy).all(axis=1)
    if finite.any() and len(others) > 0:
        distance[finite] = KDTree(others).query(xy[finite])[0]
    return distance


def _as_positions(name, xy):
    """
    Return positions as an (n, 2) float array.
    """
    xy = np.asarray(xy, dtype=float)
    if xy.size == 0:
        return np.empty((0, 2))
    if xy.ndim != 2 or xy.shape[1] != 2:
        msg = f'{name} must have the shape (n, 2); got {xy.shape}'
        raise ValueError(msg)
    return xy
