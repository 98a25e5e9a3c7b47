"""
Outliers, and the classes of the pixels of stamps.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lpiphot import flags
from lpiphot.lpi.masks import (GOOD, HIDDEN, IGNORED, classify_stamps,
                               outlier_mask)

SIGMA = 1.7


class TestOutliers:
    """
    Beyond six times the robust scatter of the block, about its median.
    """

    PIXELS = ((5, 7), (20, 40), (63, 31), (33, 10))

    def residual(self):
        """
        White noise on a level that is not zero, with five bad columns.
        """
        rng = np.random.default_rng(12)
        residual = rng.normal(-300, SIGMA, size=(64, 80))
        residual[:, 50:55] = 1e4
        mask = np.zeros(residual.shape, dtype=bool)
        mask[:, 50:55] = True
        return residual, mask

    # The scatter of a block of 256 pixels is known to 7 %, 3 sigma of
    # which make the limit 4.7 to 7.3 sigma.
    @pytest.mark.parametrize(('height', 'is_outlier'), [
        (4, False), (-4, False), (10, True), (-10, True)])
    def test_limit(self, height, is_outlier):
        """
        Structure of 4 sigma stays to be learned from; 10 sigma do not.
        """
        residual, mask = self.residual()
        want = np.zeros(residual.shape, dtype=bool)
        for pixel in self.PIXELS:
            residual[pixel] = -300 + height * SIGMA
            want[pixel] = is_outlier
        assert_array_equal(outlier_mask(residual, mask, SIGMA), want)

    @pytest.mark.parametrize('brighter', [100, 0.01])
    def test_local(self, brighter):
        """
        What the scatter is elsewhere does not matter.
        """
        residual, mask = self.residual()
        elsewhere = (slice(None), slice(64, 80))
        residual[elsewhere] = -300 + brighter * (residual[elsewhere] + 300)
        for pixel, height in zip(self.PIXELS, (4, -4, 10, -10), strict=True):
            residual[pixel] = -300 + height * SIGMA
        want = np.zeros(residual.shape, dtype=bool)
        want[self.PIXELS[2]] = want[self.PIXELS[3]] = True
        assert_array_equal(outlier_mask(residual, mask, SIGMA), want)

    @pytest.mark.parametrize(('noise', 'n_outliers'), [
        (SIGMA, 1), (SIGMA / 2, 2), (0.0, 0)])
    def test_no_scatter(self, noise, n_outliers):
        """
        In a block of equal values the noise of the image counts.
        """
        residual = np.full((32, 32), 5.0)
        residual[3, 4] += 10 * SIGMA
        residual[9, 9] -= 4 * SIGMA
        outliers = outlier_mask(residual, np.zeros((32, 32), bool), noise)
        assert outliers.sum() == n_outliers
        assert outliers[3, 4] == (n_outliers > 0)

    def test_threshold(self):
        """
        A threshold is one of the absolute value, level and all.
        """
        residual = np.zeros((20, 20))
        residual[1, 1:5] = [10.1, 9.9, -9.9, -10.1]
        outliers = outlier_mask(residual, residual == 10.1, 1.0, 10.0)
        assert_array_equal(np.argwhere(outliers), [[1, 4]])


class TestClasses:
    """
    Of the pixels of a stamp of 13 x 11 about a star of Gaussian shape.
    """

    def classify(self, pixels, condition_radius=9.0):
        """
        Classify with some pixels that have no data.
        """
        y, x = np.ogrid[-6:7, -5:6]
        psf = np.exp(-0.5 * (x ** 2 + y ** 2)) / (2 * np.pi)
        no_data = np.zeros((1, 13, 11), dtype=bool)
        for pixel in pixels:
            no_data[0][pixel] = True
        classes, n_good, (dnt,) = classify_stamps(
            psf[np.newaxis], np.array([100.0]), no_data.copy(), no_data,
            mask_threshold=1.0, min_mask_flux=100.0,
            condition_radius=condition_radius)
        return classes[0], int(n_good[0]), int(dnt)

    # flux x PSF is 1 at 2.35 pixels
    @pytest.mark.parametrize(('pixels', 'lost'), [
        ([], False), ([(6, 5)], True), ([(6, 7)], True), ([(6, 8)], False),
        ([(0, 0), (12, 10)], False), ([(6, 5), (0, 0)], True)])
    def test_pixels_lost(self, pixels, lost):
        """
        Lost is what has no data under the star, not beside it.
        """
        classes, _, dnt = self.classify(pixels)
        assert dnt == (flags.PIXELS_LOST if lost else 0)
        for pixel in pixels:
            assert classes[pixel] == IGNORED

    def test_all_lost(self):
        """
        Then nothing is hidden.
        """
        _, _, dnt = self.classify([(slice(3, 10), slice(2, 9))])
        assert dnt == flags.PIXELS_LOST | flags.NO_HIDDEN_PIXELS

    def test_classes(self):
        """
        Hidden within 2.35 pixels, good within the radius.
        """
        classes, n_good, dnt = self.classify([], condition_radius=6.3)
        y, x = np.ogrid[-6:7, -5:6]
        r = np.hypot(x, y)
        want = np.select([r < 2.35, r < 6.3], [HIDDEN, GOOD], IGNORED)
        assert_array_equal(classes, want)
        # more than the outer ring, two pixels wide, has: 13 * 11 - 9 * 7
        assert n_good == np.sum(want == GOOD) > 80
        assert dnt == 0

    def test_radius_lifted(self):
        """
        Where fewer are within the radius, all are good.
        """
        classes, n_good, dnt = self.classify([], condition_radius=4.5)
        y, x = np.ogrid[-6:7, -5:6]
        r = np.hypot(x, y)
        assert_array_equal(classes, np.where(r < 2.35, HIDDEN, GOOD))
        assert n_good == np.sum((r > 2.35) & (r <= 4.5)) < 80
        assert dnt == flags.RADIUS_LIFTED
