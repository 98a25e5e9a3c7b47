# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Stars that are near each other: stages 4 to 6.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from lpiphot import flags
from lpiphot.gaussian import Conditional, amplitude_weights, condition
from lpiphot.lpi.correction import Correction, correct
from lpiphot.lpi.covariance import joint_covariances, training_index
from lpiphot.lpi.masks import GOOD, HIDDEN, classify_stamps, psf_flags
from lpiphot.lpi.neighbours import add_terms
from lpiphot.lpi.noise import image_noise
from lpiphot.lpi.psf import centre_pixels, psf_stamps
from lpiphot.lpi.star_noise import star_variances
from lpiphot.lpi.templates import star_templates
from lpiphot.lpi.tiles import region_about, stamp_pixels
from lpiphot.lpi.typical import FreePlaces

__all__ = ['StarSolution', 'solve_stars']

# Sums of squares in float32 are good to some 1e-6. Where the structure is
# stronger than the noise by more than this, that is no longer far below
# the variance of the noise, and products and factors are in float64.
FLOAT32_RANGE = 32

# With n pixels of the stamp and N shifts dcflux is too small by the root of
# 1 - n / N or more: 5 % and above with fewer shifts for each pixel
MIN_SHIFTS = 10

# A star does not fit if the chi-square of its pixels is so many times their
# number (in crowds it is up to 3 for most stars), and is worth a flag if its
# flux is changed by such a part, as other bright stars do not fit either
MISFIT_CHI2, MISFIT_CHANGE = 5.0, 0.05


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

    stamp : (ny, nx) `~numpy.ndarray`
        The residual, infilled where it has no data.

    level : float
        The level about which ``conditional`` is.

    conditional : `~lpiphot.gaussian.Conditional` or `None`
        The distribution of the hidden pixels.

    rows : (n_stars,) `~numpy.ndarray` of int
        The row of the star, and those of the stars solved with it.

    correction : `~lpiphot.lpi.correction.Correction` or `None`
        The corrections of the fluxes of these; if positions are solved
        for, then of flux times x of each, and of flux times y. `None`
        if there is no result.

    dnt : int
        The quality bits.
    """

    centre: np.ndarray
    classes: np.ndarray
    n_good_first: int
    psf: np.ndarray
    stamp: np.ndarray
    level: float
    conditional: Conditional
    rows: np.ndarray
    correction: Correction
    dnt: int

    @property
    def hidden_mean(self):
        """
        The predicted background on the hidden pixels.
        """
        return self.conditional.mean + self.level


def solve_stars(field, psf, sources, *, stamp_shape, window_shape,
                condition_radius, dtype, rows, scene=None, workspace=None,
                neighbours=None, groups=None, positions=False):
    """
    Predict the background behind stars and correct their fluxes.

    Parameters
    ----------
    field : `~lpiphot.lpi.scene.Field`
        The image with all its stars.

    psf : `~lpiphot.lpi.psf.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.psf.Sources`
        The stars to solve, all inside the image.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the training window.

    condition_radius : float
        The radius within which good pixels lie.

    dtype : `~numpy.dtype`
        The dtype of products and factorisation; float32 gives way to
        float64 where its digits do not suffice.

    rows : (n,) `~numpy.ndarray` of int
        The rows of the stars, by which ``neighbours`` and ``groups`` know
        them.

    scene : `~lpiphot.lpi.scene.Scene`, optional
        The planes of a region with all that the stars need; they are
        made if not given.

    workspace : `~lpiphot.lpi.covariance.Workspace`, optional
        Memory to use, of this thread alone.

    neighbours : `~lpiphot.lpi.neighbours.Neighbours`, optional
        The stars whose uncertain fluxes enter the covariance.

    groups : `~lpiphot.lpi.neighbours.Groups`, optional
        The stars that are solved jointly.

    positions : bool, optional
        Whether positions are solved for.

    Returns
    -------
    solutions : list of `StarSolution`
        One for each star.
    """
    centres = centre_pixels(sources)
    if scene is None:
        scene = field.scene(region_about(centres, stamp_shape, window_shape,
                                         field.image_shape))
    limits = np.full(len(centres), np.inf)
    if field.robust:
        limits = scene.loudness.limits(centres, stamp_shape, window_shape)
    solutions = [None] * len(centres)
    for limit in np.unique(limits):
        alike = np.flatnonzero(limits == limit)
        for i, solution in zip(alike, _solve_alike(
                field, psf, sources.take(alike), centres[alike], scene,
                limit, rows[alike],
                stamp_shape=stamp_shape, window_shape=window_shape,
                condition_radius=condition_radius, dtype=dtype,
                workspace=workspace, neighbours=neighbours, groups=groups,
                positions=positions), strict=True):
            solutions[i] = solution
    return solutions


def _solve_alike(field, psf, sources, centres, scene, limit, rows, *,
                 stamp_shape, window_shape, condition_radius, dtype, workspace,
                 neighbours, groups, positions):
    """
    Solve stars whose training pixels may be equally loud.
    """
    shapes = stamp_shape, window_shape, field.image_shape
    pixels, outside = stamp_pixels(centres, stamp_shape, field.image_shape,
                                   scene.region)
    signed = psf_stamps(psf, sources, stamp_shape)
    stamps = np.abs(signed)
    templates = star_templates(psf, sources, centres, stamps, rows,
                               groups=groups, positions=positions)
    no_data = outside | scene.no_data[pixels]
    classes, n_good_first, dnt = classify_stamps(
        stamps, sources.flux, outside | scene.mask[pixels], no_data,
        mask_threshold=field.thresholds.mask_threshold,
        min_mask_flux=field.thresholds.min_mask_flux,
        condition_radius=condition_radius,
        others=[(i, *other) for i, here in enumerate(templates)
                for other in zip(here.flux[1:], here.stamps[1:],
                                 strict=True)])
    dnt |= psf_flags(signed)
    dnt[_near_fallback(scene, centres, *shapes)] |= flags.INFILL_MEDIAN

    training = _training(scene, centres, limit, shapes)
    level, scale = training.level, training.scale
    float32_limit = FLOAT32_RANGE * training.noise
    if training.values.std() > float32_limit:
        dtype = np.dtype(float)
    in_float64 = dtype == np.dtype(float)
    places, orders, n_good = _places(classes)
    means, covariances = joint_covariances(
        training.values, training.corners, places, stamp_shape, window_shape,
        dtype, workspace)
    if field.robust:
        free_places = FreePlaces(training.values, training.mask,
                                 training.corners, stamp_shape, window_shape,
                                 dtype)
    known = (scene.filled[pixels] - level) / scale
    residuals = (scene.residual[pixels] - level) / scale
    variances = star_variances(scene, pixels, classes == HIDDEN) / scale ** 2

    solutions = []
    for i, (centre, order, covariance) in enumerate(
            zip(centres, orders, covariances, strict=True)):
        conditional = correction = None
        good, hidden = order[:n_good[i]], order[n_good[i]:]
        if math.prod(window_shape) < MIN_SHIFTS * order.size:
            dnt[i] |= flags.FEW_SHIFTS
        if not dnt[i] & flags.NO_HIDDEN_PIXELS:
            terms = np.empty((0, order.size))
            if neighbours is not None:
                terms = neighbours.terms(templates[i].rows, centre,
                                         stamp_shape, order) / scale
            mean, values = means[i][order], known[i].ravel()[good]
            given = variances[i].ravel()[order], terms, mean, values
            if in_float64 or np.abs(terms).max(initial=0) < float32_limit:
                conditional = _condition(covariance, *given)
            if conditional is None and not in_float64:
                # again, from the products on
                _, (covariance,) = joint_covariances(
                    training.values, training.corners[i:i + 1],
                    places[i:i + 1], stamp_shape, window_shape,
                    np.dtype(float))
                conditional = _condition(covariance, *given)
            if conditional is None:
                dnt[i] |= flags.NOT_POSITIVE_DEFINITE
            else:
                on_hidden = templates[i].values(hidden)
                correction = correct(
                    conditional, on_hidden, residuals[i].ravel()[hidden],
                    level / scale)
                if field.robust:
                    conditional, correction = _predict_typical(
                        conditional, correction, covariance, on_hidden,
                        partial(free_places.typical_errors, i, order,
                                mean, values, templates[i].stamps))
                conditional = conditional.times(scale)
                correction = correction.times(scale)
                dnt[i] |= _misfit(correction, hidden.size, sources.flux[i])
        solutions.append(StarSolution(
            centre, classes[i], int(n_good_first[i]), stamps[i],
            np.where(no_data[i], known[i], residuals[i]) * scale + level,
            level, conditional, templates[i].rows, correction, int(dnt[i])))
    return solutions


class _Training(NamedTuple):
    """
    The pixels from which some stars learn: ``values`` times ``scale`` about
    ``level``; the noise of these values, the masked ones, and where windows
    begin.
    """

    values: np.ndarray
    noise: float
    scale: float
    level: float
    mask: np.ndarray
    corners: np.ndarray


def _training(scene, centres, limit, shapes):
    """
    Return training pixels that are equally loud.
    """
    part, corners = training_index(scene.region, centres, *shapes)
    values = scene.loudness.calm(
        scene.filled[part], part[0] + scene.region.first[0],
        part[1] + scene.region.first[1], limit)
    level = float(values.mean())
    values = values - level
    # Squares of values in erg/s/cm2/A are beyond float32. All that is solved
    # is in units of the noise, of a power of 2 near it: this rounds nothing.
    noise = image_noise(values)
    scale = math.ldexp(1.0, math.frexp(noise)[1]) if noise > 0 else 1.0
    return _Training(values / scale, noise / scale, scale, level,
                     scene.mask[part], corners)


def _places(classes):
    """
    Return the places of pixels in the order (good, hidden), the order, and
    how many are good.
    """
    flat = classes.reshape(len(classes), -1)
    places = np.full(flat.shape, -1)
    orders, n_good = [], []
    for place, stamp in zip(places, flat, strict=True):
        good = np.flatnonzero(stamp == GOOD)
        order = np.concatenate([good, np.flatnonzero(stamp == HIDDEN)])
        place[order] = np.arange(len(order))
        orders.append(order)
        n_good.append(len(good))
    return places, orders, n_good


def _condition(covariance, variance, terms, mean, values):
    """
    Condition the hidden pixels on the good ones, with the stars' noise.
    """
    diagonal = covariance.reshape(-1)[::len(covariance) + 1]
    diagonal += variance
    add_terms(covariance, terms)
    return condition(covariance, mean, values)


def _predict_typical(conditional, correction, factored, templates,
                     typical_errors):
    """
    Predict the typical background: one by which the fluxes lose their
    typical errors.

    What is predicted changes by as much in the shapes of the PSFs, so that
    the correction remains that of the prediction.
    """
    weights = amplitude_weights(factored, templates, correction.covariance)
    errors = typical_errors(weights, correction.dcflux)
    k = len(errors)
    fdb_pred = correction.fdb_pred.copy()
    fdb_pred[:k] -= errors
    mean = conditional.mean + errors @ templates[:k]
    return (conditional._replace(mean=mean.astype(conditional.mean.dtype)),
            correction._replace(fdb_pred=fdb_pred))


def _misfit(correction, n_hidden, flux):
    """
    Return the bit of a flux that is changed much, if its pixels do not
    fit it; else 0.
    """
    change = correction.fdb_pred[0] - correction.fdb_res[0]
    poor = (correction.chi2 > MISFIT_CHI2 * n_hidden
            and abs(change) > MISFIT_CHANGE * abs(flux))
    return flags.MISFIT if poor else 0


def _near_fallback(scene, centres, *shapes):
    """
    Tell for which stars training pixels were infilled with the median.
    """
    if not scene.fallback.any():
        return np.zeros(len(centres), dtype=bool)
    return np.array([
        scene.fallback[region_about(centre[np.newaxis], *shapes)
                       .within(scene.region)].any() for centre in centres])
