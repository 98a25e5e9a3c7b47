# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
LPI beside what else is done about a structured background: all on the
same stars, injected into uncrowded, crowded and nebulous fields.
"""

import time

import numpy as np
from astropy.table import QTable
from fields import KINDS, load_field
from paper_helpers import AFTER, BEFORE, parser, print_table, save
from photometry import Photometry

from lpiphot import LPIBackgroundCorrector
from lpiphot.validation import InjectionRecovery, robust_width

BOX_SIZES = (64, 32, 16, 8)
RINGS = ((2.0, 4.0), (4.0, 8.0))

# What LPI corrects
CORRECTED = ('Background2D, 64', 'annulus 2-4 FWHM')

# Columns of the table, and which value is best
COLUMNS = {'bias': 0.0, 'error': 0.0, 'smooth': 0.0, 'rough': 0.0,
           'median z': 0.0, 'width': 1.0, '> 5 sigma': 0.0,
           'width smooth': 1.0, 'width rough': 1.0}


class EveryWay:
    """
    All photometry of the comparison, in one table of the detections.

    Parameters
    ----------
    pipeline : `~lpiphot.pipeline.PSFPipeline`
        What finds the stars, with a fixed PSF.

    gain : float or `None`
        Electrons per data unit, if known.
    """

    def __init__(self, pipeline, gain):
        self.pipeline = pipeline
        self.corrector = LPIBackgroundCorrector(pipeline.psf_model,
                                                gain=gain)
        self.ways = {f'Background2D, {size}': Photometry(pipeline, size)
                     for size in BOX_SIZES}
        self.ways |= {
            f'annulus {inner:.0f}-{outer:.0f} FWHM': Photometry(
                pipeline, BOX_SIZES[0], (inner, outer))
            for inner, outer in RINGS}

    def __call__(self, data):
        """
        Measure an image in all ways.

        Parameters
        ----------
        data : (ny, nx) array_like
            The image.

        Returns
        -------
        table : `~astropy.table.QTable`
            The detections, and for each way ``flux <way>`` and ``err
            <way>``.
        """
        found = self.pipeline(data)
        table = QTable({'x_fit': found.table['x_init'],
                        'y_fit': found.table['y_init'],
                        'flux_fit': found.table['flux_fit'],
                        'flux_err': found.table['flux_err']})
        for name, photometry in self.ways.items():
            fit = photometry.fit(found)
            table[f'flux {name}'] = fit.table['flux_fit']
            table[f'err {name}'] = fit.table['flux_err']
            if name in CORRECTED:
                fixed = self.corrector(fit.data_subtracted, fit.table,
                                       mask=fit.mask,
                                       background=fit.background)
                table[f'flux LPI after {name}'] = fixed['cflux']
                table[f'err LPI after {name}'] = fixed['dcflux']
        return table


def run(field, n_rounds, seed, n_processes):
    """
    Measure the same injected stars in all ways.

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
    scores : dict of 3-tuple of `~numpy.ndarray`
        For each way flux / true - 1, z, and the number of the round, of
        the stars that were detected and fitted in all ways.

    roughness : (n,) `~numpy.ndarray`
        The local roughness of the background at these stars.
    """
    tool = InjectionRecovery(
        EveryWay(field.pipeline, field.gain), field.pipeline.psf_model,
        corrector=None, n_rounds=n_rounds, n_stars=field.n_stars,
        gain=field.gain, avoid_blends=True, n_processes=n_processes,
        rng=seed)
    stars = tool(field.data).stars('apart')
    true = stars['flux_true']
    measured = {name.removeprefix('flux '): (
        np.asarray(stars[name] / true - 1, dtype=float),
        np.asarray((stars[name] - true) / stars[name.replace(
            'flux ', 'err ', 1)], dtype=float))
        for name in stars.colnames if name.startswith('flux ')}
    number, roughness = (np.asarray(stars[name])
                         for name in ('round', 'roughness'))
    seen = np.isfinite(roughness) & np.all(
        [np.isfinite(score).all(axis=0) for score in measured.values()],
        axis=0)
    scores = {}
    for name, (error, z) in measured.items():
        scores[name] = (error[seen], z[seen], number[seen])
        if not name.startswith('LPI'):
            scores[f'{name}, rescaled'] = (
                error[seen], rescale(z[seen], number[seen]), number[seen])
    return scores, roughness[seen]


def rescale(z, number):
    """
    Divide z by one factor: the width of the stars of the other rounds.

    Parameters
    ----------
    z : (n,) `~numpy.ndarray`
        The z-scores.

    number : (n,) int `~numpy.ndarray`
        The round of each.

    Returns
    -------
    z : (n,) `~numpy.ndarray`
        The new z-scores.
    """
    result = np.empty_like(z)
    for odd in (0, 1):
        here = number % 2 == odd
        result[here] = z[here] / robust_width(z[~here])
    return result


def summarize(scores, roughness):
    """
    Return the numbers of each way.

    Parameters
    ----------
    scores : dict
        The scores, as `run` returns them.

    roughness : (n,) `~numpy.ndarray`
        The local roughness.

    Returns
    -------
    table : dict of dict
        For each way the value of each of ``COLUMNS``. ``smooth`` and
        ``rough`` are the errors of flux in the lowest and highest third
        of the local roughness.
    """
    low, high = np.quantile(roughness, [1 / 3, 2 / 3])
    smooth, rough = roughness <= low, roughness >= high
    table = {}
    for name, (error, z, _) in scores.items():
        size = np.abs(error)
        table[name] = {
            'bias': np.median(error), 'error': np.median(size),
            'smooth': np.median(size[smooth]),
            'rough': np.median(size[rough]), 'median z': np.median(z),
            'width': robust_width(z), '> 5 sigma': np.mean(np.abs(z) > 5),
            'width smooth': robust_width(z[smooth]),
            'width rough': robust_width(z[rough])}
    return table


def write_rows(table):
    """
    Write the numbers as cells; an asterisk marks the best of a column.

    Parameters
    ----------
    table : dict of dict
        The numbers, as `summarize` returns them.

    Returns
    -------
    rows : list of list of str
        The rows.
    """
    forms = {'bias': '+.1%', 'median z': '+.2f', '> 5 sigma': '.1%'}
    rows = []
    for name, values in table.items():
        cells = []
        for column, ideal in COLUMNS.items():
            form = forms.get(column, '.2f' if 'width' in column else '.1%')
            # A factor too large is as bad as one too small
            miss = {way: abs(np.log(other[column]) if ideal else
                             other[column])
                    for way, other in table.items()}
            # Rescaled errors do not change fluxes: no second asterisk
            again = name.endswith('rescaled') and column in {
                'bias', 'error', 'smooth', 'rough'}
            best = miss[name] <= min(miss.values()) and not again
            cells.append(format(values[column], form)
                         + (' *' if best else ''))
        rows.append([name, *cells])
    return rows


def plot(scores, roughness, title):
    """
    Plot errors of flux and widths of z against the local roughness.

    Parameters
    ----------
    scores : dict
        The scores, as `run` returns them.

    roughness : (n,) `~numpy.ndarray`
        The local roughness.

    title : str
        The title.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The figure.
    """
    import matplotlib.pyplot as plt

    shown = {
        'Background2D, 64': (BEFORE, '-', 'o'),
        'Background2D, 64, rescaled': (BEFORE, '--', None),
        'annulus 2-4 FWHM': ('#CC79A7', '-', 's'),
        'annulus 2-4 FWHM, rescaled': ('#CC79A7', '--', None),
        'Background2D, 16': ('#E69F00', '-', 'v'),
        'LPI after annulus 2-4 FWHM': (AFTER, '-', '^')}
    edges = np.quantile(roughness, np.linspace(0, 1, 6))
    place = np.clip(np.searchsorted(edges, roughness, side='right') - 1, 0, 4)
    middle = [np.median(roughness[place == i]) for i in range(5)]
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2),
                                layout='constrained')
    for name, (colour, line, marker) in shown.items():
        error, z, _ = scores[name]
        style = {'color': colour, 'ls': line, 'marker': marker}
        if 'rescaled' not in name:
            axes[0].plot(middle, [100 * np.median(np.abs(error[place == i]))
                                  for i in range(5)], label=name, **style)
        axes[1].plot(middle, [robust_width(z[place == i]) for i in range(5)],
                     label=name, **style)
    axes[0].set(ylabel='median error of flux [%]', yscale='log')
    axes[1].axhline(1.0, color='0.6', zorder=0)
    axes[1].set(ylabel='width of z (1 if errors are honest)', yscale='log')
    for axis in axes:
        axis.set_xlabel('local roughness (1: white noise)')
        axis.legend(fontsize='x-small')
    figure.suptitle(title)
    return figure


def main():
    """
    Run the comparison from the command line.
    """
    options = parser(__doc__)
    options.add_argument('--data', help='folder of the larger images: real '
                         'fields in place of made ones')
    options.add_argument('--which', nargs='+', choices=KINDS, default=KINDS,
                         help='the fields (default: all)')
    options.add_argument('--rounds', type=int, default=10,
                         help='rounds of injections, 2 or more (%(default)s)')
    args = options.parse_args()
    n_rounds = 100 if args.paper_scale else args.rounds
    for kind in args.which:
        start = time.perf_counter()
        field = load_field(kind, args.data, whole=args.paper_scale,
                           seed=args.seed)
        scores, roughness = run(field, n_rounds, args.seed, args.threads)
        print_table(('', *COLUMNS), write_rows(summarize(scores, roughness)))
        print(f'{kind}: {field.name}, {len(field.catalogue)} sources, '
              f'{n_rounds} x {field.n_stars} stars injected, '
              f'{len(roughness)} recovered, thirds of the '
              f'roughness below {np.quantile(roughness, 1 / 3):.2f} and '
              f'above {np.quantile(roughness, 2 / 3):.2f}, seed '
              f'{args.seed}; {time.perf_counter() - start:.0f} s')
        save(plot(scores, roughness, field.name), f'backgrounds-{kind}',
             args.output)


if __name__ == '__main__':
    main()
