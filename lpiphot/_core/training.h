/* Licensed under a 3-clause BSD style license - see LICENSE.rst
 *
 * What training does with many numbers: the residuals of all kernels for
 * all training pixels, and the search of an image for bright pixels. */

#if defined(__GNUC__)
typedef int int_vec __attribute__((vector_size(32), aligned(4), may_alias));
#define ABS(v) ((float_vec)((int_vec)(v) & 0x7fffffff))
#else
#include <math.h>
#define ABS(v) fabsf(v)
#endif

#define LOAD(pointer) (*(const float_vec *)(pointer))

/* So many vectors of kernels are done at a time, for two pixels: their
 * residuals and sums stay in registers, and a sum need not wait for the
 * one before */
#define MAX_VEC 4
/* Pixels whose sizes are added in float32, before they go to float64 */
#define N_SHORT 256

/* Add the absolute residuals of rows of pixels, for n_vec vectors of
 * kernels, a constant where this is inlined. */
INLINE static void
add_size_vectors(const float *restrict rows, long n_rows, long length,
                 long n_terms, const float *restrict weights, long n_kernels,
                 double *restrict total, const int n_vec)
{
    float_vec sizes[MAX_VEC] = {{0}};
    for (long i = 0; i < n_rows; i += 2, rows += 2 * length) {
        /* an odd last row is done twice, and counts once */
        const float *restrict next = i + 1 < n_rows ? rows + length : rows;
        const float *restrict w = weights;
        float_vec one[MAX_VEC] = {{0}}, other[MAX_VEC] = {{0}};
        for (long j = 0; j < n_terms; j++, w += n_kernels)
            for (int m = 0; m < n_vec; m++) {
                const float_vec weight = LOAD(w + m * N_FLOAT_VEC);
                one[m] += rows[j] * weight;
                other[m] += next[j] * weight;
            }
        for (int m = 0; m < n_vec; m++) {
            sizes[m] += ABS(one[m]);
            if (next != rows)
                sizes[m] += ABS(other[m]);
        }
    }
    for (int m = 0; m < n_vec; m++)
        for (int k = 0; k < N_FLOAT_VEC; k++)
            total[m * N_FLOAT_VEC + k] += ((float *)&sizes[m])[k];
}

/* Sum the absolute residuals of pixels for all kernels.
 *
 * rows: (n_rows, length) sums of neighbours, of which the first n_terms
 *     count
 * weights: (n_terms, n_kernels); n_kernels is a multiple of N_FLOAT_VEC
 * total: (n_kernels,) to which the sums are added */
SIMD static void
add_sizes(const float *rows, long n_rows, long length, long n_terms,
          const float *weights, long n_kernels, double *total)
{
    for (long i = 0; i < n_rows; i += N_SHORT) {
        const float *some = rows + i * length;
        const long n_some = n_rows - i < N_SHORT ? n_rows - i : N_SHORT;
        for (long k = 0; k < n_kernels; k += MAX_VEC * N_FLOAT_VEC) {
            const float *w = weights + k;
#define ADD(n) \
            add_size_vectors(some, n_some, length, n_terms, w, n_kernels, \
                             total + k, n)
            switch ((n_kernels - k) / N_FLOAT_VEC) {
            case 1: ADD(1); break;
            case 2: ADD(2); break;
            case 3: ADD(3); break;
            default: ADD(MAX_VEC);
            }
#undef ADD
        }
    }
}

/* Pixels that are compared before it is asked whether any is bright */
#define N_COMPARED 32

/* Write the places of values above a threshold, counted from `start`;
 * return their number. */
SIMD static long
find_above(const double *restrict values, long n_values, double threshold,
           long start, long long *restrict places)
{
    long found = 0;
    for (long k = 0; k < n_values; k += N_COMPARED) {
        const double *restrict some = values + k;
        const long n = n_values - k < N_COMPARED ? n_values - k : N_COMPARED;
        long long any = 0;
        if (n == N_COMPARED)
            for (int i = 0; i < N_COMPARED; i++)
                any |= some[i] > threshold;
        else
            any = 1;
        if (any)
            for (long i = 0; i < n; i++)
                if (some[i] > threshold)
                    places[found++] = start + k + i;
    }
    return found;
}

#undef ABS
#undef LOAD
#undef MAX_VEC
