# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Plots of injection tests. Imported only when one is asked for.
"""

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter
from scipy.ndimage import gaussian_filter

from lpiphot.validation.bins import star_statistics
from lpiphot.validation.columns import plain_values
from lpiphot.validation.completeness import (completeness_curve,
                                             completeness_limits)
from lpiphot.validation.pit import pit_values
from lpiphot.validation.report import WAYS, choose
from lpiphot.validation.statistics import outlier_fraction, robust_width

__all__ = ['PANELS', 'SEVERAL', 'plot_recovery']

# Orange (darker) and blue of the Okabe-Ito palette, which all readers can
# tell apart
COLOURS = {'before': '#D55E00', 'after': '#0072B2'}
_GREY = '0.45'

_STYLE = {'font.size': 10.5, 'axes.titlesize': 12, 'legend.frameon': False,
          'axes.spines.top': False, 'axes.spines.right': False}

_Z_LIMIT = 5.0
_Z_PDF = 8.0

# Maps of cells, fewer than this, would show the whole image in one colour
_MIN_CELLS = 4

# Stars along an axis are also shown as running medians of this many bins
_N_RUNNING = 24


def plot_recovery(result, which, *, way='apart', axis='x', cell=None,
                  titles=None, ax=None):
    """
    Plot the result of an injection test.

    Parameters
    ----------
    result : `~lpiphot.validation.RecoveryResult`
        The result.

    which : str
        'summary', or one of `PANELS` or `SEVERAL`.

    way : {'apart', 'clean', 'all'}, optional
        Which stars are shown.

    axis : {'x', 'y'}, optional
        The axis of the image along which profiles are.

    cell : float, optional
        The size of the cells of maps in pixels.

    titles : dict, optional
        What to call 'before' and 'after'.

    ax : `~matplotlib.axes.Axes`, optional
        The axes to draw into; one of `PANELS` only.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The figure.

    Raises
    ------
    TypeError
        If ``ax`` is no axes.

    ValueError
        If ``which`` or ``axis`` is unknown, or needs stars, and none
        was recovered. With none, the summary has what can be shown. If
        ``ax`` is given for several panels.
    """
    known = [*SEVERAL, *PANELS]
    if which != 'summary' and which not in known:
        msg = (f"which must be 'summary' or one of {', '.join(known)}; got "
               f'{which!r}.')
        raise ValueError(msg)
    if ax is not None and which not in PANELS:
        msg = (f'ax must be None for which={which!r}, which has several '
               f'panels; only {", ".join(PANELS)} have one.')
        raise ValueError(msg)
    if ax is not None and not isinstance(ax, Axes):
        msg = f'ax must be Axes of matplotlib; got {type(ax).__name__}.'
        raise TypeError(msg)
    if axis not in ('x', 'y'):
        msg = f"axis must be 'x' or 'y'; got {axis!r}."
        raise ValueError(msg)
    view = _View(result, way, axis, cell, titles or {})
    some = len(view.stars) > 0
    if not some and which not in ('summary', 'completeness'):
        msg = f'way={way!r} must leave stars to plot; none was recovered.'
        raise ValueError(msg)
    # axes of others have their style already
    with rc_context(_STYLE if ax is None else {}):
        if which in PANELS:
            return _panel(view, which, ax)
        if which in SEVERAL:
            return _several(view, which)
        return _summary(view) if some else _summary_of_none(view)


class _View:
    """
    The stars of a result that are shown, and how.
    """

    def __init__(self, result, way, axis, cell, titles):
        self.result = result
        self.way = way
        self.axis = axis
        self.stars = result.stars(way)
        self.measured = result.measured
        self.names = list(self.measured)
        if cell is None:
            # some sixty stars each, so that widths are good to a tenth
            area = np.prod(result.shape) * 60.0 / max(len(self.stars), 1)
            cell = max(np.sqrt(area), 16.0)
        self.cell = min(cell, *result.shape)
        self.titles = {'before': 'photutils', 'after': 'with LPI'} | titles
        blank = result.table.meta['recovery_kind'] == 'blank positions'
        self.what = ('blank positions predicted' if blank
                     else 'injected stars recovered')
        self.unit = str(result.table['flux_true'].unit or 'data units')
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
            The fluxes.
        """
        column = self.measured.get(name, (name, name))[int(error)]
        return plain_values(self.stars[column])


def _summary(view):
    """
    Show all panels on one page.
    """
    both = len(view.names) > 1
    n_rows = 3 if both else 2
    figure = Figure(figsize=(18.5, 4.4 * n_rows), layout='constrained')
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.10, wspace=0.04,
                                   hspace=0.04)
    grid = figure.add_gridspec(n_rows, 4)
    factor = view.result.rescaling_map(view.names[0], size=view.cell,
                                       way=view.way)[0]
    rescaling = factor.size >= _MIN_CELLS

    def panel(row, first, last=None):
        # panels in place of the maps of cells are wider
        return figure.add_subplot(grid[row, first:(last or first) + 1])

    _plot_residual(panel(0, 0), view)
    for i, name in enumerate(view.names):
        _plot_map(panel(0, 1 + i), view, name)
    _plot_pdf(panel(1, 0), view)
    _plot_pit(panel(1, 1), view)
    if both:
        _write_numbers(panel(0, 3), view)
        _plot_changes(panel(1, 2), view)
        _plot_completeness(panel(1, 3), view)
        if rescaling:
            for i, name in enumerate(view.names):
                _plot_rescaling(panel(2, i), view, name)
        profiles = (panel(2, 2), panel(2, 3)) if rescaling else (
            panel(2, 0, 1), panel(2, 2, 3))
    else:
        if rescaling:
            _plot_rescaling(panel(0, 2), view, view.names[0])
        _write_numbers(panel(0, 3) if rescaling else panel(0, 2, 3), view)
        profiles = panel(1, 2), panel(1, 3)
    _plot_z_profile(profiles[0], view)
    if both or 'flux_fit' not in view.stars.colnames:
        _plot_error_profile(profiles[1], view)
    else:
        _plot_completeness(profiles[1], view)
    figure.suptitle(f'{len(view.stars)} {view.what}: are fluxes and errors '
                    'right?', fontsize=17, fontweight='bold')
    return figure


def _summary_of_none(view):
    """
    Show the image, and at which magnitudes no star was found in it.
    """
    figure = Figure(figsize=(11.5, 4.9), layout='constrained')
    axes = figure.subplots(1, 2)
    _plot_residual(axes[0], view)
    _plot_completeness(axes[1], view)
    figure.suptitle(f'No star recovered of {len(view.result.table)} injected '
                    f'({WAYS[view.way]})', fontsize=14, fontweight='bold')
    return figure


def _panel(view, which, ax):
    """
    Show a single panel, in a figure of its own or in the axes given.
    """
    if ax is None:
        size = (6.0, 5.2) if which == 'changes' else (6.4, 4.8)
        ax = Figure(figsize=size, layout='constrained').subplots()
    PANELS[which](ax, view)
    return ax.figure


def _several(view, which):
    """
    Show the panels of one kind.
    """
    sizes = {'maps': (16.5, 4.9), 'rescaling': (11.5, 4.9),
             'profile': (8.0, 11.0)}
    figure = Figure(figsize=sizes[which], layout='constrained')
    SEVERAL[which](figure, view)
    return figure


def _maps(figure, view):
    axes = figure.subplots(1, 3)
    _plot_residual(axes[0], view)
    for plot, name in zip(axes[1:], ('before', 'after'), strict=True):
        _if_there(plot, view, name, _plot_map)


def _rescaling(figure, view):
    axes = figure.subplots(1, 2)
    for plot, name in zip(axes, ('before', 'after'), strict=True):
        _if_there(plot, view, name, _plot_rescaling)


def _profile(figure, view):
    axes = figure.subplots(4, 1, sharex=True)
    _plot_residual_strip(axes[0], view)
    _plot_z_profile(axes[1], view)
    _if_there(axes[2], view, 'after', _plot_terms_profile)
    _plot_error_profile(axes[3], view)
    for plot in axes[:3]:
        plot.set_xlabel('')
    axes[0].set_xlim(-0.5, view.result.shape[view.axis == 'x'] - 0.5)


def _changes(plot, view):
    _if_there(plot, view, 'after', _plot_changes)


def _if_there(plot, view, name, function):
    """
    Draw a panel, or nothing if there is no such measurement.
    """
    if name not in view.names:
        plot.set_axis_off()
    elif function in (_plot_map, _plot_rescaling):
        function(plot, view, name)
    elif len(view.names) < 2:  # nothing to compare with
        plot.set_axis_off()
    else:
        function(plot, view)


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


def _colour_bar(plot, artist, label, **kwargs):
    """
    Draw a colour bar as high as its image.
    """
    bar = plot.figure.colorbar(artist, cax=plot.inset_axes([1.02, 0, 0.04,
                                                            1]), **kwargs)
    bar.set_label(label)
    return bar


def _residual_image(view):
    """
    Return the residual without excluded pixels, and its limits.
    """
    residual = np.array(view.result.residual, dtype=float)
    if view.result.mask is not None:
        residual[view.result.mask] = np.nan
    finite = residual[np.isfinite(residual)]
    centre = np.median(finite)
    reach = np.percentile(np.abs(finite - centre), 98.0) or 1.0
    return residual, {'vmin': centre - reach, 'vmax': centre + reach,
                      'cmap': 'PuOr_r'}


def _plot_residual(plot, view):
    """
    Show the residual of the image (figure 10, top).
    """
    _frame(plot, view, 'Residual: image − sky − its stars')
    label = f'residual [{view.unit}]'
    if view.result.residual is None and len(view.stars) == 0:
        plot.set_axis_off()
        return
    if view.result.residual is None:
        plot.set_title('Residual around the injected stars')
        values = np.asarray(view.stars['residual_around'])
        reach = np.nanpercentile(np.abs(values), 98.0) or 1.0
        artist = plot.scatter(view.stars['x_true'], view.stars['y_true'],
                              c=values, s=view.marker, vmin=-reach,
                              vmax=reach, cmap='PuOr_r', lw=0)
    else:
        residual, limits = _residual_image(view)
        artist = plot.imshow(residual, origin='lower', aspect='equal',
                             interpolation='nearest', **limits)
    _colour_bar(plot, artist, label, extend='both')


def _plot_map(plot, view, name):
    """
    Show z at the places of the stars (figure 10).
    """
    z = view.z(name)
    beyond = outlier_fraction(z, _Z_LIMIT)
    _frame(plot, view, f'{view.titles[name]}: {beyond:.1%} beyond '
           f'{_Z_LIMIT:.0f}σ')
    order = np.argsort(np.abs(z))
    artist = plot.scatter(view.stars['x_true'][order],
                          view.stars['y_true'][order], c=z[order],
                          s=view.marker, vmin=-_Z_LIMIT, vmax=_Z_LIMIT,
                          cmap='RdBu_r', edgecolors='0.3',
                          lw=0.4 if view.marker > 6 else 0.0)
    if view.marker <= 6:  # too small for edges
        plot.set_facecolor('0.85')
    _colour_bar(plot, artist, 'z', extend='both')


def _leave_room(plot, factor):
    """
    Leave room for a legend above bars, whichever panel shares the axis.
    """
    plot.set_ylim(0, max(plot.get_ylim()[1], factor * plot.dataLim.y1))


def _plot_pdf(plot, view):
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
        plot.hist(np.clip(z, -_Z_PDF, _Z_PDF), edges, color=COLOURS[name],
                  weights=np.full(len(z), 1.0 / (max(len(z), 1) * step)),
                  label=f'{view.titles[name]}: width {robust_width(z):.2f}, '
                        f'median {np.median(z) if len(z) else np.nan:+.2f}',
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


def _plot_pit(plot, view):
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


def _plot_changes(plot, view):
    """
    Show corrections against errors of flux (figure 11).
    """
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
    plot.axhline(0.0, color=_GREY, lw=1, label='not corrected')
    plot.set(xlim=limits, ylim=limits, aspect='equal')
    plot.set_title('What the correction takes away')
    plot.set_xlabel('error of flux before [% of true]')
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


def _plot_completeness(plot, view):
    """
    Show the fraction of stars recovered against magnitude.
    """
    table = view.result.table
    zero_point = table.meta.get('recovery_zero_point', 0.0)
    for way, colour, style, label in (
            ('all', _GREY, ':', 'all places'),
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
    plot.yaxis.set_major_formatter(PercentFormatter(1.0))
    plot.set_title('Completeness')
    plot.set_xlabel('true magnitude' if zero_point else
                    f'true magnitude\n−2.5 log10(flux [{view.unit}])')
    plot.set_ylabel('stars recovered')
    plot.legend(loc='lower left', fontsize='small', title=title or None,
                alignment='left')


def _plot_rescaling(plot, view, name):
    """
    Show the factor by which errors are too small (figure 12).
    """
    factor, y, x = view.result.rescaling_map(name, size=view.cell, n_min=15,
                                             way=view.way)
    finite = factor[np.isfinite(factor)]
    typical = np.median(finite) if finite.size else np.nan
    _frame(plot, view, f'{view.titles[name]}: median factor {typical:.2f}')
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
    bar = _colour_bar(plot, artist, 'too small by', extend='both')
    bar.set_ticks([0.25, 0.5, 1, 2, 4], labels=['¼', '½', '1', '2', '4'])
    bar.ax.yaxis.set_minor_formatter(NullFormatter())


def _along(view):
    """
    Return the coordinate of the stars along the axis.
    """
    return np.asarray(view.stars[f'{view.axis}_true'])


def _running(plot, x, y, colour, shape):
    """
    Draw medians of bins along an axis.
    """
    n_bins = int(np.clip(len(x) / 12, 1, _N_RUNNING))
    edges = np.linspace(-0.5, shape - 0.5, n_bins + 1)
    place = np.clip(np.searchsorted(edges, x) - 1, 0, n_bins - 1)
    middle = np.array([np.nanmedian(y[place == i])
                       if np.isfinite(y[place == i]).sum() > 2 else np.nan
                       for i in range(n_bins)])
    plot.plot(0.5 * (edges[1:] + edges[:-1]), middle, color='w', lw=4)
    plot.plot(0.5 * (edges[1:] + edges[:-1]), middle, color=colour, lw=2)


def _points(plot, view, values, colour, marker, label):
    """
    Draw stars along the axis, and their running median.
    """
    x = _along(view)
    plot.plot(x, values, marker, color=colour, alpha=0.45, mew=0, label=label,
              ms=float(np.clip(np.sqrt(view.marker), 1.5, 4.5)))
    _running(plot, x, values, colour,
             view.result.shape[view.axis == 'x'])


def _finish_profile(plot, view):
    plot.set_xlim(-0.5, view.result.shape[view.axis == 'x'] - 0.5)
    plot.set_xlabel(f'{view.axis} [pixel]')


_MARKERS = {'before': 'o', 'after': '^'}


def _plot_residual_strip(plot, view):
    """
    Show the residual along the axis (figure 6, top).
    """
    if view.result.residual is None:
        plot.set_axis_off()
        return
    residual, limits = _residual_image(view)
    if view.axis == 'y':
        residual = residual.T
    artist = plot.imshow(residual, origin='lower', aspect='auto',
                         interpolation='nearest', **limits)
    _colour_bar(plot, artist, f'residual [{view.unit}]', extend='both')
    plot.set_ylabel(f'{"x" if view.axis == "y" else "y"} [pixel]')
    plot.set_title('Residual: image − sky − its stars')


def _plot_z_profile(plot, view):
    """
    Show z along the axis (figure 6, second).
    """
    largest = [np.nanpercentile(np.abs(view.z(name)), 99.0)
               for name in view.names if np.isfinite(view.z(name)).any()]
    limit = float(np.clip(max(largest, default=0.0), _Z_LIMIT,
                          3 * _Z_LIMIT))
    for name in view.names:
        z = np.clip(view.z(name), -limit, limit)
        _points(plot, view, z, COLOURS[name], _MARKERS[name],
                view.titles[name])
    plot.axhspan(-1, 1, color='0.88', lw=0, zorder=0)
    plot.axhline(0.0, color=_GREY, lw=1, zorder=0)
    _finish_profile(plot, view)
    plot.set_ylim(-1.05 * limit, 1.3 * limit)
    plot.set_ylabel(f'z, beyond ±{limit:.0f} at the edge')
    plot.set_title('z along the image, with running medians')
    plot.legend(loc='upper right', fontsize='small', ncols=2, markerscale=2)


def _plot_terms_profile(plot, view):
    """
    Show the two terms of the correction (figure 6, third).
    """
    if 'fdb_res' in view.stars.colnames:
        terms = (('fdb_res', 1, '#CC79A7', 'o', '$f^b_{res}$'),
                 ('fdb_pred', -1, '#009E73', '^', '$-f^b_{pred}$'))
        for name, sign, colour, marker, label in terms:
            _points(plot, view, sign * view.flux(name), colour, marker, label)
        title = 'The two terms of the correction'
    else:
        _points(plot, view, view.flux('before') - view.flux('after'),
                COLOURS['after'], '^', 'before − after')
        title = 'The correction'
    plot.axhline(0.0, color=_GREY, lw=1, zorder=0)
    _finish_profile(plot, view)
    plot.set_ylabel(f'flux [{view.unit}]')
    plot.set_title(title)
    plot.legend(loc='upper right', fontsize='small', ncols=2, markerscale=2)


def _plot_error_profile(plot, view):
    """
    Show the errors along the axis (figure 6, bottom).
    """
    shown = [(name, view.measured[name][1]) for name in view.names
             if view.measured[name][1] is not None]
    for name, column in shown:
        _points(plot, view, view.flux(name, error=True), COLOURS[name],
                _MARKERS[name], column)
    if 'dcflux_diag' in view.stars.colnames:
        _points(plot, view, view.flux('dcflux_diag'), '#CC79A7', 's',
                'dcflux_diag')
    _finish_profile(plot, view)
    if shown:
        plot.set_yscale('log')
        plot.legend(loc='upper right', fontsize='small', ncols=3,
                    markerscale=2)
        low, high = plot.get_ylim()
        plot.set_ylim(low, high * (high / low) ** 0.15)
    plot.set_ylabel(f'1σ error of flux [{view.unit}]')
    plot.set_title('Errors along the image')


def _write_numbers(plot, view):
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
                      format(values[f'{key}_{name}'], form), ha='center',
                      fontsize=22, color=COLOURS[name], fontweight='bold',
                      transform=plot.transAxes)
    for i, (_, _, label) in enumerate(rows):
        plot.text(0.51, 0.735 - 0.24 * i, label, ha='center', fontsize=11,
                  transform=plot.transAxes)


# What draws a single panel into axes, and the figure of the paper
PANELS = {
    'pdf': _plot_pdf,          # 8
    'changes': _changes,       # 11
    'completeness': _plot_completeness,
    'pit': _plot_pit,
}

# What draws several into a figure
SEVERAL = {
    'maps': _maps,             # 10
    'rescaling': _rescaling,   # 12
    'profile': _profile,       # 6
}
