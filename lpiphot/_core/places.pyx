# Licensed under a 3-clause BSD style license - see LICENSE.rst
# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False, freethreading_compatible=True
"""
The errors of a flux at the places of a window.

See `lpiphot.lpi.typical`, the border of this function, for the shapes,
which are not checked here.
"""

from cython cimport floating


cdef extern from *:
    """
    #include "simd.h"
    #define REAL float
    #define VEC float_vec
    #define N_VEC N_FLOAT_VEC
    #define NAME(name) name##_float
    #include "filtered_places.h"
    #undef REAL
    #undef VEC
    #undef N_VEC
    #undef NAME
    #define REAL double
    #define VEC double_vec
    #define N_VEC N_DOUBLE_VEC
    #define NAME(name) name##_double
    #include "filtered_places.h"
    """
    long filter_places_float(
        float *sums, float *part_sums, const float *region,
        const unsigned char *mask, long stride, long height, long width,
        long step, const int *core, long n_core, const float *weights,
        long ny, long lanes, const float *part, long part_ny,
        long part_lanes, long part_first) noexcept nogil
    long filter_places_double(
        double *sums, double *part_sums, const double *region,
        const unsigned char *mask, long stride, long height, long width,
        long step, const int *core, long n_core, const double *weights,
        long ny, long lanes, const double *part, long part_ny,
        long part_lanes, long part_first) noexcept nogil


def filter_places(floating[:, ::1] sums, const floating[:, ::1] region,
                  const unsigned char[:, ::1] mask, long first_y,
                  long first_x, window_shape, long step, const int[::1] core,
                  const floating[:, ::1] weights,
                  const floating[:, ::1] part, long part_y, long part_x):
    """
    Apply weights to a region at the places whose core is not masked.

    ``part`` holds those weights of ``weights`` that are at ``part_y`` and
    ``part_x`` and beyond; the second row of ``sums`` is for them alone.

    Returns
    -------
    n : int
        The number of places.
    """
    cdef long wy = window_shape[0], wx = window_shape[1], n
    cdef long stride = region.shape[1], part_first = part_y * stride + part_x
    with nogil:
        if floating is float:
            n = filter_places_float(
                &sums[0, 0], &sums[1, 0], &region[first_y, first_x],
                &mask[first_y, first_x], stride, wy, wx, step, &core[0],
                core.shape[0], &weights[0, 0], weights.shape[0],
                weights.shape[1], &part[0, 0], part.shape[0], part.shape[1],
                part_first)
        else:
            n = filter_places_double(
                &sums[0, 0], &sums[1, 0], &region[first_y, first_x],
                &mask[first_y, first_x], stride, wy, wx, step, &core[0],
                core.shape[0], &weights[0, 0], weights.shape[0],
                weights.shape[1], &part[0, 0], part.shape[0], part.shape[1],
                part_first)
    return n
