/* Licensed under a 3-clause BSD style license - see LICENSE.rst
 *
 * Elements of V^T V of many stamps, from shifted products of one region
 * (equation 6 of Saydjari & Finkbeiner 2022), and the covariances made of
 * them. Included once for each REAL, with NAME giving names and VEC a
 * vector of N_VEC of them.
 *
 * For the shift (dy, dx) between the pixels i and j = i + (dy, dx) of a
 * stamp, V^T V(i, j) is the sum over a window that begins at i of the
 * product of the region with itself shifted by (dy, dx). All shifts of
 * one dy are done together, with dx as the innermost index ("lanes"):
 * the product of one pixel with the 2 nx - 1 pixels about the one dy rows
 * below is then a vector operation on contiguous memory.
 *
 * sums[x][lane] are the sums over the windows that begin in column x of
 * one row. From a row to the next, one row of pixels enters the windows
 * and one leaves them; what they change is itself a running sum along
 * the row, so that a window costs two products a lane, whatever its
 * size. The four rows of pixels stay in the first cache, the running sums
 * in registers: four vectors of lanes are done at a time. Only the lanes
 * that the used pixels of some stamp need are done: on a disc, three
 * quarters of all.
 */

#define LOAD(pointer) (*(const VEC *)(pointer))

/* Call a function for as many vectors as are left, MAX_VEC at most. */
#define MAX_VEC 4
#define FOR_VECTORS(n_left, function, ...) \
    switch (n_left) { \
    case 1: function(__VA_ARGS__, 1); break; \
    case 2: function(__VA_ARGS__, 2); break; \
    case 3: function(__VA_ARGS__, 3); break; \
    default: function(__VA_ARGS__, MAX_VEC); \
    }

/* Add the products of one row of pixels, a, with another, b, to the sums
 * of all windows that begin in columns 0, ..., n_sums - 1; for n_vec
 * vectors of lanes, a constant where this is inlined. */
INLINE static void
NAME(add_row_vectors)(REAL *restrict to, const REAL *restrict a,
                      const REAL *restrict c, long n_sums, long window,
                      long lanes, const int n_vec)
{
    /* two sets of sums, so that an addition need not wait for the one
     * before; the window is odd */
    VEC run[MAX_VEC], other[MAX_VEC] = {{0}};
    for (int m = 0; m < n_vec; m++)
        run[m] = a[0] * LOAD(c + m * N_VEC);
    for (long v = 1; v < window; v += 2)
        for (int m = 0; m < n_vec; m++) {
            other[m] += a[v] * LOAD(c + v + m * N_VEC);
            run[m] += a[v + 1] * LOAD(c + v + 1 + m * N_VEC);
        }
    for (int m = 0; m < n_vec; m++) {
        run[m] += other[m];
        *(VEC *)(to + m * N_VEC) += run[m];
    }
    for (long x = 1; x < n_sums; x++) {
        const long in = x + window - 1, out = x - 1;
        to += lanes;
        for (int m = 0; m < n_vec; m++) {
            run[m] += a[in] * LOAD(c + in + m * N_VEC)
                      - a[out] * LOAD(c + out + m * N_VEC);
            *(VEC *)(to + m * N_VEC) += run[m];
        }
    }
}

SIMD static void
NAME(add_row)(REAL *restrict sums, const REAL *restrict a,
              const REAL *restrict b, long n_sums, long window, long lanes)
{
    for (long k = 0; k < lanes; k += MAX_VEC * N_VEC)
        FOR_VECTORS((lanes - k) / N_VEC, NAME(add_row_vectors),
                    sums + k, a, b + k, n_sums, window, lanes);
}

/* Move the windows down by one row: the products of the rows a1 and b1
 * enter, those of a0 and b0 leave. ring, (window, n_vec N_VEC), keeps the
 * change that each column of the window makes: the column that enters
 * takes the place of the one that leaves. */
INLINE static void
NAME(move_down_vectors)(REAL *restrict to,
                        const REAL *restrict a1, const REAL *restrict c1,
                        const REAL *restrict a0, const REAL *restrict c0,
                        long n_sums, long window, long lanes,
                        REAL *restrict ring, const int n_vec)
{
    REAL *restrict slot = ring;
    VEC run[MAX_VEC] = {{0}};
    for (long v = 0; v < window; v++, slot += n_vec * N_VEC)
        for (int m = 0; m < n_vec; m++) {
            const VEC change = a1[v] * LOAD(c1 + v + m * N_VEC)
                               - a0[v] * LOAD(c0 + v + m * N_VEC);
            *(VEC *)(slot + m * N_VEC) = change;
            run[m] += change;
        }
    for (int m = 0; m < n_vec; m++)
        *(VEC *)(to + m * N_VEC) += run[m];
    slot = ring;
    for (long v = window; v < window + n_sums - 1; v++) {
        to += lanes;
        for (int m = 0; m < n_vec; m++) {
            VEC *place = (VEC *)(slot + m * N_VEC);
            const VEC change = a1[v] * LOAD(c1 + v + m * N_VEC)
                               - a0[v] * LOAD(c0 + v + m * N_VEC);
            run[m] += change - *place;
            *place = change;
            *(VEC *)(to + m * N_VEC) += run[m];
        }
        slot += n_vec * N_VEC;
        if (slot == ring + window * n_vec * N_VEC)
            slot = ring;
    }
}

SIMD static void
NAME(move_down)(REAL *restrict sums,
                const REAL *restrict a1, const REAL *restrict b1,
                const REAL *restrict a0, const REAL *restrict b0,
                long n_sums, long window, long lanes, REAL *restrict ring)
{
    for (long k = 0; k < lanes; k += MAX_VEC * N_VEC)
        FOR_VECTORS((lanes - k) / N_VEC, NAME(move_down_vectors),
                    sums + k, a1, b1 + k, a0, b0 + k, n_sums, window, lanes,
                    ring);
}

/* Copy the sums of row y of a stamp with its row y + dy, from pixel to
 * pixel: those with the pixels to_first, ..., to_last, for dy = 0 only
 * from the pixel itself on. Whole vectors are copied, beyond the last one
 * too. Return the end of the copy. */
SIMD static REAL *
NAME(keep_row)(REAL *restrict kept, const REAL *restrict sums, long first,
               long last, long to_first, long to_last, long dy, long lanes,
               long reach)
{
    for (long x = first; x <= last; x++) {
        const long from = dy == 0 ? x : to_first;
        const long n_kept = to_last - from + 1;
        /* lane dx + reach with dx = x' - x */
        const REAL *restrict sum = sums + x * lanes + reach + from - x;
        for (long k = 0; k < n_kept; k += N_VEC)
            *(VEC *)(kept + k) = LOAD(sum + k);
        kept += n_kept;
    }
    return kept;
}

/* Sum the products of the pixels of stamps.
 *
 * The sums of a stamp are kept in the order in which they are made (dy, y,
 * x, x'), between the first and the last used pixel of each row: their
 * memory is written once, and in whole lines.
 *
 * region: (height, stride) with nx - 1 columns of zeros before and
 *     max_lanes of zeros after its width columns; points to the first one
 * corners: (n_stars, 2) first pixel (y, x) of the first window of a stamp
 * first, last: (n_stars, ny) first and last used pixel of each row of the
 *     stamps; last < 0 in a row without any
 * kept: the sums; ends: (n_stars,) where those of a stamp begin, on return
 *     where they end
 * sums: (width - wx + 1, max_lanes) and a vector, and
 *     ring: (wx, 4 N_VEC), scratch */
static void
NAME(sum_products)(const REAL *region, long height, long width, long stride,
                   long ny, long nx, long wy, long wx, long n_stars,
                   const int *corners, const int *first, const int *last,
                   REAL *kept, long long *ends, REAL *sums, REAL *ring)
{
    const long n_rows = height - wy + 1, n_sums = width - wx + 1;

    for (long dy = 0; dy < ny; dy++) {
        /* only the shifts dx = -reach, ..., ahead that a star needs */
        long reach = -nx, ahead = -nx;
        for (long star = 0; star < n_stars; star++)
            for (long i = star * ny; i < (star + 1) * ny - dy; i++) {
                if (last[i] < 0 || last[i + dy] < 0)
                    continue;
                if (last[i] - first[i + dy] > reach)
                    reach = last[i] - first[i + dy];
                if (last[i + dy] - first[i] > ahead)
                    ahead = last[i + dy] - first[i];
            }
        if (reach == -nx)
            continue;
        /* a row has its products with itself from each pixel on; and no
         * lanes are read beyond the zeros after a row */
        if (dy == 0 || reach < 0)
            reach = 0;
        const long lanes = (reach + ahead + N_VEC) / N_VEC * N_VEC;
        const REAL *shifted = region + dy * stride - reach;

        for (long k = 0; k < n_sums * lanes; k++)
            sums[k] = 0;
        for (long u = 0; u < wy; u++)
            NAME(add_row)(sums, region + u * stride, shifted + u * stride,
                          n_sums, wx, lanes);
        for (long row = 0; row < n_rows - dy; row++) {
            if (row > 0) {
                const long in = (row + wy - 1) * stride;
                const long out = (row - 1) * stride;
                NAME(move_down)(sums, region + in, shifted + in,
                                region + out, shifted + out, n_sums, wx,
                                lanes, ring);
            }
            for (long star = 0; star < n_stars; star++) {
                const long y = row - corners[2 * star];
                const long i = star * ny + y;
                if (y < 0 || y >= ny - dy || last[i] < 0
                        || last[i + dy] < 0)
                    continue;
                ends[star] = NAME(keep_row)(
                    kept + ends[star],
                    sums + corners[2 * star + 1] * lanes, first[i], last[i],
                    first[i + dy], last[i + dy], dy, lanes, reach) - kept;
            }
        }
    }
}

/* next[pixel]: the end of the run of used pixels with consecutive places
 * that the pixel is in, or of the run of unused ones, in its row */
static void
NAME(find_runs)(int *restrict next, const int *restrict place, long n_rows,
                long nx)
{
    for (long row = 0; row < n_rows; row++, next += nx, place += nx) {
        next[nx - 1] = (int)nx;
        for (long x = nx - 2; x >= 0; x--) {
            const int same = place[x] < 0 ? place[x + 1] < 0
                                          : place[x + 1] == place[x] + 1;
            next[x] = same ? next[x + 1] : (int)x + 1;
        }
    }
}

/* Write row y of a stamp against its row y + dy into the covariance of
 * the used pixels: (sum - N mu_i mu_j) / (N - 1), at [min][max] of their
 * places in C order, which is the lower triangle in LAPACK's order. */
SIMD static void
NAME(write_row)(REAL *restrict matrix, long size, const int *restrict place,
                const int *restrict next, const REAL *restrict mean,
                const REAL *restrict kept, long first, long last,
                long to_first, long to_last, long nx, long y, long dy,
                REAL n_sample)
{
    const int *restrict place_i = place + y * nx;
    const int *restrict place_j = place + (y + dy) * nx;
    const int *restrict next_j = next + (y + dy) * nx;
    const REAL *restrict mean_i = mean + y * nx;
    const REAL *restrict mean_j = mean + (y + dy) * nx;
    const REAL factor = (REAL)1 / (n_sample - 1);

    for (long x = first; x <= last; x++) {
        const long i = place_i[x];
        const long from = dy == 0 ? x : to_first;
        const REAL *restrict sum = kept - from;
        kept += to_last - from + 1;
        if (i < 0)
            continue;
        const REAL level = n_sample * mean_i[x];
        for (long begin = from; begin <= to_last; begin = next_j[begin]) {
            const long j = place_j[begin];
            if (j < 0)
                continue;
            const long n_run = next_j[begin] - begin;
            const REAL *restrict s = sum + begin;
            const REAL *restrict m = mean_j + begin;
            if (i > j) {
                REAL *restrict to = matrix + j * size + i;
                for (long k = 0; k < n_run; k++)
                    to[k * size] = (s[k] - level * m[k]) * factor;
                continue;
            }
            REAL *to = matrix + i * size + j;
            long k = 0;
            for (; k + N_VEC <= n_run; k += N_VEC)
                *(VEC *)(to + k) = (LOAD(s + k) - level * LOAD(m + k))
                                   * factor;
            if (k < n_run && n_run >= N_VEC) {
                /* the last vector overlaps the one before */
                k = n_run - N_VEC;
                *(VEC *)(to + k) = (LOAD(s + k) - level * LOAD(m + k))
                                   * factor;
            }
            else
                for (; k < n_run; k++)
                    to[k] = (s[k] - level * m[k]) * factor;
        }
    }
}

/* Make the covariance of the used pixels of a stamp from its sums.
 *
 * matrix: (size, size), of which the upper triangle is written
 * place: (ny, nx) place of a pixel in the matrix, -1 if unused
 * mean: (ny, nx), kept, first and last: as above, of one stamp
 * next: (ny, nx) and starts: (ny, ny), scratch */
static void
NAME(make_covariance)(REAL *matrix, long size, const int *place,
                      const REAL *mean, const REAL *kept, const int *first,
                      const int *last, long ny, long nx, long n_samples,
                      int *next, long long *starts)
{
    long long start = 0;
    for (long dy = 0; dy < ny; dy++)
        for (long y = 0; y < ny - dy; y++) {
            starts[y * ny + dy] = start;
            if (last[y] < 0 || last[y + dy] < 0)
                continue;
            const long n = last[y] - first[y] + 1;
            start += dy == 0 ? n * (n + 1) / 2
                             : n * (last[y + dy] - first[y + dy] + 1);
        }
    NAME(find_runs)(next, place, ny, nx);
    /* row by row: what is written stays in the cache until it is whole */
    for (long y = 0; y < ny; y++)
        for (long dy = 0; dy < ny - y; dy++)
            if (last[y] >= 0 && last[y + dy] >= 0)
                NAME(write_row)(matrix, size, place, next, mean,
                                kept + starts[y * ny + dy], first[y],
                                last[y], first[y + dy], last[y + dy], nx, y,
                                dy, (REAL)n_samples);
}

#undef LOAD
#undef MAX_VEC
#undef FOR_VECTORS
