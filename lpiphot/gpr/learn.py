# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Images -> a model: which kernels, for which neighbourhoods, what errors.
"""

from typing import NamedTuple

import numpy as np

from lpiphot.gpr.kernels import Kernel
from lpiphot.gpr.model import Model, Steps, describe
from lpiphot.gpr.sample import (bright_pixels, fill_roughly, random_pixels,
                                spread_of)
from lpiphot.gpr.training import Search, grid, sum_orbits, symmetry_of, train
from lpiphot.gpr.weights import Window
from lpiphot.gpr.window import Moments, moments

__all__ = ['Settings', 'learn', 'single_model']

# Kernels for the classes to choose from
AMPLITUDES = tuple(np.geomspace(0.1, 1000.0, 13).tolist())
LENGTH_SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.35, 1.6, 2.0, 2.5, 3.2,
                 4.0, 5.5, 7.5)

# Shapes: valleys and plains; slopes; peaks
SHAPE_EDGES = (0.2, 0.6)
# Each step of contrast is for the upper 60 % of the one before
KEPT = 0.6
MAX_STEPS = 6
MIN_PIXELS = 60

# Of the training pixels of classes, those that are bright
BRIGHT_SHARE = 3 / 11
# With fewer training pixels windows may have bad pixels, filled roughly
MIN_WHOLE = 500
MAX_BAD = 0.25

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


class _Sample(NamedTuple):
    """
    Training pixels of one or more images, in units of the noise.
    """

    sums: np.ndarray
    moments: Moments


def _windows(plane, index, n_pixels, search, max_bad, rng):
    """
    Draw pixels until so many have whole windows, without spikes; return
    their positions and sums.
    """
    index = rng.permutation(index)
    parts, n_kept = [], 0
    for first in range(0, max(index.size, 1), n_pixels):
        # in order, to be quick to reach in memory
        y, x = np.divmod(np.sort(index[first:first + n_pixels]),
                         plane.data.shape[1])
        sums, kept = sum_orbits(plane.data, plane.bad, y, x, search.width,
                                symmetry_of(search), max_bad=max_bad)
        y, x = y[kept], x[kept]
        clean = ~plane.mark_spikes(y, x, search.width)[1]
        parts.append((y[clean], x[clean], sums[clean]))
        n_kept += np.count_nonzero(clean)
        if n_kept >= n_pixels or first >= 3 * n_pixels:
            break
    return [np.concatenate(part)[:n_pixels]
            for part in zip(*parts, strict=True)]


def _sample(plane, candidates, settings, rng):
    """
    Take training pixels from candidates: flat indices, and how many.

    Where few windows are whole, bad neighbours are filled roughly.
    """
    width = settings.search.width
    source, max_bad = plane, 0
    while True:
        parts = [_windows(source, index, n_pixels, settings.search, max_bad,
                          rng) for index, n_pixels in candidates]
        n_found = sum(len(part[0]) for part in parts)
        if n_found >= MIN_WHOLE or max_bad or not plane.bad.any():
            break
        source = fill_roughly(plane, width)
        max_bad = int(MAX_BAD * (width ** 2 - 1))
    y, x, sums = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = moments(plane.data, plane.bad, y, x, width)
    return _Sample(sums / plane.noise,
                   Moments(*(np.array(found) / plane.noise)))


def _for_classes(plane, settings, rng):
    """
    Return bright pixels and random ones, for the classes.
    """
    threshold = settings.training_mad * spread_of(plane)
    n_bright = int(BRIGHT_SHARE * settings.max_training)
    return [(bright_pixels(plane, threshold), n_bright),
            (random_pixels(plane, 4 * settings.max_training, rng),
             settings.max_training - n_bright)]


def _for_single(plane, settings, rng):
    """
    Return bright pixels as the paper has them (section 4.1), then, in
    case there are few, more and more others.
    """
    spread = spread_of(plane)
    threshold = settings.training_mad * spread
    top = (plane.data.max() + plane.level) / settings.training_clip
    for index in (bright_pixels(plane, threshold, top - plane.level),
                  bright_pixels(plane, threshold),
                  bright_pixels(plane, 0.3 * threshold),
                  random_pixels(plane, 4 * settings.max_training, rng)):
        yield [(index, settings.max_training)]


def _merge(samples):
    return _Sample(np.concatenate([one.sums for one in samples]),
                   Moments(*np.concatenate([one.moments for one in samples],
                                           axis=1)))


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
    samples = []
    for number, plane in enumerate(planes):
        if training is not None:
            chosen = [[(np.flatnonzero(training[number]),
                        share.max_training)]]
        elif settings.local:
            chosen = [_for_classes(plane, share, rng)]
        else:
            chosen = _for_single(plane, share, rng)
        for candidates in chosen:
            sample = _sample(plane, candidates, share, rng)
            if len(sample.sums) >= MIN_PIXELS:
                break
        samples.append(sample)
    sample = _merge(samples)
    noise = float(np.median([plane.noise for plane in planes]))
    if len(sample.sums) < MIN_PIXELS:
        return _untrained(settings.search, noise)
    if settings.local:
        return _class_model(sample, settings.search, noise)
    kernel, _ = train(sample.sums, settings.search)
    return single_model(kernel, settings.search, noise,
                        _error(sample.sums, kernel, settings.search),
                        len(sample.sums))


def _untrained(search, noise):
    """
    Return a model of what is given, and of defaults for the rest.
    """
    amplitude, scale = DEFAULT
    kernel = Kernel(
        search.name, search.amplitude or amplitude,
        search.length_scale or (scale, scale), search.angle or 0.0,
        search.period)
    variance = Window(kernel, search.width).variance
    return single_model(kernel, search, noise, np.sqrt(variance), 0)


def _robust_width(residuals):
    """
    Return a robust width; not 0, for which there is no logarithm.
    """
    return max(1.4826 * float(np.median(np.abs(residuals))), 1e-3)


def _error(sums, kernel, search):
    symmetry = symmetry_of(search)
    one = grid(search, (kernel.amplitude,), (kernel.length_scale,),
               symmetry, kernel.angle)
    return _robust_width(sums @ one.values[0])


def single_model(kernel, search, noise, error, n_training):
    """
    Return the model of a single kernel.

    Parameters
    ----------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.

    search : `~lpiphot.gpr.training.Search`
        The search.

    noise : float
        The noise of the image in data units.

    error : float
        The width of the residuals in units of the noise.

    n_training : int
        The number of training pixels.

    Returns
    -------
    model : `~lpiphot.gpr.model.Model`
        The model.
    """
    return Model(search.width, (kernel,), noise, (),
                 (Steps((0.0,), (0,), (1.0,), (float(error),)),), n_training)


def _class_model(sample, search, noise):
    """
    Find the best kernel of each class of neighbourhoods.
    """
    sums = sample.sums
    pair, angle = (1.0, 1.0), search.angle or 0.0
    if search.length_scale is not None:
        pairs = (search.length_scale,)
    else:
        if search.stretch is not None:  # one ratio and angle for all
            kernel, _ = train(sums, search)
            angle = kernel.angle
            ratio = np.sqrt(kernel.length_scale[0] / kernel.length_scale[1])
            pair = float(ratio), float(1 / ratio)
        pairs = tuple((scale * pair[0], scale * pair[1])
                      for scale in LENGTH_SCALES)
    amplitudes = (AMPLITUDES if search.amplitude is None
                  else (search.amplitude,))
    found = grid(search, amplitudes, pairs, symmetry_of(search), angle)

    contrast, shape = describe(sample.moments, 1.0)
    kind = np.searchsorted(SHAPE_EDGES, shape)
    chosen, tables = [], {}
    for number in range(len(SHAPE_EDGES) + 1):
        mine = kind == number
        if np.count_nonzero(mine) >= MIN_PIXELS:
            tables[number] = _make_steps(sums[mine], contrast[mine], found,
                                         chosen)
    # a class that is scarce has the kernels of the nearest
    steps = tuple(tables[min(tables, key=lambda other: abs(other - number))]
                  for number in range(len(SHAPE_EDGES) + 1))
    return Model(search.width,
                 tuple(found.kernels[index] for index in chosen), noise,
                 SHAPE_EDGES, steps, len(sums))


def _make_steps(sums, contrast, found, chosen):
    """
    Find the kernels of one class; those new are appended to ``chosen``.
    """
    n_steps = 1
    while (n_steps < MAX_STEPS
           and KEPT ** n_steps * contrast.size >= MIN_PIXELS):
        n_steps += 1
    edges = np.quantile(contrast, 1 - KEPT ** np.arange(n_steps))
    step = np.searchsorted(edges[1:], contrast, side='right')
    rows = []
    for number in np.unique(step):
        mine = step == number
        residuals = sums[mine] @ found.values.T
        best = int(np.argmin(np.abs(residuals).mean(axis=0)
                             * found.penalty))
        if best not in chosen:
            chosen.append(best)
        rows.append((float(edges[number]), chosen.index(best),
                     max(float(np.median(contrast[mine])), 1e-3),
                     _robust_width(residuals[:, best])))
    return Steps(*zip(*rows, strict=True))
