# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Images -> a model: which kernels, for which neighbourhoods, what errors.
"""

from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import fill_pixels, gather_neighbours
from lpiphot.gpr.kernels import Kernel
from lpiphot.gpr.model import MIN_CONTRAST, Model, Steps, describe
from lpiphot.gpr.patterns import pattern_weights, patterns
from lpiphot.gpr.sample import bright_pixels, random_pixels
from lpiphot.gpr.training import (Grid, Search, columns, grid, mean_residuals,
                                  penalty, sum_orbits, symmetry_of, train)
from lpiphot.gpr.weights import Window, stack_windows
from lpiphot.gpr.window import Moments, moments, offsets

__all__ = ['Settings', 'learn']

# Kernels for the classes to choose from
AMPLITUDES = tuple(np.geomspace(0.1, 1000.0, 13).tolist())
LENGTH_SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.35, 1.6, 2.0, 2.5, 3.2,
                 4.0, 5.5, 7.5)

# Ratios of length scales, where pixels are too few to train for it
RATIOS = (0.2, 0.5, 1.0, 2.0, 5.0)

# Neighbours lost: few; some, as in tracks and at the rim of holes; many, as
# in holes; almost all. The kernels of the last three are found with
# patterns that lose so many, each with so many training pixels
LOST_EDGES = (0.08, 0.35, 0.8)
N_LOST = 4000, 3000, 1500
# Shapes: valleys and plains; slopes; peaks
SHAPE_EDGES = (0.2, 0.6)
# Each step of contrast is for the upper 60 % of the one before
KEPT = 0.6
MAX_STEPS = 8
MIN_PIXELS = 120
# A shape has a class of its own if it has so many pixels
MIN_CLASS = 30
# In the choice of a kernel for a step the one beside it votes like half so
# many pixels; a kernel worse by this factor has no more votes against it
N_VOTE, VOTE_EXCESS = 100, 1.15
# So many pixels, at least, tell the error at a contrast; with fewer it
# comes out far below the noise by chance
MIN_NODE = 100

# Of the training pixels of classes, those that are bright
BRIGHT_SHARE = 3 / 7
# With fewer whole windows, training pixels have their bad neighbours, and
# are few, as each needs its own weights for each kernel
MIN_WHOLE = 500
N_PATTERNS = 500
# With fewer whole windows, bad neighbours of training pixels are filled
# for classes, if they have no more than this share of the weights, from so
# many good pixels at least
MIN_UNMENDED = 2500
MAX_MENDED, MIN_MENDED = 0.35, 8
# Training pixels without which there is no training
MIN_TRAINING = 30

# Neighbours that scatter less, in units of the noise, are constant but for
# rounding
MIN_SCATTER = 1e-6

# The largest sum over an orbit, in units of the noise
MAX_SUM = 1e30

# So many times the training pixels are tried, as not all windows are
# whole, and are enough for the rest of the image not to be searched
N_TRIED, N_ENOUGH = 4, 2

# Pixels read at a time
N_CHUNK = 4096

# What fits many images, where there is nothing to learn from
DEFAULT = (3.0, 1.0)


class Settings(NamedTuple):
    """
    What to learn, and from how many pixels.

    Attributes
    ----------
    search : `~lpiphot.gpr.training.Search`
        The kernel.

    local : bool
        Whether to find kernels for classes of neighbourhoods, or a
        single one.

    training_mad, training_clip : float
        Bright pixels are those more than ``training_mad`` median
        absolute deviations above the median; those of a single kernel
        also lie below the maximum over ``training_clip``.

    max_training : int
        The largest number of training pixels.
    """

    search: Search
    local: bool
    training_mad: float
    training_clip: float
    max_training: int


class _Pixels(NamedTuple):
    """
    Training pixels of an image, sums and moments in units of the noise.

    Without sums there are patterns of bad neighbours.
    """

    plane: object
    y: np.ndarray
    x: np.ndarray
    moments: Moments
    sums: np.ndarray


class _Rows(NamedTuple):
    """
    Training pixels, in units of the noise, and what kernels make of them.
    """

    moments: Moments
    found: Grid
    sums: np.ndarray
    residuals: np.ndarray
    variance: np.ndarray

    def cost(self, chosen):
        """
        Return the mean absolute residual of some pixels, of all kernels.
        """
        if self.sums is None:
            return np.abs(self.residuals[chosen]).mean(axis=0)
        weights = columns(self.found.values)[np.newaxis]
        return mean_residuals(self.sums[chosen],
                              weights)[:len(self.found.kernels)]

    def take(self, chosen, kernel):
        """
        Return absolute residuals and variances of some pixels, of one
        kernel.
        """
        if self.sums is None:
            return (np.abs(self.residuals[chosen, kernel]),
                    self.variance[chosen, kernel])
        weights = self.found.values[kernel].astype(self.sums.dtype)
        return (np.abs(self.sums[chosen] @ weights),
                self.found.variance[kernel])


def _in_noise(found, noise):
    return np.stack([found.scatter / noise, found.peak / noise, found.lost])


def _look_at(plane, index, search):
    """
    Return positions, moments and sums of those that have whole windows,
    without spikes.
    """
    parts = []
    # in order, and few at a time, to read each part of memory but once
    index = np.sort(index)
    for first in range(0, max(index.size, 1), N_CHUNK):
        y, x = np.divmod(index[first:first + N_CHUNK], plane.data.shape[1])
        found = sum_orbits(plane.data, plane.bad, y, x, search.width,
                           symmetry_of(search))
        y, x = y[found.kept], x[found.kept]
        clean = ~plane.near_spikes(y, x, search.width, found.farthest)
        parts.append((y[clean], x[clean],
                      _in_noise(found.moments, plane.noise).T[clean],
                      found.sums[clean] / plane.noise))
    found = [np.concatenate(part) for part in zip(*parts, strict=True)]
    varied = _varied(found[2][:, 0])
    return [array[varied] for array in found]


def _varied(scatter):
    """
    Tell pixels from those in margins of zeros, unless there are no other.
    """
    varied = scatter > MIN_SCATTER
    return varied if varied.any() else ~varied


def _whole_windows(plane, candidates, search, rng):
    """
    Draw candidates until enough have whole windows.

    Candidates are flat indices, and how many are wanted.
    """
    parts = []
    for index, n_pixels in candidates:
        if index.size > N_TRIED * n_pixels:
            index = index[rng.integers(index.size, size=N_TRIED * n_pixels)]
        index = rng.permutation(index)
        found = [_look_at(plane, index[:n_pixels], search)]
        n_found = len(found[0][0])
        if n_found < n_pixels:  # so many more, by the share that was good
            more = (n_pixels - n_found) * n_pixels // max(n_found, 1)
            found.append(_look_at(plane, index[n_pixels:n_pixels + more],
                                  search))
        parts.append([np.concatenate(part)[:n_pixels]
                      for part in zip(*found, strict=True)])
    y, x, found, sums = (np.concatenate(part)
                         for part in zip(*parts, strict=True))
    return _Pixels(plane, y, x, Moments(*found.T), sums)


def _any_windows(plane, candidates, width, rng):
    """
    Draw good pixels that have any good neighbours.
    """
    index = np.concatenate([index for index, _ in candidates])
    index = index[~plane.bad.ravel()[index]]
    index = np.sort(rng.permutation(index)[:N_PATTERNS])
    y, x = np.divmod(index, plane.data.shape[1])
    found = _in_noise(moments(plane.data, plane.bad, y, x, width),
                      plane.noise)
    some = found[2] < 1
    some &= _varied(np.where(some, found[0], 0))
    return _Pixels(plane, y[some], x[some], Moments(*found[:, some]), None)


def _clean_enough(plane, index, width):
    """
    Tell good pixels inside the image with few bad neighbours.
    """
    half = width // 2
    n_y, n_x = plane.data.shape
    y, x = np.divmod(index, n_x)
    return ((y >= half) & (y < n_y - half) & (x >= half) & (x < n_x - half)
            & ~plane.bad[y, x]
            & (moments(plane.data, plane.bad, y, x, width).lost < MAX_MENDED))


@contextmanager
def _mended(plane, index, kernel, width):
    """
    Fill the bad neighbours of pixels, for a while.
    """
    data, bad = plane.data.ravel(), plane.bad.ravel()  # no copies
    dy, dx = offsets(width)
    near = index[:, np.newaxis] + dy * plane.data.shape[1] + dx
    near = np.unique(near[bad[near]])
    value, variance = np.zeros((2, near.size))
    n_good = np.zeros(near.size, dtype=np.intc)
    fill_pixels(plane.data, plane.bad.view(np.uint8),
                *np.divmod(near, plane.data.shape[1]), dy, dx,
                np.zeros(near.size, dtype=np.intc),
                *stack_windows([Window(kernel, width)]), MIN_MENDED, value,
                variance, n_good)
    done = n_good >= MIN_MENDED
    near = near[done]
    before = data[near]
    data[near], bad[near] = value[done], False
    try:
        yield
    finally:
        data[near], bad[near] = before, True


def _mend_all(planes, candidates, pixels, search, rng, stack):
    """
    Return training pixels whose bad neighbours are filled, if they are
    more than those that there are.

    They are filled by the kernel that is best for the others, until
    ``stack`` is left.
    """
    found = _choices(search, pixels)
    cost = _rows(pixels, found, search.width).cost(slice(None))
    kernel = found.kernels[int(np.argmin(cost * found.penalty))]
    mended = []
    for plane, some in zip(planes, candidates, strict=True):
        chosen = []
        for index, n_pixels in some:
            index = rng.permutation(index)[:N_TRIED * n_pixels]
            index = index[_clean_enough(plane, index, search.width)]
            chosen.append((index[:n_pixels], n_pixels))
        index = np.concatenate([index for index, _ in chosen])
        stack.enter_context(_mended(plane, index, kernel, search.width))
        mended.append(_whole_windows(plane, chosen, search, rng))
    if _count(mended) >= max(_count(pixels), MIN_PIXELS):
        return mended
    stack.close()
    return pixels


def _count(pixels):
    return sum(len(some.y) for some in pixels)


def _for_classes(plane, settings, rng):
    """
    Return bright pixels and random ones, for the classes.
    """
    n_bright = int(BRIGHT_SHARE * settings.max_training)
    n_others = settings.max_training - n_bright
    return [(bright_pixels(plane, settings.training_mad * plane.spread,
                           N_ENOUGH * n_bright), n_bright),
            (random_pixels(plane, N_TRIED * n_others, rng), n_others)]


def _for_single(plane, settings, rng):
    """
    Return bright pixels as the paper has them (section 4.1), then, in
    case there are few, more and more others.
    """
    n_pixels = settings.max_training
    threshold = settings.training_mad * plane.spread
    top = (plane.data.max() + plane.level) / settings.training_clip
    for lowest, highest in ((threshold, top - plane.level),
                            (threshold, np.inf), (0.3 * threshold, np.inf)):
        index = bright_pixels(plane, lowest, N_ENOUGH * n_pixels, highest)
        found = _whole_windows(plane, [(index, n_pixels)], settings.search,
                               rng)
        if len(found.y) >= MIN_PIXELS:
            return found
    index = random_pixels(plane, N_TRIED * n_pixels, rng)
    return _whole_windows(plane, [(index, n_pixels)], settings.search, rng)


def learn(planes, settings, *, training=None, seed=0):
    """
    Learn the kernels of images of one kind.

    Parameters
    ----------
    planes : list of `~lpiphot.gpr.sample.Plane`
        The images.

    settings : `Settings`
        What to learn.

    training : list of 2-D bool `~numpy.ndarray`, optional
        The training pixels of each image, `True` for those to use.

    seed : int, optional
        The seed of the choice of training pixels.

    Returns
    -------
    model : `~lpiphot.gpr.model.Model`
        The kernels.
    """
    rng = np.random.default_rng(seed)
    share = settings._replace(
        max_training=max(settings.max_training // len(planes), MIN_PIXELS))
    if training is None:
        candidates = [_for_classes(plane, share, rng) for plane in planes]
    else:
        candidates = [[(np.flatnonzero(chosen), share.max_training)]
                      for chosen in training]
    pixels = [_whole_windows(plane, some, settings.search, rng)
              for plane, some in zip(planes, candidates, strict=True)]
    hurt = any(plane.bad.any() for plane in planes)
    whole = _count(pixels) >= MIN_WHOLE
    if not whole and hurt:
        pixels = [_any_windows(plane, some, settings.search.width, rng)
                  for plane, some in zip(planes, candidates, strict=True)]
    enough = min(MIN_UNMENDED, settings.max_training // 2)
    n_training = _count(pixels)
    noise = float(np.median([plane.noise for plane in planes]))
    if n_training < MIN_TRAINING:
        return _untrained(settings.search, noise)

    if settings.local:
        with ExitStack() as stack:
            if hurt and n_training < enough:
                pixels = _mend_all(planes, candidates, pixels,
                                   settings.search, rng, stack)
            return _class_model(pixels, settings.search, noise,
                                _count(pixels), rng)
    bright = pixels
    if training is None and whole:
        bright = [_for_single(plane, share, rng) for plane in planes]
    kernel = _single_kernel(bright, settings.search)
    found = Grid([kernel], *_weights_of(kernel, settings.search),
                 penalty(np.array([kernel.amplitude])))
    rows = _rows(pixels, found, settings.search.width)
    residuals, variance = rows.take(slice(None), 0)
    nodes = _error_nodes(describe(rows.moments, 1.0)[0],
                         residuals * np.sqrt(found.variance[0] / variance))
    steps = Steps((0.0,), (0,), (float(found.variance[0]),), *nodes)
    return Model(settings.search.width, (kernel,), noise, (), (), (steps,),
                 n_training)


def _weights_of(kernel, search):
    """
    Return the weights of orbits and the variance of one kernel.
    """
    found = grid(search, (kernel.amplitude,), (kernel.length_scale,),
                 symmetry_of(search), kernel.angle)
    return found.values, found.variance


def _untrained(search, noise):
    """
    Return a model of what is given, and of defaults for the rest.
    """
    amplitude, scale = DEFAULT
    kernel = Kernel(
        search.name, search.amplitude or amplitude,
        search.length_scale or (scale, scale), search.angle or 0.0,
        search.period)
    return Model(search.width, (kernel,), noise, (), (),
                 (Steps((0.0,), (0,), (1.0,), (1.0,), (1.0,)),), 0)


def _single_kernel(pixels, search):
    """
    Find the kernel that is best for all pixels.
    """
    if search.amplitude is not None and search.length_scale is not None:
        return Kernel(search.name, search.amplitude, search.length_scale,
                      search.angle or 0.0, search.period)
    if pixels[0].sums is not None:
        return train(np.concatenate([some.sums for some in pixels]),
                     search)[0]
    found = _choices(search, pixels)
    cost = _rows(pixels, found, search.width).cost(slice(None))
    return found.kernels[int(np.argmin(cost * found.penalty))]


def _stretch(search, pixels):
    """
    Find the ratio of the length scales, y over x, and the angle.
    """
    angle = search.angle or 0.0
    if search.stretch is None:
        return 1.0, angle
    if pixels[0].sums is not None:
        kernel = _single_kernel(pixels, search)
        return np.divide(*kernel.length_scale).item(), kernel.angle
    angles = ((0.0, 45.0) if search.stretch == 'angle'
              and search.angle is None else (angle,))
    found = [grid(search, AMPLITUDES[3::4], tuple(
        (scale * np.sqrt(ratio), scale / np.sqrt(ratio))
        for scale in LENGTH_SCALES[3::3] for ratio in RATIOS),
        symmetry_of(search), angle) for angle in angles]
    found = Grid([kernel for one in found for kernel in one.kernels],
                 *(np.concatenate([one[i] for one in found])
                   for i in range(1, len(Grid._fields))))
    cost = _rows(pixels, found, search.width).cost(slice(None))
    kernel = found.kernels[int(np.argmin(cost * found.penalty))]
    return np.divide(*kernel.length_scale).item(), kernel.angle


def _choices(search, pixels):
    """
    Return the kernels to choose from; fewer for pixels with patterns.
    """
    amplitudes, scales = AMPLITUDES, LENGTH_SCALES
    if pixels[0].sums is None:
        amplitudes, scales = amplitudes[::3], scales[::2]
    if search.amplitude is not None:
        amplitudes = (search.amplitude,)
    if search.length_scale is not None:
        pairs, angle = (search.length_scale,), search.angle or 0.0
    else:
        ratio, angle = _stretch(search, pixels)
        pairs = tuple((scale * ratio ** 0.5, scale / ratio ** 0.5)
                      for scale in scales)
    return grid(search, amplitudes, pairs, symmetry_of(search), angle)


def _rows(pixels, found, width):
    """
    Put pixels of all images together.
    """
    merged = Moments(*np.concatenate([some.moments for some in pixels],
                                     axis=1))
    if pixels[0].sums is not None:
        # an image almost without noise has sums beyond float32
        sums = np.concatenate([some.sums for some in pixels])
        return _Rows(merged, found,
                     np.clip(sums, -MAX_SUM, MAX_SUM).astype(np.float32),
                     None, None)
    arrays = stack_windows([Window(kernel, width)
                            for kernel in found.kernels])
    parts = [_fill_again(some, arrays, width) for some in pixels]
    return _Rows(merged, found, None,
                 *(np.concatenate(part) for part in zip(*parts, strict=True)))


def _fill_again(pixels, arrays, width):
    """
    Fill good pixels as if they were bad, by every kernel.
    """
    plane, y, x = pixels[:3]
    n_kernels = len(arrays[0])
    value, variance = np.zeros((2, n_kernels, y.size))
    n_good = np.zeros(y.size, dtype=np.intc)
    for number in range(n_kernels):
        which = np.full(y.size, number, dtype=np.intc)
        fill_pixels(plane.data, plane.bad.view(np.uint8), y, x,
                    *offsets(width), which, *arrays, 1, value[number],
                    variance[number], n_good)
    return (value - plane.data[y, x]).T / plane.noise, variance.T


def _error_nodes(contrast, sizes):
    """
    Return contrasts, and the error at each, from absolute residuals.
    """
    order = np.argsort(contrast, kind='stable')
    contrast, sizes = contrast[order], sizes[order]
    # parts that shrink upwards, like steps, and the first of them again
    # downwards: the smoothest pixels may have less noise than the rest
    n_pixels = len(order)
    edges = [0, n_pixels]
    while (n_last := int((n_pixels - edges[-2]) * KEPT)) >= MIN_NODE:
        edges.insert(-1, n_pixels - n_last)
    while (n_first := int(edges[1] * (1 - KEPT))) >= MIN_NODE:
        edges.insert(1, n_first)
    nodes, errors = [], []
    for first, last in pairwise(edges):
        middle = (last - first) // 2
        nodes.append(max(float(contrast[first + middle]), MIN_CONTRAST))
        # of a constant image it is 0, which has no logarithm
        errors.append(max(1.4826 * float(np.partition(
            sizes[first:last], middle)[middle]), 1e-3))
    return tuple(nodes), tuple(errors)


def _every_other(found):
    """
    Leave out every other amplitude.
    """
    kept = [number for number, kernel in enumerate(found.kernels)
            if kernel.amplitude in AMPLITUDES[::2]]
    if not kept:
        return found  # the amplitude is given
    return Grid([found.kernels[number] for number in kept],
                *(array[kept] for array in found[1:]))


class _LostRows:
    """
    Training pixels that lose neighbours, each by a pattern.

    What is asked of them is as for `_Rows`.
    """

    def __init__(self, pixels, found, key, n_pixels, rng):
        width = key[0]
        self._patterns = patterns(*key)
        self._weights, variance = pattern_weights(tuple(found.kernels), *key)
        share = min(n_pixels / _count(pixels), 1.0)
        parts = []
        dy, dx = (axis[self._patterns.order] for axis in offsets(width))
        for some in pixels:
            part = np.linspace(0, len(some.y) - 1, round(share * len(some.y)),
                               dtype=int)
            data, y, x = some.plane.data, some.y[part], some.x[part]
            which = rng.integers(len(self._patterns.which), size=y.size)
            values = np.empty((y.size, dy.shape[1]), dtype=np.float32)
            gather_neighbours(data, y, x, dy * data.shape[1] + dx, which,
                              some.plane.noise, MAX_SUM, values)
            parts.append((_in_noise(moments(
                data, some.plane.bad, y, x, width,
                self._patterns.hidden, which), some.plane.noise).T,
                self._patterns.which[which], values))
        found_moments, pattern, values = (
            np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(pattern, kind='stable')  # equal ones together
        self._pattern, self._values = pattern[order], values[order]
        self.moments = Moments(*found_moments[order].T)
        # the error of a class is that of its middle pattern
        self.found = found._replace(variance=np.median(variance, axis=1))
        self._variance = variance

    def cost(self, chosen):
        """
        Return the mean absolute residual of some pixels, of all kernels.
        """
        return mean_residuals(self._values[chosen], self._weights,
                              self._pattern[chosen])[
                                  :len(self.found.kernels)]

    def take(self, chosen, kernel):
        """
        Return absolute residuals and variances of some pixels, of one
        kernel.
        """
        pattern = self._pattern[chosen]
        weights = np.ascontiguousarray(self._weights[:, :, kernel])
        residuals = np.einsum('ij,ij->i', self._values[chosen],
                              weights[pattern])
        return np.abs(residuals), self._variance[kernel, pattern]


def _class_model(pixels, search, noise, n_training, rng):
    """
    Find the best kernel of each class of neighbourhoods.
    """
    kernels, tables = {}, {}
    n_shapes = len(SHAPE_EDGES) + 1
    found = _choices(search, pixels)
    few = _every_other(found)
    rows = _rows(pixels, found, search.width)
    whole = pixels[0].sums is not None
    for level in range(len(LOST_EDGES) + 1):
        if whole and level > 0:
            edges = (*LOST_EDGES, 1.0)
            key = (search.width, *edges[level - 1:level + 1],
                   symmetry_of(search))
            if patterns(*key) is None:
                continue  # too few neighbours would be left
            rows = _LostRows(pixels, few, key, N_LOST[level - 1], rng)
        contrast, shape = describe(rows.moments, 1.0)
        kind = np.searchsorted(SHAPE_EDGES, shape)
        if not whole:
            kind += n_shapes * np.searchsorted(LOST_EDGES, rows.moments.lost)
            kind -= n_shapes * level
        for number in range(n_shapes):
            mine = np.flatnonzero(kind == number)
            if mine.size >= MIN_CLASS:
                tables[level, number] = _make_steps(contrast, rows, mine,
                                                    kernels)
    if not tables:
        tables[0, 0] = _make_steps(contrast, rows, np.arange(contrast.size),
                                   kernels)
    # a class that is scarce has the kernels of the nearest
    steps = tuple(
        tables[min(tables, key=lambda other: (abs(other[1] - number),
                                              abs(other[0] - level)))]
        for level in range(len(LOST_EDGES) + 1)
        for number in range(n_shapes))
    return Model(search.width, tuple(kernels), noise, LOST_EDGES, SHAPE_EDGES,
                 steps, n_training)


def _make_steps(contrast, rows, mine, kernels):
    """
    Find the kernels of one class; ``kernels`` numbers them.
    """
    contrast, found = contrast[mine], rows.found
    n_steps = 1
    while (n_steps < MAX_STEPS
           and KEPT ** n_steps * contrast.size >= MIN_PIXELS):
        n_steps += 1
    # quantiles; numpy's function takes longer
    parts = (1 - KEPT ** np.arange(n_steps)) * contrast.size
    edges = np.sort(contrast)[parts.astype(int)]
    step = np.searchsorted(edges[1:], contrast, side='right')
    members = [np.flatnonzero(step == number) for number in np.unique(step)]
    cost = np.array([rows.cost(mine[these]) * found.penalty
                     for these in members])
    table, sizes = [], np.empty(contrast.size)
    for number, best in enumerate(_choose(cost, [*map(len, members)])):
        these = members[number]
        residuals, variance = rows.take(mine[these], best)
        # as if no neighbours were bad, in case there are
        sizes[these] = residuals * np.sqrt(found.variance[best] / variance)
        place = kernels.setdefault(found.kernels[best], len(kernels))
        table.append((float(edges[number]), place,
                      float(found.variance[best])))
    return Steps(*zip(*table, strict=True), *_error_nodes(contrast, sizes))


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
