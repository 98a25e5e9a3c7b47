/* Licensed under a 3-clause BSD style license - see LICENSE.rst
 *
 * SIMD marks a function to be compiled for several instruction sets, the
 * best of which is chosen when the library is loaded. So one wheel serves
 * all machines, without -march. It needs the GNU compiler and C library
 * (ifunc); elsewhere the functions are compiled for the baseline. */
#ifndef LPIPHOT_SIMD_H
#define LPIPHOT_SIMD_H

#include <limits.h> /* defines __GLIBC__, where it applies */

#if defined(__GLIBC__) && defined(__x86_64__) && !defined(__clang__) \
    && defined(__GNUC__) && __GNUC__ >= 12
#define SIMD __attribute__((target_clones("arch=x86-64-v4", \
                                          "arch=x86-64-v3", "default")))
#else
#define SIMD
#endif

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE inline
#endif

/* Vectors of 32 bytes, at any address: two float32 or float64 registers
 * where they have 16 bytes, one where they have more. */
#if defined(__GNUC__)
typedef float float_vec
    __attribute__((vector_size(32), aligned(4), may_alias));
typedef double double_vec
    __attribute__((vector_size(32), aligned(8), may_alias));
#define N_FLOAT_VEC 8
#define N_DOUBLE_VEC 4
#else
#define restrict __restrict
typedef float float_vec;
typedef double double_vec;
#define N_FLOAT_VEC 1
#define N_DOUBLE_VEC 1
#endif

#endif
