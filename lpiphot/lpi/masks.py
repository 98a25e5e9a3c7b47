# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The pixels to infill, and the classes of the pixels of a stamp.

Section 5.1 of Saydjari & Finkbeiner (2022).
"""

import numpy as np

from lpiphot import flags
from lpiphot.lpi.noise import block_moments, spread_blocks

__all__ = ['GOOD', 'HIDDEN', 'IGNORED', 'classify_stamps', 'outlier_mask',
           'psf_flags']

IGNORED, GOOD, HIDDEN = 0, 1, 2

# In units of the local robust scatter. Beyond the noise: what is removed
# here is missed stars and the cores of badly fitted ones, not structure,
# whose covariance is to be learned. For other limits see
# docs/method/calibration.rst.
ROBUST_LIMIT = 6.0


def outlier_mask(residual, mask, noise, residual_threshold=None):
    """
    Find the pixels whose residual is no sample of the background.

    Parameters
    ----------
    residual : 2-D `~numpy.ndarray`
        The residual image, from the corner of a block.

    mask : 2-D bool `~numpy.ndarray`
        The pixels that are masked already.

    noise : float
        The typical scatter of the pixels of the image; it stands for
        that of a block that has none, as quantised data can.

    residual_threshold : float, optional
        The absolute value of the residual beyond which a pixel is an
        outlier. By default, 6 times the robust scatter of the block of
        the pixel, about its median.

    Returns
    -------
    outliers : 2-D bool `~numpy.ndarray`
        `True` for outliers; pixels of ``mask`` are not among them.
    """
    if residual_threshold is not None:
        distance, limit = np.abs(residual), residual_threshold
    else:
        level, scatter = block_moments(residual, mask)
        scatter[scatter == 0] = noise if noise > 0 else np.inf
        distance = residual - spread_blocks(level, residual.shape)
        np.abs(distance, out=distance)
        limit = spread_blocks(ROBUST_LIMIT * scatter, residual.shape)
    return (distance > limit) & ~mask


def psf_flags(stamps):
    """
    Return the ``dnt`` bits that tell of negative or missing PSFs.

    Parameters
    ----------
    stamps : (n, ny, nx) `~numpy.ndarray`
        The unit-flux PSF stamps.

    Returns
    -------
    dnt : (n,) `~numpy.ndarray` of int
        The bits.
    """
    lowest = stamps.min(axis=(1, 2), initial=np.inf)
    highest = stamps.max(axis=(1, 2), initial=-np.inf)
    dnt = np.zeros(len(stamps), dtype=int)
    dnt[~(highest > 0)] |= flags.PSF_INVALID
    dnt[lowest < 0] |= flags.PSF_NEGATIVE
    dnt[lowest < -1e-3 * highest] |= flags.PSF_NEGATIVE_1E3
    dnt[lowest < -1e-1 * highest] |= flags.PSF_NEGATIVE_1E1
    return dnt


def classify_stamps(stamps, flux, masked, no_data, *, mask_threshold,
                    min_mask_flux, condition_radius, others=()):
    """
    Sort the pixels of stamps into good, hidden and ignored ones.

    A pixel is *hidden* where the star, taken as at least as bright as
    ``min_mask_flux``, is above the threshold; *good* if it is not, is
    not masked and lies within the radius; and *ignored* otherwise, or
    if it has no data.

    If fewer pixels are good than the outer ring of the stamp, two
    pixels wide, holds, the radius limit is lifted; if there are still
    fewer, the ring is forced good, with infilled values where need be.

    Parameters
    ----------
    stamps : (n, ny, nx) `~numpy.ndarray`
        The absolute values of the unit-flux PSFs.

    flux : (n,) `~numpy.ndarray`
        The fluxes.

    masked : (n, ny, nx) bool `~numpy.ndarray`
        Pixels of the per-image mask.

    no_data : (n, ny, nx) bool `~numpy.ndarray`
        Pixels without a value of their own: beyond the image, masked by
        the user or not finite. They are masked too.

    mask_threshold, min_mask_flux, condition_radius : float
        As in `lpiphot.LPIBackgroundCorrector`.

    others : sequence of 3-tuple, optional
        The stars that are solved jointly with that of a stamp: the
        index of the stamp, the flux, and the absolute unit-flux PSF on
        this stamp. What they cover is hidden as well.

    Returns
    -------
    classes : (n, ny, nx) `~numpy.ndarray` of uint8
        `GOOD`, `HIDDEN` or `IGNORED`.

    n_good : (n,) `~numpy.ndarray` of int
        The number of good pixels before the fallbacks.

    dnt : (n,) `~numpy.ndarray` of int
        The bits of the fallbacks, of lost and of missing pixels.
    """
    ny, nx = stamps.shape[1:]
    y, x = np.ogrid[:ny, :nx]
    within = (np.hypot(y - ny // 2, x - nx // 2) <= condition_radius)
    ring = np.ones((ny, nx), dtype=bool)
    ring[2:-2, 2:-2] = False
    n_min = np.count_nonzero(ring)

    brightness = np.fmax(flux, min_mask_flux)[:, np.newaxis, np.newaxis]
    own = brightness * stamps > mask_threshold
    covered = own.copy()
    for i, other_flux, stamp in others:
        covered[i] |= (max(other_flux, min_mask_flux) * stamp
                       > mask_threshold)
    hidden = covered & ~no_data
    free = ~covered & ~masked
    good = free & within
    n_good = np.count_nonzero(good, axis=(1, 2))
    dnt = np.zeros(len(stamps), dtype=int)

    lifted = n_good < n_min
    good[lifted] = free[lifted]
    dnt[lifted] |= flags.RADIUS_LIFTED

    forced = np.count_nonzero(good, axis=(1, 2)) < n_min
    good[forced] |= ring
    hidden[forced] &= ~ring
    dnt[forced] |= flags.RING_FORCED

    dnt[np.any(own & no_data, axis=(1, 2))] |= flags.PIXELS_LOST
    dnt[~np.any(own & hidden, axis=(1, 2))] |= flags.NO_HIDDEN_PIXELS

    classes = np.full(stamps.shape, IGNORED, dtype=np.uint8)
    classes[good] = GOOD
    classes[hidden] = HIDDEN
    return classes, n_good, dnt
