# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Image -> its level and its noise, and pixels that stand alone.
"""

from typing import NamedTuple

import numpy as np

from lpiphot._core.imputation import mark_spikes, second_differences
from lpiphot._noise import robust_sigma

__all__ = ['Plane', 'noise_of']

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
        some = _good_values(data, bad).astype(float)
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


def _good_values(data, bad):
    """
    Return good values of an image, a regular part if they are many.
    """
    step = _odd_step(data.size)
    values = data.ravel()[::step][~bad.ravel()[::step]]
    return values if values.size else data[~bad]


def _odd_step(n_pixels):
    """
    Return a step through an image; one that divides the width would see
    some columns only.
    """
    return max(1, n_pixels // N_LEVEL) | 1


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
    y, x = np.divmod(np.arange(0, data.size, _odd_step(data.size)), n_x)
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
