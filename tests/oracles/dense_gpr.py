# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Gaussian process regression of bad pixels, written down from the equations.

Equation and section numbers are those of Zhang & Brandt (2021). One dense
solve for every bad pixel, loops over pixels, and nothing of lpiphot.
The noise is 1: amplitudes are in its units (section 2.1).
"""

import numpy as np

__all__ = ['correlation', 'fill', 'interpolation_weights', 'residuals',
           'training_pixels']


def correlation(name, dy, dx, length_scale, *, period=2 * np.pi, angle=0.0):
    """
    The covariance of two pixels over a^2; ``length_scale`` is (y, x).
    """
    h_y, h_x = length_scale
    turn = np.deg2rad(angle)
    along = dx * np.cos(turn) + dy * np.sin(turn)
    across = dy * np.cos(turn) - dx * np.sin(turn)
    square = (along / h_x) ** 2 + (across / h_y) ** 2
    if name == 'squared_exponential':
        return np.exp(-square / 2)  # equations 4 and 6
    if name == 'ornstein_uhlenbeck':
        return np.exp(-np.sqrt(square))  # equation 5
    if name == 'matern32':
        s = np.sqrt(3 * square)
        return (1 + s) * np.exp(-s)
    if name == 'matern52':
        s = np.sqrt(5 * square)
        return (1 + s + s ** 2 / 3) * np.exp(-s)
    r = np.hypot(dy, dx)
    per_square = square / np.where(r > 0, r, 1.0) ** 2
    return np.exp(-2 * np.sin(np.pi * r / period) ** 2 * per_square)


def interpolation_weights(name, a, length_scale, good, **kwargs):
    """
    Weights (equation 3, over their sum) for the centre of a window.

    ``good`` is a square boolean window. Returns the weights in its shape
    and the variance of the centre about the weighted sum.
    """
    centre = len(good) // 2
    y, x = np.nonzero(good)
    k = a ** 2 * correlation(name, y - centre, x - centre, length_scale,
                             **kwargs)
    data_covariance = np.eye(len(y)) + a ** 2 * correlation(  # C_data + K
        name, np.subtract.outer(y, y), np.subtract.outer(x, x), length_scale,
        **kwargs)
    w = np.linalg.solve(data_covariance, k)
    w /= w.sum()
    weights = np.zeros(good.shape)
    weights[good] = w
    # <(f + e - w g)^2>: a^2 + 1 - 2 w k + w C w
    return weights, a ** 2 + 1 - 2 * w @ k + w @ data_covariance @ w


def fill(data, bad, name, a, length_scale, width, **kwargs):
    """
    Every bad pixel from the good ones of its window, where there are any.
    """
    half = width // 2
    padded = np.pad(np.where(bad, 0.0, data), half)
    good = np.pad(~bad, half)
    value = np.full(data.shape, np.nan)
    variance = np.full(data.shape, np.nan)
    for y, x in np.argwhere(bad):
        window = good[y:y + width, x:x + width]
        if window.any():
            weights, variance[y, x] = interpolation_weights(
                name, a, length_scale, window, **kwargs)
            value[y, x] = np.sum(weights
                                 * padded[y:y + width, x:x + width])
    return value, variance


def training_pixels(data, bad, n_mad, clip, width):
    """
    The pixels of section 4.1 whose window is inside and good.
    """
    good = data[~bad]
    median = np.median(good)
    mad = np.median(np.abs(good - median))
    half = width // 2
    y_range = range(half, data.shape[0] - half)
    x_range = range(half, data.shape[1] - half)
    return np.array([
        (y, x) for y in y_range for x in x_range
        if median + n_mad * mad < data[y, x] < good.max() / clip
        and not bad[y - half:y + half + 1, x - half:x + half + 1].any()])


def residuals(data, pixels, weights):
    """
    The convolved image less the image, at some pixels.
    """
    half = len(weights) // 2
    return np.array([
        np.sum(weights * data[y - half:y + half + 1, x - half:x + half + 1])
        - data[y, x] for y, x in pixels])
