# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Image -> training pixels, and the noise of the image.
"""

from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import mark_spikes

__all__ = ['Plane', 'bright_pixels', 'good_values', 'noise_of',
           'random_pixels', 'spread_of']

# Pixels that are looked at, at most, to find bright ones and levels
N_SCAN = 2 ** 22
N_LEVEL = 2 ** 15

# How far spikes stand out: from the window in units of the noise, from
# their neighbours in units of the range of these, and the ratio of both
SPIKE_SIGMA, SPIKE_SHARPNESS, SPIKE_RATIO = 20.0, 8.0, 4.0

# The second difference in y and x, of unit noise for white noise
STENCIL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6


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

    noise : float
        The 1-sigma noise of the sky in data units.
    """

    data: np.ndarray
    bad: np.ndarray
    level: float
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
        data = np.array(data, dtype=float, order='C')
        bad = np.ascontiguousarray(bad)
        some = good_values(data, bad)
        level = float(np.median(some))
        data -= level
        data[bad] = 0
        # the precision of the numbers is the least noise they can have
        noise = max(noise_of(data, bad), np.spacing(abs(level)), 1e-100)
        return cls(data, bad, level, noise)

    def mark_spikes(self, y, x, width, spikes=None):
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

        spikes : (ny, nx) bool `~numpy.ndarray`, optional
            Where to mark the spikes; by default a copy of the bad
            pixels.

        Returns
        -------
        bad : (ny, nx) bool `~numpy.ndarray`
            The bad pixels and spikes.

        near : (n,) bool `~numpy.ndarray`
            The pixels whose windows have spikes.
        """
        spikes = self.bad.copy() if spikes is None else spikes
        near = np.zeros(len(y), dtype=bool)
        mark_spikes(self.data, self.bad.view(np.uint8), y, x, width // 2,
                    self.noise, SPIKE_SIGMA, SPIKE_SHARPNESS, SPIKE_RATIO,
                    spikes.view(np.uint8), near.view(np.uint8))
        return spikes, near


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


def bright_pixels(plane, threshold, highest=np.inf):
    """
    Return good pixels above a threshold.

    Parameters
    ----------
    plane : `Plane`
        The image.

    threshold, highest : float
        The values, counted from the level, to lie between.

    Returns
    -------
    index : (n,) `~numpy.ndarray` of int
        Flat indices. Of a large image only every second row, or fewer,
        is searched.
    """
    step = -(-plane.data.size // N_SCAN)
    rows = plane.data[::step]
    found = np.flatnonzero(rows > threshold)
    found = found[rows.ravel()[found] < highest]
    n_x = plane.data.shape[1]
    found = found // n_x * (step * n_x) + found % n_x
    return found[~plane.bad.ravel()[found]]


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
        Flat indices.
    """
    if plane.data.size <= n_pixels:
        return np.arange(plane.data.size)
    return rng.integers(plane.data.size, size=n_pixels)


def noise_of(data, bad):
    """
    Estimate the noise of the sky from second differences.

    Of the pixels those with the fainter 60 % of neighbourhoods count:
    structure and photon noise of bright ones are not the sky's. (The
    mean of nine pixels is not correlated with the second difference, so
    that this choice does not bias it.)

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
    values, hidden = data.ravel(), bad.ravel()
    total, difference = np.zeros((2, place.size))
    hit = np.zeros(place.size, dtype=bool)
    for (j, i), factor in np.ndenumerate(STENCIL):
        shifted = place + (j - 1) * n_x + i - 1
        hit |= hidden[shifted]
        total += values[shifted]
        difference += factor * values[shifted]
    total, difference = total[~hit], difference[~hit]
    sizes = np.abs(difference)
    if sizes.any():
        faint = sizes[total <= np.quantile(total, 0.6)]
        if faint.any():
            sizes = faint
    else:
        sizes = np.abs(data[~bad] - np.median(data[~bad]))
    return 1.4826 * float(np.median(sizes)) or 1.2533 * float(np.mean(sizes))


def spread_of(plane):
    """
    Return the median absolute deviation of the good pixels.

    Parameters
    ----------
    plane : `Plane`
        The image.

    Returns
    -------
    spread : float
        The deviation from the median, in data units, without a factor
        to make it a standard deviation.
    """
    values = good_values(plane.data, plane.bad)
    return float(np.median(np.abs(values - np.median(values))))
