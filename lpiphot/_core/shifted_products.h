/* Licensed under a 3-clause BSD style license - see LICENSE.rst
 *
 * Elements of V^T V of many stamps, from shifted products of one region
 * (equation 6 of Saydjari & Finkbeiner 2022). Included once for each
 * REAL, with NAME giving names and VEC a vector of N_VEC of them.
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
 * in registers: three vectors of lanes are done at a time.
 */

#define LOAD(pointer) (*(const VEC *)(pointer))

/* Add the products of one row of pixels, a, with another, b, to the sums
 * of all windows that begin in columns 0, ..., n_sums - 1. */
SIMD static void
NAME(add_row)(REAL *restrict sums, const REAL *restrict a,
              const REAL *restrict b, long n_sums, long window, long lanes,
              long reach)
{
    for (long k = 0; k < lanes; k += 3 * N_VEC) {
        const REAL *restrict c = b - reach + k;
        REAL *restrict to = sums + k;
        /* two sets of sums, so that an addition need not wait for the
         * one before; the window is odd */
        VEC run[3], other[3] = {{0}, {0}, {0}};
        for (int m = 0; m < 3; m++)
            run[m] = a[0] * LOAD(c + m * N_VEC);
        for (long v = 1; v < window; v += 2)
            for (int m = 0; m < 3; m++) {
                other[m] += a[v] * LOAD(c + v + m * N_VEC);
                run[m] += a[v + 1] * LOAD(c + v + 1 + m * N_VEC);
            }
        for (int m = 0; m < 3; m++) {
            run[m] += other[m];
            *(VEC *)(to + m * N_VEC) += run[m];
        }
        for (long x = 1; x < n_sums; x++) {
            const long in = x + window - 1, out = x - 1;
            to += lanes;
            for (int m = 0; m < 3; m++) {
                run[m] += a[in] * LOAD(c + in + m * N_VEC)
                          - a[out] * LOAD(c + out + m * N_VEC);
                *(VEC *)(to + m * N_VEC) += run[m];
            }
        }
    }
}

/* Move the windows down by one row: the products of the rows a1 and b1
 * enter, those of a0 and b0 leave. ring, (window, 3 N_VEC), keeps the
 * change that each column of the window makes: the column that enters
 * takes the place of the one that leaves. */
SIMD static void
NAME(move_down)(REAL *restrict sums,
                const REAL *restrict a1, const REAL *restrict b1,
                const REAL *restrict a0, const REAL *restrict b0,
                long n_sums, long window, long lanes, long reach,
                REAL *restrict ring)
{
    for (long k = 0; k < lanes; k += 3 * N_VEC) {
        const REAL *restrict c1 = b1 - reach + k;
        const REAL *restrict c0 = b0 - reach + k;
        REAL *restrict to = sums + k;
        REAL *restrict slot = ring;
        VEC run[3] = {{0}, {0}, {0}};
        for (long v = 0; v < window; v++, slot += 3 * N_VEC)
            for (int m = 0; m < 3; m++) {
                const VEC change = a1[v] * LOAD(c1 + v + m * N_VEC)
                                   - a0[v] * LOAD(c0 + v + m * N_VEC);
                *(VEC *)(slot + m * N_VEC) = change;
                run[m] += change;
            }
        for (int m = 0; m < 3; m++)
            *(VEC *)(to + m * N_VEC) += run[m];
        slot = ring;
        for (long v = window; v < window + n_sums - 1; v++) {
            to += lanes;
            for (int m = 0; m < 3; m++) {
                VEC *place = (VEC *)(slot + m * N_VEC);
                const VEC change = a1[v] * LOAD(c1 + v + m * N_VEC)
                                   - a0[v] * LOAD(c0 + v + m * N_VEC);
                run[m] += change - *place;
                *place = change;
                *(VEC *)(to + m * N_VEC) += run[m];
            }
            slot += 3 * N_VEC;
            if (slot == ring + window * 3 * N_VEC)
                slot = ring;
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
NAME(scatter)(REAL *restrict matrix, long size, const int *restrict place,
              const int *restrict next, const REAL *restrict mean,
              const REAL *restrict sums, long nx, long y, long dy,
              long lanes, REAL n_sample)
{
    const int *restrict place_i = place + y * nx;
    const int *restrict place_j = place + (y + dy) * nx;
    const int *restrict next_j = next + (y + dy) * nx;
    const REAL *restrict mean_i = mean + y * nx;
    const REAL *restrict mean_j = mean + (y + dy) * nx;
    const REAL factor = (REAL)1 / (n_sample - 1);

    for (long x = 0; x < nx; x++) {
        const long i = place_i[x];
        if (i < 0)
            continue;
        /* lane dx + nx - 1 with dx = x' - x */
        const REAL *restrict sum = sums + x * lanes + nx - 1 - x;
        const REAL level = n_sample * mean_i[x];
        for (long first = dy == 0 ? x : 0; first < nx;
             first = next_j[first]) {
            const long j = place_j[first];
            if (j < 0)
                continue;
            const long n_run = next_j[first] - first;
            const REAL *restrict s = sum + first;
            const REAL *restrict m = mean_j + first;
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

/* region: (height, stride) with nx - 1 columns of zeros before and
 *     lanes of zeros after its width columns; points to the first column
 * corners: (n_stars, 2) first pixel (y, x) of the first window of a stamp
 * place: (n_stars, ny * nx) place of a pixel in the matrix, -1 if unused
 * mean: (n_stars, ny * nx)
 * matrices: the matrices of the stars, sizes[s]^2 each, one after another
 * next: (n_stars, ny * nx), sums: (width - wx + 1, lanes) and
 *     ring: (wx, 3 N_VEC), scratch */
static void
NAME(gather)(const REAL *region, long height, long width, long stride,
             long ny, long nx, long wy, long wx, long lanes,
             long n_stars, const int *corners, const int *place,
             const int *sizes, const REAL *mean, REAL *matrices, int *next,
             REAL *sums, REAL *ring)
{
    const long n_pix = ny * nx, reach = nx - 1;
    const long n_rows = height - wy + 1, n_sums = width - wx + 1;
    const REAL n_sample = (REAL)wy * (REAL)wx;

    NAME(find_runs)(next, place, n_stars * ny, nx);
    for (long dy = 0; dy < ny; dy++) {
        for (long k = 0; k < n_sums * lanes; k++)
            sums[k] = 0;
        for (long u = 0; u < wy; u++)
            NAME(add_row)(sums, region + u * stride,
                          region + (u + dy) * stride, n_sums, wx, lanes,
                          reach);
        for (long row = 0; row < n_rows - dy; row++) {
            if (row > 0) {
                const REAL *in = region + (row + wy - 1) * stride;
                const REAL *out = region + (row - 1) * stride;
                NAME(move_down)(sums, in, in + dy * stride, out,
                                out + dy * stride, n_sums, wx, lanes,
                                reach, ring);
            }
            REAL *matrix = matrices;
            for (long star = 0; star < n_stars; star++) {
                const long y = row - corners[2 * star];
                const long x = corners[2 * star + 1];
                const long size = sizes[star];
                if (y >= 0 && y < ny - dy)
                    NAME(scatter)(matrix, size, place + star * n_pix,
                                  next + star * n_pix, mean + star * n_pix,
                                  sums + x * lanes, nx, y, dy, lanes,
                                  n_sample);
                matrix += size * size;
            }
        }
    }
}

#undef LOAD
