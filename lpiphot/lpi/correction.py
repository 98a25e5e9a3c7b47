# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The corrections of flux and flux uncertainty.

Section 2.6 of Saydjari & Finkbeiner (2022), with residual = data -
model (the paper's own code works with the opposite sign).
"""

from typing import NamedTuple

import numpy as np

from lpiphot.gaussian import whiten

__all__ = ['Correction', 'correct']

# Templates of the same shape cannot be told apart. In units of the
# information that each has alone, a prior that is too weak to be seen
# elsewhere: it limits their errors to some 1000 times those.
WEAK_PRIOR = 1e-6


class Correction(NamedTuple):
    """
    The corrections of the m templates of a star, in flux units.

    Attributes
    ----------
    fdb_res, fdb_pred : (m,) `~numpy.ndarray`
        The bias offsets from the residual and the prediction.

    dcflux, dcflux_diag : (m,) `~numpy.ndarray`
        The uncertainties with and without the off-diagonal terms of the
        conditional covariance; infinite for templates that are 0 on all
        hidden pixels.

    covariance : (m, m) `~numpy.ndarray`
        The covariance of the fitted fluxes; 0 for these templates.

    chi2 : float
        The chi-square of the hidden pixels about their prediction and the
        corrected templates.
    """

    fdb_res: np.ndarray
    fdb_pred: np.ndarray
    dcflux: np.ndarray
    dcflux_diag: np.ndarray
    covariance: np.ndarray
    chi2: float

    def times(self, scale):
        """
        Return the corrections of fluxes times a number.

        Parameters
        ----------
        scale : float
            The number.

        Returns
        -------
        correction : `Correction`
            The corrections.
        """
        return Correction(*(value * scale for value in self[:4]),
                          self.covariance * scale ** 2, self.chi2)


def correct(conditional, templates, residual, level):
    r"""
    Fit unit-flux templates to what the prediction leaves of the residual.

    With :math:`C` the conditional covariance and :math:`\bar X` the
    conditional mean of the hidden pixels, generalised least squares
    gives for one template :math:`p`

    .. math::

        f^b_{res} = -\frac{p^T C^{-1} r}{p^T C^{-1} p}, \qquad
        f^b_{pred} = -\frac{p^T C^{-1} \bar X}{p^T C^{-1} p}, \qquad
        \sigma^2 = \frac{1}{p^T C^{-1} p}

    (equations 9 and 10), and the corrected flux is the fitted one
    :math:`- f^b_{res} + f^b_{pred}`. Several templates, the columns of
    :math:`P`, are solved jointly: the offsets are
    :math:`-(P^T C^{-1} P)^{-1} P^T C^{-1} r` and so on, and their
    covariance is :math:`(P^T C^{-1} P)^{-1}`.

    Parameters
    ----------
    conditional : `~lpiphot.gaussian.Conditional`
        The distribution of the hidden pixels, about the level.

    templates : (m, n_hidden) `~numpy.ndarray`
        The templates on the hidden pixels, the unit-flux PSF first.

    residual : (n_hidden,) `~numpy.ndarray`
        The residual on the hidden pixels, about the level.

    level : float
        The level that was taken off residual and prediction.

    Returns
    -------
    correction : `Correction`
        The offsets and uncertainties of each.
    """
    # products of these are the quadratic forms of C^-1
    m = len(templates)
    sides = np.ones((m + 3, residual.size), conditional.factor.dtype)
    sides[:m], sides[m], sides[m + 1] = templates, residual, conditional.mean
    white = whiten(conditional, sides)
    products = white[:m] @ white.T
    on_level = products[:, m + 2:]

    (fdb_res, fdb_pred), dcflux, covariance = _solve(
        products[:, :m], products[:, m:m + 2] + level * on_level)
    variance = np.einsum('ij,ij->i', conditional.factor, conditional.factor)
    diagonal = _solve(templates / variance @ templates.T, np.empty((m, 0)))
    # the fluxes change by the difference; the level is in neither
    left = white[m] - white[m + 1] - (fdb_res - fdb_pred) @ white[:m]
    return Correction(-fdb_res, -fdb_pred, dcflux, diagonal[1], covariance,
                      float(left @ left))


def _solve(information, sides):
    """
    Solve the normal equations; return solutions, errors and covariance.

    Of a template that is 0 on all pixels (a neighbour without data, or the
    gradient of a star on the one pixel that it hides) nothing is known: its
    amplitude stays 0, with an infinite error.
    """
    if len(information) == 1:
        alone = information[0, 0]
        return sides.T / alone, np.array([alone ** -0.5]), 1 / information
    alone = np.sqrt(np.diagonal(information))
    told = alone > 0
    scale = np.outer(alone, alone)[np.ix_(told, told)]
    scaled = information[np.ix_(told, told)] / scale
    scaled += WEAK_PRIOR * np.eye(len(scaled))
    covariance = np.zeros(information.shape)
    covariance[np.ix_(told, told)] = np.linalg.inv(scaled) / scale
    errors = np.where(told, np.sqrt(np.diagonal(covariance)), np.inf)
    return (covariance @ sides).T, errors, covariance
