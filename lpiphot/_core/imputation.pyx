# Licensed under a 3-clause BSD style license - see LICENSE.rst
# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False, freethreading_compatible=True
"""
Bad pixels from their neighbours: statistics, weights, weighted sums.
"""

from libc.math cimport NAN, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy
from scipy.linalg.cython_lapack cimport dposv

# Patterns of bad neighbours whose weights are remembered, a power of 2
cdef enum:
    SLOTS = 1024


def neighbour_scatter(const double[:, ::1] data,
                      const unsigned char[:, ::1] bad,
                      const Py_ssize_t[::1] y, const Py_ssize_t[::1] x,
                      int half, int max_half, int min_good,
                      double[::1] mean, double[::1] scatter):
    """
    Find mean and standard deviation of the good neighbours of pixels.

    The neighbours lie in a square from ``-half`` to ``half``; if fewer
    than ``min_good`` of them are good it grows, up to ``max_half``.
    The pixel itself has no part. If there are still fewer, both are NaN.
    """
    cdef Py_ssize_t n_y = data.shape[0], n_x = data.shape[1], i, j, k
    cdef Py_ssize_t first_y, last_y, first_x, last_x
    cdef int reach, n
    cdef double total, square, value, first = 0
    with nogil:
        for k in range(y.shape[0]):
            mean[k] = scatter[k] = NAN
            for reach in range(half, max_half + 1):
                first_y, last_y = max(y[k] - reach, 0), min(y[k] + reach,
                                                            n_y - 1)
                first_x, last_x = max(x[k] - reach, 0), min(x[k] + reach,
                                                            n_x - 1)
                n = 0
                total = square = 0
                for j in range(first_y, last_y + 1):
                    for i in range(first_x, last_x + 1):
                        if bad[j, i] or (j == y[k] and i == x[k]):
                            continue
                        if n == 0:
                            first = data[j, i]
                        value = data[j, i] - first
                        total += value
                        square += value * value
                        n += 1
                if n >= min_good:
                    mean[k] = first + total / n
                    scatter[k] = sqrt(max(square - total * total / n, 0)
                                      / (n - 1))
                    break


def orbit_sums(const double[:, ::1] data, const unsigned char[:, ::1] bad,
               const Py_ssize_t[::1] y, const Py_ssize_t[::1] x,
               const Py_ssize_t[::1] dy, const Py_ssize_t[::1] dx,
               const Py_ssize_t[::1] orbit, double[:, ::1] sums,
               unsigned char[::1] whole):
    """
    Sum the neighbours of pixels by orbit, less the pixel itself.

    ``whole`` is 1 for pixels that are good themselves and have all
    their neighbours, inside the image and good; ``sums`` is right for
    these.
    """
    cdef Py_ssize_t n_y = data.shape[0], n_x = data.shape[1], i, k, ky, kx
    cdef double centre
    with nogil:
        for k in range(y.shape[0]):
            whole[k] = not bad[y[k], x[k]]
            if not whole[k]:
                continue
            centre = data[y[k], x[k]]
            sums[k, :] = 0
            for i in range(dy.shape[0]):
                ky, kx = y[k] + dy[i], x[k] + dx[i]
                if (ky < 0 or ky >= n_y or kx < 0 or kx >= n_x
                        or bad[ky, kx]):
                    whole[k] = 0
                    break
                sums[k, orbit[i]] += data[ky, kx] - centre


cdef struct Model:
    # One window: n neighbours; matrices (n, n), vectors (n,)
    int n
    const double *covariance
    const double *precision
    const double *k
    const double *w
    const double *u
    double a2
    bint unknown_mean


cdef int solve(const Model *model, const short *hidden, int m,
               const short *good, double *matrix, double *right,
               double *weights, double *variance) noexcept nogil:
    """
    Find the weights of the good neighbours, 0 at the others.

    Return 0, or the error of LAPACK's dposv. ``matrix`` and ``right``
    are work space.
    """
    cdef int n = model.n, n_good = n - m, size, two = 2, info = 0, i, j
    cdef double total = 0, norm = 0, kw = 0, scale, x_w, x_u
    cdef const double *row
    cdef char lower = b'L'
    cdef double *u = right + 2 * n  # after the right-hand sides
    if m <= n_good:
        # w = Qk - Q_B (Q_BB)^-1 (Qk)_B, the same for u = Q1
        for i in range(m):
            for j in range(i + 1):
                matrix[j * m + i] = model.precision[hidden[i] * n + hidden[j]]
            right[i] = model.w[hidden[i]]
            right[m + i] = model.u[hidden[i]]
        if m > 0:
            dposv(&lower, &m, &two, matrix, &m, right, &m, &info)
            if info != 0:
                return info
        memcpy(weights, model.w, n * sizeof(double))
        memcpy(u, model.u, n * sizeof(double))
        for j in range(m):
            row = model.precision + hidden[j] * n
            x_w, x_u = right[j], right[m + j]
            for i in range(n):
                weights[i] -= row[i] * x_w
                u[i] -= row[i] * x_u
    else:
        size = n_good
        for i in range(size):
            for j in range(i + 1):
                matrix[j * size + i] = model.covariance[good[i] * n + good[j]]
            right[i] = model.k[good[i]]
            right[size + i] = 1
        dposv(&lower, &size, &two, matrix, &size, right, &size, &info)
        if info != 0:
            return info
        for i in range(size):
            weights[good[i]] = right[i]
            u[good[i]] = right[size + i]
    for i in range(m):
        weights[hidden[i]] = u[hidden[i]] = 0

    for i in range(n):
        total += weights[i]
        norm += u[i]
        kw += model.k[i] * weights[i]
    if model.unknown_mean:
        scale = (1 - total) / norm
        for i in range(n):
            weights[i] += scale * u[i]
        variance[0] = 1 + model.a2 - kw + scale * scale * norm
    else:
        scale = 1 / total
        for i in range(n):
            weights[i] *= scale
        variance[0] = 1 + model.a2 - (2 * scale - scale * scale) * kw
    # what the pixel has of its own; less is rounding
    variance[0] = max(variance[0], 1)
    return 0


def fill_pixels(const double[:, ::1] data, const unsigned char[:, ::1] bad,
                const Py_ssize_t[::1] y, const Py_ssize_t[::1] x,
                const Py_ssize_t[::1] dy, const Py_ssize_t[::1] dx,
                const int[::1] which, const double[:, :, ::1] covariance,
                const double[:, :, ::1] precision, const double[:, ::1] k,
                const double[:, ::1] w, const double[:, ::1] u,
                const double[::1] a2, const unsigned char[::1] unknown_mean,
                int min_good, double[::1] value, double[::1] variance,
                int[::1] n_good):
    """
    Fill pixels by weighted sums of their good neighbours.

    The weights are those of the window ``which`` of each pixel, out of
    several. Equal patterns in succession are solved once. A pixel with
    fewer good neighbours than ``min_good`` is left as it is; only
    ``n_good`` says so. The values are sums: take a level off first, to
    keep their digits.
    """
    cdef int n = dy.shape[0]
    cdef Py_ssize_t n_y = data.shape[0], n_x = data.shape[1], p, ky, kx
    cdef Py_ssize_t reach = dy[n - 1]
    cdef int m, i, info = 0, c
    cdef unsigned int slot, code
    cdef bint inside
    cdef double total
    cdef const double *pixel
    cdef const unsigned char *flag
    cdef double *weights
    cdef Model *models = <Model *> malloc(a2.shape[0] * sizeof(Model))
    cdef short *hidden = <short *> malloc(2 * n * sizeof(short))
    cdef short *good = hidden + n
    cdef double *values = <double *> malloc(
        (n * n + 5 * n) * sizeof(double))
    cdef double *right = values + n
    cdef double *matrix = values + 5 * n
    cdef Py_ssize_t *shift = <Py_ssize_t *> malloc(n * sizeof(Py_ssize_t))
    # the cache: patterns, their weights and variance
    cdef short *patterns = <short *> malloc(SLOTS * (n + 2) * sizeof(short))
    cdef double *known = <double *> malloc(SLOTS * (n + 1) * sizeof(double))
    cdef short *pattern
    try:
        if (not models or not hidden or not values or not shift
                or not patterns or not known):
            raise MemoryError
        for c in range(a2.shape[0]):
            models[c] = Model(n, &covariance[c, 0, 0], &precision[c, 0, 0],
                              &k[c, 0], &w[c, 0], &u[c, 0], a2[c],
                              unknown_mean[c])
        with nogil:
            for i in range(SLOTS):
                patterns[i * (n + 2)] = -1
            for i in range(n):
                shift[i] = dy[i] * n_x + dx[i]
            for p in range(y.shape[0]):
                ky, kx = y[p], x[p]
                inside = (ky >= reach and ky < n_y - reach
                          and kx >= reach and kx < n_x - reach)
                pixel, flag = &data[ky, kx], &bad[ky, kx]
                m = 0
                code = 2166136261u + which[p]
                for i in range(n):
                    if (inside or (0 <= ky + dy[i] < n_y
                                   and 0 <= kx + dx[i] < n_x)) \
                            and not flag[shift[i]]:
                        values[i] = pixel[shift[i]]
                        good[i - m] = i
                    else:
                        values[i] = 0
                        hidden[m] = i
                        code = (code ^ <unsigned int> i) * 16777619u
                        m += 1
                n_good[p] = n - m
                if n - m < min_good:
                    continue
                slot = (code ^ (code >> 15)) % SLOTS
                pattern = patterns + slot * (n + 2)
                weights = known + slot * (n + 1)
                if (pattern[0] != which[p] or pattern[1] != m
                        or memcmp(pattern + 2, hidden,
                                  m * sizeof(short)) != 0):
                    pattern[0] = -1
                    info = solve(&models[which[p]], hidden, m, good, matrix,
                                 right, weights, weights + n)
                    if info != 0:
                        n_good[p] = -1
                        continue
                    pattern[0], pattern[1] = which[p], m
                    memcpy(pattern + 2, hidden, m * sizeof(short))
                total = 0
                for i in range(n):
                    total += weights[i] * values[i]
                value[p] = total
                variance[p] = weights[n]
    finally:
        free(models)
        free(hidden)
        free(values)
        free(shift)
        free(patterns)
        free(known)
