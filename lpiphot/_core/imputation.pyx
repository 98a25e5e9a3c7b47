# Licensed under a 3-clause BSD style license - see LICENSE.rst
# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False, freethreading_compatible=True
"""
Bad pixels from their neighbours: statistics, weights, weighted sums.
"""

from libc.math cimport INFINITY, fabs, sqrt
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy
from scipy.linalg.cython_lapack cimport dposv


cdef extern from *:
    """
    #include "simd.h"
    #include "neighbours.h"
    #include "training.h"
    """
    enum: N_ROOM
    void fetch_window(const void *middle, long n_bytes, long row_bytes,
                      long reach) noexcept nogil
    bint among_others(const double *pixel, const unsigned char *bad,
                      long n_x, double margin) noexcept nogil
    void weigh(double *values, double *weights, long n, double *norm,
               double *peak, double *scatter) noexcept nogil
    void add_sizes(const float *rows, long n_rows, long length,
                   long n_terms, const float *weights, long n_kernels,
                   double *total) noexcept nogil
    long find_above(const double *values, long n_values, double threshold,
                    long start, long long *places) noexcept nogil


# Patterns of bad neighbours whose weights are remembered, a power of 2
cdef enum:
    SLOTS = 1024
    # Windows are fetched so many pixels before they are used
    AHEAD = 4
    # Weights with a variance so many times the least are not used
    UNSTABLE = 4


def neighbour_moments(const double[:, ::1] data,
                      const unsigned char[:, ::1] bad,
                      const Py_ssize_t[::1] y, const Py_ssize_t[::1] x,
                      const Py_ssize_t[::1] dy, const Py_ssize_t[::1] dx,
                      const double[::1] taper, double[::1] scatter,
                      double[::1] peak, double[::1] lost):
    """
    Find how the good neighbours of pixels scatter.

    With the weights ``taper`` about each pixel, ``scatter`` is the standard
    deviation of the good neighbours, ``peak`` their mean less the plain
    mean of them all (both are 0 without a good neighbour), and ``lost``
    the share that the others have of the weights inside the image.
    """
    cdef Py_ssize_t n_y = data.shape[0], n_x = data.shape[1], i, k, ky, kx
    cdef Py_ssize_t n = dy.shape[0], n_good, far = dy[n - 1]
    cdef bint inside
    cdef double norm, whole, all_inside = 0
    cdef const double *pixel
    cdef const unsigned char *flag
    cdef double *values = <double *> malloc(2 * (n + N_ROOM) * sizeof(double))
    cdef double *share = values + n + N_ROOM
    cdef Py_ssize_t *shift = <Py_ssize_t *> malloc(n * sizeof(Py_ssize_t))
    try:
        if not values or not shift:
            raise MemoryError
        with nogil:
            for i in range(n):
                shift[i] = dy[i] * n_x + dx[i]
                all_inside += taper[i]
            for k in range(y.shape[0]):
                ky, kx = y[k], x[k]
                inside = (ky >= far and ky < n_y - far
                          and kx >= far and kx < n_x - far)
                pixel, flag = &data[ky, kx], &bad[ky, kx]
                n_good = 0
                whole = all_inside if inside else 0
                for i in range(n):
                    if not inside:
                        if not (0 <= ky + dy[i] < n_y
                                and 0 <= kx + dx[i] < n_x):
                            continue
                        whole += taper[i]
                    # without a branch: one that is not kept is written over
                    values[n_good] = pixel[shift[i]]
                    share[n_good] = taper[i]
                    n_good += flag[shift[i]] == 0
                lost[k] = 1
                scatter[k] = peak[k] = 0
                if n_good > 0:
                    weigh(values, share, n_good, &norm, &peak[k], &scatter[k])
                    lost[k] = max(1 - norm / whole, 0)
    finally:
        free(values)
        free(shift)


def mark_spikes(const double[:, ::1] data, const unsigned char[:, ::1] bad,
                const Py_ssize_t[::1] y, const Py_ssize_t[::1] x,
                int reach, double noise, double n_sigma, double sharpness,
                double ratio, unsigned char[:, ::1] spikes,
                unsigned char[::1] near):
    """
    Mark pixels near others that stand alone, as hot and dead ones do.

    Looked at are good pixels in the windows of the given ones that are
    more than ``n_sigma`` times the noise off the mean of the window. A
    spike exceeds the second largest of its eight neighbours, or falls
    below the second smallest, by more than ``sharpness`` times the
    difference of these two, this taken as three times the noise at least.
    If one to three of the eight are bad, the largest and smallest count;
    with fewer there is no telling. A spike is also ``ratio`` times as
    far as these from the mean of the other pixels of the window, which a
    star that lacks neighbours on one side is not. ``near`` is 1 for the
    pixels whose windows have spikes; ``spikes`` may be `None`.
    """
    cdef Py_ssize_t n_y = data.shape[0], n_x = data.shape[1], i, j, k
    cdef Py_ssize_t first_y, last_y, first_x, last_x, ky, kx
    cdef int n, n_near
    cdef bint mark = spikes is not None
    cdef double mean, rest, value, high, higher, low, lower, other, spread
    with nogil:
        for k in range(y.shape[0]):
            first_y, last_y = max(y[k] - reach, 0), min(y[k] + reach, n_y - 1)
            first_x, last_x = max(x[k] - reach, 0), min(x[k] + reach, n_x - 1)
            n = near[k] = 0
            mean = 0
            for j in range(first_y, last_y + 1):
                for i in range(first_x, last_x + 1):
                    if not bad[j, i]:
                        mean += data[j, i]
                        n += 1
            if n == 0:
                continue
            mean /= n
            for j in range(first_y, last_y + 1):
                for i in range(first_x, last_x + 1):
                    value = data[j, i]
                    if bad[j, i] or fabs(value - mean) <= n_sigma * noise:
                        continue
                    # most are, so that their eight neighbours need not
                    # be looked at
                    if 0 < j < n_y - 1 and 0 < i < n_x - 1 and among_others(
                            &data[j, i], &bad[j, i], n_x,
                            sharpness * (3 * noise)):
                        continue
                    n_near = 0
                    high = higher = -INFINITY
                    low = lower = INFINITY
                    for ky in range(max(j - 1, 0), min(j + 2, n_y)):
                        for kx in range(max(i - 1, 0), min(i + 2, n_x)):
                            if bad[ky, kx] or (ky == j and kx == i):
                                continue
                            other = data[ky, kx]
                            n_near += 1
                            if other > higher:
                                high, higher = higher, other
                            elif other > high:
                                high = other
                            if other < lower:
                                low, lower = lower, other
                            elif other < low:
                                low = other
                    if n_near < 5:
                        continue
                    if n_near < 8:
                        high, low = higher, lower
                    rest = (n * mean - value) / (n - 1)
                    spread = sharpness * max(high - low, 3 * noise)
                    if ((value - high > spread
                         and value - rest > ratio * (high - rest))
                            or (low - value > spread
                                and rest - value > ratio * (rest - low))):
                        near[k] = 1
                        if mark:
                            spikes[j, i] = 1


def whole_windows(const double[:, ::1] data, const unsigned char[:, ::1] bad,
                  const Py_ssize_t[::1] y, const Py_ssize_t[::1] x,
                  const Py_ssize_t[::1] dy, const Py_ssize_t[::1] dx,
                  const Py_ssize_t[::1] ends, const double[::1] taper,
                  double[:, ::1] sums, double[::1] scatter,
                  double[::1] peak, double[::1] farthest,
                  unsigned char[::1] kept):
    """
    Sum the neighbours of pixels by orbit, and find how they scatter.

    The neighbours ``dy``, ``dx`` are in the order of their orbits, which
    end at ``ends``. ``sums`` are those of the orbits less the pixel;
    ``scatter`` and ``peak`` those of `neighbour_moments`, with ``taper``
    the weights of the neighbours of each orbit; ``farthest`` is how far
    any pixel of the window is from the mean of them all. ``kept`` is 1
    for pixels that are good and have all their neighbours, inside the
    image and good; the rest is right for these.
    """
    cdef Py_ssize_t n_y = data.shape[0], n_x = data.shape[1], i, j, k, _j
    cdef Py_ssize_t n = dy.shape[0], n_orbits = ends.shape[0]
    cdef Py_ssize_t reach = 0, first
    cdef double centre, corner, value, total, square, low, high, plain
    cdef double first_moment, second_moment, norm = 0
    cdef const double *pixel
    cdef const unsigned char *flag
    cdef unsigned char hit
    cdef Py_ssize_t *shift = <Py_ssize_t *> malloc(n * sizeof(Py_ssize_t))
    try:
        if not shift:
            raise MemoryError
        with nogil:
            for i in range(n):
                shift[i] = dy[i] * n_x + dx[i]
                reach = max(reach, dy[i])
            for j in range(n_orbits):
                norm += taper[j] * (ends[j] - (ends[j - 1] if j > 0 else 0))
            for k in range(y.shape[0]):
                if k + AHEAD < y.shape[0]:
                    fetch_window(&data[y[k + AHEAD], x[k + AHEAD]],
                                 reach * sizeof(double),
                                 n_x * sizeof(double), reach)
                    fetch_window(&bad[y[k + AHEAD], x[k + AHEAD]],
                                 reach, n_x, reach)
                kept[k] = (reach <= y[k] < n_y - reach
                           and reach <= x[k] < n_x - reach)
                if not kept[k]:
                    continue
                flag, hit = &bad[y[k], x[k] - reach] - reach * n_x, 0
                for _j in range(2 * reach + 1):
                    for i in range(2 * reach + 1):
                        hit |= flag[i]
                    flag += n_x
                kept[k] = not hit
                if hit:
                    continue
                pixel = &data[y[k], x[k]]
                # squares about a pixel of the window, and not about 0,
                # lose no digits
                corner = pixel[-reach * (n_x + 1)]
                low = high = centre = pixel[0] - corner
                plain = first_moment = second_moment = 0
                first = 0
                for j in range(n_orbits):
                    total = square = 0
                    for i in range(first, ends[j]):
                        value = pixel[shift[i]] - corner
                        total += value
                        square += value * value
                        low = min(low, value)
                        high = max(high, value)
                    sums[k, j] = total - (ends[j] - first) * centre
                    plain += total
                    first_moment += taper[j] * total
                    second_moment += taper[j] * square
                    first = ends[j]
                first_moment /= norm
                peak[k] = first_moment - plain / n
                scatter[k] = sqrt(max(second_moment / norm
                                      - first_moment * first_moment, 0))
                plain = (plain + centre) / (n + 1)
                farthest[k] = max(high - plain, plain - low)
    finally:
        free(shift)


def lose_neighbours(const double[:, ::1] data, const Py_ssize_t[::1] y,
                    const Py_ssize_t[::1] x, const Py_ssize_t[::1] dy,
                    const Py_ssize_t[::1] dx, const double[::1] taper,
                    const unsigned char[:, ::1] hidden,
                    const Py_ssize_t[:, ::1] order,
                    const Py_ssize_t[::1] pattern, double unit, double limit,
                    const Py_ssize_t[::1] row, float[:, ::1] values,
                    double[::1] scatter, double[::1] peak,
                    double[::1] lost):
    """
    Find what is left of whole windows if some of their pixels are lost.

    Of pixel ``k``, the neighbours are lost that are not 0 in the row
    ``pattern[k]`` of ``hidden``. In row ``row[k]``, ``values`` are all
    neighbours less the pixel, in the order of the row of ``order``; with
    ``scatter``, ``peak`` and ``lost``, those of `neighbour_moments` for the
    neighbours that are left, one at least. All are in units of ``unit``;
    larger values than the limit are cut off. Windows must be inside the
    image, and nothing in them bad.
    """
    cdef Py_ssize_t n = dy.shape[0], n_x = data.shape[1], i, k, n_left
    cdef double value, scale = 1 / unit, most = limit * unit, whole = 0, norm
    cdef Py_ssize_t reach = dy[n - 1]
    cdef const double *pixel
    cdef const unsigned char *left_out
    cdef const Py_ssize_t *place
    cdef float *to
    cdef double *near = <double *> malloc(
        (3 * n + 2 * N_ROOM) * sizeof(double))
    cdef double *left = near + n
    cdef double *share = left + n + N_ROOM
    cdef Py_ssize_t *shift = <Py_ssize_t *> malloc(n * sizeof(Py_ssize_t))
    try:
        if not near or not shift:
            raise MemoryError
        with nogil:
            for i in range(n):
                shift[i] = dy[i] * n_x + dx[i]
                whole += taper[i]
            for k in range(y.shape[0]):
                if k + AHEAD < y.shape[0]:
                    fetch_window(&data[y[k + AHEAD], x[k + AHEAD]],
                                 reach * sizeof(double),
                                 n_x * sizeof(double), reach)
                pixel, left_out = &data[y[k], x[k]], &hidden[pattern[k], 0]
                n_left = 0
                for i in range(n):
                    value = max(min(pixel[shift[i]] - pixel[0], most), -most)
                    near[i] = left[n_left] = value * scale
                    share[n_left] = taper[i]
                    n_left += left_out[i] == 0
                weigh(left, share, n_left, &norm, &peak[row[k]],
                      &scatter[row[k]])
                lost[row[k]] = max(1 - norm / whole, 0)
                place, to = &order[pattern[k], 0], &values[row[k], 0]
                for i in range(order.shape[1]):
                    to[i] = <float> near[place[i]]
    finally:
        free(near)
        free(shift)


def mean_sizes(const float[:, ::1] rows, const float[:, :, ::1] weights,
               const Py_ssize_t[::1] n_terms, const Py_ssize_t[::1] which,
               double[::1] means):
    """
    Find the mean absolute value of ``row @ weights[which]`` for each
    column, over all rows, of which there is one at least.

    Of each of the ``weights``, only the first ``n_terms`` are not 0. They
    must have a multiple of 8 columns. It is fastest if rows
    with the same weights follow each other.
    """
    cdef Py_ssize_t i, first = 0, n = rows.shape[0]
    with nogil:
        means[:] = 0
        while first < n:
            i = first + 1
            while i < n and which[i] == which[first]:
                i += 1
            add_sizes(&rows[first, 0], i - first, rows.shape[1],
                      n_terms[which[first]], &weights[which[first], 0, 0],
                      weights.shape[2], &means[0])
            first = i
        for i in range(means.shape[0]):
            means[i] /= n


def places_above(const double[:, ::1] values, const double[::1] thresholds,
                 long part, long long[::1] places):
    """
    Find the values above the threshold of their part.

    Parts are ``part`` columns wide; the last one has all that are left.
    There must be a place for each value. Return how many were found.
    """
    cdef Py_ssize_t n_y = values.shape[0], n_x = values.shape[1], j, k
    cdef Py_ssize_t n_parts = thresholds.shape[0], first, last
    cdef long found = 0
    with nogil:
        for j in range(n_y):
            for k in range(n_parts):
                first = k * part
                last = n_x if k == n_parts - 1 else first + part
                found += find_above(&values[j, first], last - first,
                                    thresholds[k], j * n_x + first,
                                    &places[0] + found)
    return found


def second_differences(const double[:, ::1] data,
                       const unsigned char[:, ::1] bad,
                       const Py_ssize_t[::1] place, double[::1] total,
                       double[::1] difference, unsigned char[::1] kind):
    """
    Find the sums of nine pixels, and their second differences.

    ``place`` are flat indices of pixels inside the image; ``difference``
    is that in y and x, of unit noise for white noise. ``kind`` is 1 if
    one of the nine is bad, 2 if all are the same, else 0.
    """
    cdef Py_ssize_t n_x = data.shape[1], k, _row
    cdef const double *p
    cdef const unsigned char *flag
    cdef double edges, corners
    cdef bint same
    with nogil:
        for k in range(place.shape[0]):
            p = &data[0, 0] + place[k] - n_x - 1
            flag = &bad[0, 0] + place[k] - n_x - 1
            corners = p[0] + p[2] + p[2 * n_x] + p[2 * n_x + 2]
            edges = p[1] + p[n_x] + p[n_x + 2] + p[2 * n_x + 1]
            total[k] = corners + edges + p[n_x + 1]
            difference[k] = (corners - 2 * edges + 4 * p[n_x + 1]) / 6
            kind[k], same = 0, True
            for _row in range(3):
                if flag[0] or flag[1] or flag[2]:
                    kind[k] = 1
                same &= p[0] == p[1] == p[2]
                flag += n_x
                p += n_x
            p -= 3 * n_x
            same &= p[0] == p[n_x] == p[2 * n_x]
            if same and kind[k] == 0:
                kind[k] = 2


cdef struct Model:
    # One window: n neighbours; matrices (n, n), vectors (n,)
    int n
    const double *covariance
    const double *precision
    const double *k
    const double *w
    const double *u
    double a2


cdef int solve(const Model *model, const short *hidden, int m,
               const short *good, double *matrix, double *right,
               double *weights, double *variance) noexcept nogil:
    """
    Find the weights of the good neighbours, 0 at the others.

    Return 0, or the error of LAPACK's dposv. ``matrix`` and ``right``
    are work space.
    """
    cdef int n = model.n, n_good = n - m, size, two = 2, info = 0, i, j
    cdef double total = 0, norm = 0, kw = 0, scale, best, missing, x_w
    cdef double x_u
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
    scale = 1 / total
    variance[0] = 1 + model.a2 - (2 * scale - scale * scale) * kw
    missing = (1 - total) / norm
    best = 1 + model.a2 - kw + missing * missing * norm
    if variance[0] <= UNSTABLE * best:
        for i in range(n):
            weights[i] *= scale
    else:
        # too far off to be scaled: the best weights for an unknown mean
        variance[0] = best
        for i in range(n):
            weights[i] += missing * u[i]
    # what the pixel has of its own; less is rounding
    variance[0] = max(variance[0], 1)
    return 0


def fill_pixels(const double[:, ::1] data, const unsigned char[:, ::1] bad,
                const Py_ssize_t[::1] y, const Py_ssize_t[::1] x,
                const Py_ssize_t[::1] dy, const Py_ssize_t[::1] dx,
                const int[::1] which, const double[:, :, ::1] covariance,
                const double[:, :, ::1] precision, const double[:, ::1] k,
                const double[:, ::1] w, const double[:, ::1] u,
                const double[::1] a2, int min_good, double[::1] value,
                double[::1] variance, int[::1] n_good):
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
                              &k[c, 0], &w[c, 0], &u[c, 0], a2[c])
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


def weights_of_patterns(const unsigned char[:, ::1] patterns,
                        const double[:, :, ::1] covariance,
                        const double[:, :, ::1] precision,
                        const double[:, ::1] k, const double[:, ::1] w,
                        const double[:, ::1] u, const double[::1] a2,
                        double[:, ::1] weights, double[::1] variance):
    """
    Find the weights of one window for patterns of bad neighbours.

    These are not 0 in a row of ``patterns``. Return 0, or the error of
    LAPACK's dposv.
    """
    cdef int n = patterns.shape[1], m, i, info = 0
    cdef Py_ssize_t p
    cdef Model model = Model(n, &covariance[0, 0, 0], &precision[0, 0, 0],
                             &k[0, 0], &w[0, 0], &u[0, 0], a2[0])
    cdef short *hidden = <short *> malloc(2 * n * sizeof(short))
    cdef short *good = hidden + n
    cdef double *right = <double *> malloc(
        (n * n + 4 * n) * sizeof(double))
    cdef double *matrix = right + 4 * n
    try:
        if not hidden or not right:
            raise MemoryError
        with nogil:
            for p in range(patterns.shape[0]):
                m = 0
                for i in range(n):
                    if patterns[p, i]:
                        hidden[m] = i
                        m += 1
                    else:
                        good[i - m] = i
                info = solve(&model, hidden, m, good, matrix, right,
                             &weights[p, 0], &variance[p])
                if info != 0:
                    break
    finally:
        free(hidden)
        free(right)
    return info
