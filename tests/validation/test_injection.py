# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the injection module.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.models import Gaussian2D
from astropy.nddata import (CCDData, InverseVariance, NDData,
                            StdDevUncertainty, VarianceUncertainty)
from astropy.table import QTable
from astropy.utils.masked import Masked
from astropy.wcs import WCS
from photutils.psf import CircularGaussianPRF
from psf_cases import adapted_model
from scipy.spatial import KDTree

from lpiphot._psf_names import psf_names
from lpiphot.validation import (gain_from_error, inject_stars,
                                random_positions, subtract_stars)

PSF = CircularGaussianPRF(fwhm=3.1)


class TestRandomPositions:
    def test_constraints(self):
        shape = (90, 140)
        mask = np.zeros(shape, dtype=bool)
        mask[:, :60] = True
        avoid = [(100.3, 45.0), (np.nan, 3.0)]
        xy = random_positions(shape, 40, min_separation=4.0, avoid=avoid,
                              avoid_radius=15.0, border=7, mask=mask, seed=2)
        assert xy.shape == (40, 2)
        x, y = xy.T
        assert x.min() >= 59.5
        assert x.max() <= 140 - 7.5
        assert y.min() >= 6.5
        assert y.max() <= 90 - 7.5
        assert KDTree(xy).query(xy, k=2)[0][:, 1].min() >= 4.0
        assert np.hypot(x - 100.3, y - 45.0).min() >= 15.0

    def test_fills_whole_image_evenly(self):
        xy = random_positions((40, 70), 20000, seed=1)
        counts, *_ = np.histogram2d(*xy.T, bins=(7, 4),
                                    range=((-0.5, 69.5), (-0.5, 39.5)))
        assert counts.sum() == 20000
        assert np.all(np.abs(counts - 20000 / 28) < 5 * np.sqrt(20000 / 28))

    def test_integer(self):
        xy = random_positions((20, 30), 150, min_separation=1.0, border=3,
                              integer=True, seed=4)
        assert np.array_equal(xy, np.round(xy))
        assert len(np.unique(xy, axis=0)) == 150
        assert list(xy.min(axis=0)) == [3, 3]
        assert list(xy.max(axis=0)) == [26, 16]

    def test_seed(self):
        xy = random_positions((50, 60), 5, seed=1)
        assert np.array_equal(xy, random_positions((50, 60), 5, seed=1))
        assert not np.array_equal(xy, random_positions((50, 60), 5, seed=2))

    def test_none(self):
        assert random_positions((50, 60), 0, seed=1).shape == (0, 2)

    def test_no_room(self):
        with pytest.raises(ValueError, match='n=90 positions do not fit'):
            random_positions((30, 40), 90, min_separation=10.0, seed=1)
        # at most one of 86.6 square pixels on an area that has a margin
        with pytest.raises(ValueError, match='no more than 23 can be'):
            random_positions((30, 40), 10 ** 9, min_separation=10.0, seed=1)
        with pytest.raises(ValueError, match='there was room for 0'):
            random_positions((9, 9), 1, mask=np.ones((9, 9), dtype=bool))

    def test_bad_input(self):
        with pytest.raises(ValueError, match='border must be less than half'):
            random_positions((30, 40), 5, border=15)
        with pytest.raises(ValueError, match='mask must have the shape'):
            random_positions((30, 40), 5, mask=np.zeros((40, 30), dtype=bool))
        with pytest.raises(ValueError, match='avoid must have the shape'):
            random_positions((30, 40), 5, avoid=[1.0, 2.0])
        with pytest.raises(ValueError, match='avoid_radius must not be neg'):
            random_positions((30, 40), 5, avoid_radius=-1)


class TestInjectStars:
    params = QTable({'x_0': [20.3, 50.0], 'y_0': [15.0, 31.8],
                     'flux': [900.0, 4000.0]})
    data = np.random.default_rng(5).normal(-100.0, 3.0, (45, 70))

    def test_without_noise(self):
        data = self.data.astype('>f4')
        image = inject_stars(data, PSF, self.params)
        y, x = np.mgrid[:45, :70]
        stars = sum(PSF.evaluate(x, y, flux, x_0, y_0, 3.1)
                    for x_0, y_0, flux in self.params.iterrows())
        assert image.dtype == np.float64
        assert np.allclose(image - data, stars, atol=1e-4)
        assert np.isclose(np.sum(image - data), 4900.0, rtol=1e-4)
        assert np.array_equal(data, self.data.astype('>f4'))

    def test_photon_noise(self):
        """
        The variance is the star's counts over the gain, where it is.
        """
        params = QTable({'x_0': [22.0], 'y_0': [20.0], 'flux': [1e4]})
        zeros = np.zeros((41, 45))
        clean = inject_stars(zeros, PSF, params)
        rng = np.random.default_rng(7)
        noise = np.array([inject_stars(zeros, PSF, params, gain=1.7, rng=rng)
                          for _ in range(400)]) - clean
        core = clean > 50.0
        chi2 = np.mean(noise[:, core] ** 2 / (clean[core] / 1.7))
        assert np.isclose(chi2, 1.0, atol=0.05)
        assert np.all(noise[:, clean == 0.0] == 0.0)
        repeated = [inject_stars(zeros, PSF, params, gain=1.7, rng=3)
                    for _ in range(2)]
        assert np.array_equal(*repeated)

    def test_error(self):
        error = np.full(self.data.shape, 3.0)
        clean = inject_stars(self.data, PSF, self.params)
        image, new = inject_stars(self.data, PSF, self.params, gain=1.7,
                                  error=error, rng=1)
        assert not np.array_equal(image, clean)
        stars = clean - self.data
        assert np.allclose(new ** 2, 9.0 + stars / 1.7)
        _, same = inject_stars(self.data, PSF, self.params, error=error)
        assert np.array_equal(same, error)
        _, same = inject_stars(self.data, PSF, self.params, gain=1.7, rng=1,
                               error=3.0)  # as corrector and pipeline take it
        assert np.array_equal(same, new)
        for uncertainty, want in (
                (StdDevUncertainty(3.0), new),
                (InverseVariance(np.zeros((45, 70))), np.inf)):
            ccd = NDData(self.data, unit='adu', uncertainty=uncertainty)
            same = inject_stars(ccd, PSF, self.params, gain=1.7, rng=1)
            assert np.all(same.uncertainty.array == want)

    def test_units(self):
        unit = u.MJy / u.sr
        plain = inject_stars(self.data, PSF, self.params)
        image = inject_stars(self.data * unit, PSF, self.params)
        assert image.unit == unit
        assert np.allclose(image.value, plain)
        params = self.params.copy()
        params['flux'] = params['flux'] * 1e6 * u.Jy / u.sr
        error = np.full((45, 70), 3e6) * u.Jy / u.sr
        image, error = inject_stars(self.data * unit, PSF, params,
                                    error=error)
        assert np.allclose(image.value, plain)
        assert np.allclose(error.to_value(unit), 3.0)
        with pytest.raises(u.UnitsError):
            inject_stars(self.data, PSF, params)
        params = self.params.copy()
        params['x_0'] = params['x_0'] * u.pix
        assert np.array_equal(inject_stars(self.data, PSF, params), plain)
        params['x_0'] = params['x_0'].value * u.arcsec
        with pytest.raises(u.UnitsError, match='arcsec'):
            inject_stars(self.data, PSF, params)

    @pytest.mark.parametrize(('uncertainty', 'value'), [
        (StdDevUncertainty, 3.0), (VarianceUncertainty, 9.0)])
    def test_ccddata(self, uncertainty, value):
        mask = self.data > 0
        ccd = CCDData(self.data, unit='adu', mask=mask, wcs=WCS(naxis=2),
                      uncertainty=uncertainty(np.full((45, 70), value)),
                      meta={'filter': 'r'}, psf=np.eye(3),
                      flags=np.arange(45 * 70).reshape(45, 70))
        new = inject_stars(ccd, PSF, self.params, gain=1.7, rng=1)
        image, error = inject_stars(self.data, PSF, self.params, gain=1.7,
                                    rng=1, error=np.full((45, 70), 3.0))
        assert isinstance(new, CCDData)
        assert np.array_equal(new.data, image)
        assert np.allclose(new.uncertainty.array, error)
        assert new.wcs is ccd.wcs
        assert new.meta['filter'] == 'r'
        assert np.array_equal(new.psf, np.eye(3))
        assert np.array_equal(new.flags, ccd.flags)
        assert new.flags is not ccd.flags
        assert np.array_equal(new.mask, mask)
        assert np.array_equal(ccd.data, self.data)
        assert np.all(ccd.uncertainty.array == value)

    @pytest.mark.parametrize('theta', [0.4, 0.4 * u.rad])
    def test_model_of_astropy(self, theta):
        """
        No bounding box, and an angle with a unit.
        """
        model = adapted_model(Gaussian2D(1, 0, 0, 1.7, 1.2, theta),
                              x_name='x_mean', y_name='y_mean')
        params = QTable({parameter: [value] for parameter, value in zip(
            psf_names(model), (20.3, 15.0, 900.0), strict=True)})
        image = inject_stars(self.data, model, params)
        y, x = np.mgrid[:45, :70]
        shape = Gaussian2D(1, 20.3, 15.0, 1.7, 1.2, 0.4)(x, y)
        assert type(image) is np.ndarray
        assert np.allclose(image - self.data,
                           900.0 * shape / (2 * np.pi * 1.7 * 1.2), atol=1e-4)
        names = psf_names(model)
        left = subtract_stars(image, params, model, positions=names[:2],
                              flux=names[2])
        assert np.allclose(left, self.data)

    @pytest.mark.parametrize(('kind', 'unit'), [
        (np.ma.MaskedArray, 1), (Masked, 1), (Masked, u.adu)])
    def test_masked(self, kind, unit):
        mask = self.data > 0
        data = kind(self.data * unit, mask=mask)
        new = inject_stars(data, PSF, self.params)
        want = inject_stars(self.data * unit, PSF, self.params)
        assert type(new) is type(data)
        assert np.array_equal(new.mask, mask)
        assert not np.shares_memory(new.mask, data.mask)
        assert np.all(getattr(new, 'unmasked', new.data) == want)
        error = kind(np.full(self.data.shape, 3.0) * unit, mask=mask)
        _, new = inject_stars(self.data * unit, PSF, self.params, gain=1.7,
                              error=error, rng=1)
        _, want = inject_stars(self.data * unit, PSF, self.params, gain=1.7,
                               error=3.0 * unit, rng=1)
        assert type(new) is type(error)
        assert np.array_equal(new.mask, mask)
        assert np.all(getattr(new, 'unmasked', new.data) == want)

    def test_bad_input(self):
        with pytest.raises(TypeError, match='params must be an astropy'):
            inject_stars(self.data, PSF, [(1, 2, 3)])
        with pytest.raises(ValueError, match="columns 'x_0', 'y_0' and 'fl"):
            inject_stars(self.data, PSF, self.params['x_0', 'y_0'])
        with pytest.raises(ValueError, match='gain must be finite and pos'):
            inject_stars(self.data, PSF, self.params, gain=0)


class TestGainFromError:
    """
    The variance grows with the signal, wherever the zero of that is.
    """

    params = QTable({'x_0': [20.0, 50.0], 'y_0': [15.0, 30.0],
                     'flux': [9e4, 4e4]})
    stars = inject_stars(np.zeros((45, 70)), PSF, params)
    error = np.sqrt(9.0 + stars / 2.3)

    @pytest.mark.parametrize('sky', [-700.0, 0.0, 2500.0])
    def test_known_gain(self, sky):
        noise = np.random.default_rng(6).normal(0, 3.0, self.stars.shape)
        data = self.stars + noise + sky
        mask = np.zeros(data.shape, dtype=bool)
        mask[:, 60:] = True
        data[:, 60:] = 1e6
        data[3, 3] = np.nan
        gain = gain_from_error(data, self.error, mask=mask)
        assert np.isclose(gain, 2.3, rtol=0.1)
        unit = gain_from_error(data * u.adu, self.error * u.adu, mask=mask)
        assert unit == gain
        for kind in (np.ma.MaskedArray, Masked):
            assert gain_from_error(kind(data, mask), self.error) == gain

    def test_none(self):
        assert gain_from_error(self.stars, 3.0) is None
        assert gain_from_error(np.ones((4, 5)), np.ones((4, 5))) is None
        assert gain_from_error(np.full((4, 5), np.nan), 1.0) is None
