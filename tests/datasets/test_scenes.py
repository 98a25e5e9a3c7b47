# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the scenes module.
"""

import numpy as np
import pytest

from lpiphot.datasets import make_cloud_image, make_filament_image


class TestFilaments:
    def test_ridges(self):
        image = make_filament_image((51, 301), amplitude=70.0)
        assert image.shape == (51, 301)
        assert np.argmax(image[7]) == 150 - 59
        assert np.argmin(image[7]) == 150 + 59
        assert np.isclose(image.max(), 70.0)
        assert np.isclose(image.min(), -70.0)
        # straight up, and nothing far from them
        assert np.allclose(image, image[0])
        assert np.allclose(image[:, 150], 0.0, atol=1e-12)

    def test_fwhm(self):
        image = make_filament_image((3, 301), fwhm=8.0, separation=100.0)
        peak = 150 - 50
        assert np.allclose(image[1, [peak - 4, peak + 4]], 50.0)

    def test_angle(self):
        """
        Filaments along x: bright above, as turned by 90 degrees.
        """
        image = make_filament_image((301, 51), angle=180.0)
        upright = make_filament_image((51, 301))
        assert np.allclose(image, upright.T)
        # at 45 degrees, along the diagonal through pixels (x, y), (y, x)
        image = make_filament_image((101, 101), angle=45.0, separation=30.0)
        assert np.allclose(np.diag(image, k=11), image[0, 11])
        assert image[70, 30] > 0 > image[30, 70]

    def test_bad_input(self):
        with pytest.raises(ValueError, match='fwhm must be positive; got 0'):
            make_filament_image(fwhm=0)


class TestClouds:
    @pytest.mark.parametrize('power', [-3.0, -1.7, 0.0])
    def test_power_law(self, power):
        """
        The periodogram over the power law is exponential, of one mean.
        """
        shape = (192, 250)
        image = make_cloud_image(shape, power=power, rms=1.7, seed=3)
        assert image.shape == shape
        assert np.isclose(np.std(image), 1.7)
        assert np.isclose(np.mean(image), 0.0, atol=1e-12)
        k = np.hypot(np.fft.fftfreq(192)[:, np.newaxis], np.fft.fftfreq(250))
        spectrum = np.abs(np.fft.fft2(image)) ** 2
        edges = np.geomspace(0.02, 0.5, 9)
        which = np.digitize(k, edges)
        mean_k = [np.mean(k[which == i]) for i in range(1, 9)]
        mean = [np.mean(spectrum[which == i] / k[which == i] ** power)
                for i in range(1, 9)]
        slope = np.polyfit(np.log(mean_k), np.log(mean), 1)[0]
        assert abs(slope) < 0.08

    def test_isotropic(self):
        image = make_cloud_image((256, 256), seed=8)
        across = np.mean(np.diff(image, axis=1) ** 2)
        along = np.mean(np.diff(image, axis=0) ** 2)
        assert np.isclose(across, along, rtol=0.1)

    def test_seed(self):
        image = make_cloud_image((20, 31), seed=5)
        assert np.array_equal(image, make_cloud_image((20, 31), seed=5))
        assert not np.allclose(image, make_cloud_image((20, 31), seed=6))
        rng = np.random.default_rng(5)
        assert np.array_equal(image, make_cloud_image((20, 31), seed=rng))

    def test_bad_input(self):
        with pytest.raises(ValueError, match='shape must have two pixels'):
            make_cloud_image((1, 1))
        with pytest.raises(ValueError, match='rms must not be negative'):
            make_cloud_image((10, 10), rms=-1.0)
