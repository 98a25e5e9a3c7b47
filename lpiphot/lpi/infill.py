# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A first guess for the masked pixels, only to learn the covariance from.

Section 2.5 of Saydjari & Finkbeiner (2022): boxcar means of the good
pixels with growing widths, plus noise.
"""

import numpy as np

__all__ = ['boxcar_infill', 'pixel_noise']

FIRST_WIDTH = 19    # pixels
GROWTH = 1.4        # of the width, from one step to the next
N_STEPS = 10
MIN_GOOD = 10       # good pixels that determine a mean


def boxcar_infill(image, mask):
    """
    Replace masked pixels by boxcar means of the good pixels.

    The boxcar is 19 pixels wide; where it holds fewer than 10 good
    pixels it grows by a factor of 1.4, ten times at most. What is left
    then becomes the median of the good pixels.

    Parameters
    ----------
    image : 2-D `~numpy.ndarray`
        The image; its masked pixels may hold anything.

    mask : 2-D bool `~numpy.ndarray`
        `True` for the pixels to replace.

    Returns
    -------
    filled : 2-D `~numpy.ndarray`
        A copy without holes.

    fallback : 2-D bool `~numpy.ndarray`
        `True` for the pixels that became the median.
    """
    good = ~mask
    filled = np.where(good, image, 0.0)
    fallback = np.zeros(image.shape, dtype=bool)
    if not mask.any() or not good.any():
        return filled, mask.copy()
    level = np.median(image[good])

    # sums over the pixels above and left of each: four of them give
    # the sum over any box
    values = _integral(np.where(good, image - level, 0.0))
    counts = _integral(good.astype(float))
    rows, columns = np.nonzero(mask)
    width = FIRST_WIDTH
    for _ in range(N_STEPS):
        half = round((width - 1) / 2)
        count = _box_sums(counts, rows, columns, half)
        enough = count > MIN_GOOD - 0.5
        y, x = rows[enough], columns[enough]
        filled[y, x] = (level + _box_sums(values, y, x, half)
                        / count[enough])
        rows, columns = rows[~enough], columns[~enough]
        if rows.size == 0:
            break
        width *= GROWTH
    filled[rows, columns] = level
    fallback[rows, columns] = True
    return filled, fallback


def _integral(image):
    """
    Return the sums of an image over ``[:y, :x]`` for all y and x.
    """
    ny, nx = image.shape
    integral = np.zeros((ny + 1, nx + 1))
    np.cumsum(image, axis=0, out=integral[1:, 1:])
    np.cumsum(integral[1:, 1:], axis=1, out=integral[1:, 1:])
    return integral


def _box_sums(integral, rows, columns, half):
    """
    Sum over the part of boxes about some pixels that is in the image.
    """
    top = np.maximum(rows - half, 0)
    bottom = np.minimum(rows + half + 1, integral.shape[0] - 1)
    left = np.maximum(columns - half, 0)
    right = np.minimum(columns + half + 1, integral.shape[1] - 1)
    return (integral[bottom, right] - integral[top, right]
            - integral[bottom, left] + integral[top, left])


def pixel_noise(mask, seed):
    """
    Draw unit-normal noise for the masked pixels of an image.

    Each row has a random stream of its own, so that a pixel has the
    same noise whatever else is masked, and however the image is tiled.

    Parameters
    ----------
    mask : 2-D bool `~numpy.ndarray`
        `True` for the pixels that get noise.

    seed : int
        The seed.

    Returns
    -------
    noise : (n_masked,) `~numpy.ndarray`
        The noise of the masked pixels, in C order.
    """
    nx = mask.shape[1]
    noise = [
        np.random.Generator(np.random.Philox(key=[seed, row]))
        .standard_normal(nx)[mask[row]]
        for row in np.flatnonzero(mask.any(axis=1))]
    return np.concatenate(noise) if noise else np.empty(0)
