# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The image as LPI sees it: stages 1 to 3, done once for all stars.
"""

from typing import NamedTuple

import numpy as np

from lpiphot.lpi.infill import boxcar_infill, pixel_noise
from lpiphot.lpi.masks import outlier_mask
from lpiphot.lpi.noise import local_scatter, typical_scatter
from lpiphot.lpi.residual import iter_stars

__all__ = ['Scene', 'Thresholds', 'build_scene']

# Defaults in units of the noise. A star is hidden as far out as it
# rises above the noise of a pixel; any star is taken to be at least as
# bright as 500 times that (20 and 10,000 ADU in section 5.1).
MASK_LIMIT = 1.0
MIN_MASK_FLUX = 500.0

# Stars are rendered out to a fiftieth of the noise: what is cut is lost
# in it even where many wings overlap.
RENDER_LIMIT = 0.02


class Thresholds(NamedTuple):
    """
    The thresholds of the masks, in units of data and flux.

    Attributes are as the parameters of
    `lpiphot.LPIBackgroundCorrector`; `None` stands for the default,
    which depends on the image.
    """

    mask_threshold: float
    min_mask_flux: float
    residual_threshold: float


class Scene(NamedTuple):
    """
    The planes of an image that the stars are solved on.

    All planes have the shape of the image.

    Attributes
    ----------
    residual : `~numpy.ndarray`
        Data minus model; not finite where the data are not.

    no_data : bool `~numpy.ndarray`
        Pixels that are masked by the user or not finite.

    mask : bool `~numpy.ndarray`
        Pixels that are infilled: those without data, those under stars,
        and outliers.

    filled : `~numpy.ndarray`
        The residual, infilled.

    fallback : bool `~numpy.ndarray`
        Pixels infilled with the median, for want of good ones in reach.

    star_variance : `~numpy.ndarray`
        The variance by the photon noise of the stars.

    noise : float
        The typical scatter of the pixels of the residual.

    thresholds : `Thresholds`
        As used.
    """

    residual: np.ndarray
    no_data: np.ndarray
    mask: np.ndarray
    filled: np.ndarray
    fallback: np.ndarray
    star_variance: np.ndarray
    noise: float
    thresholds: Thresholds


def build_scene(image, psf, sources, thresholds, *, stamp_shape, gain,
                background, seed):
    """
    Subtract the stars, mask what is left of them, and infill.

    Parameters
    ----------
    image : `~lpiphot._inputs.Image`
        The image.

    psf : `~lpiphot.lpi.residual.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.residual.Sources`
        All stars whose position and flux are finite.

    thresholds : `Thresholds`
        The thresholds, or `None` for the defaults.

    stamp_shape : 2-tuple of int
        The shape of the stamps.

    gain : float or `None`
        Electrons per data unit, for photon noise.

    background : 2-D `~numpy.ndarray` or `None`
        The sky that was subtracted from the data. With it and the gain,
        infilled pixels get the photon noise of sky and infill (equation
        7); otherwise the local scatter of the good pixels.

    seed : int
        The seed of the noise of infilled pixels.

    Returns
    -------
    scene : `Scene`
        The planes.

    Raises
    ------
    ValueError
        If no block of 16 x 16 pixels has 16 good pixels left, or a
        threshold cannot be had from the noise because there is none.
    """
    stars = _near_image(sources, image.data.shape)
    faintest = _faintest(image, thresholds)

    # 1 residual
    model = np.zeros(image.data.shape)
    for part, values in iter_stars(psf, stars, model.shape, stamp_shape,
                                   faintest):
        model[part] += values
    residual = image.data - model

    # 2 mask
    noise = typical_scatter(residual, image.mask)
    thresholds = _resolve(thresholds, noise)
    mask = image.mask.copy()
    for part, values in iter_stars(psf, stars, model.shape, stamp_shape,
                                   faintest):
        mask[part] |= values > thresholds.mask_threshold
    mask |= outlier_mask(residual, mask, thresholds.residual_threshold)

    # 3 infill
    filled, fallback = boxcar_infill(residual, mask)
    scatter = local_scatter(residual, mask)[1]
    if not np.isfinite(scatter).all():
        msg = ('the mask, the stars and the outliers leave fewer than 16 '
               'good pixels in every block of 16 x 16 pixels: '
               f'{np.count_nonzero(image.mask)} of {mask.size} pixels are '
               f'masked or not finite in data, {np.count_nonzero(mask)} with '
               f'stars and outliers (mask_threshold='
               f'{thresholds.mask_threshold:.4g})')
        raise ValueError(msg)
    if gain is not None and background is not None:
        scatter = np.sqrt(np.abs(background + filled) / gain)
    filled[mask] += scatter[mask] * pixel_noise(mask, seed)

    return Scene(residual, image.mask, mask, filled, fallback,
                 _star_variance(image, model, mask, gain), noise, thresholds)


def _near_image(sources, shape):
    """
    Leave out the sources so far away that no wing reaches the image.
    """
    near = ((np.abs(sources.y - shape[0] / 2) < 1.5 * shape[0])
            & (np.abs(sources.x - shape[1] / 2) < 1.5 * shape[1]))
    return sources.take(near)


def _faintest(image, thresholds):
    """
    Return the value below which the wings of stars may be cut.
    """
    limits = [typical_scatter(image.data, image.mask),
              thresholds.mask_threshold or np.nan]
    positive = [limit for limit in limits if limit > 0]
    return RENDER_LIMIT * min(positive, default=0.0)


def _resolve(thresholds, noise):
    """
    Fill in the thresholds that follow from the noise.
    """
    mask_threshold = thresholds.mask_threshold
    if mask_threshold is None:
        if not noise > 0:
            msg = ('mask_threshold must be given: the residual has no noise '
                   f'to take it from (its typical scatter is {noise})')
            raise ValueError(msg)
        mask_threshold = MASK_LIMIT * noise
    min_mask_flux = thresholds.min_mask_flux
    if min_mask_flux is None:
        min_mask_flux = MIN_MASK_FLUX * mask_threshold
    return Thresholds(mask_threshold, min_mask_flux,
                      thresholds.residual_threshold)


def _star_variance(image, model, mask, gain):
    """
    Return the photon noise of the stars as a variance.

    From the gain, or else from the excess of the squared error over its
    level on nearby good pixels, which are free of stars.
    """
    if gain is not None:
        return np.abs(model) / gain
    if image.error is None:
        return np.zeros(model.shape)
    variance = np.where(np.isfinite(image.error), image.error, 0.0) ** 2
    level, _ = boxcar_infill(variance, mask)
    return np.maximum(variance - level, 0.0)
