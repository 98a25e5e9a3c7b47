# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Level, scatter and noise of the pixels of a residual image, in blocks.

Why there is more than one estimate of noise: see `lpiphot._noise`.
"""

import numpy as np

__all__ = ['BLOCK', 'MAD_TO_SIGMA', 'block_moments', 'image_noise',
           'local_noise', 'spread_blocks']

BLOCK = 16          # pixels: a few times the FWHM of a PSF
BAND = 256          # rows of pixels that are sorted at a time
MIN_PIXELS = 16     # good pixels a block needs
MAD_TO_SIGMA = 1.482602218505602  # 1 / Phi^-1(3/4), a Gaussian's


def block_moments(image, mask, *, loudness=False):
    """
    Return median and robust scatter of blocks of 16 x 16 pixels.

    Robust, so that stars and outliers move them little; small, so that
    the scatter is that of the noise and of structure not larger than a
    stamp.

    Parameters
    ----------
    image : (ny, nx) `~numpy.ndarray`
        The image, from the corner of a block.

    mask : (ny, nx) bool `~numpy.ndarray`
        `True` for pixels to leave out.

    loudness : bool, optional
        Whether to return the root mean square about the median, too.

    Returns
    -------
    level, scatter : (ceil(ny / 16), ceil(nx / 16)) `~numpy.ndarray`
        Median and 1.4826 times the median absolute deviation; NaN for a
        block with fewer than 16 good pixels.

    loudness : (ceil(ny / 16), ceil(nx / 16)) `~numpy.ndarray`
        The root mean square, if it was asked for; NaN for the same.
    """
    bands = [_band_moments(image[y:y + BAND], mask[y:y + BAND], loudness)
             for y in range(0, max(len(image), 1), BAND)]
    return tuple(map(np.concatenate, zip(*bands, strict=True)))


def _band_moments(image, mask, loudness):
    """
    Return the moments of the blocks of some rows of an image.
    """
    n_blocks = [-(-size // BLOCK) for size in image.shape]
    padded = np.full([n * BLOCK for n in n_blocks], np.nan)
    ny, nx = image.shape
    padded[:ny, :nx] = np.where(mask, np.nan, image)
    blocks = padded.reshape(n_blocks[0], BLOCK, n_blocks[1], BLOCK)
    blocks = blocks.swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)

    good = np.isfinite(blocks)
    count = np.count_nonzero(good, axis=1)
    level = _row_medians(blocks, count)
    deviations = np.abs(blocks - level[:, np.newaxis])
    moments = [level, MAD_TO_SIGMA * _row_medians(deviations, count)]
    if loudness:
        deviations[~good] = 0.0
        square = np.einsum('ij,ij->i', deviations, deviations)
        moments.append(np.sqrt(square / np.maximum(count, 1)))
    return [moment.reshape(n_blocks) for moment in moments]


def _row_medians(values, count):
    """
    Return the medians of the ``count`` numbers in each row, beside NaN.
    """
    values = np.sort(values, axis=1)  # NaN last
    rows = np.arange(len(values))
    lower, upper = np.maximum(count - 1, 0) // 2, count // 2
    medians = 0.5 * (values[rows, lower]
                     + values[rows, np.minimum(upper, values.shape[1] - 1)])
    medians[count < MIN_PIXELS] = np.nan
    return medians


def local_noise(image, mask):
    """
    Return the noise of the pixels of blocks, without their structure.

    Each pixel is compared with the mean of its four neighbours: from
    this, structure that is smooth over three pixels drops out.

    Parameters
    ----------
    image : (ny, nx) `~numpy.ndarray`
        The image, from the corner of a block.

    mask : (ny, nx) bool `~numpy.ndarray`
        `True` for pixels to leave out.

    Returns
    -------
    noise : (ceil(ny / 16), ceil(nx / 16)) `~numpy.ndarray`
        The standard deviation, if the noise is white; where a block has
        fewer than 16 pixels to compare, the median of the other blocks,
        and 0 if there are none.
    """
    padded = np.pad(np.where(mask, np.nan, image), 1,
                    constant_values=np.nan)
    difference = _from_neighbours(padded)
    noise = block_moments(difference, np.isnan(difference))[1]
    noise /= np.sqrt(1 + 1 / 4)
    missing = np.isnan(noise)
    noise[missing] = 0.0 if missing.all() else np.median(noise[~missing])
    return noise


def image_noise(image):
    """
    Return the noise of the pixels of an image without holes.

    As `local_noise`, but one number for all, and quickly.

    Parameters
    ----------
    image : (ny, nx) `~numpy.ndarray`
        The image, 3 x 3 pixels at least.

    Returns
    -------
    noise : float
        The standard deviation, if the noise is white and Gaussian.
    """
    # of Gaussian noise s: s sqrt(1 + 1/4) times sqrt(2 / pi)
    return np.mean(np.abs(_from_neighbours(image))) / np.sqrt(2.5 / np.pi)


def _from_neighbours(image):
    """
    Return the inner pixels less the mean of their four neighbours; NaN if
    any of the five is.
    """
    return image[1:-1, 1:-1] - 0.25 * (
        image[:-2, 1:-1] + image[2:, 1:-1]
        + image[1:-1, :-2] + image[1:-1, 2:])


def spread_blocks(moment, shape):
    """
    Give each pixel the moment of its block.

    Parameters
    ----------
    moment : 2-D `~numpy.ndarray`
        A moment of the blocks of an image.

    shape : 2-tuple of int
        The shape of the image.

    Returns
    -------
    image : (ny, nx) `~numpy.ndarray`
        The moment for each pixel.
    """
    rows = moment.repeat(BLOCK, axis=1)[:, :shape[1]]
    return rows.repeat(BLOCK, axis=0)[:shape[0]]
