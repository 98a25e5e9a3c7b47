/* Licensed under a 3-clause BSD style license - see LICENSE.rst
 *
 * Two stamps of weights, the second a part of the first, applied to a region
 * at the places of a grid, where some of its pixels, the core, are not masked.
 * Included once for each REAL, with NAME giving names and VEC a vector of
 * N_VEC of them.
 *
 * Four places are done at a time: they share the weights, and an addition
 * need not wait for the one before. Rows of weights are filled up with
 * zeros to vectors, and so are the rows of the region. */

#define LOAD(pointer) (*(const VEC *)(pointer))
#define N_PLACES 4

/* The sums of weights times pixels at four places. */
INLINE static void
NAME(four_sums)(REAL *sums, const REAL *const *at, const REAL *weights,
                long stride, long ny, long lanes)
{
    VEC total[N_PLACES] = {{0}};
    for (long y = 0; y < ny; y++)
        for (long x = 0; x < lanes; x += N_VEC) {
            const VEC w = LOAD(weights + y * lanes + x);
            for (int m = 0; m < N_PLACES; m++)
                total[m] += w * LOAD(at[m] + y * stride + x);
        }
    for (int m = 0; m < N_PLACES; m++) {
        const REAL *parts = (const REAL *)&total[m];
        sums[m] = 0;
        for (int k = 0; k < N_VEC; k++)
            sums[m] += parts[k];
    }
}

/* region, mask: (.., stride), from the first place on; core: n_core pixels
 * of the stamp, as offsets in the mask; weights: (ny, lanes); part: (part_ny,
 * part_lanes), of which the first pixel is at part_first in the region; sums,
 * part_sums: as long as there are places, and 3 more. Return the number of
 * sums. */
SIMD static long
NAME(filter_places)(REAL *sums, REAL *part_sums, const REAL *region,
                    const unsigned char *mask, long stride, long height,
                    long width, long step, const int *core, long n_core,
                    const REAL *weights, long ny, long lanes,
                    const REAL *part, long part_ny, long part_lanes,
                    long part_first)
{
    const REAL *at[N_PLACES], *at_part[N_PLACES];
    long n = 0;
    for (long y = 0; y < height; y += step)
        for (long x = 0; x < width; x += step) {
            const long place = y * stride + x;
            long k = 0;
            while (k < n_core && !mask[place + core[k]])
                k++;
            if (k < n_core)
                continue;
            at[n % N_PLACES] = region + place;
            at_part[n % N_PLACES] = region + place + part_first;
            n++;
            if (n % N_PLACES == 0) {
                NAME(four_sums)(sums + n - N_PLACES, at, weights, stride, ny,
                                lanes);
                NAME(four_sums)(part_sums + n - N_PLACES, at_part, part,
                                stride, part_ny, part_lanes);
            }
        }
    if (n % N_PLACES) {
        const long first = n - n % N_PLACES;
        for (long m = n % N_PLACES; m < N_PLACES; m++) {
            at[m] = at[0];
            at_part[m] = at_part[0];
        }
        NAME(four_sums)(sums + first, at, weights, stride, ny, lanes);
        NAME(four_sums)(part_sums + first, at_part, part, stride, part_ny,
                        part_lanes);
    }
    return n;
}

#undef LOAD
#undef N_PLACES
