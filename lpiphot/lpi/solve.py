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
from lpiphot.lpi.infill import near_unreached
from lpiphot.lpi.masks import GOOD, HIDDEN, classify_stamps, psf_flags
from lpiphot.lpi.neighbours import add_terms
from lpiphot.lpi.noise import image_noise
from lpiphot.lpi.psf import centre_pixels, psf_stamps
from lpiphot.lpi.star_noise import star_variances
from lpiphot.lpi.templates import star_templates
from lpiphot.lpi.tiles import region_about, stamp_pixels
from lpiphot.lpi.typical import FreePlaces

__all__ = ['StarSolution', 'StarSolver']

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

    shifts : (2, n_stars) `~numpy.ndarray` or `None`
        If positions are solved for, by how much x and y of these were moved
        before.

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
    shifts: np.ndarray
    dnt: int

    @property
    def hidden_mean(self):
        """
        The predicted background on the hidden pixels.
        """
        return self.conditional.mean + self.level


class StarSolver:
    """
    Predict the background behind stars and correct their fluxes.

    Parameters
    ----------
    field : `~lpiphot.lpi.scene.Field`
        The image with all its stars.

    psf : `~lpiphot.lpi.psf.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.psf.Sources`
        All sources of the table.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the training window.

    condition_radius : float
        The radius within which good pixels lie.

    dtype : `~numpy.dtype`
        The dtype of products and factorisation; float32 gives way to
        float64 where its digits do not suffice.

    neighbours : `~lpiphot.lpi.neighbours.Neighbours`, optional
        The stars whose uncertain fluxes enter the covariance.

    groups : `~lpiphot.lpi.neighbours.Groups`, optional
        The stars that are solved jointly.

    positions : bool, optional
        Whether positions are solved for.
    """

    def __init__(self, field, psf, sources, *, stamp_shape, window_shape,
                 condition_radius, dtype, neighbours=None, groups=None,
                 positions=False):
        self._field = field
        self._psf = psf
        self._sources = sources
        self._stamp_shape = stamp_shape
        self._window_shape = window_shape
        self._condition_radius = condition_radius
        self._dtype = dtype
        self._neighbours = neighbours
        self._groups = groups
        self._positions = positions

    def region(self, rows):
        """
        Return the region of the image that some stars need.

        Parameters
        ----------
        rows : (n,) `~numpy.ndarray` of int
            Their rows in the table.

        Returns
        -------
        region : `~lpiphot.lpi.tiles.Region`
            The region.
        """
        return region_about(centre_pixels(self._sources.take(rows)),
                            *self._shapes)

    def __call__(self, rows, scene=None, workspace=None):
        """
        Solve stars that are near each other.

        Parameters
        ----------
        rows : (n,) `~numpy.ndarray` of int
            Their rows in the table; all are inside the image.

        scene : `~lpiphot.lpi.scene.Scene`, optional
            The planes of a region with all that the stars need; they are
            made if not given.

        workspace : `~lpiphot.lpi.covariance.Workspace`, optional
            Memory to use, of this thread alone.

        Returns
        -------
        solutions : list of `StarSolution`
            One for each star.
        """
        if scene is None:
            scene = self._field.scene(self.region(rows))
        centres = centre_pixels(self._sources.take(rows))
        solutions = [None] * len(centres)
        for alike, blocks, limit in self._alike(centres, scene.loudness):
            solved = self._solve_alike(
                rows[alike], scene._replace(loudness=blocks), limit, workspace)
            for i, solution in zip(alike, solved, strict=True):
                solutions[i] = solution
        return solutions

    @property
    def _shapes(self):
        """
        The shapes of stamp, window and image.
        """
        return self._stamp_shape, self._window_shape, self._field.image_shape

    def _alike(self, centres, loudness):
        """
        Yield stars with the same noise, the blocks with this noise, and
        how loud they may be in the training pixels of these stars.
        """
        if not self._field.robust:
            yield np.arange(len(centres)), loudness, np.inf
            return
        shapes = self._stamp_shape, self._window_shape
        variances = loudness.variances(centres, *shapes)
        for variance in np.unique(variances):
            index = np.flatnonzero(variances == variance)
            blocks = loudness.evened(variance)
            limits = blocks.limits(centres[index], *shapes)
            for limit in np.unique(limits):
                yield index[limits == limit], blocks, limit

    def _solve_alike(self, rows, scene, limit, workspace):
        """
        Solve stars whose training pixels may be equally loud.
        """
        stamps = self._stamps(rows, scene)
        training = _training(scene, stamps.centres, limit, self._shapes)
        dtype = self._dtype
        if training.values.std() > FLOAT32_RANGE * training.noise:
            dtype = np.dtype(float)
        places, orders = _places(stamps.classes)

        def learn(some, dtype, workspace=None):
            """
            Return means and covariances of some of the stamps.
            """
            return joint_covariances(
                training.values, training.corners[some], places[some],
                self._stamp_shape, self._window_shape, dtype, workspace)

        means, covariances = learn(slice(None), dtype, workspace)
        if self._field.robust:
            free_places = FreePlaces(
                training.values, training.mask, training.corners,
                self._stamp_shape, self._window_shape, dtype)
        solutions = []
        for i, (order, covariance) in enumerate(
                zip(orders, covariances, strict=True)):
            dnt = int(stamps.dnt[i])
            if math.prod(self._window_shape) < MIN_SHIFTS * order.size:
                dnt |= flags.FEW_SHIFTS
            conditional = correction = shifts = None
            if not dnt & flags.NO_HIDDEN_PIXELS:
                star = self._star(stamps, i, order, means[i], training)
                conditional, factored = _condition(
                    star, covariance, FLOAT32_RANGE * training.noise,
                    partial(learn, slice(i, i + 1), np.dtype(float)))
                if conditional is None:
                    dnt |= flags.NOT_POSITIVE_DEFINITE
            if conditional is not None:
                correction, shifts, star = self._correct(
                    conditional, star, stamps, training)
                if self._field.robust:
                    conditional, correction = _predict_typical(
                        conditional, correction, factored, star, free_places)
                conditional = conditional.times(training.scale)
                correction = correction.times(training.scale)
                dnt |= _misfit(correction, star.residual.size,
                               self._sources.flux[rows[i]])
            solutions.append(StarSolution(
                centre=stamps.centres[i], classes=stamps.classes[i],
                n_good_first=int(stamps.n_good_first[i]), psf=stamps.psf[i],
                stamp=stamps.values[i], level=training.level,
                conditional=conditional, rows=stamps.templates[i].rows,
                correction=correction, shifts=shifts, dnt=dnt))
        return solutions

    def _correct(self, conditional, star, stamps, training):
        """
        Return the correction of a star, by how much the stars were moved
        for it, and the star with its templates there.

        Positions are solved for in two linear steps, the second from where
        the first has led: the flux is wrong by the square of the distance.
        """
        level = training.level / training.scale
        found = correct(conditional, star.templates, star.residual, level)
        if not self._positions:
            return found, None, star
        i = star.number
        templates = stamps.templates[i]
        shifts = templates.shifts(
            training.scale * (found.fdb_pred - found.fdb_res),
            training.scale * found.dcflux)
        if not shifts.any():
            return found, shifts, star
        templates, change = templates.moved(self._psf, shifts,
                                            stamps.centres[i])
        hidden = star.order[stamps.n_good[i]:]
        star = star._replace(
            templates=templates.values(hidden), psfs=templates.stamps,
            residual=star.residual + change.ravel()[hidden] / training.scale)
        return correct(conditional, star.templates, star.residual,
                       level), shifts, star

    def _stamps(self, rows, scene):
        """
        Return what is known of the pixels of stars.
        """
        sources = self._sources.take(rows)
        centres = centre_pixels(sources)
        pixels, outside = stamp_pixels(
            centres, self._stamp_shape, self._field.image_shape, scene.region)
        signed = psf_stamps(self._psf, sources, self._stamp_shape)
        psf = np.abs(signed)
        templates = star_templates(self._psf, sources, centres, psf, rows,
                                   groups=self._groups,
                                   positions=self._positions)
        no_data = outside | scene.no_data[pixels]
        thresholds = self._field.thresholds
        classes, n_good_first, dnt = classify_stamps(
            psf, sources.flux, outside | scene.mask[pixels], no_data,
            mask_threshold=thresholds.mask_threshold,
            min_mask_flux=thresholds.min_mask_flux,
            condition_radius=self._condition_radius,
            others=[(i, *other) for i, here in enumerate(templates)
                    for other in zip(here.flux[1:], here.stamps[1:],
                                     strict=True)])
        dnt |= psf_flags(signed)
        dnt[near_unreached(scene.unreached, scene.region, centres,
                           *self._shapes)] |= flags.INFILL_MEDIAN
        filled, residual = scene.filled[pixels], scene.residual[pixels]
        known = scene.loudness.scale(filled, *_in_image(pixels, scene))
        return _Stamps(
            centres=centres, psf=psf, templates=templates, classes=classes,
            n_good_first=n_good_first,
            n_good=np.count_nonzero(classes == GOOD, axis=(1, 2)), dnt=dnt,
            values=np.where(no_data, filled, residual), known=known,
            residual=residual,
            variance=star_variances(scene, pixels, classes == HIDDEN))

    def _star(self, stamps, i, order, mean, training):
        """
        Return the pixels of one of the stars that are used.
        """
        level, scale = training.level, training.scale
        good, hidden = order[:stamps.n_good[i]], order[stamps.n_good[i]:]
        templates = stamps.templates[i]
        terms = np.empty((0, order.size))
        if self._neighbours is not None:
            terms = self._neighbours.terms(
                templates.rows, stamps.centres[i], self._stamp_shape,
                order) / scale
        return _Star(
            number=i, order=order, psfs=templates.stamps, mean=mean[order],
            known=(stamps.known[i].ravel()[good] - level) / scale,
            residual=(stamps.residual[i].ravel()[hidden] - level) / scale,
            variance=stamps.variance[i].ravel()[order] / scale ** 2,
            terms=terms, templates=templates.values(hidden))


class _Stamps(NamedTuple):
    """
    The pixels of some stars: the absolute values of the unit-flux PSFs, the
    residual where there are data, with infill elsewhere (``values``) or for
    all that is masked and with the noise evened out (``known``), and the
    variance by photons of stars.
    """

    centres: np.ndarray
    psf: np.ndarray
    templates: list
    classes: np.ndarray
    n_good_first: np.ndarray
    n_good: np.ndarray
    dnt: np.ndarray
    values: np.ndarray
    known: np.ndarray
    residual: np.ndarray
    variance: np.ndarray


class _Star(NamedTuple):
    """
    The pixels of a star that are used, each by its number, and the PSFs on
    its stamp; in units of its training pixels, the mean of all, the good
    ones, the residual of the hidden ones, variances and terms to add to the
    covariance of all, and templates on the hidden ones.
    """

    number: int
    order: np.ndarray
    psfs: np.ndarray
    mean: np.ndarray
    known: np.ndarray
    residual: np.ndarray
    variance: np.ndarray
    terms: np.ndarray
    templates: np.ndarray

    def condition(self, covariance):
        """
        Condition the hidden pixels on the good ones, with the stars' noise.
        """
        diagonal = covariance.reshape(-1)[::len(covariance) + 1]
        diagonal += self.variance
        add_terms(covariance, self.terms)
        return condition(covariance, self.mean, self.known)


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
    Return training pixels that are equally noisy and loud.
    """
    part, corners = training_index(scene.region, centres, *shapes)
    values = scene.loudness.scale(
        scene.filled[part], *_in_image(part, scene), limit)
    level = float(values.mean())
    values = values - level
    # Squares of values in erg/s/cm2/A are beyond float32. All that is solved
    # is in units of the noise, of a power of 2 near it: this rounds nothing.
    noise = image_noise(values)
    scale = math.ldexp(1.0, math.frexp(noise)[1])  # 1 if there is no noise
    return _Training(values / scale, noise / scale, scale, level,
                     scene.mask[part], corners)


def _in_image(pixels, scene):
    """
    Return rows and columns of pixels of a scene in the image.
    """
    return [index + first for index, first in
            zip(pixels, scene.region.first, strict=True)]


def _places(classes):
    """
    Return the places of pixels in the order (good, hidden), and the order.
    """
    flat = classes.reshape(len(classes), -1)
    places = np.full(flat.shape, -1)
    orders = []
    for place, stamp in zip(places, flat, strict=True):
        order = np.concatenate([np.flatnonzero(stamp == GOOD),
                                np.flatnonzero(stamp == HIDDEN)])
        place[order] = np.arange(len(order))
        orders.append(order)
    return places, orders


def _condition(star, covariance, float32_limit, learn_again):
    """
    Condition the hidden pixels on the good ones; in float64 and from the
    products on if float32 does not do. Return the factored covariance, too.
    """
    in_float64 = covariance.dtype == float
    if in_float64 or np.abs(star.terms).max(initial=0) < float32_limit:
        conditional = star.condition(covariance)
        if in_float64 or conditional is not None:
            return conditional, covariance
    _, (covariance,) = learn_again()
    return star.condition(covariance), covariance


def _predict_typical(conditional, correction, factored, star, free_places):
    """
    Predict the typical background: one by which the fluxes lose their
    typical errors.

    What is predicted changes by as much in the shapes of the PSFs, so that
    the correction remains that of the prediction.
    """
    weights = amplitude_weights(factored, star.templates,
                                correction.covariance)
    errors = free_places.typical_errors(
        star.number, star.order, star.mean, star.known, star.psfs, weights,
        correction.dcflux)
    k = len(errors)
    fdb_pred = correction.fdb_pred.copy()
    fdb_pred[:k] -= errors
    mean = conditional.mean + errors @ star.templates[:k]
    return (conditional._replace(mean=mean),
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
