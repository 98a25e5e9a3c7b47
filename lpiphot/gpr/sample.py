# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Plane -> where it is bright, and pixels to train on.
"""

from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import places_above
from lpiphot._noise import MAD_TO_SIGMA

__all__ = ['PART', 'Limits', 'bright_pixels', 'pixels_above', 'random_pixels']

# Pixels that training pixels are drawn from, first, then, and last, if bright
# ones are few, each time beside those before; they are in bands of so many
# rows, as windows side by side are read faster than windows far apart
N_SCAN = 2 ** 19, 2 ** 21, 2 ** 22
BAND = 16
# The parts of an image that have levels of their own are so wide, some bands
# high; of each so many rows and columns are looked at
PART = 6 * BAND
N_PART = 6


class Limits(NamedTuple):
    """
    Above which value a pixel is bright.

    Attributes
    ----------
    image : float
        The value for the whole image, counted from its level.

    parts : (n_y, n_x) `~numpy.ndarray`
        The values for its parts, infinite where no pixel that is looked
        at is good. They are ``PART`` pixels wide and high, the last ones
        as much larger as the image needs.
    """

    image: float
    parts: np.ndarray

    @classmethod
    def of(cls, plane, n_mad):
        """
        Find the limits of an image.

        Parameters
        ----------
        plane : `~lpiphot.gpr.plane.Plane`
            The image.

        n_mad : float
            The limits are so many median absolute deviations above the
            medians. In parts these are not taken to be less than those of
            noise.

        Returns
        -------
        limits : `Limits`
            The limits.
        """
        y, x = (_regular(size) for size in plane.data.shape)
        place = np.ix_(y.ravel(), x.ravel())
        values = np.where(plane.bad[place], np.nan, plane.data[place])
        values = values.reshape(*y.shape, *x.shape).swapaxes(1, 2)
        values = values.reshape(len(y), len(x), -1)
        level = _medians(values)
        spread = _medians(np.abs(values - level[..., np.newaxis]))
        spread = np.maximum(spread, plane.noise / MAD_TO_SIGMA)
        return cls(n_mad * plane.spread, np.where(
            np.isnan(level), np.inf, level + n_mad * spread))

    def kinds(self, plane, y, x):
        """
        Tell how bright pixels are.

        Parameters
        ----------
        plane : `~lpiphot.gpr.plane.Plane`
            The image.

        y, x : (n,) `~numpy.ndarray` of int
            The pixels.

        Returns
        -------
        kinds : (n,) `~numpy.ndarray` of int
            2 for those that are bright in their part, 1 for others that
            are bright in the image, 0 for the rest.
        """
        part = tuple(np.minimum(axis // PART, size - 1) for axis, size
                     in zip((y, x), self.parts.shape, strict=True))
        value = plane.data[y, x]
        return np.where(value > self.parts[part], 2, value > self.image)


def _regular(size):
    """
    Return some rows, or columns, of each part of an image.
    """
    firsts = PART * np.arange(max(size // PART, 1))
    lengths = np.diff(firsts, append=size)
    # odd steps: even ones would see, say, even columns only
    steps = np.maximum(lengths // N_PART - 1, 1) | 1
    firsts += (lengths - (N_PART - 1) * steps) // 2
    places = firsts[:, np.newaxis] + steps[:, np.newaxis] * np.arange(N_PART)
    return places.clip(0, size - 1)


def _medians(values):
    """
    Return medians along the last axis, of what is no NaN.
    """
    values = np.sort(values)  # NaN last; numpy.nanmedian takes far longer
    last = np.count_nonzero(~np.isnan(values), axis=-1, keepdims=True) - 1
    middle = [np.take_along_axis(values, np.maximum(place, 0), axis=-1)[..., 0]
              for place in (last // 2, (last + 1) // 2)]
    return (middle[0] + middle[1]) / 2


def _bands(shape, n_scan):
    """
    Return first and last rows of bands, evenly spaced, for a number of
    pixels; all rows, if there are no more.
    """
    step = -(-shape[0] * shape[1] // n_scan)
    if shape[0] < step * BAND:
        step = 1
    firsts = range(step // 2 * BAND, shape[0], step * BAND)
    return [(first, min(first + BAND, shape[0])) for first in firsts]


def _more_bands(shape):
    """
    Yield bands, and then others, each time for more pixels.
    """
    seen = set()
    for n_scan in N_SCAN:
        bands = set(_bands(shape, n_scan)) - seen
        seen |= bands
        yield sorted(bands)


def _above(plane, thresholds, bands):
    """
    Return the flat indices of good pixels above the thresholds of parts.
    """
    n_x = plane.data.shape[1]
    places = np.empty(BAND * n_x, dtype=np.int64)
    found = [np.empty(0, dtype=np.int64)]
    for first, last in bands:
        mine = thresholds[min(first // PART, len(thresholds) - 1)]
        n_found = places_above(plane.data[first:last], mine, PART, places)
        found.append(places[:n_found] + first * n_x)
    found = np.concatenate(found)
    return found[~plane.bad.ravel()[found]]


def bright_pixels(plane, limits, n_pixels):
    """
    Return good pixels that are bright.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    limits : `Limits`
        What is bright.

    n_pixels : int
        The number that is enough.

    Returns
    -------
    local, wide : (n,) `~numpy.ndarray` of int
        Flat indices of pixels that are bright in their part of the image,
        and of those that are so only in the whole image. Of a large image
        some of the rows are searched, and more for the first if they are
        few there.
    """
    local, wide = [], None
    thresholds = np.minimum(limits.parts, limits.image)
    for bands in _more_bands(plane.data.shape):
        index = _above(plane, thresholds, bands)
        near = limits.kinds(plane, *np.divmod(index, plane.data.shape[1])) == 2
        local.append(index[near])
        if wide is None:
            wide, thresholds = index[~near], limits.parts
        if sum(map(len, local)) >= n_pixels:
            break
    return np.sort(np.concatenate(local)), wide


def pixels_above(plane, lowest, n_pixels, highest=np.inf):
    """
    Return good pixels between two limits.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    lowest : float
        The value, counted from the level, that they exceed.

    n_pixels : int
        The number that is enough.

    highest : float, optional
        The value, counted from the level, that they do not reach.

    Returns
    -------
    index : (n,) `~numpy.ndarray` of int
        Flat indices. Of a large image only some of the rows are
        searched, more of them if pixels are few there.
    """
    found = []
    for bands in _more_bands(plane.data.shape):
        index = _above(plane, np.full((1, 1), lowest), bands)
        found.append(index[plane.data.ravel()[index] < highest])
        if sum(map(len, found)) >= n_pixels:
            break
    return np.sort(np.concatenate(found))


def random_pixels(plane, n_pixels, rng):
    """
    Return random pixels, good or bad.

    Parameters
    ----------
    plane : `~lpiphot.gpr.plane.Plane`
        The image.

    n_pixels : int
        Their number; all pixels if there are no more.

    rng : `~numpy.random.Generator`
        The generator.

    Returns
    -------
    index : (n,) `~numpy.ndarray` of int
        Flat indices; of a large image only in some of the rows.
    """
    if plane.data.size <= n_pixels:
        return np.arange(plane.data.size)
    n_x = plane.data.shape[1]
    firsts, lasts = np.array(_bands(plane.data.shape, N_SCAN[0])).T * n_x
    ends = np.cumsum(lasts - firsts)
    index = rng.integers(ends[-1], size=n_pixels)
    band = index // ends[0]  # they are all as large, but the last
    return index + (lasts - ends)[band]
