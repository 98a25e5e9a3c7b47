# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Stars that are near each other: stages 4 to 6.
"""

from typing import NamedTuple

import numpy as np

from lpiphot import flags
from lpiphot.gaussian import Conditional, condition
from lpiphot.lpi.correction import Correction, correct
from lpiphot.lpi.covariance import cut_region, region_moments
from lpiphot.lpi.masks import GOOD, HIDDEN, classify_stamps, psf_flags
from lpiphot.lpi.residual import centre_pixels, psf_stamps
from lpiphot.lpi.tiles import cut_stamps, outside_image

__all__ = ['StarSolution', 'solve_stars']


class StarSolution(NamedTuple):
    """
    What LPI finds for one star.

    Attributes
    ----------
    centre : (2,) `~numpy.ndarray` of int
        The middle pixel ``(y, x)`` of the stamp.

    classes : (ny, nx) `~numpy.ndarray` of uint8
        The classes of the pixels of the stamp.

    n_good_first : int
        The number of good pixels before the fallbacks.

    psf : (ny, nx) `~numpy.ndarray`
        The absolute value of the unit-flux PSF.

    level : float
        The level about which ``conditional`` is.

    conditional : `~lpiphot.gaussian.Conditional` or `None`
        The distribution of the hidden pixels.

    correction : `~lpiphot.lpi.correction.Correction` or `None`
        The corrections; `None` if there is no result.

    dnt : int
        The quality bits.
    """

    centre: np.ndarray
    classes: np.ndarray
    n_good_first: int
    psf: np.ndarray
    level: float
    conditional: Conditional
    correction: Correction
    dnt: int

    @property
    def hidden_mean(self):
        """
        The predicted background on the hidden pixels.
        """
        return self.conditional.mean.astype(float) + self.level


def solve_stars(scene, psf, sources, *, stamp_shape, window_shape,
                condition_radius, dtype):
    """
    Predict the background behind stars and correct their fluxes.

    Parameters
    ----------
    scene : `~lpiphot.lpi.scene.Scene`
        The planes of the image.

    psf : `~lpiphot.lpi.residual.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.residual.Sources`
        The stars, all inside the image.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the training window.

    condition_radius : float
        The radius within which good pixels lie.

    dtype : `~numpy.dtype`
        The dtype of the factorisation.

    Returns
    -------
    solutions : list of `StarSolution`
        One for each star.
    """
    centres = centre_pixels(sources)
    signed = psf_stamps(psf, sources, stamp_shape)
    stamps = np.abs(signed)
    outside = outside_image(centres, stamp_shape, scene.mask.shape)
    masked = outside | cut_stamps(scene.mask, centres, stamp_shape)
    no_data = outside | cut_stamps(scene.no_data, centres, stamp_shape)
    classes, n_good, dnt = classify_stamps(
        stamps, sources.flux, masked, no_data,
        mask_threshold=scene.thresholds.mask_threshold,
        min_mask_flux=scene.thresholds.min_mask_flux,
        condition_radius=condition_radius)
    dnt |= psf_flags(signed)
    dnt[_near_fallback(scene, centres, stamp_shape, window_shape)] |= (
        flags.INFILL_MEDIAN)

    region, level, corners = cut_region(
        scene.filled, centres, stamp_shape, window_shape)
    means, covariances = region_moments(
        region, corners, stamp_shape, window_shape)
    known = cut_stamps(scene.filled, centres, stamp_shape) - level
    residuals = cut_stamps(scene.residual, centres, stamp_shape) - level
    variances = cut_stamps(scene.star_variance, centres, stamp_shape)

    solutions = []
    for i, centre in enumerate(centres):
        good = np.flatnonzero(classes[i] == GOOD)
        hidden = np.flatnonzero(classes[i] == HIDDEN)
        conditional = correction = None
        if hidden.size:
            conditional = _condition(
                covariances[i], means[i], variances[i].ravel(),
                known[i].flat[good], good, hidden, dtype)
            if conditional is None:
                dnt[i] |= flags.NOT_POSITIVE_DEFINITE
            else:
                correction = correct(
                    conditional, stamps[i].flat[hidden],
                    residuals[i].flat[hidden], level)
        solutions.append(StarSolution(
            centre, classes[i], int(n_good[i]), stamps[i], level,
            conditional, correction, int(dnt[i])))
    return solutions


def _condition(covariance, mean, variance, values, good, hidden, dtype):
    """
    Condition the hidden pixels on the good ones, in float64 if need be.
    """
    order = np.concatenate([good, hidden])
    joint = covariance[np.ix_(order, order)]
    joint[np.diag_indices_from(joint)] += variance[order]
    conditional = condition(joint.astype(dtype), mean[order].astype(dtype),
                            values.astype(dtype))
    if conditional is None and dtype != float:
        conditional = condition(joint, mean[order], values)
    return conditional


def _near_fallback(scene, centres, stamp_shape, window_shape):
    """
    Tell for which stars training pixels were infilled with the median.
    """
    half = (np.array(stamp_shape) + np.array(window_shape)) // 2 - 1
    rows, columns = np.nonzero(scene.fallback)
    if rows.size == 0:
        return np.zeros(len(centres), dtype=bool)
    return np.array([np.any((np.abs(rows - y) <= half[0])
                            & (np.abs(columns - x) <= half[1]))
                     for y, x in centres], dtype=bool)
