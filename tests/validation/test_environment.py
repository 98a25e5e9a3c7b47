# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the environment module.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.utils.masked import Masked
from photutils.psf import CircularGaussianPRF, GaussianPRF
from scipy.ndimage import gaussian_filter

from lpiphot.datasets import make_cloud_image
from lpiphot.validation import (inject_stars, local_density, local_roughness,
                                residual_around, residual_at, subtract_stars)

SHAPE = (120, 150)
NOISE = np.random.default_rng(2).normal(50.0, 1.7, SHAPE)
XY = np.random.default_rng(3).uniform(30, 90, (40, 2))


class TestRoughness:
    def test_white_noise(self):
        roughness = local_roughness(NOISE, XY, fwhm=3.0)
        assert abs(np.median(roughness) - 1.0) < 0.12
        assert np.all(np.abs(roughness - 1.0) < 0.5)

    def test_structure(self):
        """
        The scatter of smoothed structure and noise, over that of noise.
        """
        cloud = 5.0 * make_cloud_image(SHAPE, power=-4.0, seed=1)
        sigma = 3.0 / 2.3548
        expected = (np.std(gaussian_filter(cloud, sigma))
                    / (1.7 / (2 * np.sqrt(np.pi) * sigma)))
        centre = [(75.0, 60.0)]
        found = local_roughness(NOISE + cloud, centre, fwhm=3.0, radius=60)
        assert 0.6 * expected < found[0] < 1.3 * expected

    def test_bands(self):
        """
        Rows, or columns, of unequal level are structure.
        """
        bands = np.random.default_rng(5).normal(0.0, 4.0, (SHAPE[0], 1))
        centre = [(60.0, 60.0)]
        rows = local_roughness(NOISE + bands, centre, fwhm=3.0, radius=50)
        columns = local_roughness((NOISE + bands).T, centre, fwhm=3.0,
                                  radius=50)
        assert np.allclose(rows, columns)
        # smoothed in one direction the bands keep 1 / sqrt(2 sqrt(pi) sigma)
        # of their scatter, and the noise the square of it
        sigma = 3.0 / 2.3548
        expected = np.sqrt(1 + (4.0 / 1.7) ** 2 * 2 * np.sqrt(np.pi) * sigma)
        assert np.isclose(rows[0], expected, rtol=0.3)

    def test_mask_and_edges(self):
        bad = NOISE.copy()
        bad[:, :75] = 1e6
        mask = bad > 1e5
        roughness = local_roughness(bad, [(80.0, 60.0), (10.0, 60.0),
                                          (149.0, 0.0), (np.nan, 3.0),
                                          (400.0, 3.0)], fwhm=3.0, mask=mask)
        assert abs(roughness[0] - 1.0) < 0.4
        assert np.isnan(roughness[[1, 3, 4]]).all()
        assert np.isfinite(roughness[2])


def test_density():
    sources = np.random.default_rng(4).uniform(0, 120, (3000, 2))
    shape = (120, 120)
    xy = [(60.0, 60.0), (0.0, 60.0), (0.0, 0.0)]
    density = local_density(xy, [*sources, (np.nan, 2)], 25.0, shape)
    assert np.all(np.abs(density / (3000 / 120 ** 2) - 1.0) < 0.2)
    assert np.array_equal(local_density(xy, [], 9.0, shape), [0, 0, 0])


def test_density_of_a_lattice():
    """
    Four sources in each pixel; discs beyond the edge are less precise.
    """
    sources = np.stack(np.meshgrid(*2 * [np.arange(-0.25, 119.5, 0.5)]),
                       axis=-1).reshape(-1, 2)
    xy = [(60.0, 60.0), (40.3, 71.9), (-0.5, 60.0), (119.5, -0.5)]
    density = local_density(xy, sources, 25.0, (120, 120))
    # circles of 50 steps have pi 50^2 points of a lattice to 0.5 %
    assert np.allclose(density[:2], 4.0, rtol=0.005)
    # a column of 20 points across the disc lies on the edge
    assert np.allclose(density[2:], 4.0, rtol=0.15)


def test_residuals():
    """
    A bump is at its place, and a ring around it.
    """
    y, x = np.mgrid[:SHAPE[0], :SHAPE[1]]
    distance = np.hypot(x - 70, y - 50)
    image = np.where(distance < 4.0, 8.0, np.where(distance < 14.0, -3.0,
                                                   0.0))
    xy = [(70.0, 50.0), (20.0, 100.0), (-90.0, 3.0)]
    at = residual_at(image, xy, fwhm=3.0)
    assert at[0] > 7.0
    around = residual_around(image, xy, fwhm=3.0)
    assert np.isclose(around[0], -3.0)
    assert np.allclose([at[1], around[1]], 0.0)
    assert np.isnan(at[2])
    mask = distance < 30.0
    assert np.isnan(residual_at(image, xy, fwhm=3.0, mask=mask)[0])


@pytest.mark.parametrize('kind', [np.ma.MaskedArray, Masked])
@pytest.mark.parametrize('measure', [local_roughness, residual_around,
                                     residual_at])
def test_masked_image(kind, measure):
    """
    The mask that an image has itself is that of the keyword.
    """
    bad = NOISE.copy()
    bad[:, :75] = 1e6
    mask = bad > 1e5
    xy = [(78.0, 60.0), (10.0, 60.0)]
    assert np.array_equal(measure(kind(bad, mask), xy, fwhm=3.0),
                          measure(bad, xy, fwhm=3.0, mask=mask),
                          equal_nan=True)


def test_subtract_stars():
    psf = CircularGaussianPRF(fwhm=3.0)
    stars = QTable({'x_0': [40.2, 90.0], 'y_0': [50.0, 70.7],
                    'flux': [900.0, 500.0]})
    image = inject_stars(NOISE, psf, stars)
    found = QTable({'x_fit': [40.2, 90.0, np.nan], 'y_fit': [50., 70.7, 3.],
                    'flux_fit': [900.0, 500.0, 5.0] * u.adu})
    assert np.allclose(subtract_stars(image * u.adu, found, psf), NOISE)
    assert np.array_equal(subtract_stars(image, found[2:], psf), image)
    found['flux_fit'] = found['flux_fit'].value * 1000.0 * u.mJy
    assert np.allclose(subtract_stars(image * u.Jy, found, psf), NOISE)
    with pytest.raises(u.UnitConversionError, match='mJy'):
        subtract_stars(image * u.adu, found, psf)
    found['flux_fit'] = found['flux_fit'].to_value(u.Jy)
    mask = NOISE > 52.0
    for masked in (np.ma.MaskedArray(image, mask), Masked(image, mask),
                   CCDData(image, unit='adu', mask=mask)):
        assert np.allclose(subtract_stars(masked, found, psf),
                           np.where(mask, np.nan, NOISE), equal_nan=True)

    wide = GaussianPRF(x_fwhm=3.0, y_fwhm=3.0)
    stars['x_fwhm'] = [4.0, 5.0]
    image = inject_stars(NOISE, wide, stars)
    found['x_fwhm_fit'] = [4.0, 5.0, 4.0]
    assert np.allclose(subtract_stars(image, found, wide), NOISE)


def test_subtract_stars_of_other_parameters():
    """
    Tied ones follow the others; angles are in any unit.
    """
    stars = QTable({'x_0': [40.2, 90.0], 'y_0': [50.0, 70.7],
                    'flux': [900.0, 500.0], 'x_fwhm': [4.0, 5.0],
                    'y_fwhm': [8.0, 10.0]})
    found = QTable({'x_fit': stars['x_0'], 'y_fit': stars['y_0'],
                    'flux_fit': stars['flux'], 'x_fwhm_fit': [4.0, 5.0]})
    model = GaussianPRF(theta=30.0 * u.deg)
    image = inject_stars(NOISE, model, stars)
    model.y_fwhm.tied = lambda psf: 2.0 * psf.x_fwhm
    assert np.allclose(subtract_stars(image, found, model), NOISE)
    found['theta_fit'] = np.full(2, np.pi / 6) * u.rad
    assert np.allclose(subtract_stars(image, found, model), NOISE)
