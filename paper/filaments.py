# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Section 4.1, figures 5 and 6: stars on a bright and a dark filament.
"""

import time
from typing import NamedTuple

import numpy as np
from paper_helpers import (AFTER, BEFORE, FLUX, GAIN, SKY, conventional,
                           decam_corrector, decam_image, decam_psf, finish,
                           parser, say_z, z_scores)

from lpiphot.datasets import make_filament_image

# Height and depth of the filaments: so that z reaches 15, as in the paper
AMPLITUDE = 28.0
SEPARATION = 118.0

# Steps of the grid of stars in pixels: a row is a pixel further right than
# the one below, so that after one step all distances have occurred
STEP = 36
BORDER = 20

# How near is on a filament, and how far from both is on flat sky: more than
# half of the window and of the stamp, and the width of the filament
NEAR = 4.0
FAR = 90.0


class Filaments(NamedTuple):
    """
    What the stars on the filaments gave.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        The corrected photometry, with ``across``, the distance of each
        star from the middle between the filaments.

    before, after : (n,) `~numpy.ndarray`
        The z-scores.

    residual : (ny, nx) `~numpy.ndarray`
        The residual image.

    predictions : list of `~lpiphot.results.Prediction`
        The background behind a star on the bright filament, one between
        them and one on the dark filament.
    """

    table: object
    before: np.ndarray
    after: np.ndarray
    residual: np.ndarray
    predictions: list


def run(shape, seed, n_threads, *, flat_weights=False):
    """
    Make the image, fit its stars and correct them.

    Parameters
    ----------
    shape : 2-tuple of int
        The shape of the image.

    seed : int
        The seed.

    n_threads : int
        The number of threads.

    flat_weights : bool, optional
        Whether the fits weight all pixels alike, in place of by their
        photon noise; errors are then those of the sky alone.

    Returns
    -------
    result : `Filaments`
        The results.
    """
    ny, nx = shape
    background = SKY + make_filament_image(shape, amplitude=AMPLITUDE,
                                           separation=SEPARATION)
    rows = np.arange(BORDER, ny - BORDER, STEP)
    columns = np.arange(BORDER, nx - BORDER - STEP, STEP)
    xy = np.array([(x + i % STEP, y) for i, y in enumerate(rows)
                   for x in columns], dtype=float)

    psf_model = decam_psf()
    data, error = decam_image(background, xy, psf_model,
                              np.random.default_rng(seed))
    if flat_weights:
        error = np.full(shape, np.sqrt(SKY / GAIN))
    table, sky = conventional(data, error, psf_model, xy)
    corrector = decam_corrector(psf_model, n_threads)
    result = corrector.run(data - sky, table, background=sky)
    table = result.table
    table['across'] = xy[:, 0] - 0.5 * (nx - 1)

    # The stars nearest to the ridges and to the middle
    examples = [int(np.argmin(np.abs(table['across'] - across)))
                for across in (-SEPARATION / 2, 0.0, SEPARATION / 2)]
    predictions = corrector.predict(data - sky, table,
                                    table['id'][examples].tolist(),
                                    background=sky)
    return Filaments(table, *z_scores(table, FLUX), result.residual,
                     predictions)


def places(across):
    """
    Return which stars lie on what.

    Parameters
    ----------
    across : (n,) `~numpy.ndarray`
        The distances from the middle between the filaments.

    Returns
    -------
    places : dict of (n,) bool `~numpy.ndarray`
        The stars on the bright filament, between both, on the dark one,
        and on flat sky far from both.
    """
    half = SEPARATION / 2
    return {'bright filament': np.abs(across + half) < NEAR,
            'between': np.abs(across) < half - 16,
            'dark filament': np.abs(across - half) < NEAR,
            'flat sky': np.abs(across) > half + FAR}


def compare(result):
    """
    Return the rows of the table: paper and ours.

    Parameters
    ----------
    result : `Filaments`
        The results.

    Returns
    -------
    rows : list of 3-tuple of str
        The rows.
    """
    table, before, after = result.table, result.before, result.after
    where = places(table['across'])
    rows = [('greatest and least z, conventional', '±15',
             f'{np.max(before):+.1f}, {np.min(before):+.1f}'),
            ('greatest and least z, LPI', 'within ±3 (figure 6)',
             f'{np.max(after):+.1f}, {np.min(after):+.1f}'),
            ('z, LPI, all stars', 'standard normal', say_z(after))]
    rows += [(f'z on {place}: conventional; LPI', '',
              f'{say_z(before[on])}; {say_z(after[on])}')
             for place, on in where.items()]
    for place, sign in (('bright filament', 1), ('dark filament', -1)):
        on = where[place] & (sign * before > np.median(sign * before))
        share = np.median(table['fdb_res'][on]
                          / (table['fdb_res'] - table['fdb_pred'])[on])
        rows.append((f'share of fdb_res in the correction, {place}',
                     'about 0.5', f'{share:.2f}'))
    level = np.median(table['dcflux_diag'][where['flat sky']])
    ratio = table['dcflux'] / table['dcflux_diag']
    rows += [(f'dcflux_diag on {place}, in units of that on flat sky', peak,
              f'{np.median(table["dcflux_diag"][where[place]]) / level:.3f}')
             for place, peak in (('bright filament', 'small peak'),
                                 ('dark filament', 'small dip'))]
    rows += [(f'dcflux / dcflux_diag on {place}', expected,
              f'{np.median(ratio[where[place]]):.2f}')
             for place, expected in (('bright filament', 'peak'),
                                     ('dark filament', 'peak'),
                                     ('between', '> 1'),
                                     ('flat sky', '1'))]
    return rows


def plot(result):
    """
    Plot the paper's figures 6 (left) and 5 (right).

    Parameters
    ----------
    result : `Filaments`
        The results.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The figure.
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(12, 8), layout='constrained')
    left, right = figure.subfigures(1, 2, width_ratios=[1.2, 1])
    axes = left.subplots(4, 1, sharex=True)
    table, residual = result.table, result.residual
    across = table['across']
    half = 0.5 * (residual.shape[1] - 1)
    axes[0].imshow(residual[:160], origin='lower', aspect='auto',
                   extent=(-half, half, 0, 160), cmap='RdBu_r',
                   vmin=-AMPLITUDE, vmax=AMPLITUDE)
    axes[0].set(ylabel='y [pixel]', title='Residual image')
    style = {'ls': '', 'ms': 3.5, 'alpha': 0.7, 'mew': 0}
    for axis, columns, names, label in (
            (axes[1], (result.before, result.after),
             ('conventional', 'with LPI'), 'z = (measured − true) / error'),
            (axes[2], (-table['fdb_res'], table['fdb_pred']),
             ('−fdb_res', 'fdb_pred'), 'correction [ADU]'),
            (axes[3], (table['dcflux_diag'], table['dcflux']),
             ('diagonal (dcflux_diag)', 'full (dcflux)'),
             'flux error [ADU]')):
        for values, name, colour, marker in zip(
                columns, names, (BEFORE, AFTER), 'o^', strict=True):
            axis.plot(across, values, marker, color=colour, label=name,
                      **style)
        axis.set_ylabel(label)
        axis.legend(fontsize='small', loc='upper right')
    axes[1].axhspan(-3, 3, color='0.9', zorder=0)
    axes[3].set(xlabel='distance from the middle [pixel]')

    grid = right.subplots(4, 3)
    titles = ('Bright filament', 'Between', 'Dark filament')
    for column, prediction, title in zip(
            grid.T, result.predictions, titles, strict=True):
        planes = ((prediction.stamp, {}),
                  (prediction.classes, {'vmin': 0, 'vmax': 2,
                                        'cmap': 'cividis'}),
                  (prediction.mean_stamp, {}),
                  (prediction.draw(rng=0)[0], {}))
        for axis, (plane, style) in zip(column, planes, strict=True):
            axis.imshow(plane, origin='lower', **{
                'vmin': -AMPLITUDE, 'vmax': AMPLITUDE, 'cmap': 'RdBu_r',
                **style})
            axis.set(xticks=[], yticks=[])
        column[0].set_title(title)
    for axis, name in zip(grid[:, 0], ('residual', 'ignored, good, hidden',
                                       'mean', 'draw'), strict=True):
        axis.set_ylabel(name)
    return figure


def main():
    """
    Run the section from the command line.
    """
    options = parser(__doc__)
    options.add_argument('--flat-weights', action='store_true',
                         help='fit with equal weights of all pixels')
    args = options.parse_args()
    start = time.perf_counter()
    shape = (4094, 2046) if args.paper_scale else (2632, 513)
    result = run(shape, args.seed, args.threads,
                 flat_weights=args.flat_weights)
    conditions = (f'{len(result.table)} stars of {FLUX:.0f} ADU on {shape}, '
                  f'sky {SKY:.0f} ADU, gain {GAIN:.0f}, filaments '
                  f'±{AMPLITUDE:.0f} ADU, '
                  f'{"equal" if args.flat_weights else "photon"} weights, '
                  f'seed {args.seed}')
    finish(plot(result), 'filaments', args.output, compare(result),
           conditions, start)


if __name__ == '__main__':
    main()
