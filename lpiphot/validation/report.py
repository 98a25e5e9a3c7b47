# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The numbers of an injection test.
"""

from dataclasses import dataclass

import numpy as np
from astropy.table import QTable

from lpiphot.flags import HARMLESS
from lpiphot.validation.bins import (bin_statistics, quantile_edges,
                                     star_statistics)
from lpiphot.validation.columns import plain_flags
from lpiphot.validation.completeness import completeness_limits
from lpiphot.validation.pit import LEVELS, coverage

__all__ = ['RecoveryReport', 'make_report']

_AXES = ('mag_true', 'roughness', 'density')

# The ways in which stars are chosen for the statistics
WAYS = {'apart': 'stars apart from others',
        'clean': 'apart, and without a flag',
        'all': 'all stars, blends included'}

# Rows of the text: key, label, format, value if all is well
ROWS = (('bias', 'bias of flux (median)', '+.2%', '0'),
         ('scatter', 'error of flux (median)', '.2%', ''),
         ('median', 'median of z', '+.3f', '0'),
         ('width', 'width of z (rescaling)', '.3f', '1'),
         ('beyond3', 'beyond 3 sigma', '.2%', '0.27%'),
         ('beyond5', 'beyond 5 sigma', '.2%', '0'),
         ('pit', 'PIT, largest deviation', '.3f', ''),
         ('rho_around', 'rho of z, residual around', '+.3f', '0'),
         ('rho_at', 'rho of z, residual at star', '+.3f', ''))

# Columns of tables of bins: key, label, format
COLUMNS = (('bias', 'bias', '+.1%'), ('median', 'median z', '+.2f'),
           ('width', 'width of z', '.2f'), ('beyond3', '> 3σ', '.1%'),
           ('beyond5', '> 5σ', '.1%'), ('pit', 'PIT', '.2f'))


@dataclass(frozen=True, eq=False)
class RecoveryReport:
    """
    The numbers of an injection test; printed as text.

    Attributes
    ----------
    ways : dict
        The values of `star_statistics` for the stars ``'apart'`` from
        others (4/3 FWHM), those that are ``'clean'``, apart and
        without a flag of pipeline or corrector (harmless bits of
        ``dnt`` do not count), and ``'all'``.

    limits : dict
        For ``'apart'`` and ``'all'``, the magnitudes where completeness
        falls to 0.9, 0.7 and 0.5; NaN outside of the range of the
        stars. There is no completeness of clean stars: those that were
        not recovered have no flags to tell which of them they are.

    purity : float
        The fraction of the new sources of the catalogues that are
        injected stars.

    coverage : `~astropy.table.QTable`
        The nominal ``level`` of intervals, and how often the truth was
        in them, for stars apart.

    bins : `~astropy.table.QTable`
        The statistics of the stars apart in bins of magnitude, local
        roughness and density.

    by : dict
        The same in bins of each of these alone.

    labels : dict
        What is measured: flux columns by name.

    facts : dict
        Facts of the run, for the header.
    """

    ways: dict
    limits: dict
    purity: float
    coverage: QTable
    bins: QTable
    by: dict
    labels: dict
    facts: dict

    def __str__(self):
        """
        Return the report as text.
        """
        return '\n'.join(self.lines())

    def lines(self, *, short=False):
        """
        Return the report as lines of text.

        Parameters
        ----------
        short : bool, optional
            Whether to leave out the coverage and the tables of bins.

        Returns
        -------
        lines : list of str
            The lines.
        """
        names = list(self.labels)
        lines = [f'{key:26} {value}' for key, value in self.facts.items()]
        apart = self.ways['apart']
        for way, label in WAYS.items():
            values = self.ways[way]
            same = 'n' if way in self.limits else 'n_recovered'
            if way != 'apart' and values[same] == apart[same]:
                continue  # no star more, no star less
            n = values['n_recovered']
            text = f'{n} recovered'
            if way in self.limits:
                limits = ', '.join(f'{level:.0%} at {_mag(limit)}'
                                   for level, limit in
                                   self.limits[way].items())
                part = as_text(values['completeness'], '.1%')
                text = f'{n} of {values["n"]} recovered ({part}; {limits})'
            lines += ['', f'{label}: {text}']
            lines.append(f'{"":26} ' + ' '.join(
                f'{self.labels[name]:>10}' for name in names) + '   ideal')
            for key, row, form, ideal in ROWS:
                if f'{key}_{names[0]}' in values:
                    numbers = ' '.join(
                        f'{as_text(values[f"{key}_{name}"], form):>10}'
                        for name in names)
                    lines.append(f'{row:26} {numbers} {ideal:>7}')
            if 'ratio' in values:
                lines.append(f'{"equation 11 (robust)":26} '
                             f'{as_text(values["ratio"], ".3f"):>10} '
                             f'({as_text(values["ratio_robust"], ".3f")})')
        if short:
            return lines
        lines += ['', 'coverage of intervals, stars apart:']
        lines += self.coverage.pformat(show_unit=False)
        for axis, table in self.by.items():
            lines += ['', f'in bins of {axis}, stars apart:']
            lines += _short(table, axis, names)
        return lines


def make_report(table, measured, *, n_bins=(4, 3, 2), purity=np.nan,
                facts=None):
    """
    Make a report of injected stars, by any photometry.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The stars, as `pair_stars` makes them, with ``mag_true``; and
        ``blended``, ``roughness`` and ``density`` as far as they are
        known.

    measured : dict
        For each name the columns of flux and error.

    n_bins : 3-tuple of int, optional
        The number of bins of magnitude, roughness and density, with
        equally many stars in each.

    purity : float, optional
        The purity, which the table does not tell.

    facts : dict, optional
        Facts to put first.

    Returns
    -------
    report : `RecoveryReport`
        The report.
    """
    selections = {way: table[choose(table, way)] for way in WAYS}
    apart = selections['apart']
    edges = {axis: quantile_edges(apart[axis], n)
             for axis, n in zip(_AXES, n_bins, strict=True)
             if axis in table.colnames}
    recovered = apart[plain_flags(apart['recovered']).astype(bool)]
    covered = QTable({'level': np.array(LEVELS)})
    for name, (flux, _) in measured.items():
        covered[flux] = coverage(recovered[f'z_{name}'])
        covered[flux].info.format = '.3f'
    ways = {way: star_statistics(stars, measured)
            for way, stars in selections.items()}
    ways['clean']['completeness'] = np.nan
    return RecoveryReport(
        ways=ways,
        limits={way: completeness_limits(selections[way]['mag_true'],
                                         selections[way]['recovered'])
                for way in ('apart', 'all')},
        purity=purity, coverage=covered,
        bins=bin_statistics(apart, measured, edges),
        by={axis: bin_statistics(apart, measured, {axis: limits})
            for axis, limits in edges.items()},
        labels={name: names[0] for name, names in measured.items()},
        facts=facts or {})


def choose(table, way):
    """
    Choose stars for the statistics.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The stars.

    way : {'apart', 'clean', 'all'}
        Those apart from other stars; these if they were recovered and
        have no bit set in ``flags``, and none in ``dnt`` that is not
        harmless (``psf_negative`` is), as far as there are such
        columns; or all.

    Returns
    -------
    chosen : (n,) bool `~numpy.ndarray`
        Which ones.

    Raises
    ------
    ValueError
        If ``way`` is none of these.
    """
    if way not in WAYS:
        msg = f'way must be one of {", ".join(WAYS)}; got {way!r}'
        raise ValueError(msg)
    chosen = np.ones(len(table), dtype=bool)
    if way == 'all':
        return chosen
    if 'blended' in table.colnames:
        chosen &= ~plain_flags(table['blended']).astype(bool)
    if way == 'clean':
        chosen &= plain_flags(table['recovered']).astype(bool)
        for name, harmless in (('flags', 0), ('dnt', HARMLESS)):
            if name in table.colnames:
                bits = plain_flags(table[name]).astype(np.int64)
                chosen &= (bits & ~harmless) == 0
    return chosen


def as_text(value, form):
    """
    Return a number as text.

    Parameters
    ----------
    value : float
        The number.

    form : str
        Its format.

    Returns
    -------
    text : str
        The text; a dash for NaN, what no star tells.
    """
    return '-' if np.isnan(value) else format(value, form)


def _mag(value):
    return '-' if np.isnan(value) else f'{value:.2f} mag'


def _short(table, axis, names):
    """
    Return the lines of the main columns of a table of bins.
    """
    short = QTable()
    for name in (f'{axis}_low', f'{axis}_high', 'n', 'completeness'):
        short[name.replace('mag_true', 'mag')] = table[name]
    for key in ('bias', 'median', 'width', 'beyond5'):
        for name in names:
            short[f'{key}_{name}'] = table[f'{key}_{name}']
    for name in short.colnames:
        if short[name].dtype.kind == 'f':
            short[name].info.format = '.3g'
    return short.pformat(max_width=-1, show_unit=False)
