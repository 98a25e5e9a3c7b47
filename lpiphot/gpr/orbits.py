# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Neighbours that are alike: one weight, and one sum, for each orbit.
"""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import whole_windows
from lpiphot.gpr.weights import Weights, combine
from lpiphot.gpr.window import HUGE, Moments, moments, offsets, orbits, taper

__all__ = ['OrbitSolver', 'Sums', 'coarsen', 'sum_orbits']


class OrbitSolver:
    """
    Weights of a full window, one for all neighbours that are alike.

    By symmetry the equations of ``width**2 - 1`` neighbours shrink to
    one for each orbit of `~lpiphot.gpr.window.orbits`: 14 in place of
    80 for an isotropic kernel of width 9.

    Parameters
    ----------
    width : int
        The odd width of the window in pixels.

    symmetry : {'all', 'axes', 'point'}
        The symmetry of the kernel.
    """

    def __init__(self, width, symmetry):
        dy, dx = offsets(width)
        self.orbit = orbits(width, symmetry)
        self.sizes = np.bincount(self.orbit)
        order = np.argsort(self.orbit, kind='stable')
        self._first = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        one = order[self._first]
        self._near = dy[one], dx[one]
        self._apart = (dy[one][:, np.newaxis] - dy[order],
                       dx[one][:, np.newaxis] - dx[order])
        self._root = np.sqrt(self.sizes)

    def __call__(self, kernel, amplitudes):
        """
        Return the weights of the orbits.

        Parameters
        ----------
        kernel : `~lpiphot.gpr.kernels.Kernel`
            The kernel, which must have the symmetry; its amplitude is
            not used.

        amplitudes : (n,) array_like of float
            The amplitudes in its place.

        Returns
        -------
        result : `~lpiphot.gpr.weights.Weights`
            For each amplitude the weight of each neighbour of an orbit,
            (n, n_orbits), and the variance, (n,).

        Raises
        ------
        numpy.linalg.LinAlgError
            If the covariance is not positive definite.
        """
        kernel = replace(kernel, amplitude=1.0)
        a2 = np.square(amplitudes, dtype=float)
        # The matrix of sums over orbits, scaled to be symmetric: of the
        # unit vectors that have one value on an orbit and 0 elsewhere.
        matrix = np.add.reduceat(kernel(*self._apart), self._first, axis=1)
        matrix *= self._root[:, np.newaxis] / self._root
        k = a2[:, np.newaxis] * (kernel(*self._near) * self._root)
        right = np.stack([k, np.broadcast_to(self._root, k.shape)], axis=-1)
        matrices = a2[:, np.newaxis, np.newaxis] * matrix
        matrices[:, *np.diag_indices(self._root.size)] += 1
        np.linalg.cholesky(matrices)
        solved = np.linalg.solve(matrices, right)
        w, u = np.moveaxis(solved, -1, 0) * self._root
        whole = combine(k / self._root, w, u, a2)
        return Weights(whole.values / self.sizes, whole.variance)


class Sums(NamedTuple):
    """
    What training needs of the image: the (N, width**2) matrix of the
    paper is never built.

    Attributes
    ----------
    sums : (n_kept, n_orbits) `~numpy.ndarray`
        The neighbours of training pixels summed by orbit, less the
        pixel; times the weights of the orbits they are the prediction
        less the pixel.

    moments : `~lpiphot.gpr.window.Moments`
        How the neighbours scatter.

    farthest : (n_kept,) `~numpy.ndarray`
        How far any pixel of the window is from the mean of them all.

    kept : (n,) bool `~numpy.ndarray`
        The pixels that were kept.
    """

    sums: np.ndarray
    moments: Moments
    farthest: np.ndarray
    kept: np.ndarray


@lru_cache(maxsize=32)
def _by_orbit(width, symmetry):
    """
    Return offsets in the order of their orbits, where the orbits end,
    and the weights of moments of each orbit.
    """
    orbit = orbits(width, symmetry)
    order = np.argsort(orbit, kind='stable')
    dy, dx = (axis[order] for axis in offsets(width))
    ends = np.cumsum(np.bincount(orbit))
    return dy, dx, ends, taper(width)[order][ends - 1]


def sum_orbits(data, bad, y, x, width, symmetry):
    """
    Sum the neighbours of training pixels by orbit.

    Parameters
    ----------
    data : (ny, nx) `~numpy.ndarray`
        The image.

    bad : (ny, nx) bool `~numpy.ndarray`
        The pixels that are no neighbours.

    y, x : (n,) `~numpy.ndarray` of int
        The pixels. Those that are bad or whose window reaches over the
        edge or has bad pixels are dropped.

    width : int
        The width of the window in pixels.

    symmetry : {'all', 'axes', 'point'}
        The symmetry.

    Returns
    -------
    result : `Sums`
        The sums and moments.
    """
    dy, dx, ends, weights = _by_orbit(width, symmetry)
    sums = np.empty((len(y), ends.size))
    scatter, peak, farthest = np.empty((3, len(y)))
    kept = np.empty(len(y), dtype=bool)
    whole_windows(data, bad.view(np.uint8), y, x, dy, dx, ends, weights,
                  sums, scatter, peak, farthest, kept.view(np.uint8))
    farthest = farthest[kept]
    if np.all(farthest < HUGE ** 0.5):
        found = Moments(scatter[kept], peak[kept], np.zeros(farthest.size))
    else:  # squares are too large
        found = moments(data, bad, y[kept], x[kept], width)
    return Sums(sums[kept], found, farthest, kept)


def coarsen(sums, width, fine, coarse):
    """
    Add up the sums of orbits that a higher symmetry joins.

    Parameters
    ----------
    sums : (n, n_fine) `~numpy.ndarray`
        The sums.

    width : int
        The width of the window in pixels.

    fine, coarse : {'all', 'axes', 'point'}
        The symmetry of the sums, and a higher one.

    Returns
    -------
    sums : (n, n_coarse) `~numpy.ndarray`
        The sums over larger orbits.
    """
    if fine == coarse:
        return sums
    join = np.zeros((sums.shape[1], orbits(width, coarse).max() + 1))
    join[orbits(width, fine), orbits(width, coarse)] = 1
    return sums @ join
