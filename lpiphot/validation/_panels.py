# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What an injection test measured, drawn into axes. Imported only when a
plot is asked for.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter
from scipy.ndimage import gaussian_filter

from lpiphot.validation.bins import star_statistics
from lpiphot.validation.columns import plain_values
from lpiphot.validation.completeness import (completeness_curve,
                                             completeness_limits)
from lpiphot.validation.pit import pit_values
from lpiphot.validation.report import as_text, choose
from lpiphot.validation.statistics import outlier_fraction, robust_width

__all__ = ['COLOURS', 'GREY', 'Z_LIMIT', 'View', 'colour_bar',
           'plot_changes', 'plot_completeness', 'plot_map', 'plot_pdf',
           'plot_pit', 'plot_rescaling', 'plot_residual', 'residual_image',
           'write_numbers']

# Orange (darker) and blue of the Okabe-Ito palette, which all readers can
# tell apart
COLOURS = {'before': '#D55E00', 'after': '#0072B2'}
GREY = '0.45'

# Stars with z beyond it are called outliers
Z_LIMIT = 5.0

_Z_PDF = 8.0


class View:
    """
    The stars of a result that are shown, and how.
    """

    def __init__(self, result, way='apart', axis='x', cell=None,
                 titles=None):
        self.result = result
        self.way = way
        self.axis = axis
        self.stars = result.stars(way)
        self.measured = result.measured
        self.names = list(self.measured)
        self.both = len(self.names) == 2
        if cell is None:
            # some sixty stars each, so that widths are good to a tenth
            area = np.prod(result.shape) * 60.0 / max(len(self.stars), 1)
            cell = max(np.sqrt(area), 16.0)
        self.cell = min(cell, *result.shape)
        self.titles = {'before': 'photutils', 'after': 'with LPI'} | (
            titles or {})
        blank = result.table.meta['recovery_kind'] == 'blank positions'
        self.what = ('blank positions predicted' if blank
                     else 'injected stars recovered')
        self.flux_unit = result.table['flux_true'].unit
        self.unit = str(self.flux_unit or 'data units')
        self.marker = float(np.clip(1e4 / max(len(self.stars), 1), 2.5, 30))

    def z(self, name):
        """
        Return the z-scores of a measurement.

        Parameters
        ----------
        name : str
            The measurement.

        Returns
        -------
        z : (n,) `~numpy.ndarray`
            The z-scores.
        """
        return np.asarray(self.stars[f'z_{name}'], dtype=float)

    def flux(self, name, *, error=False):
        """
        Return the fluxes, or errors, of a measurement.

        Parameters
        ----------
        name : str
            The measurement, or the name of a column.

        error : bool, optional
            Whether to return the errors.

        Returns
        -------
        flux : (n,) `~numpy.ndarray`
            The fluxes, in the unit of the true ones.
        """
        column = self.measured.get(name, (name, name))[int(error)]
        return plain_values(self.stars[column], self.flux_unit)


def _frame(plot, view, title):
    """
    Make axes those of the image.
    """
    ny, nx = view.result.shape
    plot.set(xlim=(-0.5, nx - 0.5), ylim=(-0.5, ny - 0.5), aspect='equal',
             xlabel='x [pixel]', ylabel='y [pixel]')
    plot.set_title(title)
    for side in ('top', 'right'):
        plot.spines[side].set_visible(True)


def colour_bar(plot, artist, label, **kwargs):
    """
    Draw a colour bar as high as its image.
    """
    bar = plot.figure.colorbar(artist, cax=plot.inset_axes([1.02, 0, 0.04,
                                                            1]), **kwargs)
    bar.set_label(label)
    return bar


def residual_image(view):
    """
    Return the residual without excluded pixels, and its limits.
    """
    residual = np.array(view.result.residual, dtype=float)
    if view.result.mask is not None:
        residual[view.result.mask] = np.nan
    finite = residual[np.isfinite(residual)]
    centre = np.median(finite)
    reach = np.percentile(np.abs(finite - centre), 98.0) or 1.0
    # no value is no middle of the scale
    return residual, {'vmin': centre - reach, 'vmax': centre + reach,
                      'cmap': colormaps['PuOr_r'].with_extremes(bad='0.6')}


def _dots(plot, view):
    """
    Return how stars are drawn, so that those of middle colour are seen.
    """
    if view.marker > 6:
        return {'s': view.marker, 'edgecolors': '0.3', 'lw': 0.4}
    plot.set_facecolor('0.85')  # too small for edges
    return {'s': view.marker, 'lw': 0.0}


def plot_residual(plot, view):
    """
    Show the residual of the image (figure 10, top).
    """
    _frame(plot, view, 'Residual: image − sky − its stars')
    label = f'residual [{view.unit}]'
    if view.result.residual is None and len(view.stars) == 0:
        plot.set_axis_off()
        return
    if view.result.residual is None:
        plot.set_title('Residual around the stars')
        values = np.asarray(view.stars['residual_around'])
        reach = np.nanpercentile(np.abs(values), 98.0) or 1.0
        artist = plot.scatter(view.stars['x_true'], view.stars['y_true'],
                              c=values, vmin=-reach, vmax=reach,
                              cmap='PuOr_r', **_dots(plot, view))
    else:
        residual, limits = residual_image(view)
        artist = plot.imshow(residual, origin='lower', aspect='equal',
                             interpolation='nearest', **limits)
    colour_bar(plot, artist, label, extend='both')


def plot_map(plot, view, name):
    """
    Show z at the places of the stars (figure 10).
    """
    z = view.z(name)
    beyond = outlier_fraction(z, Z_LIMIT)
    _frame(plot, view, f'{view.titles[name]}: {as_text(beyond, ".1%")} '
           f'beyond {Z_LIMIT:.0f}σ')
    order = np.argsort(np.abs(z))
    artist = plot.scatter(view.stars['x_true'][order],
                          view.stars['y_true'][order], c=z[order],
                          vmin=-Z_LIMIT, vmax=Z_LIMIT, cmap='RdBu_r',
                          **_dots(plot, view))
    colour_bar(plot, artist, 'z', extend='both')


def plot_rescaling(plot, view, name):
    """
    Show the factor by which errors are too small (figure 12).
    """
    factor, y, x = view.result.rescaling_map(name, size=view.cell, n_min=15,
                                             way=view.way)
    finite = factor[np.isfinite(factor)]
    typical = np.median(finite) if finite.size else np.nan
    _frame(plot, view, f'{view.titles[name]}: median factor '
           f'{as_text(typical, ".2f")}')
    plot.set_facecolor('0.85')
    artist = plot.pcolormesh(x, y, factor, norm=LogNorm(0.25, 4.0),
                             cmap='RdBu_r')
    if factor.size <= 100:
        for i, j in np.ndindex(factor.shape):
            if np.isfinite(factor[i, j]):
                dark = not 0.45 < factor[i, j] < 2.2
                plot.text(0.5 * (x[j] + x[j + 1]), 0.5 * (y[i] + y[i + 1]),
                          f'{factor[i, j]:.1f}', ha='center', va='center',
                          fontsize='small', color='w' if dark else 'k')
    bar = colour_bar(plot, artist, 'too small by', extend='both')
    bar.set_ticks([0.25, 0.5, 1, 2, 4], labels=['¼', '½', '1', '2', '4'])
    bar.ax.yaxis.set_minor_formatter(NullFormatter())


def _leave_room(plot, factor):
    """
    Leave room for a legend above bars, whichever panel shares the axis.
    """
    plot.set_ylim(0, max(plot.get_ylim()[1], factor * plot.dataLim.y1))


def plot_pdf(plot, view):
    """
    Show the distribution of z and the unit Gaussian (figure 8).
    """
    step = 0.5 if len(view.stars) < 2000 else 0.25
    edges = np.arange(-_Z_PDF, _Z_PDF + 0.5 * step, step)
    styles = {'before': {'alpha': 0.55, 'lw': 0},
              'after': {'histtype': 'step', 'lw': 2.4}}
    for name in view.names:
        z = view.z(name)
        z = z[np.isfinite(z)]
        width, median = robust_width(z), np.median(z) if len(z) else np.nan
        plot.hist(np.clip(z, -_Z_PDF, _Z_PDF), edges, color=COLOURS[name],
                  weights=np.full(len(z), 1.0 / (max(len(z), 1) * step)),
                  label=f'{view.titles[name]}: width {as_text(width, ".2f")}, '
                        f'median {as_text(median, "+.2f")}',
                  **styles[name])
    x = np.linspace(-_Z_PDF, _Z_PDF, 401)
    plot.plot(x, np.exp(-0.5 * x ** 2) / np.sqrt(2.0 * np.pi), 'k--', lw=1.5,
              label='unit Gaussian: width 1')
    plot.set_title('Are the errors honest?')
    plot.set_xlabel('z = (measured − true) / error\n'
                    f'(beyond ±{_Z_PDF:.0f} in the last bins)')
    plot.set_ylabel('fraction of stars per unit of z')
    plot.set_xlim(-_Z_PDF, _Z_PDF)
    _leave_room(plot, 1.47)
    plot.legend(loc='upper center', fontsize='small')


def plot_pit(plot, view):
    """
    Show the distribution of the PIT.
    """
    n_bins = 10 if len(view.stars) < 1000 else 20
    edges = np.linspace(0, 1, n_bins + 1)
    styles = {'before': {'alpha': 0.55, 'lw': 0},
              'after': {'histtype': 'step', 'lw': 2.4}}
    for name in view.names:
        pit = pit_values(view.z(name))
        plot.hist(pit, edges, color=COLOURS[name], label=view.titles[name],
                  weights=np.full(len(pit), n_bins / max(len(pit), 1)),
                  **styles[name])
    scatter = np.sqrt(n_bins / max(len(view.stars), 1))
    plot.axhspan(1 - 2 * scatter, 1 + 2 * scatter, color='0.85', zorder=0,
                 lw=0, label='flat, within 2σ')
    plot.axhline(1.0, color='k', ls='--', lw=1.5)
    plot.set_title('Probability integral transform')
    plot.set_xlabel('Φ(z): too small errors pile up at 0 and 1')
    plot.set_ylabel('stars per bin / expected')
    plot.set_xlim(0, 1)
    _leave_room(plot, 1.42)
    plot.legend(loc='upper center', fontsize='small', ncols=2)


def plot_changes(plot, view):
    """
    Show corrections against errors of flux (figure 11).
    """
    if not view.both:
        plot.set_axis_off()
        return
    true = view.flux('flux_true')
    wrong = 100.0 * (view.flux('before') - true) / true
    change = 100.0 * (view.flux('before') - view.flux('after')) / true
    finite = np.isfinite(wrong) & np.isfinite(change)
    wrong, change = wrong[finite], change[finite]
    values = np.abs(np.concatenate([wrong, change]))
    limit = 1.15 * max(np.percentile(values, 95.0) if len(values) else 1, 1.0)
    limits = (-limit, limit)
    if len(wrong) >= 500:
        outside = _contours(plot, wrong, change, limits)
    else:
        outside = np.ones(len(wrong), dtype=bool)
    plot.scatter(np.clip(wrong[outside], *limits),
                 np.clip(change[outside], *limits), s=view.marker, lw=0,
                 color=COLOURS['after'], alpha=0.6)
    plot.plot(limits, limits, 'k--', lw=1.5, label='1:1, all corrected')
    plot.axhline(0.0, color=GREY, lw=1, label='not corrected')
    plot.set(xlim=limits, ylim=limits, aspect='equal')
    plot.set_title('What the correction takes away')
    plot.set_xlabel('error of flux before [% of true]\n'
                    f'(beyond ±{limit:.3g} at the edge)')
    plot.set_ylabel('taken away [% of true]')
    plot.legend(loc='upper left', fontsize='small')


def _contours(plot, x, y, limits):
    """
    Draw the density of points; return those beyond the lowest contour.
    """
    edges = np.linspace(*limits, 61)
    counts, *_ = np.histogram2d(x, y, (edges, edges))
    density = gaussian_filter(counts, 1.2)
    ranked = np.sort(density.ravel())[::-1]
    enclosed = np.cumsum(ranked) / ranked.sum()
    levels = np.unique([ranked[min(np.searchsorted(enclosed, part),
                                   ranked.size - 1)]
                        for part in (0.9, 0.75, 0.5, 0.25)])
    centres = 0.5 * (edges[1:] + edges[:-1])
    plot.contourf(centres, centres, density.T,
                  [*levels, max(density.max(), levels[-1]) * 1.001],
                  cmap='Blues')
    column, row = (np.clip(np.searchsorted(edges, values) - 1, 0, 59)
                   for values in (x, y))
    return ((density[column, row] < levels[0]) | (np.abs(x) > limits[1])
            | (np.abs(y) > limits[1]))


def plot_completeness(plot, view):
    """
    Show the fraction of stars recovered against magnitude.
    """
    table = view.result.table
    table = table[np.isfinite(table['mag_true'])]  # not those of no flux
    zero_point = table.meta.get('recovery_zero_point', 0.0)
    for way, colour, style, label in (
            ('all', GREY, ':', 'all places'),
            ('apart', 'k', '-', '> 4/3 FWHM from others')):
        stars = table[choose(table, way)]
        if len(stars) == 0 or (way == 'all' and len(stars) == np.count_nonzero(
                choose(table, 'apart'))):
            continue
        magnitude, recovered = stars['mag_true'], stars['recovered']
        low, high = np.min(magnitude), np.max(magnitude)
        if not high > low:
            low, high = low - 0.5, high + 0.5
        n_bins = int(np.clip(len(stars) / 25, 1, 16))
        curve = completeness_curve(magnitude, recovered,
                                   np.linspace(low, high, n_bins + 1))
        middle = 0.5 * (curve['low'] + curve['high'])
        plot.plot(middle, curve['completeness'], style, color=colour, lw=1.8,
                  marker='o', ms=4, label=label)
        plot.fill_between(middle, curve['lower'], curve['upper'],
                          color=colour, alpha=0.15, lw=0)
    limits = completeness_limits(magnitude, recovered)
    reached = {level: limit for level, limit in limits.items()
               if np.isfinite(limit)}
    for level, limit in reached.items():
        plot.plot([low, limit, limit], [level, level, 0], color='0.7', lw=1,
                  zorder=0)
    title = '\n'.join(f'{level:.0%} at {limit:.2f} mag'
                      for level, limit in reached.items())
    plot.set_ylim(0, 1.05)
    plot.set_xlim(low, high)
    plot.xaxis.set_major_locator(MaxNLocator(5))
    plot.yaxis.set_major_formatter(PercentFormatter(1.0))
    plot.set_title('Completeness')
    plot.set_xlabel('true magnitude' if zero_point else
                    f'true magnitude\n−2.5 log10(flux [{view.unit}])')
    plot.set_ylabel('stars recovered')
    # above the curve if that falls, below if not
    plot.legend(loc='best', fontsize='small', title=title or None,
                alignment='left')


def write_numbers(plot, view):
    """
    Write what the stars tell as pairs of numbers.
    """
    plot.set_axis_off()
    values = star_statistics(view.stars, view.measured)
    rows = (('scatter', '.1%', 'median error of the flux'),
            ('width', '.2f', 'width of z: 1 if errors are honest'),
            ('beyond5', '.1%', 'stars beyond 5σ'),
            ('rho_around', '+.2f', 'rank correlation with the residual'))
    places = {1: (0.5,), 2: (0.24, 0.78)}[len(view.names)]
    for name, x in zip(view.names, places, strict=True):
        plot.text(x, 1.0, view.titles[name], ha='center', va='top',
                  fontsize=14, color=COLOURS[name], fontweight='bold',
                  transform=plot.transAxes)
        for i, (key, form, _) in enumerate(rows):
            plot.text(x, 0.80 - 0.24 * i,
                      as_text(values[f'{key}_{name}'], form), ha='center',
                      fontsize=22, color=COLOURS[name], fontweight='bold',
                      transform=plot.transAxes)
    for i, (_, _, label) in enumerate(rows):
        plot.text(0.51, 0.735 - 0.24 * i, label, ha='center', fontsize=11,
                  transform=plot.transAxes)
