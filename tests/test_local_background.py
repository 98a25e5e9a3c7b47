"""
The prediction as one number per star, inside photutils' photometry.
"""

import copy
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from numpy.testing import assert_allclose, assert_array_equal
from photutils.background import LocalBackground, MedianBackground
from photutils.detection import DAOStarFinder
from photutils.psf import (CircularGaussianPRF, GriddedPSFModel,
                           IterativePSFPhotometry, PSFPhotometry,
                           SourceGrouper)

from lpiphot import LPIBackgroundCorrector, LPILocalBackground
from oracles.scenes import filaments, star_image

FWHM = 4.0
BOX = 11  # the first odd number beyond 2.5 FWHM
SHAPE = 121, 135
STARS = QTable({'x': [30.3, 45.6, 90.3, 110.2, 105.5],
                'y': [40.7, 90.4, 60.2, 101.9, 20.1],
                'flux': [900.0, 2500.0, 2400.0, 6000.0, 800.0]})


def psf(*, fixed=False):
    """
    The PSF, with positions fixed or not.
    """
    model = CircularGaussianPRF(fwhm=FWHM)
    model.x_0.fixed = model.y_0.fixed = fixed
    return model


def estimator(**keys):
    """
    The estimator, on stamps that are not too large for a test.
    """
    return LPILocalBackground(LPIBackgroundCorrector(
        psf(**keys), stamp_shape=21, window_shape=61, dtype='float64'))


def background():
    """
    A bright and a dark filament, and a slope.
    """
    y, x = np.indices(SHAPE)
    return filaments(SHAPE, 45, 90, 40.0) + 0.3 * x - 0.2 * y


def image(noise=1.7, stars=STARS):
    """
    The stars on this background.
    """
    data = background() + np.random.default_rng(4).normal(0, noise, SHAPE)
    for x, y, flux in stars.iterrows():
        data += star_image(psf(), x, y, SHAPE, flux)
    return data


def positions(stars=STARS):
    """
    First positions, half a pixel off.
    """
    return QTable({'x': stars['x'] + 0.3, 'y': stars['y'] - 0.4})


def photometry(local, model=None, **keys):
    """
    PSF photometry with a local background.
    """
    return PSFPhotometry(model or psf(), BOX, aperture_radius=FWHM,
                         local_bkg_estimator=local, **keys)


def test_flux_is_that_of_the_subtracted_image():
    """
    A constant does to an unweighted fit what the whole prediction does,
    at the edge of the image and beside masked pixels too.
    """
    stars = STARS.copy()
    stars.add_row([2.2, 70.4, 1500.0])
    local, model = estimator(fixed=True), psf(fixed=True)
    data, mask = image(stars=stars), np.zeros(SHAPE, dtype=bool)
    mask[61:65, 86:90] = True
    data[mask] = 1e3
    ring = LocalBackground(local.inner_radius, local.outer_radius,
                           bkg_estimator=MedianBackground())
    keys = {'mask': mask, 'init_params': stars['x', 'y']}
    first = photometry(ring, model)(data, **keys)
    behind = local.corrector.run(data, first, mask=mask).background
    want = photometry(None, model)(data - behind, **keys)
    got = photometry(local, model)(data, **keys)
    # the fits are iterative, if of one linear parameter
    assert_allclose(got['flux_fit'], want['flux_fit'], rtol=1e-6)
    assert np.all(np.abs(got['flux_fit'] - first['flux_fit']) > 1)


def test_on_and_off_filaments():
    """
    Near the PSF-weighted mean of the truth, where rings are far off.
    """
    data = image()
    truth = np.array([
        np.sum(star * background()) / np.sum(star) for star in
        (star_image(psf(), x, y, SHAPE)
         for x, y in STARS.iterrows('x', 'y'))])
    got = estimator()(data, *(positions()[name] for name in 'xy'))
    ring = LocalBackground(2 * FWHM, 4 * FWHM)(
        data, *(positions()[name] for name in 'xy'))
    on = np.array([False, True, True, False, False])
    assert np.all(np.abs(ring - truth)[on] > 15)
    # figure 7 of the paper: of a filament, 80 % and more is predicted
    assert np.all(np.abs(got - truth) < 0.2 * np.abs(ring - truth) + 1.0)


def test_kinds_of_input():
    """
    A float for one star; lists, quantities, masks and lost positions.
    """
    local, data = estimator(), image()
    many = local(data, STARS['x'], STARS['y'])
    assert many.shape == (5,)
    assert np.isfinite(many).all()
    assert_array_equal(local(data, list(STARS['x']), list(STARS['y'])), many)
    # other stars left in the image change it a little
    one = local(data, 45.6, 90.4)
    assert np.ndim(one) == 0
    assert abs(one - many[1]) < 1
    with_unit = local(data * u.mJy, STARS['x'], STARS['y'])
    assert with_unit.unit == u.mJy
    assert_allclose(with_unit.value, many, rtol=1e-12)
    order = [3, 1, 0, 4, 2]
    assert_allclose(local(data, STARS['x'][order], STARS['y'][order]),
                    many[order], rtol=1e-10)

    mask = np.zeros(SHAPE, dtype=bool)
    mask[94:97, 40:50] = True
    spoilt = data.copy()
    spoilt[mask] = 1e5
    masked = local(spoilt, STARS['x'], STARS['y'], mask)
    assert_allclose(masked, many, rtol=0, atol=2)
    # the last but one has pixels in the image, but it has no prediction
    lost = local(data, [np.nan, 50.0, -60.0, -2.0, 45.6],
                 [50.0, np.nan, 50.0, 50.0, 90.4])
    assert_array_equal(np.isfinite(lost), 4 * [False] + [True])
    assert np.isnan(local(data, np.nan, 3.0))
    # two pixels are no fit, but LPI predicts them as behind a faint star
    mask[80:100, 36:56] = True
    mask[90, 45:47] = False
    assert np.isfinite(local(data, STARS['x'], STARS['y'], mask)).all()


def test_level():
    """
    A constant under the image is a constant in the result.
    """
    data = image()
    many = estimator()(data, STARS['x'], STARS['y'])
    assert_allclose(estimator()(data + 1000, STARS['x'], STARS['y']),
                    many + 1000, rtol=0, atol=1e-4)


@pytest.mark.parametrize('unit', [None, u.mJy])
def test_in_photometry(unit):
    """
    Stars on filaments have their flux; with rings they have not.
    """
    data = image() if unit is None else image() << unit
    fit = photometry(estimator())(data, init_params=positions())
    with warnings.catch_warnings():
        # the dark ring about one star may end its fit
        warnings.simplefilter('ignore', AstropyUserWarning)
        ring = photometry(LocalBackground(2 * FWHM, 4 * FWHM))(
            data, init_params=positions())
    got, rings = (np.asarray(getattr(table['flux_fit'], 'value',
                                     table['flux_fit'])) / STARS['flux'] - 1
                  for table in (fit, ring))
    assert fit['local_bkg'].unit == unit
    assert np.all(np.abs(got) < 0.1)
    assert np.max(np.abs(rings)) > 0.2


@pytest.mark.filterwarnings('ignore:One or more fit')
@pytest.mark.parametrize('mode', ['new', 'all'])
def test_in_iterative_photometry(mode):
    """
    Found in two rounds, with a faint star beside a bright one.
    """
    stars = STARS.copy()
    stars.add_row([STARS['x'][3] + 6.2, STARS['y'][3], 900.0])
    data = image(stars=stars)
    iterative = IterativePSFPhotometry(
        psf(), BOX, DAOStarFinder(10.0, FWHM), mode=mode, maxiters=2,
        grouper=SourceGrouper(2 * FWHM) if mode == 'all' else None,
        aperture_radius=FWHM, local_bkg_estimator=estimator())
    found = iterative(data)
    distance = np.hypot(found['x_fit'] - stars['x'][:, np.newaxis],
                        found['y_fit'] - stars['y'][:, np.newaxis])
    nearest = np.argmin(distance, axis=1)
    assert np.all(distance.min(axis=1) < 0.7)
    assert np.isfinite(found['local_bkg'][nearest]).all()
    off = np.array(found['flux_fit'][nearest]) / stars['flux'] - 1
    assert np.all(np.abs(off[[0, 1, 2, 4]]) < 0.1)
    # without a group, the bright one has light of its neighbour
    assert np.all(np.abs(off) < (0.4 if mode == 'new' else 0.15))


def test_lost_background():
    """
    photutils says so, and subtracts none.
    """
    data = image()
    data[30:50, 20:40] = np.nan
    mask = ~np.isfinite(data)
    fit = photometry(estimator())(
        data, mask=mask, init_params=QTable({
            'x': [45.6, 30.0], 'y': [90.4, 40.0], 'flux': [2000.0, 500.0]}))
    assert fit['flags'][1] & 2048
    assert not fit['flags'][0] & 2048


def test_object():
    """
    It is a LocalBackground, can be copied, shows itself, changes nothing.
    """
    local, data = estimator(), image()
    before = data.copy()
    assert isinstance(local, LocalBackground)
    assert_allclose([local.inner_radius, local.outer_radius], [8, 16],
                    rtol=0.05)
    assert repr(local).startswith('LPILocalBackground(LPIBackgroundCorrector')
    assert_array_equal(copy.deepcopy(local)(data, STARS['x'], STARS['y']),
                       local(data, STARS['x'], STARS['y']))
    assert_array_equal(data, before)


def test_fwhm_of_a_grid():
    """
    That in the middle of the grid, not in a corner of the detector.
    """
    y, x = np.mgrid[-24:25, -24:25] / 2.0
    places = [(x_0, y_0) for y_0 in (0, 40, 80) for x_0 in (0, 50, 100)]
    grid = GriddedPSFModel(NDData(
        np.array([CircularGaussianPRF(fwhm=5 if place == (50, 40) else 3)(
            x, y) for place in places]),
        meta={'grid_xypos': places, 'oversampling': 2}))
    local = LPILocalBackground(LPIBackgroundCorrector(
        grid, stamp_shape=21, window_shape=61))
    # the pixels of the grid are half pixels wide, which broadens by little
    assert_allclose(local.inner_radius, 2 * 5, rtol=0.02)


def test_bad_input():
    """
    The corrector must be one.
    """
    with pytest.raises(TypeError, match=r'corrector must be an LPI.*Circ'):
        LPILocalBackground(psf())
    with pytest.raises(ValueError, match='two-dimensional'):
        estimator()(np.zeros(9), 3.0, 3.0)


@pytest.mark.parametrize('keys', [
    {'mask_threshold': 3 * u.ct}, {'min_mask_flux': 900 * u.ct},
    {'residual_threshold': 50 * u.ct}, {'gain': 2 * u.electron / u.ct}])
def test_corrector_with_units(keys):
    """
    photutils' photometry gives it no units, so that these would fail there.
    """
    (name, _), = keys.items()
    corrector = LPIBackgroundCorrector(psf(), **keys)
    with pytest.raises(u.UnitsError, match=f'corrector .* {name},'):
        LPILocalBackground(corrector)
