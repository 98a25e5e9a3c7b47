# Licensed under a 3-clause BSD style license - see LICENSE.rst
# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False, freethreading_compatible=True
"""
Covariances of stamps from shifted products.

See `lpiphot.lpi.covariance.joint_covariances`, the border of both
functions, and ``shifted_products.h`` for what they do and for the
shapes, which are not checked here.
"""

from cython cimport floating


cdef extern from *:
    """
    #include "simd.h"
    #define REAL float
    #define VEC float_vec
    #define N_VEC N_FLOAT_VEC
    #define NAME(name) name##_float
    #include "shifted_products.h"
    #undef REAL
    #undef VEC
    #undef N_VEC
    #undef NAME
    #define REAL double
    #define VEC double_vec
    #define N_VEC N_DOUBLE_VEC
    #define NAME(name) name##_double
    #include "shifted_products.h"
    """
    void sum_products_float(
        const float *region, long height, long width, long stride, long ny,
        long nx, long wy, long wx, long n_stars, const int *corners,
        const int *first, const int *last, float *kept, long long *ends,
        float *sums, float *ring) noexcept nogil
    void sum_products_double(
        const double *region, long height, long width, long stride, long ny,
        long nx, long wy, long wx, long n_stars, const int *corners,
        const int *first, const int *last, double *kept, long long *ends,
        double *sums, double *ring) noexcept nogil
    void make_covariance_float(
        float *matrix, long size, const int *place, const float *mean,
        const float *kept, const int *first, const int *last, long ny,
        long nx, long n_samples, int *next, long long *starts) noexcept nogil
    void make_covariance_double(
        double *matrix, long size, const int *place, const double *mean,
        const double *kept, const int *first, const int *last, long ny,
        long nx, long n_samples, int *next, long long *starts) noexcept nogil


def sum_products(floating[:, ::1] region, long width, long n_before,
                 const int[:, ::1] corners, const int[:, ::1] first,
                 const int[:, ::1] last, stamp_shape, window_shape,
                 floating[::1] kept, long long[::1] ends,
                 floating[::1] sums, floating[::1] ring):
    """
    Sum the products of the pixels of stamps over windows.
    """
    cdef long ny = stamp_shape[0], nx = stamp_shape[1]
    cdef long wy = window_shape[0], wx = window_shape[1]
    if corners.shape[0] == 0:
        return
    with nogil:
        if floating is float:
            sum_products_float(
                &region[0, n_before], region.shape[0], width,
                region.shape[1], ny, nx, wy, wx, corners.shape[0],
                &corners[0, 0], &first[0, 0], &last[0, 0], &kept[0],
                &ends[0], &sums[0], &ring[0])
        else:
            sum_products_double(
                &region[0, n_before], region.shape[0], width,
                region.shape[1], ny, nx, wy, wx, corners.shape[0],
                &corners[0, 0], &first[0, 0], &last[0, 0], &kept[0],
                &ends[0], &sums[0], &ring[0])


def make_covariance(floating[:, ::1] matrix, const int[::1] place,
                    const floating[::1] mean, const floating[::1] kept,
                    const int[::1] first, const int[::1] last, long n_samples,
                    int[::1] next, long long[::1] starts):
    """
    Make the covariance of the used pixels of a stamp from its sums.
    """
    cdef long size = matrix.shape[0], ny = first.shape[0]
    cdef long nx = place.shape[0] // ny
    if size == 0:
        return
    with nogil:
        if floating is float:
            make_covariance_float(
                &matrix[0, 0], size, &place[0], &mean[0], &kept[0],
                &first[0], &last[0], ny, nx, n_samples, &next[0], &starts[0])
        else:
            make_covariance_double(
                &matrix[0, 0], size, &place[0], &mean[0], &kept[0],
                &first[0], &last[0], ny, nx, n_samples, &next[0], &starts[0])
