# Licensed under a 3-clause BSD style license - see LICENSE.rst
# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False, freethreading_compatible=True
"""
The conditional Gaussian, from one Cholesky factorisation.
"""

from cython cimport floating
from scipy.linalg.cython_blas cimport ddot, dgemv, dtrsv, sdot, sgemv, strsv
from scipy.linalg.cython_lapack cimport dpotrf, spotrf


def factor_and_predict(floating[:, ::1] matrix, floating[::1] known,
                       floating[::1] predicted):
    """
    Factor a joint covariance in place, and predict from the known values.

    Only the upper triangle of ``matrix`` in C order is read; that is the
    lower one in LAPACK's order, and becomes its Cholesky factor. On
    return ``known`` holds the whitened known values, and ``predicted``,
    which comes in as the mean of the hidden values, their conditional
    mean.

    Returns
    -------
    chi2 : float
        The chi-square of the known values; NaN, and nothing else
        done, if the matrix is not positive definite.
    """
    cdef int n = matrix.shape[0], n_known = known.shape[0]
    cdef int n_pred = n - n_known, one = 1, info = 0
    cdef char lower = b'L', plain = b'N'
    cdef floating unit = 1, chi2 = 0
    with nogil:
        if floating is float:
            spotrf(&lower, &n, &matrix[0, 0], &n, &info)
        else:
            dpotrf(&lower, &n, &matrix[0, 0], &n, &info)
        if info == 0 and n_known > 0:
            # w = L_kk^-1 (X_k - mu_k); X = mu + B w
            if floating is float:
                strsv(&lower, &plain, &plain, &n_known, &matrix[0, 0], &n,
                      &known[0], &one)
                sgemv(&plain, &n_pred, &n_known, &unit,
                      &matrix[0, 0] + n_known, &n, &known[0], &one, &unit,
                      &predicted[0], &one)
                chi2 = sdot(&n_known, &known[0], &one, &known[0], &one)
            else:
                dtrsv(&lower, &plain, &plain, &n_known, &matrix[0, 0], &n,
                      &known[0], &one)
                dgemv(&plain, &n_pred, &n_known, &unit,
                      &matrix[0, 0] + n_known, &n, &known[0], &one, &unit,
                      &predicted[0], &one)
                chi2 = ddot(&n_known, &known[0], &one, &known[0], &one)
    return float(chi2) if info == 0 else float('nan')
