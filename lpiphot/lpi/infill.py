# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A first guess for the masked pixels, only to learn the covariance from.

Section 2.5 of Saydjari & Finkbeiner (2022): boxcar means of the good
pixels with growing widths, plus noise.
"""

import numpy as np

from lpiphot.lpi.tiles import Region, region_about

__all__ = ['HALF_WIDTHS', 'boxcar_infill', 'near_unreached',
           'pixel_noise']

# From a width of 19 pixels, growing by a factor of 1.4 nine times
HALF_WIDTHS = tuple(round((19 * 1.4 ** step - 1) / 2) for step in range(10))
MIN_GOOD = 10       # good pixels that determine a mean
CELL = 64           # pixels: cells of noise


def boxcar_infill(image, mask, half_widths):
    """
    Replace masked pixels by boxcar means of the good pixels.

    Each gets the mean of the smallest boxcar that holds at least 10
    good pixels.

    Parameters
    ----------
    image : 2-D `~numpy.ndarray`
        The image; its masked pixels may hold anything.

    mask : 2-D bool `~numpy.ndarray`
        `True` for the pixels to replace.

    half_widths : sequence of int
        The half widths of the boxcars, growing.

    Returns
    -------
    filled : 2-D `~numpy.ndarray`
        A copy without holes, but for the pixels that no boxcar could
        fill.

    n_boxcars : 2-D `~numpy.ndarray` of int
        How many boxcars were tried for each pixel: 0 if it is not
        masked, one more than there are if none could fill it.
    """
    good = ~mask
    filled = np.where(good, image, 0.0)
    n_boxcars = np.zeros(image.shape, dtype=np.uint8)
    if not mask.any():
        return filled, n_boxcars
    # about a level: sums over large boxes keep their digits
    level = np.mean(image[good]) if good.any() else 0.0

    rows, columns = np.nonzero(mask)
    n_boxcars[rows, columns] = len(half_widths) + 1
    for n_tried, half in enumerate(half_widths, start=1):
        if n_tried <= 2:
            # Of the part with the boxes: that of a star alone is small. The
            # first box will do for most, the rest share a second part.
            reach = half if n_tried == 1 else half_widths[-1]
            part = tuple(slice(max(axis.min() - reach, 0),
                               axis.max() + reach + 1)
                         for axis in (rows, columns))
            counts = sums = None  # room for those of the second part
            sums = _integral(np.where(good[part], image[part] - level, 0.0))
            counts = _integral(good[part])
        if n_tried == 2:  # amid what is empty no box will do
            y, x = rows - part[0].start, columns - part[1].start
            some = _box_sums(counts, y, x, reach) > MIN_GOOD - 0.5
            rows, columns = rows[some], columns[some]
        y, x = rows - part[0].start, columns - part[1].start
        count = _box_sums(counts, y, x, half)
        enough = count > MIN_GOOD - 0.5
        total = _box_sums(sums, y[enough], x[enough], half)
        done = rows[enough], columns[enough]
        filled[done] = level + total / count[enough]
        n_boxcars[done] = n_tried
        rows, columns = rows[~enough], columns[~enough]
        if rows.size == 0:
            break
    return filled, n_boxcars


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


def near_unreached(unreached, region, centres, *shapes):
    """
    Tell which stamps learn from pixels that no boxcar could fill.

    Parameters
    ----------
    unreached : 2-D bool `~numpy.ndarray`
        `True` for these pixels of a region.

    region : `~lpiphot.lpi.tiles.Region`
        The region: with all that the moments of the stamps need.

    centres : (n, 2) `~numpy.ndarray` of int
        The centre pixels ``(y, x)`` of the stamps.

    *shapes : 2-tuple of int
        The shapes of stamp, window and image.

    Returns
    -------
    near : (n,) bool `~numpy.ndarray`
        Which ones.
    """
    if not unreached.any():
        return np.zeros(len(centres), dtype=bool)
    return np.array([
        unreached[region_about(centre[np.newaxis], *shapes)
                  .within(region)].any() for centre in centres])


def pixel_noise(mask, region, seed):
    """
    Draw unit-normal noise for the masked pixels of a region.

    Each cell of 64 x 64 pixels of the image has a random stream of its
    own, so that a pixel has the same noise whatever else is masked, and
    however the image is cut into regions.

    Parameters
    ----------
    mask : 2-D bool `~numpy.ndarray`
        `True` for the pixels of the region that get noise.

    region : `~lpiphot.lpi.tiles.Region`
        The region of the image.

    seed : int
        The seed.

    Returns
    -------
    noise : 2-D `~numpy.ndarray`
        The noise of the masked pixels; 0 for others.
    """
    noise = np.zeros(mask.shape)
    cells = [range(first // CELL, (last - 1) // CELL + 1)
             for first, last in zip(*region, strict=True)]
    for y in cells[0]:
        for x in cells[1]:
            cell = Region((y * CELL, x * CELL),
                          ((y + 1) * CELL, (x + 1) * CELL))
            both = Region(
                tuple(np.maximum(cell.first, region.first).tolist()),
                tuple(np.minimum(cell.last, region.last).tolist()))
            part = both.within(region)
            if mask[part].any():
                key = np.array([seed, (y << 32) + x], dtype=np.uint64)
                stream = np.random.Philox(key=key)
                draws = np.random.Generator(stream).standard_normal(
                    (CELL, CELL))[both.within(cell)]
                noise[part] = np.where(mask[part], draws, 0.0)
    return noise
