# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The corrections of flux and flux uncertainty.

Section 2.6 of Saydjari & Finkbeiner (2022), with residual = data -
model (the paper's own code works with the opposite sign).
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import get_blas_funcs

__all__ = ['Correction', 'correct']


class Correction(NamedTuple):
    """
    The corrections of one star, in flux units.
    """

    fdb_res: float
    fdb_pred: float
    dcflux: float
    dcflux_diag: float


def correct(conditional, psf, residual, level):
    r"""
    Fit the unit-flux PSF to what the prediction leaves of the residual.

    With :math:`C` the conditional covariance and :math:`\bar X` the
    conditional mean of the hidden pixels, generalised least squares
    gives

    .. math::

        f^b_{res} = -\frac{p^T C^{-1} r}{p^T C^{-1} p}, \qquad
        f^b_{pred} = -\frac{p^T C^{-1} \bar X}{p^T C^{-1} p}, \qquad
        \sigma^2 = \frac{1}{p^T C^{-1} p}

    (equations 9 and 10), and the corrected flux is the fitted one
    :math:`- f^b_{res} + f^b_{pred}`.

    Parameters
    ----------
    conditional : `~lpiphot.gaussian.Conditional`
        The distribution of the hidden pixels, about the level.

    psf : (n_hidden,) `~numpy.ndarray`
        The unit-flux PSF on the hidden pixels.

    residual : (n_hidden,) `~numpy.ndarray`
        The residual on the hidden pixels, about the level.

    level : float
        The level that was taken off residual and prediction.

    Returns
    -------
    correction : `Correction`
        The two bias offsets and the uncertainties with and without the
        off-diagonal terms of the covariance.
    """
    # S^-1 [p, r, X, 1] with S S^T = C: products of columns of this are
    # the quadratic forms of C^-1.
    columns = np.column_stack(
        [psf, residual, conditional.mean, np.ones_like(psf)])
    trsm, = get_blas_funcs(('trsm',), (conditional.factor,))
    white = trsm(1.0, conditional.factor, columns, lower=1)
    information, on_residual, on_mean, on_level = (
        white[:, 0].astype(float) @ white.astype(float))

    variance = np.sum(conditional.factor ** 2, axis=1, dtype=float)
    return Correction(
        fdb_res=-(on_residual + level * on_level) / information,
        fdb_pred=-(on_mean + level * on_level) / information,
        dcflux=information ** -0.5,
        dcflux_diag=float(np.sum(psf ** 2 / variance)) ** -0.5)
