# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The FWHM of the stars of an image, and of a PSF model, in pixels.
"""

import warnings

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from photutils.psf import fit_2dgaussian
from scipy.ndimage import maximum_filter
from scipy.spatial import KDTree

__all__ = ['box_shape', 'image_fwhm', 'model_fwhm']

# The search for the FWHM: first guess in pixels, number of rounds, change
# between rounds that ends them, number of stars used at most, number of
# chosen stars below which all stars are used
_FIRST_FWHM = 3.0
_ROUNDS = 4
_TOLERANCE = 0.02
_MAX_STARS = 50
_MIN_STARS = 3

# Widths in pixels below which a "star" is a hot pixel or a cosmic ray
_MIN_FWHM = 1.0

# Stars whose highest pixel is above this part of the image's range are
# taken to be saturated
_SATURATION = 0.9

# Bits of photutils' flags that spoil the measured width of a star: partial
# box, outside, negative, no convergence, no covariance, near bound, no
# overlap, masked, too few pixels, not finite
_BAD_FIT = 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512 | 1024


def box_shape(width):
    """
    Return the smallest odd integer that is at least a width, and 5.

    Parameters
    ----------
    width : float
        The width in pixels.

    Returns
    -------
    size : int
        The size in pixels.
    """
    return max(5, 2 * int(np.ceil((width - 1.0) / 2.0)) + 1)


def image_fwhm(data, subtracted, mask, find):
    """
    Return the median FWHM of the bright, isolated stars of an image.

    Parameters
    ----------
    data, subtracted : (ny, nx) `~numpy.ndarray`
        The image with and without its background.

    mask : (ny, nx) bool `~numpy.ndarray`
        `True` for pixels to leave out.

    find : callable
        Gives, for a FWHM, a table of sources with columns ``x``, ``y``.

    Returns
    -------
    fwhm : float
        The FWHM in pixels.
    """
    clean = np.where(mask, 0.0, subtracted)
    highest = maximum_filter(np.where(mask, -np.inf, data), size=3)
    low, high = np.min(data[~mask]), np.max(data[~mask])
    saturated = highest > low + _SATURATION * (high - low)

    fwhm = _FIRST_FWHM
    for _ in range(_ROUNDS):
        sources = find(fwhm)
        xy = np.column_stack((sources['x'], sources['y']))
        pixel = _pixels(xy, data.shape)
        isolated = KDTree(xy).query(xy, k=2)[0][:, 1] > 3.0 * fwhm
        chosen = np.flatnonzero(isolated & ~saturated[pixel])
        if len(chosen) < _MIN_STARS:
            chosen = np.arange(len(xy))
        order = np.argsort(-clean[pixel][chosen], kind='stable')
        chosen = chosen[order[:_MAX_STARS]]
        previous = fwhm
        fwhm = _median_fwhm(subtracted, xy[chosen], mask, fwhm,
                            minimum=_MIN_FWHM)
        if abs(fwhm - previous) < _TOLERANCE * previous:
            break
    return fwhm


def model_fwhm(psf_model, shape):
    """
    Return the FWHM of a PSF model, as a Gaussian fits it.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        The model. It is not changed.

    shape : 2-tuple of int
        The shape of an image, at whose centre the model is placed: it
        may vary over the image.

    Returns
    -------
    fwhm : float
        The FWHM in pixels.
    """
    centre = [size // 2 for size in shape]
    model = psf_model.copy()
    names = [getattr(model, f'{key}_name', name) for key, name in
             (('x', 'x_0'), ('y', 'y_0'), ('flux', 'flux'))]
    for name, value in zip(names, (centre[1], centre[0], 1.0), strict=True):
        setattr(model, name, value)
    half = 25
    y, x = np.mgrid[-half:half + 1, -half:half + 1]
    stamp = model(x + centre[1], y + centre[0])
    # The area above half of the peak is a circle's of this diameter, if
    # pixels are small; the fit refines it
    guess = np.sqrt(4.0 / np.pi * np.sum(stamp > 0.5 * np.max(stamp)))
    return _median_fwhm(stamp, [(half, half)], None, max(guess, 1.0))


def _pixels(xy, shape):
    """
    Return the index of the pixels nearest to (n, 2) positions.
    """
    x, y = np.round(xy).astype(int).T
    return (np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1))


def _median_fwhm(data, xy, mask, fwhm, *, minimum=0.0):
    """
    Return the median FWHM of Gaussians fitted to (n, 2) positions.

    The width that comes in is the first guess; fits that fail, or end
    more than a factor of four from it or below the minimum, are left
    out.
    """
    with warnings.catch_warnings():
        # A fit that fails is left out; its bits are in the flags
        warnings.simplefilter('ignore', AstropyUserWarning)
        fit = fit_2dgaussian(data, xypos=xy, fwhm=fwhm, fix_fwhm=False,
                             fit_shape=box_shape(3.0 * fwhm), mask=mask)
    widths = np.array(fit.results['fwhm_fit'])
    good = (np.array(fit.results['flags']) & _BAD_FIT) == 0
    good &= ((widths > max(minimum, 0.25 * fwhm)) & (widths < 4.0 * fwhm))
    if not np.any(good):
        msg = (f'fwhm must be given: none of the {len(xy)} stars chosen to '
               'measure it in data could be fitted.')
        raise ValueError(msg)
    return np.median(widths[good])
