# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Image -> training pixels, and the noise of the image.
"""

from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import (mark_spikes, places_above,
                                      second_differences)
from lpiphot._noise import robust_sigma

__all__ = ['Plane', 'bright_pixels', 'good_values', 'noise_of',
           'random_pixels']

# Pixels that training pixels are drawn from, first, and at most, if bright
# ones are few; they are in bands of so many rows, as windows side by side
# are read faster than windows far apart
N_SCAN = 2 ** 19, 2 ** 22
BAND = 16
# Pixels that are looked at to find levels
N_LEVEL = 2 ** 15

# How far spikes stand out: from the window in units of the noise, from
# their neighbours in units of the range of these, and the ratio of both
SPIKE_SIGMA, SPIKE_SHARPNESS, SPIKE_RATIO = 20.0, 8.0, 4.0


class Plane(NamedTuple):
    """
    An image to work on.

    Attributes
    ----------
    data : (ny, nx) `~numpy.ndarray`
        The values less ``level``, float64, C order, 0 at bad pixels.

    bad : (ny, nx) bool `~numpy.ndarray`
        The bad pixels.

    level : float
        The median of the good pixels, or of a regular part of them.

    spread : float
        Their median absolute deviation from it, without a factor to
        make it a standard deviation.

    noise : float
        The 1-sigma noise of the sky in data units.
    """

    data: np.ndarray
    bad: np.ndarray
    level: float
    spread: float
    noise: float

    @classmethod
    def of(cls, data, bad):
        """
        Make a plane of an image.

        Parameters
        ----------
        data : (ny, nx) `~numpy.ndarray`
            The image, with at least one good pixel.

        bad : (ny, nx) bool `~numpy.ndarray`
            The bad pixels.

        Returns
        -------
        plane : `Plane`
            The plane.
        """
        bad = np.ascontiguousarray(bad)
        some = good_values(data, bad).astype(float)
        level = float(np.median(some))
        spread = float(np.median(np.abs(some - level)))
        data = np.subtract(data, level, dtype=float, order='C')
        data[bad] = 0
        # the precision of the numbers is the least noise they can have
        noise = max(noise_of(data, bad), np.spacing(abs(level)), 1e-100)
        return cls(data, bad, level, spread, noise)

    def mark_spikes(self, y, x, width):
        """
        Find good pixels near others that stand alone, by far.

        Hot and dead pixels and cosmic rays that nobody masked would
        spoil all pixels filled from them. Stars are no spikes unless
        their FWHM is less than about 1.2 pixels.

        Parameters
        ----------
        y, x : (n,) `~numpy.ndarray` of int
            Pixels, whose windows are searched.

        width : int
            The width of the windows.

        Returns
        -------
        bad : (ny, nx) bool `~numpy.ndarray`
            The bad pixels and spikes.

        near : (n,) bool `~numpy.ndarray`
            The pixels whose windows have spikes.
        """
        spikes = self.bad.copy()
        near = np.zeros(len(y), dtype=bool)
        self._find_spikes(y, x, width, spikes, near)
        return spikes, near

    def near_spikes(self, y, x, width, farthest):
        """
        Find pixels near spikes.

        Parameters
        ----------
        y, x : (n,) `~numpy.ndarray` of int
            Pixels, whose windows are searched.

        width : int
            The width of the windows.

        farthest : (n,) `~numpy.ndarray`
            How far any pixel of their windows is from the mean. Near
            ones are no spikes, and are not looked at.

        Returns
        -------
        near : (n,) bool `~numpy.ndarray`
            The pixels whose windows have spikes.
        """
        far = ~(farthest <= SPIKE_SIGMA * self.noise * (1 - 1e-9))
        near = np.zeros(len(y), dtype=bool)
        found = np.zeros(np.count_nonzero(far), dtype=bool)
        self._find_spikes(y[far], x[far], width, None, found)
        near[far] = found
        return near

    def _find_spikes(self, y, x, width, spikes, near):
        mark_spikes(self.data, self.bad.view(np.uint8), y, x, width // 2,
                    self.noise, SPIKE_SIGMA, SPIKE_SHARPNESS, SPIKE_RATIO,
                    None if spikes is None else spikes.view(np.uint8),
                    near.view(np.uint8))


def good_values(data, bad):
    """
    Return good values of an image, a regular part if they are many.

    Parameters
    ----------
    data : (ny, nx) `~numpy.ndarray`
        The image.

    bad : (ny, nx) bool `~numpy.ndarray`
        The bad pixels.

    Returns
    -------
    values : (n,) `~numpy.ndarray`
        The values.
    """
    # an odd step: one that divides the width would see some columns only
    step = max(1, data.size // N_LEVEL) | 1
    values = data.ravel()[::step][~bad.ravel()[::step]]
    return values if values.size else data[~bad]


def _bands(shape, n_scan):
    """
    Return first and last rows of bands, evenly spaced, for a number of
    pixels; all rows, if there are no more.
    """
    step = -(-shape[0] * shape[1] // n_scan)
    if shape[0] < step * BAND:
        return [(0, shape[0])]
    firsts = range(step // 2 * BAND, shape[0], step * BAND)
    return [(first, min(first + BAND, shape[0])) for first in firsts]


def bright_pixels(plane, threshold, n_pixels, highest=np.inf):
    """
    Return good pixels above a threshold.

    Parameters
    ----------
    plane : `Plane`
        The image.

    threshold : float
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
    n_y, n_x = plane.data.shape
    found = {}
    for n_scan in N_SCAN:
        bands = _bands((n_y, n_x), n_scan)
        places = np.empty(max(last - first for first, last in bands) * n_x,
                          dtype=np.int64)
        for first, last in bands:
            if first in found:
                continue
            values = plane.data[first:last].ravel()
            index = places[:places_above(values, threshold, places)]
            index = index[values[index] < highest] + first * n_x
            found[first] = index[~plane.bad.ravel()[index]]
        if (bands == [(0, n_y)]
                or sum(map(len, found.values())) >= n_pixels):
            break
    return np.concatenate([found[first] for first in sorted(found)])


def random_pixels(plane, n_pixels, rng):
    """
    Return random pixels, good or bad.

    Parameters
    ----------
    plane : `Plane`
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
    band = np.searchsorted(ends, index, side='right')
    return index + (lasts - ends)[band]


def noise_of(data, bad):
    """
    Estimate the noise of the sky from second differences.

    Of the pixels those with the fainter 60 % of neighbourhoods count:
    structure and photon noise of bright ones are not the sky's. (The
    mean of nine pixels is not correlated with the second difference, so
    that this choice does not bias it.) Where all nine pixels are the
    same, as in margins of zeros, they do not count.

    Parameters
    ----------
    data : (ny, nx) `~numpy.ndarray`
        The image.

    bad : (ny, nx) bool `~numpy.ndarray`
        The bad pixels.

    Returns
    -------
    noise : float
        The 1-sigma noise in data units. If no pixel has all eight
        neighbours, that of the values about their median. Where most
        pixels are the same, as in counts of few photons, it is from a
        mean instead of a median; 0 only if all are the same.
    """
    n_y, n_x = data.shape
    step = max(1, data.size // N_LEVEL) | 1
    y, x = np.divmod(np.arange(0, data.size, step), n_x)
    inside = (y > 0) & (y < n_y - 1) & (x > 0) & (x < n_x - 1)
    place = (y * n_x + x)[inside]
    total, difference = np.empty((2, place.size))
    kind = np.empty(place.size, dtype=np.uint8)
    second_differences(data, bad.view(np.uint8), place, total, difference,
                       kind)
    # rows of zeros have no noise
    known = (kind == 0) if (kind == 0).any() else (kind == 2)
    total, difference = total[known], difference[known]
    sizes = np.abs(difference)
    if sizes.any():
        faint = sizes[total <= np.quantile(total, 0.6)]
        if faint.any():
            sizes = faint
    else:
        sizes = np.abs(data[~bad] - np.median(data[~bad]))
    return robust_sigma(sizes, sizes)
