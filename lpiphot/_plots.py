# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Plots of results. Imported only when one is asked for.
"""

import warnings

import astropy.units as u
import numpy as np
from astropy.nddata import block_reduce
from astropy.visualization import (AsinhStretch, ImageNormalize,
                                   PercentileInterval)
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import (LogFormatterSciNotation, LogLocator,
                               MaxNLocator, NullFormatter)
from scipy.ndimage import distance_transform_edt
from scipy.ndimage import label as number_parts

from lpiphot._checks import without_unit
from lpiphot.gpr.weights import weights
from lpiphot.gpr.window import offsets

__all__ = ['add_scale', 'field_norm', 'plot_depth', 'plot_imputation',
           'plot_imputed', 'plot_kernels', 'plot_prediction', 'plot_result',
           'show_image', 'symmetric_limit']

# ignored, good, hidden: grey, blue and orange of the Okabe-Ito palette,
# which all readers can tell apart
CLASS_COLOURS = ('0.75', '#0072B2', '#E69F00')
CLASS_NAMES = ('ignored', 'good', 'hidden')
# No value is no middle of the scale
DIVERGING = colormaps['RdBu_r'].with_extremes(bad=CLASS_COLOURS[0])
# Holes in images are orange
FIELD = colormaps['gray'].with_extremes(bad=CLASS_COLOURS[2])
# Some dots across a panel
PANEL = 350


def _plain(values):
    """
    Return an array without its unit.
    """
    return np.asarray(getattr(values, 'value', values))


def _cut(centre, size, shape):
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


def _label_log(axis, formatter=None):
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
        _plain, (result.data, result.residual, result.background))
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
        _plain, (table['cflux'] - change, change, table['dcflux']))
    plot = axes[1, 1]
    plot.set_box_aspect(np.clip(data.shape[0] / data.shape[1], 0.5, 1.0))
    plot.axhline(0.0, color='0.6', lw=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        change = change / error
    plot.plot(before, change, 'o', ms=4, alpha=0.4, mew=0,
              color=CLASS_COLOURS[1])
    if np.any(before > 0):
        plot.set_xscale('log')
        _label_log(plot.xaxis)
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


def _show_classes(axes, classes, title, extent, fontsize):
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
    _show_classes(axes[1], prediction.classes,
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
        _plain, (depth.data, depth.image, depth.image_diag))
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
    _label_log(plot.xaxis)
    plot.set_xlabel(f'flux [{unit or "data units"}]')
    plot.set_ylabel('area with this depth or a better one [%]')
    plot.set_ylim(0, 103)
    plot.set_title('What structure costs')
    plot.legend(loc='lower right')
    return figure


def _whole_hole(mask, centre, deepest, width):
    """
    Return middle and width of the hole at a pixel, if it is not a line.
    """
    holes = number_parts(mask, np.ones((3, 3)))[0]
    pixels = np.nonzero(holes == holes[tuple(centre)])
    first, last = np.min(pixels, axis=1), np.max(pixels, axis=1)
    extent = last - first + 1
    width = max(width, min(extent.max(), 8 * deepest))
    return np.where(extent <= width, (first + last) // 2, centre), width


def _plain_truth(truth, result):
    """
    Return the true image in the unit of the data.
    """
    if isinstance(truth, u.Quantity):
        truth = without_unit('truth', truth, result.unit)
    truth = np.asarray(truth)
    if truth.shape != result.mask.shape:
        msg = (f'truth must have the shape {result.mask.shape} of the image; '
               f'got {truth.shape}')
        raise ValueError(msg)
    return truth


def plot_imputation(result, position, size, truth, n_draws):
    """
    Plot a hole: where it is, its pixels, mean, uncertainty and draws.
    """
    depth = distance_transform_edt(~result.good) * result.mask
    default = np.unravel_index(np.argmax(depth), depth.shape)
    centre = np.floor(np.asarray(default if position is None else position,
                                 dtype=float) + 0.5).astype(int)
    shape = np.array(result.mask.shape)
    if size is None:
        deepest = depth[tuple(np.clip(centre, 0, shape - 1))]
        width = 3 * deepest
        if position is None:
            centre, width = _whole_hole(result.mask, centre, deepest, width)
        size = int(width + 2 * result.condition_distance) + 1
    size = np.minimum(size, shape)
    part, extent = _cut(centre, size, shape)

    mean, std = _plain(result.mean), _plain(result.std)
    hidden, good = result.mask[part], result.good[part]
    near = distance_transform_edt(~hidden) <= result.condition_distance
    classes = np.select([hidden, good & near], [2, 1], 0)
    panels = []
    if truth is not None:
        truth = _plain_truth(truth, result)[part]
        panels.append(('Truth', truth))
    panels += [('Pixels', None), ('Mean', mean[part]), ('1 sigma', None)]
    for i in range(min(n_draws, result.n_draws)):
        draw = mean[part].copy()
        within = np.zeros(result.mask.shape, dtype=bool)
        within[part] = hidden
        draw[hidden] += result._deviations[i][within[result.mask]]  # noqa: SLF001
        panels.append((f'Draw {i + 1}', draw))

    shown = mean[part] if truth is None else truth
    shown = shown[np.isfinite(shown)]
    # one bright star would leave nothing to see of the rest
    low, high = (np.percentile(shown, (0.5, 99.5)) if shown.size
                 else (None, None))
    limits = {'vmin': low, 'vmax': high, 'cmap': 'viridis'}
    n_columns = -(-len(panels) // 2)
    figure = Figure(figsize=(5.2 + 2.9 * n_columns, 6.4),
                    layout='constrained')
    grid = figure.add_gridspec(
        2, 1 + n_columns, width_ratios=[2] + [1] * n_columns)
    overview = figure.add_subplot(grid[:, 0])
    with_holes = np.where(result.mask, np.nan, mean)
    # not in the colours of the panels, which have another scale
    show_image(overview, with_holes, 'Image', norm=field_norm(with_holes),
               cmap=FIELD)
    overview.add_patch(Rectangle(
        (extent[0], extent[2]), size[1], size[0], fill=False,
        color=CLASS_COLOURS[1], lw=2))
    axes = [figure.add_subplot(grid[i // n_columns, 1 + i % n_columns])
            for i in range(len(panels))]
    for plot, (title, plane) in zip(axes, panels, strict=True):
        if title == 'Pixels':
            _show_classes(plot, classes, title, extent, 'x-small')
        elif title == '1 sigma':
            errors = show_image(
                plot, np.where(hidden, std[part], np.nan), title,
                extent=extent, cmap='magma', vmin=0, interpolation='nearest')
            bar = figure.colorbar(errors, ax=plot, location='bottom',
                                  shrink=0.8)
            bar.set_label(str(result.unit or 'data units'))
        else:
            artist = show_image(plot, plane, title, extent=extent, **limits)
        plot.set(xlabel='', ylabel='')
    add_scale(artist, axes, result.unit)
    return figure


def _box_sums(values, size):
    """
    Return the sums of all boxes inside an image, by their first pixel.
    """
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    ny, nx = size
    return (sums[ny:, nx:] - sums[:-ny, nx:] - sums[ny:, :-nx]
            + sums[:-ny, :-nx])


def _telling_place(filled, error, size):
    """
    Return the middle of the box of most filled pixels among good ones.

    Uncertain pixels count more, but none for many others.
    """
    known = np.isfinite(error)
    if not known.any():
        return (np.array(filled.shape) - 1) / 2
    weight = np.minimum(np.where(known, error, 0),
                        2 * np.median(error[known]))
    weight[known & (weight == 0)] = 1  # where all errors are 0
    score = _box_sums(weight, size) * (
        1 - _box_sums(filled.astype(float), size) / np.prod(size))
    first = np.unravel_index(np.argmax(score), score.shape)
    part = tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
    shift = [np.average(np.arange(n), weights=weight[part].sum(axis=1 - axis))
             - n // 2 for axis, n in enumerate(size)]
    # with the hole in the middle, if it is one
    middle = np.clip(np.round(first + np.array(shift)).astype(int), 0,
                     np.array(score.shape) - 1)
    if score[tuple(middle)] > 0.99 * score[first]:
        first = middle
    return first + size // 2


def plot_imputed(result, plane, position, size):
    """
    Plot an image before and after, a part of it with the errors, and
    the errors by the contrast of the neighbours.
    """
    shape = result.mask.shape[-2:]
    image = result.image
    image = getattr(image, 'unmasked', getattr(image, 'data', image))
    clean, error, filled = (
        _plain(array).reshape(-1, *shape)[plane]
        for array in (image, result.std, result.mask))
    clean, error = clean.astype(float), np.where(filled, error, np.nan)
    size = np.minimum(size, shape)
    if position is None:
        position = _telling_place(filled, error, size)
    part, extent = _cut(np.round(position).astype(int), size, shape)

    holes = np.where(filled, np.nan, clean)
    limits = {'norm': field_norm(clean), 'cmap': FIELD}
    near = {'norm': field_norm(clean[part]), 'cmap': FIELD,
            'extent': extent, 'interpolation': 'nearest'}
    figure = Figure(figsize=(14.5, 8.5), layout='constrained')
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    axes = figure.subplots(2, 3)
    show_image(axes[0, 0], clean, 'Before, bad pixels orange', **limits)
    axes[0, 0].imshow(np.where(filled, 1.0, np.nan), origin='lower',
                      interpolation='nearest',  # averages hide single ones
                      cmap=ListedColormap(CLASS_COLOURS[2:]))
    artist = show_image(axes[0, 1], clean, 'After', **limits)
    add_scale(artist, axes[0, :2].tolist(), result.unit)
    for plot in axes[0, :2]:
        plot.add_patch(Rectangle((extent[0], extent[2]), size[1], size[0],
                                 fill=False, color=CLASS_COLOURS[1], lw=2))
    show_image(axes[1, 0], holes[part], 'Part before', **near)
    artist = show_image(axes[1, 1], clean[part], 'Part after', **near)
    add_scale(artist, axes[1, :2].tolist(), result.unit)
    artist = show_image(axes[1, 2], error[part], '1 sigma of filled pixels',
                        cmap='cividis', extent=extent, vmin=0,
                        interpolation='nearest')
    add_scale(artist, axes[1, 2], result.unit)
    _plot_errors(axes[0, 2],
                 result.models[plane if len(result.models) > 1 else 0])
    return figure


# Shapes of neighbourhoods: black, blue and vermilion, and what to call them
SHAPE_COLOURS = ('black', '#0072B2', '#D55E00')
SHAPE_NAMES = ('plains', 'slopes', 'peaks')
# Which class of lost neighbours is shown, beside that of none
IN_HOLES = 2


def _plot_errors(plot, model):
    """
    Plot the errors of filled pixels by the contrast of the neighbours.
    """
    n_shapes = len(model.shape_edges) + 1
    at_level = model.factor(np.zeros(1), np.ones(1), 1.0)
    shown = 0, min(len(model.lost_edges), IN_HOLES)
    for number, steps in enumerate(model.steps):
        level, shape = divmod(number, n_shapes)
        if level not in shown or steps in model.steps[:number]:
            continue  # a scarce class has the steps of another
        name = 'all' if n_shapes == 1 else SHAPE_NAMES[shape]
        plot.loglog(steps.nodes, steps.error * at_level,
                    'o--' if level else 'o-', ms=4,
                    mfc='white' if level else None,
                    color=SHAPE_COLOURS[shape],
                    label=f'{name}, in holes' if level else name)
    plot.set_ylim(top=2.5 * plot.get_ylim()[1])  # for the legend
    for axis in (plot.xaxis, plot.yaxis):
        _label_log(axis, '{x:g}')
    plot.legend(fontsize='small', ncols=2, loc='upper left')
    plot.set_xlabel('contrast of the neighbours / noise')
    plot.set_ylabel('error of a filled pixel / noise, at the level')
    plot.set_title(f'Learned from {model.n_training} pixels')


def plot_kernels(model):
    """
    Plot the errors, and weights of the kernels from low to high contrast.
    """
    n_shapes = len(model.shape_edges) + 1
    figure = Figure(figsize=(6 + 2.4 * n_shapes, 6.2), layout='constrained')
    grid = figure.add_gridspec(
        3, 1 + n_shapes, width_ratios=[2.2] + [1] * n_shapes)
    _plot_errors(figure.add_subplot(grid[:, 0]), model)
    axes = []
    dy, dx = offsets(model.width)
    names = model.parameters()['kernel']
    for shape, steps in enumerate(model.steps[:n_shapes]):
        n_steps = len(steps.kernel)
        for row, step in enumerate(sorted({0, n_steps // 2, n_steps - 1})):
            kernel = model.kernels[steps.kernel[step]]
            image = np.full((model.width, model.width), np.nan)
            image[dy + model.width // 2, dx + model.width // 2] = (
                weights(kernel, dy, dx).values)
            plot = figure.add_subplot(grid[2 - row, 1 + shape])
            artist = plot.imshow(image, origin='lower', cmap='RdBu_r',
                                 vmin=-0.5, vmax=0.5)
            plot.set(xticks=[], yticks=[])
            name = ('' if n_shapes == 1 else f'{SHAPE_NAMES[shape]}, ')
            plot.set_title(f'{name}contrast ≥ {steps.contrast[step]:.3g}',
                           fontsize='small')
            scale = np.sqrt(np.prod(kernel.length_scale))
            which = '' if names == kernel.name else f'{kernel.name}\n'
            plot.set_xlabel(f'{which}a = {kernel.amplitude:.3g}, '
                            f'h = {scale:.2g} pixels', fontsize='small')
            axes.append(plot)
    bar = figure.colorbar(artist, ax=axes, shrink=0.7)
    bar.set_label('weight of a neighbour')
    figure.suptitle(f'{names}, window of {model.width} × {model.width} pixels')
    return figure
