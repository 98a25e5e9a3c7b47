"""
The infill: growing boxcars, and noise that belongs to the pixel.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lpiphot.lpi.infill import HALF_WIDTHS, boxcar_infill, pixel_noise
from lpiphot.lpi.tiles import Region
from oracles import boxcar

SHAPE = 83, 101
HOLES = {
    'single pixels': [(slice(40, 41), slice(50, 51))],
    'corner': [(slice(0, 30), slice(0, 23))],
    'edge': [(slice(60, 83), slice(30, 75))],
    # these need the second to the fifth boxcar
    'large': [(slice(20, 72), slice(15, 88))],
    'all but a corner': [(slice(0, 83), slice(0, 96)),
                         (slice(0, 80), slice(90, 101))],
}


def some_image(level=-3.0):
    """
    A slope in both directions, and noise.
    """
    rng = np.random.default_rng(17)
    y, x = np.indices(SHAPE)
    return level + 0.3 * y - 0.2 * x + rng.normal(scale=1.7, size=SHAPE)


def test_widths():
    """
    19 pixels and 1.4 times more each time (sections 2.5 and 5.1).
    """
    assert len(HALF_WIDTHS) == 10
    # to the nearest odd width, so by one pixel at most
    assert_allclose(2 * np.array(HALF_WIDTHS) + 1,
                    19 * 1.4 ** np.arange(10), rtol=0, atol=1)


@pytest.mark.parametrize('level', [-3.0, 1e5])
@pytest.mark.parametrize('holes', HOLES.values(), ids=HOLES)
def test_boxcar(holes, level):
    """
    Every pixel is the oracle's, and what is masked plays no part.
    """
    image = some_image(level)
    mask = np.random.default_rng(3).random(SHAPE) < 0.05
    for hole in holes:
        mask[hole] = True
    want = boxcar.boxcar_infill(image, mask)
    image[mask] = np.nan
    image.flags.writeable = mask.flags.writeable = False
    filled, n_boxcars = boxcar_infill(image, mask, HALF_WIDTHS)
    # sums of 1e4 values of some 30 about a level, to 1e-16 each; a
    # boxcar of another width differs by 0.1
    assert_allclose(filled, want, rtol=0, atol=1e-9)
    assert_array_equal(filled[~mask], image[~mask])
    assert_array_equal(n_boxcars == 0, ~mask)
    assert n_boxcars.max() <= len(HALF_WIDTHS)


@pytest.mark.parametrize(('n_good', 'n_left'), [(9, 1), (10, 0)])
def test_ten_good_pixels(n_good, n_left):
    """
    Nine good pixels are no mean, ten are.
    """
    image = np.full((19, 19), 7.0)
    mask = np.ones((19, 19), dtype=bool)
    mask[0, :n_good] = False
    filled, n_boxcars = boxcar_infill(image, mask, [9])
    assert n_boxcars[9, 9] == 1 + n_left
    assert filled[9, 9] == (0 if n_left else 7)


def test_nothing_in_reach():
    """
    What no boxcar fills is told.
    """
    mask = np.zeros((30, 90), dtype=bool)
    mask[:, 20:] = True
    _, n_boxcars = boxcar_infill(np.ones(mask.shape), mask, HALF_WIDTHS[:2])
    # one column of at least 14 good pixels is enough
    assert_array_equal(n_boxcars == 3, np.indices(mask.shape)[1] > 19 + 13)


class TestPixelNoise:
    """
    Unit noise that depends on the seed and on the place of the pixel.
    """

    WHOLE = Region((0, 0), (200, 170))

    def noise(self, seed=7):
        return pixel_noise(np.ones(self.WHOLE.shape, bool), self.WHOLE, seed)

    @pytest.mark.parametrize('region', [
        Region((0, 0), (1, 1)), Region((5, 60), (70, 130)),
        Region((64, 128), (128, 170)), Region((63, 63), (65, 129)),
        Region((150, 0), (200, 170))])
    def test_regions(self, region):
        """
        However the image is cut, and whatever else is masked.
        """
        whole = self.noise()
        mask = np.random.default_rng(1).random(region.shape) < 0.5
        mask[0, 0] = True
        assert_array_equal(pixel_noise(mask, region, 7),
                           np.where(mask, whole[region.slices], 0))

    def test_moments(self):
        """
        Mean 0, variance 1, and nothing in common between neighbours.
        """
        noise = self.noise()
        n = noise.size  # 34000; all limits are 5 sigma
        assert abs(noise.mean()) < 5 / np.sqrt(n)
        assert abs(noise.var() - 1) < 5 * np.sqrt(2 / n)
        for shift in [(0, 1), (1, 0), (0, 64), (64, 0), (64, 64)]:
            product = noise * np.roll(noise, shift, axis=(0, 1))
            assert abs(product.mean()) < 5 / np.sqrt(n)

    def test_seeds(self):
        """
        Another seed is another noise, also one that float64 would round.
        """
        one, two = self.noise(7), self.noise(8)
        # 5 sigma of a mean of 34000 products
        assert abs(np.mean(one * two)) < 5 / np.sqrt(one.size)
        assert np.any(self.noise(2 ** 60) != self.noise(2 ** 60 + 1))
