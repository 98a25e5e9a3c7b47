# Licensed under a 3-clause BSD style license - see LICENSE.rst
# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False, freethreading_compatible=True
"""
The conditional Gaussian, from one Cholesky factorisation.
"""

from cython cimport floating
from scipy.linalg.cython_blas cimport (ddot, dgemm, dgemv, dsyrk, dtrmm, dtrsm,
                                       dtrsv, sdot, sgemm, sgemv, ssyrk, strmm,
                                       strsm, strsv)
from scipy.linalg.cython_lapack cimport dpotrf, dtrtri, spotrf, strtri


# Columns of a panel, and of a block of it: blocks so narrow leave almost
# all work to products of matrices.
cdef enum:
    PANEL = 96
    BLOCK = 24


cdef int factor_by_products(floating *matrix, int n) noexcept nogil:
    """
    Do what potrf does, in products; return 1 if not positive definite.

    Only the lower triangle in LAPACK's order is read. Each block of
    columns is divided by the triangle L on its diagonal as a product
    with the inverse of L, is then taken off the columns of its panel,
    and each panel off all that follow.
    """
    cdef int panel, first, width, strip, j, block, m, left, i, k
    cdef int info = 0, size = BLOCK
    cdef char lower = b'L', plain = b'N', transposed = b'T', right = b'R'
    cdef floating one = 1, minus_one = -1
    cdef floating inverse[BLOCK * BLOCK]
    cdef floating *diagonal
    cdef floating *below
    for panel in range((n + PANEL - 1) // PANEL):
        first = panel * PANEL
        width = min(PANEL, n - first)
        for strip in range((width + BLOCK - 1) // BLOCK):
            j = first + strip * BLOCK
            block = min(BLOCK, first + width - j)
            m = n - j - block
            left = first + width - j - block
            diagonal = matrix + <size_t> j * n + j
            below = diagonal + block
            if floating is float:
                spotrf(&lower, &block, diagonal, &n, &info)
            else:
                dpotrf(&lower, &block, diagonal, &n, &info)
            if info != 0:
                return 1
            if m == 0:
                return 0
            for i in range(block):
                for k in range(i, block):
                    inverse[i * BLOCK + k] = diagonal[i * n + k]
            if floating is float:
                strtri(&lower, &plain, &block, inverse, &size, &info)
                strmm(&right, &lower, &transposed, &plain, &m, &block, &one,
                      inverse, &size, below, &n)
                sgemm(&plain, &transposed, &m, &left, &block, &minus_one,
                      below, &n, below, &n, &one, below + block * n, &n)
            else:
                dtrtri(&lower, &plain, &block, inverse, &size, &info)
                dtrmm(&right, &lower, &transposed, &plain, &m, &block, &one,
                      inverse, &size, below, &n)
                dgemm(&plain, &transposed, &m, &left, &block, &minus_one,
                      below, &n, below, &n, &one, below + block * n, &n)
        m = n - first - width
        below = matrix + <size_t> first * n + first + width
        if m > 0:
            if floating is float:
                ssyrk(&lower, &plain, &m, &width, &minus_one, below, &n,
                      &one, below + width * n, &n)
            else:
                dsyrk(&lower, &plain, &m, &width, &minus_one, below, &n,
                      &one, below + width * n, &n)
    return 0


def factor_and_predict(floating[:, ::1] matrix, floating[::1] known,
                       floating[::1] predicted, bint by_products):
    """
    Factor a joint covariance in place, and predict from the known values.

    Only the upper triangle of ``matrix`` in C order is read; that is the
    lower one in LAPACK's order, and becomes its Cholesky factor. On
    return ``known`` holds the whitened known values, and ``predicted``,
    which comes in as the mean of the hidden values, their conditional
    mean. ``by_products`` is whether to factor in products of matrices
    rather than by LAPACK's potrf.

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
        if by_products:
            info = factor_by_products(&matrix[0, 0], n)
        elif floating is float:
            spotrf(&lower, &n, &matrix[0, 0], &n, &info)
        else:
            dpotrf(&lower, &n, &matrix[0, 0], &n, &info)
        # a number that is none spoils all that follow, the last for certain
        if matrix[n - 1, n - 1] != matrix[n - 1, n - 1]:
            info = 1
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


def solve_hidden(floating[:, ::1] factored, floating[:, ::1] sides,
                 int n_known):
    """
    Solve with a joint covariance for right sides that know no good pixel.

    ``factored`` is the matrix after `factor_and_predict`. The first
    ``n_known`` numbers of each row of ``sides`` are 0; on return, the row
    is the solution.
    """
    cdef int n = factored.shape[0], n_pred = n - n_known, one = 1
    cdef char lower = b'L', plain = b'N', transposed = b'T'
    cdef Py_ssize_t i
    with nogil:
        for i in range(sides.shape[0]):
            if floating is float:
                strsv(&lower, &plain, &plain, &n_pred,
                      &factored[n_known, n_known], &n, &sides[i, n_known],
                      &one)
                strsv(&lower, &transposed, &plain, &n, &factored[0, 0], &n,
                      &sides[i, 0], &one)
            else:
                dtrsv(&lower, &plain, &plain, &n_pred,
                      &factored[n_known, n_known], &n, &sides[i, n_known],
                      &one)
                dtrsv(&lower, &transposed, &plain, &n, &factored[0, 0], &n,
                      &sides[i, 0], &one)


def hidden_factor(const floating[:, ::1] factored, floating[:, ::1] factor):
    """
    Copy the lower Cholesky factor of the hidden pixels.

    ``factored`` is the matrix after `factor_and_predict`; the hidden pixels
    are its last, as many as ``factor`` has rows.
    """
    cdef Py_ssize_t n = factor.shape[0], i, j
    cdef Py_ssize_t first = factored.shape[0] - n
    with nogil:
        factor[:, :] = 0
        for j in range(n):
            for i in range(j, n):
                factor[i, j] = factored[first + j, first + i]


def solve_factor(const floating[:, ::1] factor, floating[:, ::1] sides):
    """
    Solve with a lower triangular matrix for each row of ``sides``, in place.
    """
    cdef int n = factor.shape[0], n_sides = sides.shape[0]
    cdef char left = b'L', upper = b'U', transposed = b'T', plain = b'N'
    cdef floating unit = 1
    with nogil:
        # in LAPACK's order rows are columns, and the matrix is transposed
        if floating is float:
            strsm(&left, &upper, &transposed, &plain, &n, &n_sides, &unit,
                  <float *> &factor[0, 0], &n, &sides[0, 0], &n)
        else:
            dtrsm(&left, &upper, &transposed, &plain, &n, &n_sides, &unit,
                  <double *> &factor[0, 0], &n, &sides[0, 0], &n)
