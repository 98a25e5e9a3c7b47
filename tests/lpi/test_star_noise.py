"""
The photon noise of stars, as errors tell it.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot._inputs import Image
from lpiphot.lpi.scene import Scene
from lpiphot.lpi.star_noise import (inverse_gain, photon_variance,
                                    star_variances)
from oracles.scenes import catalogue, star_image

PSF = CircularGaussianPRF(fwhm=3.0)
LEVEL, INVERSE_GAIN = 50.0, 0.4


def star(flux):
    """
    A star on 21 x 21 pixels.
    """
    model = PSF.copy()
    model.flux, model.x_0, model.y_0 = flux, 10.2, 9.7
    y, x = np.mgrid[:21, :21]
    return model(x, y)


def excess_of(model, rng):
    """
    Squared errors made of the data: read noise, and counts by the gain.
    """
    counts = (LEVEL + INVERSE_GAIN * model) / INVERSE_GAIN ** 2
    return INVERSE_GAIN ** 2 * rng.poisson(counts) - LEVEL


class TestPhotonVariance:
    """
    That of one star.
    """

    def of(self, excess, model, typical=INVERSE_GAIN):
        """
        The variance on pixels that rise above the noise.
        """
        chosen = model > 0.1
        n = np.count_nonzero(chosen)
        return photon_variance(excess[chosen], np.full(n, LEVEL),
                               model[chosen], np.ones(n, dtype=bool),
                               typical), model[chosen]

    @pytest.mark.parametrize('flux', [300, 3000, 1e5])
    def test_errors_without_noise(self, flux):
        """
        What they have in excess.
        """
        model = star(flux)
        got, light = self.of(INVERSE_GAIN * model, model)
        assert_allclose(got, INVERSE_GAIN * light, rtol=1e-12)

    @pytest.mark.parametrize('flux', [300, 3000, 1e5])
    def test_errors_made_of_data(self, flux):
        """
        In proportion to the star, not to what the pixels are by chance.
        """
        model = star(flux)
        factors = []
        for seed in range(50):
            got, light = self.of(
                excess_of(model, np.random.default_rng(seed)), model)
            assert_allclose(got / light, got[0] / light[0], rtol=1e-9)
            factors.append(got[0] / light[0])
        # the matched filter's error, which a fit has at least; that of the
        # mean of 50 is seven times less
        error = np.sqrt(LEVEL / np.sum(star(1.0) ** 2)
                        + INVERSE_GAIN * flux) / flux
        assert_allclose(np.mean(factors), INVERSE_GAIN,
                        rtol=4 * error / 50 ** 0.5)
        assert np.std(factors) < 1.5 * error * INVERSE_GAIN

    def test_bad_pixel(self):
        """
        One that was given a huge error keeps it, and hurts no other.
        """
        model = star(1e4)
        excess = excess_of(model, np.random.default_rng(1))
        before, light = self.of(excess, model)
        excess[10, 10] = 1e12
        after, _ = self.of(excess, model)
        hit = light == model[10, 10]
        assert_array_equal(after[hit], 1e12)
        assert_allclose(after[~hit], before[~hit], rtol=0.05)

    def test_rounding(self):
        """
        Errors that do not grow with the star, but for rounding.
        """
        model = star(3000)
        excess = np.zeros(model.shape)
        want, _ = self.of(excess, model)
        excess[10, 10] = 1e-14 * LEVEL
        got, _ = self.of(excess, model)
        assert_allclose(got, want, rtol=1e-9)

    def test_faint(self):
        """
        A faint star has the factor of the image, a bright one its own.
        """
        for flux, weight in ((30, 0.01), (1e5, 1)):
            model = star(flux)
            got, light = self.of(2 * INVERSE_GAIN * model, model)
            assert_allclose(got / light, (1 + weight) * INVERSE_GAIN,
                            rtol=0.01)

    def test_no_star(self):
        """
        Where no star is, the excess as it is, if it is any.
        """
        excess = np.array([-1.0, 0.0, 2.0])
        got = photon_variance(excess, np.ones(3), np.zeros(3),
                              np.ones(3, dtype=bool), 1.0)
        assert_array_equal(got, [0, 0, 2])

    def test_rim(self):
        """
        Pixels that are hidden, but not under the star as it was fitted,
        tell nothing, and have what its model has there.
        """
        model = star(3000)
        excess = excess_of(model, np.random.default_rng(1))
        known = model > 20
        inner, light = photon_variance(
            excess[known], np.full(known.sum(), LEVEL), model[known],
            np.ones(known.sum(), dtype=bool), INVERSE_GAIN), model[known]
        got = photon_variance(
            np.where(known, excess, 0).ravel(), np.full(model.size, LEVEL),
            model.ravel(), known.ravel(), INVERSE_GAIN)
        assert_allclose(got, inner[0] / light[0] * model.ravel(), rtol=1e-9)
        none = photon_variance(
            np.zeros(model.size), np.full(model.size, LEVEL), model.ravel(),
            np.zeros(model.size, dtype=bool), INVERSE_GAIN)
        assert_allclose(none, INVERSE_GAIN * model.ravel())

    def test_constant_errors(self):
        """
        Errors that do not grow with the light have no photons.
        """
        model = star(1e4)
        got, _ = self.of(np.zeros(model.shape), model, 0.0)
        assert_array_equal(got, 0)


class TestInverseGain:
    """
    That of an image.
    """

    def of(self, models, errors, noise=1.0):
        """
        The inverse gain of images without bad pixels.
        """
        return inverse_gain(
            [Image(None, error, np.zeros(error.shape, dtype=bool))
             for error in errors], models, noise)

    def test_gain(self):
        """
        Of errors made of data; a saturated star changes little.
        """
        rng = np.random.default_rng(3)
        models = [star(flux) for flux in (1e3, 3e3, 1e4, 3e4)]
        errors = [np.sqrt(LEVEL + excess_of(model, rng)) for model in models]
        assert_allclose(self.of(models, errors), INVERSE_GAIN, rtol=0.05)
        models.append(star(1e6))
        errors.append(np.sqrt(LEVEL + INVERSE_GAIN
                              * np.minimum(models[-1], 1e4)))
        assert_allclose(self.of(models, errors), INVERSE_GAIN, rtol=0.05)

    def test_none(self):
        """
        Without stars, without sky, or with constant errors there is none.
        """
        model = star(1e4)
        one = np.ones(model.shape)
        assert self.of([0 * model], [one]) == 0
        assert self.of([model + 2], [one]) == 0
        assert self.of([model], [one]) == 0
        assert self.of([model], [0 * one]) == 0


def test_good_pixels_keep_their_excess():
    """
    Only hidden pixels follow the model of the stars; the excess of others,
    under the wings of neighbours, is what their errors say.
    """
    model = star(1e4)
    excess = excess_of(model, np.random.default_rng(3))
    planes = dict.fromkeys(Scene._fields) | {
        'mask': model > 2, 'model': model, 'star_variance': excess,
        'error_level': np.full(model.shape, LEVEL), 'inverse_gain': 0.4}
    hidden = np.zeros((1, *model.shape), dtype=bool)
    hidden[0, 6:15, 6:15] = True
    pixels = tuple(np.indices(model.shape)[:, np.newaxis])
    variance = star_variances(Scene(**planes), pixels, hidden)
    assert_array_equal(variance[~hidden], np.maximum(excess, 0)[~hidden[0]])
    assert_allclose(variance[hidden], photon_variance(
        *(plane[hidden[0]] for plane in (excess, planes['error_level'], model,
                                         planes['mask'])), INVERSE_GAIN))


@pytest.mark.parametrize(('brightness', 'sky'), [(1500, 200), (130, 20)])
def test_flux_is_not_biased(brightness, sky):
    """
    With errors made of the data, fluxes as with the gain.

    Weights by these errors would make them lower by 0.2 of their error,
    as those of a fit by photutils are; by 0.4 for stars of 5 sigma and
    few counts.
    """
    rng = np.random.default_rng(5)
    y, x = (24 * np.indices((6, 6)) + 20 + rng.uniform(-.5, .5, (2, 6, 6))
            ).reshape(2, -1)
    stars = [star_image(PSF, *place, (160, 160), brightness)
             for place in zip(x, y, strict=True)]
    counts = rng.poisson(sky + sum(stars))
    error = np.sqrt(counts + sky / 8)
    data = counts - sky + rng.normal(0, (sky / 8) ** 0.5, counts.shape)
    table = catalogue(x, y, np.full(x.size, brightness), 80.0)
    corrector = LPIBackgroundCorrector(PSF, window_shape=91)
    given = corrector(data, table, error=error)
    wanted = LPIBackgroundCorrector(PSF, window_shape=91, gain=1.0)(
        data, table)
    change = (given['cflux'] - wanted['cflux']) / wanted['dcflux']
    # a third of what the weights would do
    assert abs(np.median(change)) < 0.07
    assert_allclose(np.median(given['dcflux'] / wanted['dcflux']), 1,
                    rtol=0.03)
