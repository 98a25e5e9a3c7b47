# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Section 4.3, figure 8 left: stars of one flux crowded on a flat sky.
"""

import time
import warnings

import numpy as np
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from paper_helpers import (FLUX, FWHM, GAIN, SKY, background_of, conventional,
                           decam_corrector, decam_image, decam_psf, finish,
                           parser, plot_z, say_z, z_scores)
from photutils.psf import SourceGrouper
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr
from scipy.spatial import KDTree

from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import (match_positions, outlier_fraction,
                                random_positions)

N_STARS = 25000
SHAPE = (4094, 2046)
BORDER = 33

# Stars closer than this are one detection, and are left out
BLEND = 4.0 / 3.0 * FWHM

# Stars closer than this are fitted together by photutils
LINK = 2.0 * FWHM

# The sky of the third case in units of the true one
TOO_BRIGHT = 1.01

# Half of the box of the joint fit: crowdsource's is 59 x 59 pixels
HALF = 29


def run(shape, n_stars, seed, n_threads):
    """
    Make the image, find its stars, fit and correct them.

    Parameters
    ----------
    shape : 2-tuple of int
        The shape of the image.

    n_stars : int
        The number of stars.

    seed : int
        The seed.

    n_threads : int
        The number of threads.

    Returns
    -------
    tables : dict of `~astropy.table.QTable`
        For each way to fit, the corrected photometry of the stars that
        were found and are no blends.

    n_found : int
        The number of stars found, blends and all.
    """
    rng = np.random.default_rng(seed)
    xy = random_positions(shape, n_stars, border=BORDER, seed=rng,
                          integer=True)
    apart = KDTree(xy).query(xy, k=2)[0][:, 1] >= BLEND
    psf_model = decam_psf()
    data, error = decam_image(np.full(shape, SKY), xy, psf_model, rng)
    with warnings.catch_warnings():
        # Fits that fail are told by flags
        warnings.simplefilter('ignore', AstropyUserWarning)
        found = _positions(PSFPipeline(psf_model=psf_model,
                                       fwhm=FWHM)(data).table)
    grouped, sky = conventional(data, error, psf_model, found,
                                grouper=SourceGrouper(LINK))
    corrector = decam_corrector(psf_model, n_threads)

    # The paper's case: deblended well, on a sky that is too bright
    true = QTable({'x_fit': xy[:, 0], 'y_fit': xy[:, 1]})
    high = np.full(shape, TOO_BRIGHT * SKY)
    solutions = {
        'in groups': (grouped, sky),
        'jointly': fit_jointly(data, error, psf_model, grouped, sky,
                               n_skies=2),
        'jointly, where they are, sky 1 % high': fit_jointly(
            data, error, psf_model, true, high, n_skies=0)}
    tables = {}
    for name, (table, sky) in solutions.items():
        table = corrector(data - sky, table, background=sky)
        index = match_positions(xy, _positions(table), 0.5 * FWHM)
        tables[name] = table[index[(index >= 0) & apart]]
    return tables, len(grouped)


def _positions(table):
    return np.transpose((table['x_fit'], table['y_fit']))


def fit_jointly(data, error, psf_model, table, sky, *, n_skies):
    """
    Fit all fluxes at once at given positions.

    That is what ``crowdsource`` does (with positions): a sparse linear
    least-squares problem, solved again on new backgrounds, made of the
    image less the stars. The errors are those of stars by themselves.

    Parameters
    ----------
    data, error : (ny, nx) `~numpy.ndarray`
        The image and its error.

    psf_model : `~astropy.modeling.Model`
        The PSF.

    table : `~astropy.table.Table`
        The stars, with ``x_fit`` and ``y_fit``.

    sky : (ny, nx) `~numpy.ndarray`
        The background to begin with.

    n_skies : int
        The number of new backgrounds.

    Returns
    -------
    table : `~astropy.table.QTable`
        A copy with new fluxes and errors.

    sky : (ny, nx) `~numpy.ndarray`
        The background.
    """
    table = table.copy()
    ny, nx = data.shape
    offset_y, offset_x = np.mgrid[-HALF:HALF + 1, -HALF:HALF + 1]
    values, rows, columns = [], [], []
    for i, (x_0, y_0) in enumerate(_positions(table)):
        y, x = round(y_0) + offset_y, round(x_0) + offset_x
        inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
        y, x = y[inside], x[inside]
        values.append((psf_model.evaluate(
            x, y, 1.0, x_0, y_0, psf_model.alpha.value,
            psf_model.beta.value) / error[y, x]).astype(np.float32))
        rows.append((y * nx + x).astype(np.int32))
        columns.append(np.full(x.size, i, dtype=np.int32))
    matrix = csr_array(
        (np.concatenate(values),
         (np.concatenate(rows), np.concatenate(columns))),
        shape=(data.size, len(table)))
    scale = np.sqrt(matrix.power(2).sum(axis=0))
    matrix = matrix / scale
    def solve(sky):
        return lsqr(matrix, ((data - sky) / error).ravel(), atol=1e-6,
                    btol=1e-6)[0]

    flux = solve(sky)
    for _ in range(n_skies):
        stars = (matrix @ flux).reshape(data.shape) * error
        sky = background_of(data - stars)
        flux = solve(sky)
    table['flux_fit'] = flux / scale
    table['flux_err'] = 1.0 / scale
    return table, sky


def compare(tables):
    """
    Return the rows of the table: paper and ours.

    Parameters
    ----------
    tables : dict of `~astropy.table.Table`
        What `run` returns.

    Returns
    -------
    rows : list of 3-tuple of str
        The rows.
    """
    rows = []
    for name, table in tables.items():
        before, after = z_scores(table, FLUX)
        rows += [
            (f'stars fitted {name}: z, conventional',
             'shifted left' if 'high' in name else '', say_z(before)),
            ('z, LPI', 'centred at about 0', say_z(after)),
            ('beyond 5 sigma: conventional; LPI', '',
             '; '.join(f'{outlier_fraction(z, 5.0):.1%}'
                       for z in (before, after))),
            ('dcflux / flux_err', '',
             f'{np.median(table["dcflux"] / table["flux_err"]):.2f}'),
            ('dcflux / dcflux_diag',
             'little above 1' if 'high' in name else '',
             f'{np.median(table["dcflux"] / table["dcflux_diag"]):.2f}')]
    return rows


def main():
    """
    Run the section from the command line.
    """
    args = parser(__doc__).parse_args()
    start = time.perf_counter()
    part = 1 if args.paper_scale else 4
    shape = (SHAPE[0] // part, SHAPE[1] // part)
    n_stars = N_STARS // part ** 2
    tables, n_found = run(shape, n_stars, args.seed, args.threads)
    figure = plot_z({f'Fitted {name}': z_scores(table, FLUX)
                     for name, table in tables.items()})
    finish(figure, 'crowded_flat', args.output, compare(tables),
           f'{n_stars} stars of {FLUX:.0f} ADU on {shape}, sky {SKY:.0f} '
           f'ADU, gain {GAIN:.0f}, {n_found} found, '
           f'{len(tables["jointly"])} matched and no blends, seed '
           f'{args.seed}', start)


if __name__ == '__main__':
    main()
