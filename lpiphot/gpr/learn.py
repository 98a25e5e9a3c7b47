# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Images -> a model: which kernels, for which neighbourhoods, what errors.
"""

from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from lpiphot.gpr.choices import single_kernel
from lpiphot.gpr.classes import class_model
from lpiphot.gpr.errors import Residuals, error_nodes, height_nodes
from lpiphot.gpr.kernels import Kernel
from lpiphot.gpr.mending import mend_all
from lpiphot.gpr.model import Model, Steps, describe
from lpiphot.gpr.pixels import (MIN_PIXELS, Candidates, any_windows,
                                class_candidates, count, single_pixels,
                                whole_windows)
from lpiphot.gpr.rows import rows_of
from lpiphot.gpr.training import Grid, Search, grid, penalty, symmetry_of

__all__ = ['Settings', 'learn']

# With fewer whole windows, training pixels have their bad neighbours
MIN_WHOLE = 500
# With fewer whole windows, bad neighbours of training pixels are filled
# for classes
MIN_UNMENDED = 2500
# Training pixels without which there is no training
MIN_TRAINING = 30

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
        absolute deviations above the median, of the image or of their
        part of it; those of a single kernel also lie below the maximum
        over ``training_clip``.

    max_training : int
        The largest number of training pixels.
    """

    search: Search
    local: bool
    training_mad: float
    training_clip: float
    max_training: int


def learn(planes, settings, *, training=None, seed=0):
    """
    Learn the kernels of images of one kind.

    Parameters
    ----------
    planes : list of `~lpiphot.gpr.plane.Plane`
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
        candidates = [class_candidates(plane, share, rng) for plane in planes]
    else:
        candidates = [
            Candidates([(np.flatnonzero(chosen), share.max_training)])
            for chosen in training]
    pixels = [whole_windows(plane, some, settings.search, rng)
              for plane, some in zip(planes, candidates, strict=True)]
    hurt = any(plane.bad.any() for plane in planes)
    whole = count(pixels) >= MIN_WHOLE
    if not whole and hurt:
        pixels = [any_windows(plane, some, settings.search.width, rng)
                  for plane, some in zip(planes, candidates, strict=True)]
    enough = min(MIN_UNMENDED, settings.max_training // 2)
    n_training = count(pixels)
    noise = float(np.median([plane.noise for plane in planes]))
    if n_training < MIN_TRAINING:
        return _untrained(settings.search, noise)

    if settings.local:
        with ExitStack() as stack:
            if hurt and n_training < enough:
                pixels = mend_all(planes, candidates, pixels,
                                  settings.search, rng, stack)
            return class_model(pixels, settings.search, noise, rng)
    bright = pixels
    if training is None and whole:
        bright = [single_pixels(plane, share, rng) for plane in planes]
    kernel = single_kernel(bright, settings.search)
    found = Grid([kernel], *_weights_of(kernel, settings.search),
                 penalty(np.array([kernel.amplitude])))
    rows = rows_of(pixels, found, settings.search.width)
    residuals, variance = rows.take(np.arange(rows.values.size), 0)
    contrast, _ = describe(rows.moments, 1.0)
    left = Residuals(contrast, rows.values + residuals,
                     np.abs(residuals) / np.sqrt(variance), rows.share)
    of_kernel = float(found.variance[0])
    nodes = error_nodes(contrast, left.size * of_kernel ** 0.5, left.share)
    steps = Steps((0.0,), (0,), (of_kernel,), *nodes)
    return Model(settings.search.width, (kernel,), noise, (), (), (steps,),
                 *height_nodes([(steps, left)]), n_training)


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
                 (Steps((0.0,), (0,), (1.0,), (1.0,), (1.0,)),), (0.0,),
                 (1.0,), 0)
