# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The photon noise of stars: by the gain, or as errors tell it.
"""

import numpy as np

from lpiphot.lpi.noise import MAD_TO_SIGMA

__all__ = ['inverse_gain', 'photon_variance', 'star_variances']

# A pixel whose squared error is so many times the scatter above that of sky
# and star was given it for another reason than their photons
MAX_SIGMA = 10.0
# and is more than rounding of sums: such a part of the squared error
ROUNDING = 1e-6
# A star of this signal to noise tells as much of its gain as the image does
SHRINK_SNR = 10.0


def inverse_gain(images, models, noise):
    """
    Return 1 / gain of an image as its errors tell it.

    Parameters
    ----------
    images : list of `~lpiphot._inputs.Image`
        Parts of the image, with errors.

    models : list of 2-D `~numpy.ndarray`
        The stars in each.

    noise : float
        The noise of a pixel; where the model is below, there is no star.

    Returns
    -------
    inverse_gain : float
        Variance per unit of star light: the median over the pixels of
        stars. It is 0 if errors do not grow with the light.
    """
    parts = []
    for image, model in zip(images, models, strict=True):
        light, variance = np.abs(model), image.error ** 2
        star = (light > noise) & ~image.mask
        sky = (light <= noise) & ~image.mask
        if star.any() and sky.any():
            level = np.median(variance[sky])
            parts.append((variance[star] - level) / light[star])
    return max(0.0, float(np.median(np.concatenate(parts)))) if parts else 0.0


def star_variances(scene, pixels, hidden):
    """
    Return the variance by the photon noise of stars in stamps.

    Parameters
    ----------
    scene : `~lpiphot.lpi.scene.Scene`
        The planes.

    pixels : tuple of `~numpy.ndarray`
        The indices of the stamps' pixels.

    hidden : (n, ny, nx) bool `~numpy.ndarray`
        The hidden pixels of each stamp.

    Returns
    -------
    variances : (n, ny, nx) `~numpy.ndarray`
        The variances.
    """
    raw = scene.star_variance[pixels]
    variances = np.maximum(raw, 0)
    if scene.error_level is not None:
        masked, level, model = (plane[pixels] for plane in (
            scene.mask, scene.error_level, scene.model))
        for i, chosen in enumerate(hidden):
            variances[i][chosen] = photon_variance(
                raw[i][chosen], level[i][chosen], model[i][chosen],
                masked[i][chosen], scene.inverse_gain)
    return variances


def photon_variance(excess, level, model, masked, typical):
    """
    Return the variance by the photons of a star, given squared errors.

    Errors are often made of the data: a pixel with too many counts then
    has too large an error, and weights by that make the flux too low. So
    the variance is in proportion to the model of the stars, and the
    errors only tell by which factor, in a fit of their excess over all
    pixels of the star. A pixel whose error is far larger keeps it.

    Parameters
    ----------
    excess : (n,) `~numpy.ndarray`
        What squared errors have in excess of ``level``.

    level : (n,) `~numpy.ndarray`
        Squared errors without stars.

    model : (n,) `~numpy.ndarray`
        The stars.

    masked : (n,) bool `~numpy.ndarray`
        The masked pixels, which stars are bright on: they alone have an
        excess. On others, ``level`` is the squared error itself.

    typical : float
        The factor of the image, to which that of a faint star is drawn.

    Returns
    -------
    variance : (n,) `~numpy.ndarray`
        The variances, never negative.
    """
    light = np.abs(model)
    lit = masked & (light > 0)
    if not lit.any():
        return np.where(masked, np.maximum(excess, 0), typical * light)
    factor = max(0.0, float(np.quantile(
        excess[lit] / light[lit], 0.5, weights=light[lit],
        method='inverted_cdf')))
    # of counts the noise of the variance is in proportion to its root
    root = np.sqrt(level + factor * light)
    left = np.divide(excess - factor * light, root, out=np.zeros_like(root),
                     where=masked & (root > 0))
    scatter = MAD_TO_SIGMA * np.median(np.abs(left[masked]))
    far = left > np.maximum(MAX_SIGMA * scatter, ROUNDING * root)
    near = lit & ~far
    prior = SHRINK_SNR ** 2 * np.median(level)
    weight = light[near] @ light[near] + prior
    if weight > 0:
        factor = (light[near] @ excess[near] + prior * typical) / weight
    return np.where(far, excess, max(factor, 0) * light)
