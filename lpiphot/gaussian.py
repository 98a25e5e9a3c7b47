# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The conditional Gaussian, from one Cholesky factorisation.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from threadpoolctl import threadpool_info

from lpiphot._core.conditional import (factor_and_predict, hidden_factor,
                                       solve_factor, solve_hidden)

__all__ = ['Conditional', 'amplitude_weights', 'condition', 'propagate',
           'whiten']

# Kernels of OpenBLAS, for processors with AVX-512, that multiply matrices
# more than twice as fast as they solve with triangles, so that its potrf
# takes half as long again as a factorisation in products.
FAST_PRODUCTS = {'skylakex', 'cooperlake', 'sapphirerapids'}


class Conditional(NamedTuple):
    """
    The distribution of the predicted values given the known ones.

    Attributes
    ----------
    mean : (n_pred,) `~numpy.ndarray`
        The conditional mean (equation 4).

    factor : (n_pred, n_pred) `~numpy.ndarray`
        The lower Cholesky factor of the conditional covariance.

    chi2 : float
        The chi-square of the known values under their own mean and
        covariance.
    """

    mean: np.ndarray
    factor: np.ndarray
    chi2: float

    @property
    def covariance(self):
        """
        The conditional covariance (equation 5).
        """
        return self.factor @ self.factor.T

    def times(self, scale):
        """
        Return the distribution of the values times a number, in float64.

        Parameters
        ----------
        scale : float
            The number.

        Returns
        -------
        conditional : `Conditional`
            The distribution.
        """
        return self._replace(
            mean=np.multiply(self.mean, scale, dtype=float),
            factor=np.multiply(self.factor, scale, dtype=float))


def condition(covariance, mean, known):
    r"""
    Condition a Gaussian on its first values.

    With the values in the order (known :math:`k`, predicted
    :math:`k_*`) the Cholesky factor of the joint covariance is

    .. math::

        L = \begin{pmatrix} L_{kk} & 0 \\ B & S \end{pmatrix},
        \qquad B = C_{k_*k} L_{kk}^{-T},
        \qquad S S^T = C_{k_*k_*} - B B^T ,

    so that :math:`S` is the factor of the conditional covariance
    (equation 5) and, with :math:`w = L_{kk}^{-1} (X_k - \mu_k)`, the
    conditional mean (equation 4) is :math:`\mu_{k_*} + B w`: one
    factorisation gives everything (Saydjari & Finkbeiner 2022).

    Parameters
    ----------
    covariance : (n, n) `~numpy.ndarray`
        The joint covariance, the known values first, in C order. Only
        its upper triangle is read, and the array is overwritten. Its
        dtype, float32 or float64, is that of the computation.

    mean : (n,) `~numpy.ndarray`
        The joint mean.

    known : (n_known,) `~numpy.ndarray`
        The known values.

    Returns
    -------
    conditional : `Conditional` or `None`
        `None` if the covariance is not positive definite in this dtype.
    """
    n_known = len(known)
    dtype = covariance.dtype
    white = (known - mean[:n_known]).astype(dtype)
    predicted = mean[n_known:].astype(dtype)
    chi2 = factor_and_predict(covariance, white, predicted,
                              _factor_by_products())
    if math.isnan(chi2):
        return None
    factor = np.empty((predicted.size, predicted.size), dtype=dtype)
    hidden_factor(covariance, factor)
    return Conditional(predicted, factor, chi2)


def whiten(conditional, vectors):
    r"""
    Return vectors of predicted values in units in which they are white.

    Products of them are quadratic forms: with :math:`S S^T` the
    conditional covariance :math:`\tilde C`, :math:`(S^{-1} a)^T S^{-1} b
    = a^T \tilde C^{-1} b`.

    Parameters
    ----------
    conditional : `Conditional`
        The distribution of the predicted values.

    vectors : sequence of (n_pred,) `~numpy.ndarray`
        The vectors.

    Returns
    -------
    white : (n, n_pred) `~numpy.ndarray`
        :math:`S^{-1}` times each, float64, solved in the dtype of the
        distribution.
    """
    white = np.array(vectors, dtype=conditional.factor.dtype)
    solve_factor(conditional.factor, white)
    return white.astype(float)


def propagate(factored, n_known, changes):
    r"""
    Return how the conditional mean changes with the known values.

    With :math:`L_{kk}` and :math:`B` as in `condition`, a change
    :math:`d` of the known values changes the conditional mean by
    :math:`B L_{kk}^{-1} d`. If only the last known values change, only
    the last rows of :math:`L_{kk}` matter.

    Parameters
    ----------
    factored : (n, n) `~numpy.ndarray`
        The covariance after `condition` has overwritten it.

    n_known : int
        The number of known values.

    changes : (n_last, m) `~numpy.ndarray`
        Changes of the last known values.

    Returns
    -------
    changes : (n_pred, m) `~numpy.ndarray`
        The changes of the predicted values.
    """
    if changes.size == 0:  # an error of SciPy 1.13
        return np.zeros((len(factored) - n_known, changes.shape[1]))
    last = slice(n_known - len(changes), n_known)
    white = solve_triangular(factored[last, last], changes, trans='T',
                             check_finite=False)
    return factored[last, n_known:].T @ white


def amplitude_weights(factored, templates, covariance):
    r"""
    Return the weights of all values in the amplitudes of templates.

    Fitting templates :math:`P` to what the conditional mean leaves of the
    predicted values is generalised least squares on all values with the
    joint covariance :math:`C`, the templates being 0 for the known ones
    (section 7 of Saydjari & Finkbeiner 2022). So the weights are

    .. math::

        C^{-1} \begin{pmatrix} 0 \\ P \end{pmatrix}
        \left(P^T \tilde C^{-1} P\right)^{-1} .

    Parameters
    ----------
    factored : (n, n) `~numpy.ndarray`
        The covariance after `condition` has overwritten it.

    templates : (m, n_pred) `~numpy.ndarray`
        The templates on the predicted values.

    covariance : (m, m) `~numpy.ndarray`
        The covariance of their amplitudes.

    Returns
    -------
    weights : (m, n) `~numpy.ndarray`
        The weights, of the known values first.
    """
    n_known = len(factored) - templates.shape[1]
    sides = np.zeros((len(templates), len(factored)), dtype=factored.dtype)
    sides[:, n_known:] = templates
    solve_hidden(factored, sides, n_known)
    return covariance @ sides


@cache
def _factor_by_products():
    """
    Tell whether the BLAS library is faster in products than in potrf.
    """
    return any(library['user_api'] == 'blas' and
               library.get('architecture', '').lower() in FAST_PRODUCTS
               for library in threadpool_info())
