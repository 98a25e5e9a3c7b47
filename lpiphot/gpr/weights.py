# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Kernel and pattern of bad neighbours -> interpolation weights.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from lpiphot.gpr.window import offsets

__all__ = ['Weights', 'Window', 'combine', 'weights']


class Weights(NamedTuple):
    """
    How a pixel follows from its neighbours.

    Attributes
    ----------
    values : (n,) `~numpy.ndarray`
        The weights; they sum to 1.

    variance : float
        The variance of the pixel about the weighted sum, its own noise
        included, in units of the noise variance.
    """

    values: np.ndarray
    variance: float


def combine(k, w, u, a2, unknown_mean):
    r"""
    Make weights that sum to 1.

    With the covariance of the data :math:`C = K + 1`, that of the pixel
    with them :math:`k`, and the weights of equation 3, :math:`w =
    C^{-1} k`, they are either :math:`w / \sum w` (the paper), or those
    of the best linear unbiased estimate with an unknown mean (ordinary
    kriging): :math:`w + \lambda u` with :math:`u = C^{-1} 1` and
    :math:`\lambda = (1 - \sum w) / \sum u`. The variance is that of
    these weights under the model,
    :math:`1 + a^2 - 2 w' k + w' C w`.

    Parameters
    ----------
    k, w, u : (n,) `~numpy.ndarray`
        As above.

    a2 : float
        The variance :math:`a^2` of the kernel.

    unknown_mean : bool
        Whether to estimate an unknown mean.

    Returns
    -------
    result : `Weights`
        The weights and their variance.
    """
    total, kw = w.sum(), k @ w
    if unknown_mean:
        norm = u.sum()
        missing = (1 - total) / norm
        return Weights(w + missing * u,
                       1 + a2 - kw + missing ** 2 * norm)
    scale = 1 / total
    return Weights(scale * w, 1 + a2 - (2 * scale - scale ** 2) * kw)


def weights(kernel, dy, dx, *, unknown_mean=False):
    """
    Return the weights of pixels at some offsets, by equation 3.

    Parameters
    ----------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.

    dy, dx : (n,) array_like of float
        The offsets of the good pixels from the one to fill.

    unknown_mean : bool, optional
        Whether to estimate an unknown mean, as in `combine`.

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
    return combine(k, w, u, kernel.amplitude ** 2, unknown_mean)


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
