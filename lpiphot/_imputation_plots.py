# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Plots of imputed images and kernels. Imported only when one is asked for.
"""

import astropy.units as u
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.ndimage import distance_transform_edt
from scipy.ndimage import label as number_parts

from lpiphot._checks import without_unit
from lpiphot._plots import (CLASS_COLOURS, add_scale, cut_about, field_norm,
                            label_log, plain_array, show_classes, show_image)
from lpiphot.gpr.weights import weights
from lpiphot.gpr.window import offsets

__all__ = ['plot_imputation', 'plot_imputed', 'plot_kernels']

# Holes in images are orange
FIELD = colormaps['gray'].with_extremes(bad=CLASS_COLOURS[2])
# Shapes of neighbourhoods: black, blue and vermilion, and what to call them
SHAPE_COLOURS = ('black', '#0072B2', '#D55E00')
SHAPE_NAMES = ('plains', 'slopes', 'peaks')
# Which class of lost neighbours is shown, beside that of none
IN_HOLES = 2


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
    part, extent = cut_about(centre, size, shape)

    mean, std = plain_array(result.mean), plain_array(result.std)
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
            show_classes(plot, classes, title, extent, 'x-small')
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
        plain_array(array).reshape(-1, *shape)[plane]
        for array in (image, result.std, result.mask))
    clean, error = clean.astype(float), np.where(filled, error, np.nan)
    size = np.minimum(size, shape)
    if position is None:
        position = _telling_place(filled, error, size)
    part, extent = cut_about(np.round(position).astype(int), size, shape)

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
        label_log(axis, '{x:g}')
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
