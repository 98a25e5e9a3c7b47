# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Plots of corrections, and what they share with others. Imported only when
one is asked for.
"""

import warnings

import numpy as np
from astropy.nddata import block_reduce
from astropy.visualization import (AsinhStretch, ImageNormalize,
                                   PercentileInterval)
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import (LogFormatterSciNotation, LogLocator,
                               MaxNLocator, NullFormatter)

__all__ = ['CLASS_COLOURS', 'add_scale', 'cut_about', 'field_norm',
           'label_log', 'plain_array', 'plot_depth', 'plot_prediction',
           'plot_result', 'show_classes', 'show_image', 'symmetric_limit']

# ignored, good, hidden: grey, blue and orange of the Okabe-Ito palette,
# which all readers can tell apart
CLASS_COLOURS = ('0.75', '#0072B2', '#E69F00')
CLASS_NAMES = ('ignored', 'good', 'hidden')
# No value is no middle of the scale
DIVERGING = colormaps['RdBu_r'].with_extremes(bad=CLASS_COLOURS[0])
# Some dots across a panel
PANEL = 350


def plain_array(values):
    """
    Return an array without its unit.
    """
    return np.asarray(getattr(values, 'value', values))


def cut_about(centre, size, shape):
    """
    Return the part of an image about a pixel, and its extent for plots.
    """
    first = np.clip(centre - size // 2, 0, shape - size)
    part = tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
    (bottom, left), (top, right) = first - 0.5, first + size - 0.5
    return part, (left, right, bottom, top)


def _as_seen(values):
    """
    Return the finite pixels of an image, averaged if it is shown smaller.
    """
    step = min(max(values.shape) // PANEL, *values.shape)
    if step > 1:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', RuntimeWarning)  # blocks of NaN
            values = block_reduce(values, step, np.nanmean)
    return values[np.isfinite(values)]


def field_norm(values):
    """
    Return a stretch that shows faint structure and bright stars.
    """
    low, high = PercentileInterval(99.0).get_limits(_as_seen(values))
    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(0.3))


def symmetric_limit(values):
    """
    Return the limits of a diverging scale about the median.
    """
    finite = _as_seen(values)
    centre = np.median(finite)
    reach = np.percentile(np.abs(finite - centre), 98.0) or 1.0
    return centre - reach, centre + reach


def show_image(axes, values, title, **kwargs):
    """
    Show an image with a title and pixel coordinates.
    """
    kwargs.setdefault('cmap', 'gray')
    # averages where there are more pixels than dots, of values, not of
    # colours: others would show the noise of single ones
    kwargs.setdefault('interpolation_stage', 'data')
    kwargs.setdefault('interpolation', 'antialiased')
    artist = axes.imshow(values, origin='lower', **kwargs)
    axes.set_title(title)
    axes.set_xlabel('x [pixel]')
    axes.set_ylabel('y [pixel]')
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True)
    return artist


def add_scale(artist, axes, unit, extend='neither'):
    """
    Add a colour bar for several axes, or for one, as high as its image.
    """
    if isinstance(axes, list):
        place = {'ax': axes, 'shrink': 0.85}
    else:
        ny, nx = artist.get_array().shape
        width = 0.05 * max(ny / nx, 1)
        place = {'cax': axes.inset_axes([1 + width / 2, 0, width, 1])}
    bar = artist.figure.colorbar(artist, extend=extend, **place)
    bar.set_label(str(unit) if unit else 'data units')


def label_log(axis, formatter=None):
    """
    Label decades, and parts of them on an axis of less than two.
    """
    low, high = axis.get_view_interval()
    if high < 100 * low:
        axis.set_major_locator(
            LogLocator(subs=(1, 2, 5)) if high > 5 * low else
            LogLocator(subs=(1, 2, 3, 4, 6, 8)) if high > 3 * low else
            MaxNLocator(3))
        axis.set_major_formatter(LogFormatterSciNotation(
            minor_thresholds=(np.inf, np.inf)))
    if formatter:
        axis.set_major_formatter(formatter)
    axis.set_minor_formatter(NullFormatter())


def plot_result(result):
    """
    Plot field, residual, predicted background and the change of fluxes.
    """
    unit = getattr(result.data, 'unit', None)
    data, residual, background = map(
        plain_array, (result.data, result.residual, result.background))
    figure = Figure(figsize=(12.5, 10), layout='constrained')
    figure.get_layout_engine().set(w_pad=0.25, h_pad=0.1)
    axes = figure.subplots(2, 2)
    low, high = symmetric_limit(background)
    limits = {'vmin': low, 'vmax': high, 'cmap': DIVERGING}
    for plot, plane, title, scale in (
            (axes[0, 0], data, 'Field', {'norm': field_norm(data)}),
            (axes[0, 1], residual, 'Residual: data − stars', limits),
            (axes[1, 0], background,
             'Background, predicted behind the stars', limits)):
        add_scale(show_image(plot, plane, title, **scale), plot, unit,
                  extend='both')

    table = result.table
    change = table['fdb_pred'] - table['fdb_res']
    before, change, error = map(
        plain_array, (table['cflux'] - change, change, table['dcflux']))
    plot = axes[1, 1]
    plot.set_box_aspect(np.clip(data.shape[0] / data.shape[1], 0.5, 1.0))
    plot.axhline(0.0, color='0.6', lw=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        change = change / error
    plot.plot(before, change, 'o', ms=4, alpha=0.4, mew=0,
              color=CLASS_COLOURS[1])
    if np.any(before > 0):
        plot.set_xscale('log')
        label_log(plot.xaxis)
    plot.set_yscale('symlog', linthresh=5, linscale=2)
    shown = np.isfinite(change)
    if plot.get_xscale() == 'log':
        shown &= before > 0
    largest = np.max(np.abs(change[shown]), initial=10.0)
    plot.set_ylim(-1.2 * largest, 1.2 * largest)  # with ticks at -10 and 10
    flux_unit = getattr(table['cflux'], 'unit', None) or 'data units'
    plot.set_xlabel(f'fitted flux [{flux_unit}]')
    plot.set_ylabel('correction / dcflux')
    plot.set_title(f'Corrections of {np.count_nonzero(shown)} of '
                   f'{len(table)} sources')
    return figure


def show_classes(axes, classes, title, extent, fontsize):
    """
    Show which pixels are ignored, good and hidden.
    """
    show_image(axes, classes, title, extent=extent, vmin=0, vmax=2,
               cmap=ListedColormap(CLASS_COLOURS), interpolation='nearest')
    axes.legend(handles=[
        Patch(color=colour, label=name) for colour, name in zip(
            CLASS_COLOURS, CLASS_NAMES, strict=True)],
        loc='upper right', fontsize=fontsize)


def plot_prediction(prediction, n_draws, rng):
    """
    Plot residual, classes, mean and draws of one star.
    """
    draws = prediction.draw(n_draws, rng=rng)
    figure = Figure(figsize=(3 * (3 + n_draws) + 0.8, 3.2),
                    layout='constrained')
    axes = figure.subplots(1, 3 + n_draws)
    low, high = symmetric_limit(prediction.mean_stamp)
    limits = {'vmin': low, 'vmax': high, 'cmap': DIVERGING}
    ny, nx = prediction.classes.shape
    y, x = prediction.centre
    limits['extent'] = (x - nx / 2, x + nx / 2, y - ny / 2, y + ny / 2)

    show_image(axes[0], prediction.stamp, 'Residual', **limits)
    show_classes(axes[1], prediction.classes,
                  f'Pixels of source {prediction.id}', limits['extent'],
                  'small')
    artist = show_image(axes[2], prediction.mean_stamp, 'Mean', **limits)
    for i, draw in enumerate(draws):
        show_image(axes[3 + i], draw, f'Draw {i + 1}', **limits)
    for plot in axes[1:]:
        plot.set_ylabel('')
    add_scale(artist, axes.tolist(), prediction.unit)
    return figure


def plot_depth(depth):
    """
    Plot field, depth, and the part of the area against the depth.
    """
    data, image, independent = map(
        plain_array, (depth.data, depth.image, depth.image_diag))
    unit = getattr(depth.image, 'unit', None)
    name = f'{depth.n_sigma:g} sigma depth'
    figure = Figure(figsize=(16.5, 4.6), layout='constrained')
    axes = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 1))
    field = show_image(axes[0], data, 'Field', norm=field_norm(data))
    add_scale(field, axes[0], getattr(depth.data, 'unit', None))
    # one node on a bright star would leave nothing to see of the rest; it is
    # a spot of many pixels, but one of the nodes
    nodes = image[np.ix_(depth.y, depth.x)]
    nodes = nodes[np.isfinite(nodes)]
    low, high = np.percentile(nodes, (5, 95)) if nodes.size else (None, None)
    # stars are faint where numbers are small: dark is deep
    bar = show_image(axes[1], image, f'{name}, in flux', cmap='cividis',
                     vmin=low, vmax=high)
    add_scale(bar, axes[1], unit, extend='both')
    axes[1].set_ylabel('')

    plot = axes[2]
    for plane, label, style in (
            (image, 'with structure', {'color': '#0072B2', 'lw': 2.5}),
            (independent, 'if pixels were independent',
             {'color': '#E69F00', 'lw': 2, 'ls': '--'})):
        fluxes = np.sort(plane[np.isfinite(plane)])
        if fluxes.size:
            part = np.arange(1, fluxes.size + 1) / fluxes.size
            plot.plot(fluxes, 100 * part, label=label, **style)
    plot.set_xscale('log')
    label_log(plot.xaxis)
    plot.set_xlabel(f'flux [{unit or "data units"}]')
    plot.set_ylabel('area with this depth or a better one [%]')
    plot.set_ylim(0, 103)
    plot.set_title('What structure costs')
    plot.legend(loc='lower right')
    return figure
