# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Local level and scatter of the pixels of a residual image.
"""

import numpy as np
from scipy.ndimage import map_coordinates, median_filter

__all__ = ['local_scatter', 'typical_scatter']

BLOCK = 16          # pixels: a few times the FWHM of a PSF
MIN_PIXELS = 16     # good pixels a block needs
MAD_TO_SIGMA = 1.482602218505602  # 1 / Phi^-1(3/4), a Gaussian's


def _block_moments(residual, mask):
    """
    Return median and robust scatter of blocks of 16 x 16 pixels.

    They are not finite for a block with fewer than 16 good pixels.
    """
    n_blocks = [max(1, size // BLOCK) for size in residual.shape]
    edges = [np.linspace(0, size, n + 1).astype(int)
             for size, n in zip(residual.shape, n_blocks, strict=True)]
    moments = np.full((2, *n_blocks), np.nan)
    # blocks of one shape are done together, a row of them at a time
    for i, rows in enumerate(zip(edges[0], edges[0][1:], strict=False)):
        strip = np.where(mask[slice(*rows)], np.nan, residual[slice(*rows)])
        widths = np.diff(edges[1])
        for width in np.unique(widths):
            members = np.flatnonzero(widths == width)
            columns = edges[1][members, np.newaxis] + np.arange(width)
            values = strip[:, columns].swapaxes(0, 1).reshape(
                len(members), -1)
            moments[:, i, members] = _robust_moments(values)
    return moments


def _robust_moments(values):
    """
    Return median and scatter of each row, leaving out its NaN.
    """
    count = np.count_nonzero(np.isfinite(values), axis=1)
    median = _row_medians(values, count)
    deviation = np.abs(values - median[:, np.newaxis])
    return median, MAD_TO_SIGMA * _row_medians(deviation, count)


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


def typical_scatter(residual, mask):
    """
    Return the scatter of the pixels in a typical place of the image.

    This is the median over blocks of 16 x 16 pixels of their robust
    scatter: neither stars, nor structure larger than a block, nor a
    part of the image with more of both, move it much.

    Parameters
    ----------
    residual : 2-D `~numpy.ndarray`
        The image.

    mask : 2-D bool `~numpy.ndarray`
        `True` for pixels to leave out.

    Returns
    -------
    scatter : float
        The scatter, 0 for a constant image; NaN if no block has 16
        pixels left.
    """
    scatter = _block_moments(residual, mask)[1]
    finite = np.isfinite(scatter)
    return float(np.median(scatter[finite])) if finite.any() else np.nan


def local_scatter(residual, mask):
    """
    Return maps of the local level and scatter of the pixels.

    Robust moments of blocks of 16 x 16 pixels, smoothed by a 3 x 3
    median and interpolated linearly.

    Parameters
    ----------
    residual : 2-D `~numpy.ndarray`
        The image.

    mask : 2-D bool `~numpy.ndarray`
        `True` for pixels to leave out.

    Returns
    -------
    level, scatter : 2-D `~numpy.ndarray`
        The maps, NaN everywhere if no block has 16 pixels left.
    """
    maps = []
    for moment in _block_moments(residual, mask):
        finite = np.isfinite(moment)
        if not finite.any():
            maps.append(np.full(residual.shape, np.nan))
            continue
        coarse = np.where(finite, moment, np.median(moment[finite]))
        coarse = median_filter(coarse, size=3, mode='nearest')
        grid = [(np.arange(size) + 0.5) * n / size - 0.5
                for size, n in zip(residual.shape, coarse.shape, strict=True)]
        maps.append(map_coordinates(
            coarse, np.meshgrid(*grid, indexing='ij'), order=1,
            mode='nearest'))
    return tuple(maps)
