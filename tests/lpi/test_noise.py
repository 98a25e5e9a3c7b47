"""
The noise of the pixels, without their structure.
"""

import numpy as np
from numpy.testing import assert_array_equal

from lpiphot.lpi.noise import block_moments, image_noise, local_noise

SHAPE = 160, 208


def test_white_noise_on_a_slope():
    """
    Block by block, whatever the level and slope; masked pixels play no
    part.
    """
    rng = np.random.default_rng(8)
    y, x = np.indices(SHAPE)
    scale = np.where(x < 96, 1.7, 0.4)
    image = -3e3 + 20 * y - 7 * x + scale * rng.normal(size=SHAPE)
    mask = rng.random(SHAPE) < 0.02
    image[mask] = np.nan
    noise = local_noise(image, mask)
    assert noise.shape == (10, 13)
    # MAD of some 230 differences, which are correlated: 8 %; the mean
    # of 60 and of 70 blocks 1 %
    for part, sigma in ((noise[:, :6], 1.7), (noise[:, 7:], 0.4)):
        assert abs(np.mean(part) / sigma - 1) < 0.04
        assert np.std(part) < 0.16 * sigma


def test_image_without_holes():
    """
    One number, to 0.5 % from 33,000 pixels.
    """
    rng = np.random.default_rng(8)
    y, x = np.indices(SHAPE)
    image = -3e3 + 20 * y - 7 * x + rng.normal(0, 1.7, SHAPE)
    assert abs(image_noise(image) / 1.7 - 1) < 0.02


def test_smooth_image():
    """
    Waves are no noise.
    """
    x = np.indices(SHAPE)[1]
    image = 10 * np.sin(x / 9)
    assert np.max(local_noise(image, np.zeros(SHAPE, bool))) < 0.05


def test_missing_blocks():
    """
    A block without pixels has the median of others, or 0.
    """
    rng = np.random.default_rng(8)
    image = rng.normal(size=SHAPE)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:32, :16] = True
    noise = local_noise(image, mask)
    assert noise[0, 0] == noise[1, 0] == np.median(np.delete(
        noise.ravel(), [0, 13]))
    assert_array_equal(local_noise(image, ~np.eye(*SHAPE, dtype=bool)), 0)


def test_blocks_of_many_rows():
    """
    Each block has the moments that it has alone, also far down.
    """
    rng = np.random.default_rng(8)
    image = rng.normal(size=(537, 37)) * np.arange(1, 538)[:, np.newaxis]
    mask = rng.random(image.shape) < 0.1
    moments = block_moments(image, mask, loudness=True)
    for y in range(34):
        rows = slice(16 * y, 16 * y + 16)
        alone = block_moments(image[rows], mask[rows], loudness=True)
        for moment, want in zip(moments, alone, strict=True):
            assert moment.shape == (34, 3)
            assert_array_equal(moment[y:y + 1], want)
