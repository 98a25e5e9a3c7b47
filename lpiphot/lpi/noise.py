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
    level = np.full(n_blocks, np.nan)
    scatter = np.full(n_blocks, np.nan)
    for i, j in np.ndindex(*n_blocks):
        block = (slice(edges[0][i], edges[0][i + 1]),
                 slice(edges[1][j], edges[1][j + 1]))
        values = residual[block][~mask[block]]
        if values.size >= MIN_PIXELS:
            level[i, j] = np.median(values)
            scatter[i, j] = MAD_TO_SIGMA * np.median(
                np.abs(values - level[i, j]))
    return level, scatter


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
