# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Kernel and pattern of bad neighbours -> interpolation weights.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import dposv

from lpiphot.gpr.window import offsets

__all__ = ['Weights', 'Window', 'combine', 'stack_windows', 'weights',
           'weights_of_many']


class Weights(NamedTuple):
    """
    How a pixel follows from its neighbours.

    Attributes
    ----------
    values : (..., n) `~numpy.ndarray`
        The weights; they sum to 1.

    variance : float or `~numpy.ndarray`
        The variance of the pixel about the weighted sum, its own noise
        included, in units of the noise variance.
    """

    values: np.ndarray
    variance: float


# Weights with a variance so many times the least are not used
UNSTABLE = 4


def combine(k, w, u, a2):
    r"""
    Make weights that sum to 1.

    With the covariance of the data :math:`C = K + 1`, that of the pixel
    with them :math:`k`, and the weights of equation 3, :math:`w =
    C^{-1} k`, they are :math:`w / \sum w`. Their variance under the
    model is :math:`1 + a^2 - 2 w' k + w' C w`. Far from all neighbours
    the sum may come near 0: where the variance is more than 4 times the
    least, the weights are those of the least, the best linear unbiased
    ones for an unknown mean (ordinary kriging): :math:`w + \lambda u`
    with :math:`u = C^{-1} 1`, :math:`\lambda = (1 - \sum w) / \sum u`.

    Parameters
    ----------
    k, w, u : (..., n) `~numpy.ndarray`
        As above.

    a2 : float or `~numpy.ndarray`
        The variance :math:`a^2` of the kernel.

    Returns
    -------
    result : `Weights`
        The weights and their variance.
    """
    total, norm, kw = w.sum(axis=-1), u.sum(axis=-1), (k * w).sum(axis=-1)
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        scale = 1 / total
        variance = 1 + a2 - (2 * scale - scale ** 2) * kw
    missing = (1 - total) / norm
    least = 1 + a2 - kw + missing ** 2 * norm
    stable = variance <= UNSTABLE * least
    factor = np.where(stable, scale, 1)[..., np.newaxis]
    values = factor * w + np.where(stable, 0, missing)[..., np.newaxis] * u
    # 1 is what the pixel has of its own; less is rounding
    return Weights(values, np.maximum(np.where(stable, variance, least), 1))


def weights(kernel, dy, dx):
    """
    Return the weights of pixels at some offsets, by equation 3.

    Parameters
    ----------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.

    dy, dx : (n,) array_like of float
        The offsets of the good pixels from the one to fill.

    Returns
    -------
    result : `Weights`
        The weights and their variance.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the covariance is not positive definite.
    """
    dy, dx = np.asarray(dy, dtype=float), np.asarray(dx, dtype=float)
    covariance = kernel(dy[:, np.newaxis] - dy, dx[:, np.newaxis] - dx)
    covariance[np.diag_indices(dy.size)] += 1  # C_data of equation 2
    k = kernel(dy, dx)
    factor = cho_factor(covariance, lower=True, overwrite_a=True)
    w, u = cho_solve(factor, np.stack([k, np.ones_like(k)], axis=1)).T
    return combine(k, w, u, kernel.amplitude ** 2)


def weights_of_many(kernel, dy, dx):
    """
    Return the weights of many pixels, each with neighbours of its own.

    There are many more pairs of pixels than differences of their
    offsets: the covariances are looked up.

    Parameters
    ----------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.

    dy, dx : (m, n) `~numpy.ndarray` of int
        The offsets of n good pixels from each of m pixels to fill.

    Returns
    -------
    result : `Weights`
        The weights (m, n) and their variance (m,), as `weights` has
        them; NaN where the covariance is not positive definite.
    """
    n_y, n_x = (int(np.ptp(axis, axis=1).max(initial=0)) for axis in (dy, dx))
    if (2 * n_y + 1) * (2 * n_x + 1) < dy.size * dy.shape[1]:
        table = kernel(*np.ogrid[-n_y:n_y + 1, -n_x:n_x + 1])
        place = dy * table.shape[1] + dx
        matrices = table.ravel()[place[:, :, np.newaxis]
                                 - place[:, np.newaxis] + table.size // 2]
    else:  # a few pixels, far apart
        matrices = kernel(*(axis[:, :, np.newaxis] - axis[:, np.newaxis]
                            for axis in (dy, dx)))
    matrices[:, *np.diag_indices(dy.shape[1])] += 1  # C_data of equation 2
    k = kernel(dy, dx)
    sides = np.stack([k, np.ones_like(k)], axis=1)
    for matrix, right in zip(matrices, sides, strict=True):
        # in place, as they are symmetric and in Fortran's order
        *_, info = dposv(matrix.T, right.T, lower=True, overwrite_a=True,
                         overwrite_b=True)
        if info != 0:
            right[:] = np.nan
    w, u = sides.swapaxes(0, 1)
    return combine(k, w, u, kernel.amplitude ** 2)


class Window:
    r"""
    The covariance and precision matrices of a full window.

    With the precision matrix :math:`Q = C^{-1}` of all neighbours and
    :math:`m` bad ones :math:`B`, the weights of the good ones are

    .. math::

        w_G = (Q k)_G - Q_{GB} Q_{BB}^{-1} (Q k)_B ,

    and so those with any right-hand side: :math:`m` bad neighbours cost
    an :math:`m \times m` solve.

    Parameters
    ----------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.

    width : int
        The odd width of the window in pixels.

    Attributes
    ----------
    covariance, precision : (n, n) `~numpy.ndarray`
        The matrices :math:`C` and :math:`Q` of the ``width**2 - 1``
        neighbours, in units of the noise variance and its inverse.

    k, w, u : (n,) `~numpy.ndarray`
        The covariance with the central pixel, :math:`Q k` and
        :math:`Q 1`.

    a2 : float
        The variance of the kernel.

    variance : float
        The variance of a pixel that lacks no neighbour.

    Raises
    ------
    ValueError
        If the covariance is not positive definite.
    """

    def __init__(self, kernel, width):
        dy, dx = offsets(width)
        self.covariance = kernel(dy[:, np.newaxis] - dy,
                                 dx[:, np.newaxis] - dx)
        self.covariance[np.diag_indices(dy.size)] += 1  # equation 2
        self.k = kernel(dy, dx)
        self.a2 = kernel.amplitude ** 2
        try:
            factor = cho_factor(self.covariance, lower=True)
        except LinAlgError:
            msg = (f'the {kernel.name} kernel with amplitude '
                   f'{kernel.amplitude:g} and length_scale '
                   f'{kernel.length_scale} has no positive definite '
                   f'covariance at width {width}; give a smaller amplitude')
            raise ValueError(msg) from None
        precision = cho_solve(factor, np.eye(dy.size))
        self.precision = (precision + precision.T) / 2
        self.w = cho_solve(factor, self.k)
        self.u = cho_solve(factor, np.ones_like(self.k))
        self.variance = float(combine(self.k, self.w, self.u,
                                      self.a2).variance)


def stack_windows(windows):
    """
    Return the matrices and vectors of windows as the kernels take them.

    Parameters
    ----------
    windows : list of `~lpiphot.gpr.weights.Window`
        The windows.

    Returns
    -------
    arrays : list of `~numpy.ndarray`
        Covariance, precision, k, w, u and a2 of all of them.
    """
    return [np.array([getattr(window, name) for window in windows],
                     dtype=float)
            for name in ('covariance', 'precision', 'k', 'w', 'u', 'a2')]
