# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Training pixels: drawn from candidates, with what their neighbours are.
"""

from typing import NamedTuple

import numpy as np

from lpiphot.gpr.orbits import sum_orbits
from lpiphot.gpr.plane import Plane
from lpiphot.gpr.sample import (Limits, bright_pixels, pixels_above,
                                random_pixels)
from lpiphot.gpr.training import symmetry_of
from lpiphot.gpr.window import Moments, moments

__all__ = ['MIN_PIXELS', 'N_TRIED', 'Candidates', 'TrainingPixels',
           'any_windows', 'class_candidates', 'count', 'single_pixels',
           'whole_windows']

# So many make a step of a class, or are bright enough for a single kernel
MIN_PIXELS = 120

# Of the training pixels of classes, those that are bright
BRIGHT_SHARE = 3 / 7

# So many times the training pixels are tried, as not all windows are
# whole, and are enough for the rest of the image not to be searched
N_TRIED, N_ENOUGH = 4, 2

# Pixels read at a time
N_CHUNK = 4096

# Without whole windows training pixels are few, as each needs its own
# weights for each kernel
N_HURT = 500

# Neighbours that scatter less, in units of the noise, are constant but for
# rounding
MIN_SCATTER = 1e-6


class Candidates(NamedTuple):
    """
    Pixels of an image to draw training pixels from.

    Attributes
    ----------
    groups : list of tuple
        Flat indices of pixels, and how many of them are wanted. Those of
        the last group are from the whole image.

    limits : `~lpiphot.gpr.sample.Limits` or `None`
        Which pixels the other groups have; `None` if there are none.
    """

    groups: list
    limits: Limits = None


class TrainingPixels(NamedTuple):
    """
    Training pixels of an image.

    Attributes
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    y, x : (n,) `~numpy.ndarray` of int
        The pixels.

    moments : `~lpiphot.gpr.window.Moments`
        How their neighbours scatter, in units of the noise.

    sums : (n, n_orbits) `~numpy.ndarray` or `None`
        Their neighbours summed by orbit, in units of the noise; `None` if
        some neighbours are bad.

    groups : list of tuple or `None`
        The pixels come in groups; of each, the number of pixels, and the
        number wanted. `None` if some neighbours are bad.

    share : (n,) `~numpy.ndarray`
        Weights by which the pixels, of which too many are bright, are a
        fair sample of the image.
    """

    plane: Plane
    y: np.ndarray
    x: np.ndarray
    moments: Moments
    sums: np.ndarray
    groups: list
    share: np.ndarray


def count(pixels):
    """
    Return the number of training pixels of all images.

    Parameters
    ----------
    pixels : list of `TrainingPixels`
        Those of each image.

    Returns
    -------
    n : int
        The number.
    """
    return sum(len(some.y) for some in pixels)


def _in_noise(found, noise):
    """
    Return moments in units of the noise, in rows.
    """
    return np.stack([found.scatter / noise, found.peak / noise, found.lost])


def _varied(scatter):
    """
    Tell pixels from those in margins of zeros, unless there are no other.
    """
    varied = scatter > MIN_SCATTER
    return varied if varied.any() else ~varied


def _fair_share(plane, y, x, limits, drawn):
    """
    Return weights by which bright pixels, and others ``drawn`` from the
    whole image, are a fair sample.
    """
    share = np.ones(len(y))
    if limits is not None:
        kinds = limits.kinds(plane, y, x)
        for kind in (1, 2):
            mine = kinds == kind
            # of a few bright ones perhaps none was drawn
            n_drawn = max(np.count_nonzero(mine & drawn), 1)
            share[mine] = n_drawn / max(np.count_nonzero(mine), 1)
    return share


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


def whole_windows(plane, candidates, search, rng):
    """
    Draw candidates until enough have whole windows.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    candidates : `Candidates`
        The pixels to draw from.

    search : `~lpiphot.gpr.training.Search`
        The kernels that are trained, for window and symmetry.

    rng : `~numpy.random.Generator`
        The generator.

    Returns
    -------
    pixels : `TrainingPixels`
        The pixels.
    """
    parts = []
    for index, n_pixels in candidates.groups:
        if index.size > N_TRIED * n_pixels:
            index = index[rng.integers(index.size, size=N_TRIED * n_pixels)]
        else:
            index = rng.permutation(index)
        found = [_look_at(plane, index[:n_pixels], search)]
        n_found = len(found[0][0])
        if n_found < n_pixels:  # so many more, by the share that was good
            more = (n_pixels - n_found) * n_pixels // max(n_found, 1)
            found.append(_look_at(plane, index[n_pixels:n_pixels + more],
                                  search))
        parts.append([np.concatenate(part)[:n_pixels]
                      for part in zip(*found, strict=True)])
    groups = [(len(part[0]), n_pixels) for part, (_, n_pixels)
              in zip(parts, candidates.groups, strict=True)]
    y, x, found, sums = (np.concatenate(part)
                         for part in zip(*parts, strict=True))
    share = _fair_share(plane, y, x, candidates.limits,
                        np.arange(y.size) >= y.size - groups[-1][0])
    return TrainingPixels(plane, y, x, Moments(*found.T), sums, groups, share)


def any_windows(plane, candidates, width, rng):
    """
    Draw good pixels that have any good neighbours.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    candidates : `Candidates`
        The pixels to draw from.

    width : int
        The width of the window in pixels.

    rng : `~numpy.random.Generator`
        The generator.

    Returns
    -------
    pixels : `TrainingPixels`
        The pixels, without sums.
    """
    groups = candidates.groups
    index = np.concatenate([index for index, _ in groups])
    drawn = np.arange(index.size) >= index.size - len(groups[-1][0])
    chosen = rng.permutation(np.flatnonzero(~plane.bad.ravel()[index]))
    chosen = chosen[:N_HURT]
    chosen = chosen[np.argsort(index[chosen])]
    y, x = np.divmod(index[chosen], plane.data.shape[1])
    found = _in_noise(moments(plane.data, plane.bad, y, x, width),
                      plane.noise)
    some = found[2] < 1
    some &= _varied(np.where(some, found[0], 0))
    y, x = y[some], x[some]
    share = _fair_share(plane, y, x, candidates.limits, drawn[chosen][some])
    return TrainingPixels(plane, y, x, Moments(*found[:, some]), None, None,
                          share)


def class_candidates(plane, settings, rng):
    """
    Return bright pixels and random ones, for the classes.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    settings : `~lpiphot.gpr.learn.Settings`
        How many pixels there shall be, and which are bright.

    rng : `~numpy.random.Generator`
        The generator.

    Returns
    -------
    candidates : `Candidates`
        Pixels that stand out of their part of the image, as stars do; up
        to as many that do not, but are bright, as on a galaxy or a nebula,
        and more where the first are few; any.
    """
    n_bright = int(BRIGHT_SHARE * settings.max_training)
    n_others = settings.max_training - n_bright
    limits = Limits.of(plane, settings.training_mad)
    local, wide = bright_pixels(plane, limits, N_ENOUGH * n_bright)
    n_local = n_bright - min(n_bright // 2, wide.size)
    # if the first are few, as many are wanted: each is used several times
    # where neighbours are lost
    n_wide = min(n_bright - min(n_local, local.size), wide.size)
    groups = [(local, n_local), (wide, n_wide),
              (random_pixels(plane, N_TRIED * n_others, rng), n_others)]
    return Candidates([group for group in groups if group[1] > 0], limits)


def single_pixels(plane, settings, rng):
    """
    Return bright pixels as the paper has them (section 4.1), then, in
    case there are few, more and more others.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    settings : `~lpiphot.gpr.learn.Settings`
        How many pixels there shall be, and which are bright.

    rng : `~numpy.random.Generator`
        The generator.

    Returns
    -------
    pixels : `TrainingPixels`
        Pixels with whole windows.
    """
    n_pixels = settings.max_training
    threshold = settings.training_mad * plane.spread
    top = (plane.data.max() + plane.level) / settings.training_clip
    for lowest, highest in ((threshold, top - plane.level),
                            (threshold, np.inf), (0.3 * threshold, np.inf)):
        index = pixels_above(plane, lowest, N_ENOUGH * n_pixels, highest)
        found = whole_windows(plane, Candidates([(index, n_pixels)]),
                              settings.search, rng)
        if len(found.y) >= MIN_PIXELS:
            return found
    index = random_pixels(plane, N_TRIED * n_pixels, rng)
    return whole_windows(plane, Candidates([(index, n_pixels)]),
                         settings.search, rng)
