# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Which kernels are best for classes of neighbourhoods, and their errors.

One kernel for all pixels is a compromise: what keeps stars sharp adds noise
to the sky. So pixels are sorted by what is seen of their neighbours: how many
are lost, whether the others are a plain, a slope or a peak, and how much they
differ. Each class has the kernel that filled its training pixels best, and
how far off that was becomes the error of the pixels that it fills.
"""

import numpy as np

from lpiphot.gpr.choices import choices, every_other
from lpiphot.gpr.errors import KEPT, Residuals, error_nodes, height_nodes
from lpiphot.gpr.model import Model, Steps, describe
from lpiphot.gpr.patterns import patterns
from lpiphot.gpr.pixels import MIN_PIXELS, count
from lpiphot.gpr.rows import LostRows, rows_of
from lpiphot.gpr.training import symmetry_of

__all__ = ['class_model']

# Neighbours lost: few; some, as in tracks and at the rim of holes; many, as
# in holes; almost all. The kernels of the last three are found with
# patterns that lose so many, each with so many training pixels
LOST_EDGES = (0.08, 0.35, 0.8)
N_LOST = 4000, 3000, 1500
# Shapes: valleys and plains; slopes; peaks
SHAPE_EDGES = (0.2, 0.6)
# Steps of contrast, each for the upper part of the one before, as the nodes
# of errors are
MAX_STEPS = 8
# A shape has a class of its own if it has so many pixels. (Where pixels
# lose neighbours by patterns, a scarce one counts as often as it is used)
MIN_CLASS = 30
# In the choice of a kernel for a step the one beside it votes like half so
# many pixels; a kernel worse by this factor has no more votes against it
N_VOTE, VOTE_EXCESS = 100, 1.15


def class_model(pixels, search, noise, rng):
    """
    Find the best kernel of each class of neighbourhoods.

    Parameters
    ----------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        The training pixels.

    search : `~lpiphot.gpr.training.Search`
        The kernels.

    noise : float
        The noise of the images.

    rng : `~numpy.random.Generator`
        The generator that chooses patterns of lost neighbours.

    Returns
    -------
    model : `~lpiphot.gpr.model.Model`
        The kernels and their errors.
    """
    kernels, parts = {}, {}
    n_shapes = len(SHAPE_EDGES) + 1
    found = choices(search, pixels)
    few = every_other(found)
    rows = rows_of(pixels, found, search.width)
    whole = pixels[0].sums is not None
    for level in range(len(LOST_EDGES) + 1):
        if whole and level > 0:
            edges = (*LOST_EDGES, 1.0)
            key = (search.width, *edges[level - 1:level + 1],
                   symmetry_of(search))
            if patterns(*key) is None:
                continue  # too few neighbours would be left
            rows = LostRows(pixels, few, key, N_LOST[level - 1], rng)
        contrast, shape = describe(rows.moments, 1.0)
        kind = np.searchsorted(SHAPE_EDGES, shape)
        if not whole:
            kind += n_shapes * np.searchsorted(LOST_EDGES, rows.moments.lost)
            kind -= n_shapes * level
        for number in range(n_shapes):
            mine = np.flatnonzero(kind == number)
            if mine.size >= MIN_CLASS:
                parts[level, number] = _make_steps(contrast, rows, mine,
                                                   kernels)
    if not parts:
        parts[0, 0] = _make_steps(contrast, rows, np.arange(contrast.size),
                                  kernels)
    # a class that is scarce has the kernels of the nearest
    steps = tuple(
        parts[min(parts, key=lambda other: (abs(other[1] - number),
                                            abs(other[0] - level)))][0]
        for level in range(len(LOST_EDGES) + 1)
        for number in range(n_shapes))
    # it is the same for lost neighbours, but for chance
    heights = height_nodes([part for (level, _), part in parts.items()
                            if level == min(parts)[0]])
    return Model(search.width, tuple(kernels), noise, LOST_EDGES, SHAPE_EDGES,
                 steps, *heights, count(pixels))


def _make_steps(contrast, rows, mine, kernels):
    """
    Find the kernels of one class; ``kernels`` numbers them.

    Return the steps, and the residuals of its pixels.
    """
    contrast, found = contrast[mine], rows.found
    n_steps = 1
    while (n_steps < MAX_STEPS
           and KEPT ** n_steps * contrast.size >= MIN_PIXELS):
        n_steps += 1
    parts = (1 - KEPT ** np.arange(n_steps)) * contrast.size
    # equal contrasts are in the same step
    lowest = np.unique(np.sort(contrast)[parts.astype(int)])
    step = np.searchsorted(lowest[1:], contrast, side='right')
    members = [np.flatnonzero(step == n) for n in range(lowest.size)]
    cost = np.array([rows.cost(mine[these]) * found.penalty
                     for these in members])
    table = []
    residuals, variance, of_kernel = np.empty((3, contrast.size))
    for number, best in enumerate(_choose(cost, [*map(len, members)])):
        these = members[number]
        residuals[these], variance[these] = rows.take(mine[these], best)
        of_kernel[these] = found.variance[best]
        place = kernels.setdefault(found.kernels[best], len(kernels))
        table.append((float(lowest[number]), place,
                      float(found.variance[best])))
    left = Residuals(contrast, rows.values[mine] + residuals,
                     np.abs(residuals) / np.sqrt(variance), rows.share[mine])
    # as if no neighbours were bad, in case there are
    nodes = error_nodes(contrast, left.size * np.sqrt(of_kernel), left.share)
    return Steps(*zip(*table, strict=True), *nodes), left


def _choose(cost, n_pixels):
    """
    Return the best kernel of each step.

    The other steps have a vote, that of the nearest counting most. It
    keeps a step with few pixels from taking a kernel by chance.

    Parameters
    ----------
    cost : (n_steps, n_kernels) `~numpy.ndarray`
        The mean absolute residuals.

    n_pixels : (n_steps,) list of int
        The numbers of pixels.

    Returns
    -------
    best : list of int
        The numbers of the kernels.
    """
    excess = cost / np.maximum(cost.min(axis=1, keepdims=True), 1e-300)
    number = np.arange(len(cost))
    votes = N_VOTE * 0.5 ** np.abs(number[:, np.newaxis] - number)
    votes[np.diag_indices(len(cost))] = 0
    total = (votes @ np.minimum(excess, VOTE_EXCESS)
             + np.array(n_pixels)[:, np.newaxis] * excess)
    return np.argmin(total, axis=1).tolist()
