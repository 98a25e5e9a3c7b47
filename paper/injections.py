# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Sections 5.2 and 5.3, figures 8 right, 10 and 11, and equation 11: stars
injected into uncrowded, crowded and nebulous fields.
"""

import time

import numpy as np
from fields import KINDS, load_field
from paper_helpers import parser, print_table, save
from photometry import Photometry

from lpiphot import LPIBackgroundCorrector
from lpiphot.validation import InjectionRecovery

# The paper's values of equation 11
RATIOS = {'uncrowded': 0.23, 'crowded': 0.76, 'nebulous': 0.95}

# The figures of the paper, and what the tool calls them
FIGURES = {'uncrowded': ('changes',), 'crowded': ('pdf', 'changes'),
           'nebulous': ('maps', 'changes')}


def run(field, n_rounds, seed, n_processes):
    """
    Inject stars, measure them and correct their fluxes, in two ways.

    The photometry is done on a smooth background, like the paper's, and
    on the same with an annulus around each star, as the package does it.

    Parameters
    ----------
    field : `fields.Field`
        The field.

    n_rounds : int
        The number of rounds.

    seed : int
        The seed of the stars.

    n_processes : int
        The number of processes.

    Returns
    -------
    results : list of `~lpiphot.validation.RecoveryResult`
        The results of both, for the same stars.
    """
    smooth = inject(field, Photometry(field.pipeline, 64), n_rounds, seed,
                    n_processes)
    annuli = inject(field, field.pipeline, n_rounds, seed, n_processes,
                    stars=smooth.table)
    return [smooth, annuli]


def inject(field, photometry, n_rounds, seed, n_processes, stars=None):
    """
    Inject stars, measure them and correct their fluxes.

    Parameters
    ----------
    field : `fields.Field`
        The field.

    photometry : callable
        The photometry.

    n_rounds : int
        The number of rounds.

    seed : int
        The seed of the stars.

    n_processes : int
        The number of processes.

    stars : `~astropy.table.Table`, optional
        The stars of an earlier result, to inject them again.

    Returns
    -------
    result : `~lpiphot.validation.RecoveryResult`
        The result.
    """
    tool = InjectionRecovery(
        photometry, field.pipeline.psf_model,
        corrector=LPIBackgroundCorrector(field.pipeline.psf_model,
                                         gain=field.gain),
        gain=field.gain, n_stars=field.n_stars, n_rounds=n_rounds,
        avoid_blends=True, n_processes=n_processes, rng=seed)
    return tool(field.data, stars=stars)


def compare(kind, results):
    """
    Return the rows of the table: paper and ours.

    Parameters
    ----------
    kind : str
        The kind of field.

    results : list of `~lpiphot.validation.RecoveryResult`
        The results.

    Returns
    -------
    rows : list of sequence of str
        The rows.
    """
    texts = {
        f'{kind}: equation 11 (robust)': f'{RATIOS[kind]:.2f}',
        'slope of change against error of flux': {
            'uncrowded': '0', 'crowded': 'slightly positive',
            'nebulous': '1'}[kind],
        '99 % of the changes are below': {
            'uncrowded': '20 % (all)', 'crowded': '50 % (all)'}.get(kind, ''),
        'median of z, before; after': {'crowded': '0; 0'}.get(kind, ''),
        'width of z, before; after': {
            'crowded': '> 1; closer to 1'}.get(kind, ''),
        'beyond 3 sigma, before; after': {
            'nebulous': 'many; removed'}.get(kind, ''),
        'correlation of z with the residual around, before; after': {
            'nebulous': 'clear; little'}.get(kind, '')}
    ours = [_numbers(result) for result in results]
    return [(*row, *cells) for row, *cells in
            zip(texts.items(), *ours, strict=True)]


def _numbers(result):
    """
    Return our numbers, in the order of the rows.
    """
    stars = result.stars('clean')
    values = result.report(n_bins=(1, 1, 1)).ways['clean']
    true, before, after = (
        np.asarray(getattr(stars[name], 'value', stars[name]))
        for name in ('flux_true', 'flux_fit', 'cflux'))
    error, change = (before - true) / true, (before - after) / true
    slope = np.polyfit(*_inliers(error, change), 1)[0]
    return [f'{values["ratio"]:.2f} ({values["ratio_robust"]:.2f})',
            f'{slope:.2f}',
            f'{100 * np.nanpercentile(np.abs(change), 99):.0f} %',
            *('; '.join(format(values[f'{key}_{when}'], form)
                        for when in ('before', 'after'))
              for key, form in (('median', '+.2f'), ('width', '.2f'),
                                ('beyond3', '.1%'), ('rho_around', '+.2f')))]


def _inliers(error, change):
    """
    Return the pairs without the outer hundredth of the errors.
    """
    finite = np.isfinite(error) & np.isfinite(change)
    error, change = error[finite], change[finite]
    inner = np.abs(error) <= np.percentile(np.abs(error), 99.0)
    return error[inner], change[inner]


def main():
    """
    Run the section from the command line.
    """
    options = parser(__doc__)
    options.add_argument('--data', help='folder of the larger images: real '
                         'fields in place of made ones')
    options.add_argument('--which', nargs='+', choices=KINDS, default=KINDS,
                         help='the fields (default: all)')
    options.add_argument('--rounds', type=int, default=10,
                         help='rounds of injections (%(default)s)')
    args = options.parse_args()
    n_rounds = 2000 if args.paper_scale else args.rounds
    for kind in args.which:
        start = time.perf_counter()
        field = load_field(kind, args.data, whole=args.paper_scale,
                           seed=args.seed)
        results = run(field, n_rounds, args.seed, args.threads)
        n_clean = [len(result.stars('clean')) for result in results]
        print_table(('', 'paper', 'smooth background', 'with annuli'),
                    compare(kind, results))
        print(f'{field.name}: {len(field.catalogue)} sources, '
              f'{n_rounds} x {field.n_stars} stars injected, {n_clean[0]} '
              f'and {n_clean[1]} recovered without flags, seed {args.seed}; '
              f'{time.perf_counter() - start:.0f} s')
        for panel in FIGURES[kind]:
            save(results[0].plot(panel, way='clean'), f'{kind}-{panel}',
                 args.output)


if __name__ == '__main__':
    main()
