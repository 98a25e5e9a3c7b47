/* Licensed under a 3-clause BSD style license - see LICENSE.rst
 *
 * Elements of V^T V of many stamps, from shifted products of one region
 * (equation 6 of Saydjari & Finkbeiner 2022). Included once for each
 * REAL, with NAME giving the functions their names.
 *
 * For the shift (dy, dx) between the pixels i and j = i + (dy, dx) of a
 * stamp, V^T V(i, j) is the sum over a window that begins at i of the
 * product of the region with itself shifted by (dy, dx). All shifts of
 * one dy are done together, with dx as the innermost index ("lanes"):
 * the product of one pixel with the 2 nx - 1 pixels about the one dy rows
 * below is then a vector operation on contiguous memory, and so are both
 * running sums, down the rows and along the columns. Moving a window by
 * one pixel costs two products or two additions a lane, whatever its
 * size.
 */

/* columns[v][lane] (+)= a[v] * b[v + dx] over the rows of a window */
SIMD static void
NAME(add_row)(REAL *restrict columns, const REAL *restrict a,
              const REAL *restrict b, long width, long lanes, long reach)
{
    for (long v = 0; v < width; v++) {
        REAL *restrict c = columns + v * lanes;
        const REAL *restrict shifted = b + v - reach;
        const REAL value = a[v];
        for (long k = 0; k < lanes; k++)
            c[k] += value * shifted[k];
    }
}

/* the same, moved down by one row: one row enters and one leaves */
SIMD static void
NAME(move_down)(REAL *restrict columns,
                const REAL *restrict a_in, const REAL *restrict b_in,
                const REAL *restrict a_out, const REAL *restrict b_out,
                long width, long lanes, long reach)
{
    for (long v = 0; v < width; v++) {
        REAL *restrict c = columns + v * lanes;
        const REAL *restrict in = b_in + v - reach;
        const REAL *restrict out = b_out + v - reach;
        const REAL value_in = a_in[v], value_out = a_out[v];
        for (long k = 0; k < lanes; k++)
            c[k] += value_in * in[k] - value_out * out[k];
    }
}

/* sums[x][lane] of the columns x, ..., x + window - 1 */
SIMD static void
NAME(slide)(REAL *restrict sums, const REAL *restrict columns, long n_sums,
            long window, long lanes)
{
    for (long k = 0; k < lanes; k++)
        sums[k] = 0;
    for (long v = 0; v < window; v++)
        for (long k = 0; k < lanes; k++)
            sums[k] += columns[v * lanes + k];
    for (long x = 1; x < n_sums; x++) {
        const REAL *restrict previous = sums + (x - 1) * lanes;
        const REAL *restrict in = columns + (x + window - 1) * lanes;
        const REAL *restrict out = columns + (x - 1) * lanes;
        REAL *restrict sum = sums + x * lanes;
        for (long k = 0; k < lanes; k++)
            sum[k] = previous[k] + (in[k] - out[k]);
    }
}

/* Write row y of a stamp against its row y + dy into the covariance of
 * the used pixels: (sum - N mu_i mu_j) / (N - 1), at [min][max] of their
 * places in C order, which is the lower triangle in LAPACK's order. */
SIMD static void
NAME(scatter)(REAL *restrict matrix, long size, const int *restrict place,
              const REAL *restrict mean, const REAL *restrict sums,
              long nx, long y, long dy, long lanes, REAL n_sample)
{
    const int *restrict place_i = place + y * nx;
    const int *restrict place_j = place + (y + dy) * nx;
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
        long first = dy == 0 ? x : 0;
        while (first < nx) {
            const long j = place_j[first];
            if (j < 0) {
                first++;
                continue;
            }
            /* a run of used pixels with consecutive places */
            long last = first + 1;
            while (last < nx && place_j[last] == j + last - first)
                last++;
            const long n_run = last - first;
            const REAL *restrict s = sum + first;
            const REAL *restrict m = mean_j + first;
            if (i <= j) {
                REAL *restrict to = matrix + i * size + j;
                for (long k = 0; k < n_run; k++)
                    to[k] = (s[k] - level * m[k]) * factor;
            }
            else {
                REAL *restrict to = matrix + j * size + i;
                for (long k = 0; k < n_run; k++)
                    to[k * size] = (s[k] - level * m[k]) * factor;
            }
            first = last;
        }
    }
}

/* region: (height, stride) with nx - 1 columns of zeros before and
 *     lanes of zeros after its width columns; points to the first column
 * corners: (n_stars, 2) first pixel (y, x) of the first window of a stamp
 * place: (n_stars, ny * nx) place of a pixel in the matrix, -1 if unused
 * mean: (n_stars, ny * nx)
 * matrices: the matrices of the stars, sizes[s]^2 each, one after another
 * columns: (width, lanes) and sums: (width - wx + 1, lanes): scratch */
static void
NAME(gather)(const REAL *region, long height, long width, long stride,
             long ny, long nx, long wy, long wx, long lanes,
             long n_stars, const int *corners, const int *place,
             const int *sizes, const REAL *mean, REAL *matrices,
             REAL *columns, REAL *sums)
{
    const long n_pix = ny * nx, reach = nx - 1;
    const long n_rows = height - wy + 1, n_sums = width - wx + 1;
    const REAL n_sample = (REAL)wy * (REAL)wx;

    for (long dy = 0; dy < ny; dy++) {
        for (long k = 0; k < width * lanes; k++)
            columns[k] = 0;
        for (long u = 0; u < wy; u++)
            NAME(add_row)(columns, region + u * stride,
                          region + (u + dy) * stride, width, lanes, reach);
        for (long row = 0; row < n_rows - dy; row++) {
            if (row > 0) {
                const REAL *in = region + (row + wy - 1) * stride;
                const REAL *out = region + (row - 1) * stride;
                NAME(move_down)(columns, in, in + dy * stride, out,
                                out + dy * stride, width, lanes, reach);
            }
            int done = 0;
            REAL *matrix = matrices;
            for (long star = 0; star < n_stars; star++) {
                const long y = row - corners[2 * star];
                const long x = corners[2 * star + 1];
                const long size = sizes[star];
                if (y >= 0 && y < ny - dy) {
                    if (!done) {
                        NAME(slide)(sums, columns, n_sums, wx, lanes);
                        done = 1;
                    }
                    NAME(scatter)(matrix, size, place + star * n_pix,
                                  mean + star * n_pix, sums + x * lanes,
                                  nx, y, dy, lanes, n_sample);
                }
                matrix += size * size;
            }
        }
    }
}
