# Licensed under a 3-clause BSD style license - see LICENSE.rst
# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False, freethreading_compatible=True
"""
Covariances of stamps, gathered from shifted products.
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
    void gather_float(
        const float *region, long height, long width, long stride, long ny,
        long nx, long wy, long wx, long n_stars,
        const int *corners, const int *place, const int *sizes,
        const float *mean, float *matrices, int *next,
        int *extents, float *sums, float *ring) noexcept nogil
    void gather_double(
        const double *region, long height, long width, long stride, long ny,
        long nx, long wy, long wx, long n_stars,
        const int *corners, const int *place, const int *sizes,
        const double *mean, double *matrices, int *next,
        int *extents, double *sums, double *ring) noexcept nogil


def gather_covariances(floating[:, ::1] region, long width, long n_before,
                       const int[:, ::1] corners, const int[:, ::1] place,
                       const int[::1] sizes, const floating[:, ::1] mean,
                       stamp_shape, window_shape, floating[::1] matrices,
                       int[:, ::1] next, int[::1] extents, floating[::1] sums,
                       floating[::1] ring):
    """
    Gather the covariances of the used pixels of stamps.

    See `lpiphot.lpi.covariance.joint_covariances`, its border, for what
    it does and for the shapes, which are not checked here.
    """
    cdef long ny = stamp_shape[0], nx = stamp_shape[1]
    cdef long wy = window_shape[0], wx = window_shape[1]
    if corners.shape[0] == 0 or matrices.shape[0] == 0:
        return
    with nogil:
        if floating is float:
            gather_float(
                &region[0, n_before], region.shape[0], width,
                region.shape[1], ny, nx, wy, wx, corners.shape[0],
                &corners[0, 0], &place[0, 0], &sizes[0], &mean[0, 0],
                &matrices[0], &next[0, 0], &extents[0], &sums[0], &ring[0])
        else:
            gather_double(
                &region[0, n_before], region.shape[0], width,
                region.shape[1], ny, nx, wy, wx, corners.shape[0],
                &corners[0, 0], &place[0, 0], &sizes[0], &mean[0, 0],
                &matrices[0], &next[0, 0], &extents[0], &sums[0], &ring[0])
