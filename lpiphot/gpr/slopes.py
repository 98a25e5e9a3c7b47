# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Neighbours on one side of a pixel -> the same without their slope.
"""

import numpy as np

__all__ = ['remove_slopes']

# The scale in pixels of the weights of the neighbours
TAPER = 2.5
# A plane fits neighbours whose rms about it is so many times the noise
MAX_RMS = 1.5
# The largest value, in units of the noise, that is told from others
MAX_VALUE = 1e30


def remove_slopes(values, good, dy, dx, noise):
    """
    Take the slope from neighbours that lie on a plane.

    A weighted mean of neighbours on both sides of a pixel is right on a
    slope; one of neighbours on one side is not. Weights that sum to 1
    keep the level of a plane through the pixel: what they make of the
    values without the slope is right. The slope shrinks by its
    significance, so that none is taken from noise, and there is none
    where a plane does not fit, as on stars.

    Parameters
    ----------
    values : (n, p) `~numpy.ndarray`
        The values of p neighbours of n pixels.

    good : (n, p) bool `~numpy.ndarray`
        The neighbours that count.

    dy, dx : (n, p) or (p,) `~numpy.ndarray` of int
        Their offsets from the pixel.

    noise : float
        The noise of the image in data units.

    Returns
    -------
    level : (n, p) `~numpy.ndarray`
        The values without the slope; 0 where not good.

    doubt : (n,) `~numpy.ndarray`
        The 1-sigma error of the slope over the slope, from 0 to 1.
    """
    values = np.where(good, values, 0)
    z = np.clip(values / noise, -MAX_VALUE, MAX_VALUE)
    dy, dx = (np.broadcast_to(axis, z.shape).astype(float)
              for axis in (dy, dx))
    square = np.where(good, dy ** 2 + dx ** 2, np.inf)
    near = square.min(axis=1, keepdims=True)
    weight = np.exp(-0.5 * (square - near) / TAPER ** 2)
    # about their middle, a line of neighbours has no slope across it
    middle = [(weight * axis).sum(axis=1, keepdims=True)
              / weight.sum(axis=1, keepdims=True) for axis in (dy, dx)]
    terms = np.stack([np.ones_like(z), dy - middle[0], dx - middle[1]],
                     axis=-1)
    weighted = (terms * weight[..., np.newaxis]).swapaxes(1, 2)
    inverse = np.linalg.pinv(weighted @ terms, hermitian=True)
    plane = inverse @ (weighted @ z[..., np.newaxis])
    rest = z - (terms @ plane)[..., 0]
    rms = np.sqrt((weight * rest ** 2).sum(axis=1) / weight.sum(axis=1))
    # of noise with this rms; not less than the noise of the image
    scale = np.clip(rms, 1, MAX_RMS)[:, np.newaxis, np.newaxis]
    covariance = (inverse @ (weighted @ weighted.swapaxes(1, 2))
                  @ inverse) * scale ** 2
    slope = plane[:, 1:]
    # 1 on average for no slope at all
    chi2 = 0.5 * (slope.swapaxes(1, 2) @ np.linalg.pinv(
        covariance[:, 1:, 1:], hermitian=True) @ slope)[:, 0, 0]
    doubt = 1 / np.sqrt(np.maximum(chi2, 1))
    slope = slope * np.where(rms < MAX_RMS, 1 - doubt ** 2,
                             0)[:, np.newaxis, np.newaxis]
    values -= noise * np.where(
        good, slope[:, 0] * dy + slope[:, 1] * dx, 0)
    return values, doubt
