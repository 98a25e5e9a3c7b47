/* Licensed under a 3-clause BSD style license - see LICENSE.rst
 *
 * The neighbours of one pixel: how they scatter, and whether it stands out. */

#include <math.h>

#define LOAD(pointer) (*(const double_vec *)(pointer))

/* Room for so many numbers more is needed, to fill up the last vector */
#define N_ROOM N_DOUBLE_VEC

/* The sum of a vector. */
INLINE static double
add_up(double_vec total)
{
    const double *parts = (const double *)&total;
    double sum = 0;
    for (int k = 0; k < N_DOUBLE_VEC; k++)
        sum += parts[k];
    return sum;
}

/* Ask for the rows of a window ahead of its use: for both ends of each, which
 * is all of it with 9 pixels. Windows are far apart, and the processor does
 * not guess where the next one is. */
INLINE static void
fetch_window(const void *middle, long n_bytes, long row_bytes, long reach)
{
#if defined(__GNUC__)
    for (long j = -reach; j <= reach; j++) {
        const char *row = (const char *)middle + j * row_bytes;
        __builtin_prefetch(row - n_bytes);
        __builtin_prefetch(row + n_bytes);
    }
#endif
}

/* Tell pixels of rows of n_x that do not exceed three of the four good pixels
 * beside them by some margin, nor fall so far below three: no spike is. */
INLINE static int
among_others(const double *pixel, const unsigned char *bad, long n_x,
             double margin)
{
    const double value = *pixel, left = pixel[-1], right = pixel[1],
                 below = pixel[-n_x], above = pixel[n_x];
    const int n_less = (value - left > margin) + (value - right > margin)
                       + (value - below > margin) + (value - above > margin);
    const int n_more = (left - value > margin) + (right - value > margin)
                       + (below - value > margin) + (above - value > margin);
    return n_less < 3 && n_more < 3
           && !(bad[-1] || bad[1] || bad[-n_x] || bad[n_x]);
}

/* Find weighted moments of n values, one at least: norm, the sum of their
 * weights; peak, their weighted mean less the plain one; scatter, their
 * weighted standard deviation. The arrays have N_ROOM numbers more. */
SIMD static void
weigh(double *values, double *weights, long n, double *norm, double *peak,
      double *scatter)
{
    double_vec total = {0}, weight = {0}, first = {0}, second = {0};
    for (long i = n; i < n + N_ROOM; i++)
        values[i] = weights[i] = 0;
    for (long i = 0; i < n; i += N_DOUBLE_VEC) {
        total += LOAD(values + i);
        weight += LOAD(weights + i);
    }
    const double mean = add_up(total) / n;
    for (long i = 0; i < n; i += N_DOUBLE_VEC) {
        /* what fills up the last vector has no weight */
        const double_vec off = LOAD(values + i) - mean;
        const double_vec part = LOAD(weights + i) * off;
        first += part;
        second += part * off;
    }
    *norm = add_up(weight);
    *peak = add_up(first) / *norm;
    const double square = add_up(second) / *norm - *peak * *peak;
    *scatter = square < 0 ? 0 : sqrt(square); /* NaN stays */
}

#undef LOAD
