# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the pipeline module.
"""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.datasets import make_model_image, make_model_params
from photutils.psf import CircularGaussianPRF, ImagePSF, MoffatPSF
from scipy.spatial import KDTree

from lpiphot import LPIBackgroundCorrector, _fwhm
from lpiphot import pipeline as pipeline_module
from lpiphot._fwhm import image_fwhm, model_fwhm
from lpiphot._positions import first_of_close
from lpiphot.datasets import (load_horsehead, make_cloud_image,
                              make_filament_image)
from lpiphot.pipeline import NoSourcesError, PSFPipeline
from lpiphot.validation import match_positions, zscore_summary

SHAPE = (231, 301)
PSF = CircularGaussianPRF(fwhm=3.4)
SIGMA = 1.7


def make_scene(psf_model=PSF, n=30):
    """
    Stars of known flux on a sloping sky, with white noise.
    """
    params = make_model_params(SHAPE, n, min_separation=14, border_size=9,
                               flux=(300, 6000), seed=3)
    stars = make_model_image(SHAPE, psf_model, params, model_shape=(61, 61))
    y, x = np.mgrid[:SHAPE[0], :SHAPE[1]]
    noise = np.random.default_rng(4).normal(0.0, SIGMA, SHAPE)
    return 1e4 + 0.002 * x - 0.005 * y + stars + noise, params


@pytest.fixture(name='scene', scope='module')
def fixture_scene():
    return make_scene()


@pytest.fixture(name='result', scope='module')
def fixture_result(scene):
    return PSFPipeline()(scene[0])


def match(params, table):
    xy = np.transpose((params['x_0'], params['y_0']))
    found = np.transpose((table['x_fit'], table['y_fit']))
    return match_positions(xy, found, 1.5)


def test_no_box_is_left(scene):
    """
    What photutils says of its own argument is of no use here.
    """
    mask = np.ones(SHAPE, dtype=bool)
    mask[::3] = False
    with pytest.raises(ValueError, match=r'box of 64 x 64 .*smaller box_size'):
        PSFPipeline(fwhm=3.4)(scene[0], mask=mask)


@pytest.mark.parametrize('level', [-1e4, 1e6])
def test_level(scene, level):
    """
    The level of the sky changes nothing, with few boxes either.

    As rounded, pixels are the same to 1e-10. The splines of scipy lose 1e-4 of
    a level on 3 x 4 boxes, up to the range of these.
    """
    data = scene[0][:181, :221] + make_cloud_image((181, 221), rms=4, seed=1)
    data -= 1e4
    mask = np.zeros(data.shape, dtype=bool)
    mask[50:60, 70:90] = True
    plain, other = (PSFPipeline()(image, mask=mask)
                    for image in (data, data + level))
    assert np.ptp(plain.background) > 0.3 * SIGMA
    assert np.allclose(other.background - level, plain.background, rtol=0,
                       atol=1e-8)
    assert np.isclose(other.fwhm, plain.fwhm, rtol=1e-6)
    # fits end at a part of some 1e-6
    assert np.allclose(other.table['flux_fit'], plain.table['flux_fit'],
                       rtol=1e-3, atol=1e-3)


def test_fluxes_and_errors(scene, result):
    """
    On a smooth sky with white noise, fluxes and errors are right.

    With 30 stars, median and width of z are good to about 0.2 each.
    """
    _, params = scene
    index = match(params, result.table)
    assert np.all(index >= 0)
    # one peak of the noise is bright enough, as one in a million pixels is
    assert len(result.table) <= len(params) + 1
    flux_err = result.table['flux_err'][index]
    summary = zscore_summary((result.table['flux_fit'][index]
                              - params['flux']) / flux_err)
    assert abs(summary['median']) < 0.6
    assert 0.6 < summary['width'] < 1.4
    # the matched filter, 2 sqrt(pi) sigma of the PSF
    sigma = PSF.fwhm / 2.3548
    expected = SIGMA * 2.0 * np.sqrt(np.pi * (sigma ** 2 + 1 / 12))
    assert np.isclose(np.median(flux_err), expected, rtol=0.05)
    assert np.allclose(result.background_rms, SIGMA, rtol=0.15)
    assert np.isclose(result.fwhm, PSF.fwhm, rtol=0.01)


def test_order(result):
    """
    The highest peak comes first: peaks tell fluxes to some 15 per cent.
    """
    flux = result.table['flux_fit'][:30]
    assert np.all(flux[1:] < 1.15 * np.minimum.accumulate(flux)[:-1])


def test_result_is_no_catalogue(result):
    with pytest.raises(TypeError, match=r'got PipelineResult. Give its .tab'):
        LPIBackgroundCorrector(PSF)(result.data_subtracted, result)
    assert repr(result).startswith('<PipelineResult: 3')


def test_result_fits_together(scene, result):
    data, _ = scene
    assert np.allclose(result.data_subtracted + result.background, data)
    assert np.array_equal(result.error, result.background_rms)
    assert not result.mask.any()
    assert isinstance(result.psf_model, CircularGaussianPRF)
    residual = result.photometry.make_residual_image(result.data_subtracted)
    assert np.std(residual) < 1.1 * SIGMA


@pytest.mark.parametrize('psf_model', [
    CircularGaussianPRF(fwhm=1.5), CircularGaussianPRF(fwhm=7.0),
    MoffatPSF(alpha=3.0, beta=3.0)])
def test_fwhm_is_measured(psf_model):
    data, _ = make_scene(psf_model)
    result = PSFPipeline()(data)
    # a Gaussian fitted to a Moffat profile is wider
    tolerance = 0.02 if isinstance(psf_model, CircularGaussianPRF) else 0.15
    fwhm = getattr(psf_model.fwhm, 'value', psf_model.fwhm)
    assert np.isclose(result.fwhm, fwhm, rtol=tolerance)


@pytest.mark.filterwarnings('ignore:One or more fit')  # of hot pixels
@pytest.mark.parametrize('fwhm', [8.0, 14.0])
def test_wide_stars(fwhm):
    """
    Stars much wider than the first guess, among them faint ones, and more
    hot pixels than stars.
    """
    shape = 290, 310
    params = make_model_params(shape, 20, min_separation=3 * fwhm,
                               border_size=20, seed=5,
                               flux=(100 * fwhm ** 2, 900 * fwhm ** 2))
    data = make_model_image(shape, CircularGaussianPRF(fwhm=fwhm), params,
                            model_shape=(91, 91)) / 50
    rng = np.random.default_rng(6)
    data += rng.normal(1000.0, SIGMA, shape)
    hot = rng.integers(290, size=(120, 2))
    data[tuple(hot.T)] += rng.uniform(20, 500, 120)
    # widths of single stars scatter by a tenth
    assert np.isclose(PSFPipeline()(data).fwhm, fwhm, rtol=0.06)


def test_wide_models():
    """
    Models wider than the stars of any image.
    """
    for fwhm in (1.5, 12.0, 40.0, 150.0, 265.0):
        model = CircularGaussianPRF(fwhm=fwhm)
        assert np.isclose(model_fwhm(model, (300, 300)), fwhm, rtol=0.01)
    for fwhm in (270.0, 3000.0):
        with pytest.raises(ValueError, match='narrower than 267 pixels'):
            model_fwhm(CircularGaussianPRF(fwhm=fwhm), (300, 300))


def test_nothing_to_measure():
    noise = np.random.default_rng(8).normal(0.0, SIGMA, SHAPE)
    with pytest.raises(ValueError, match='3 stars of the same width'):
        PSFPipeline()(noise)


@pytest.mark.filterwarnings('ignore:One or more fit')  # at their edge
def test_padding(scene):
    """
    Margins of a constant value are noticed, those of NaN are masked.
    """
    data = scene[0].copy()
    data[:, :40] = 1e4
    pipeline = PSFPipeline(fwhm=3.4)
    with pytest.warns(AstropyUserWarning, match='1[23]% of the pixels'):
        pipeline(data)
    data[:, :40] = np.nan
    assert np.all(pipeline(data).table['x_fit'] > 39)


def test_saturated_stars_do_not_count():
    data, _ = make_scene()
    full = np.percentile(data, 99.5)
    assert np.isclose(PSFPipeline()(np.minimum(data, full)).fwhm, PSF.fwhm,
                      rtol=0.02)


def test_psf_model(scene):
    data, params = scene
    moffat = MoffatPSF(alpha=3.0, beta=3.0)
    result = PSFPipeline(psf_model=moffat)(data)
    assert isinstance(result.psf_model, MoffatPSF)
    assert np.isclose(result.fwhm, float(moffat.fwhm), rtol=0.15)
    y, x = np.mgrid[-12:13, -12:13]
    stamp = CircularGaussianPRF(fwhm=3.4)(x, y)
    result = PSFPipeline(psf_model=ImagePSF(stamp))(data)
    assert np.isclose(result.fwhm, 3.4, rtol=0.02)
    assert np.all(match(params, result.table) >= 0)
    assert PSFPipeline(psf_model=moffat, fwhm=4.5)(data).fwhm == 4.5


def test_units_and_ccddata(scene, result):
    data, _ = scene
    error = np.full(SHAPE, 2.5)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:40, 100:] = True
    pipeline = PSFPipeline(fwhm=3.4)
    plain = pipeline(data, error=error, mask=mask)
    quantity = pipeline(data * u.adu, error=error * u.adu, mask=mask)
    ccd = CCDData(data, unit='adu', mask=mask,
                  uncertainty=StdDevUncertainty(error))
    from_ccd = pipeline(ccd)
    for other in (quantity, from_ccd):
        for name in ('flux_fit', 'flux_err'):
            assert other.table[name].unit == u.adu
            assert np.allclose(other.table[name].value, plain.table[name])
        assert other.data_subtracted.unit == u.adu
        assert np.array_equal(other.error.value, error)
        assert np.array_equal(other.mask, mask)
    assert len(plain.table) < len(result.table)


@pytest.mark.parametrize('unit', [1e-20, 1e13 * u.Jy])
def test_far_from_one(scene, result, unit):
    """
    Fits end at a part of some 1e-6, whatever the numbers; by themselves, they
    would be off by 1e-2 and more here.
    """
    data = scene[0] * unit
    out = PSFPipeline()(data)
    assert np.isclose(out.fwhm, result.fwhm, rtol=1e-4)
    assert np.allclose(out.table['x_fit'], result.table['x_fit'], atol=1e-3)
    for name in ('flux_init', 'flux_fit', 'flux_err', 'local_bkg'):
        assert np.allclose(out.table[name] / unit, result.table[name],
                           rtol=1e-3, atol=1e-3), name
    assert np.allclose(out.error / unit, result.error)
    residual = out.photometry.make_residual_image(out.data_subtracted)
    want = result.photometry.make_residual_image(result.data_subtracted)
    assert np.allclose(residual / unit, want, atol=0.01 * SIGMA)


@pytest.mark.parametrize('unit', [1e-3, 1e3])
def test_bounds_of_flux(scene, unit):
    """
    They are in the unit of the data, and stay in the model as they are.
    """
    free = PSFPipeline(psf_model=PSF)(unit * scene[0])
    bounds = unit, unit * 1e4
    psf_model = PSF.copy()
    psf_model.flux.bounds = bounds
    out = PSFPipeline(psf_model=psf_model)(unit * scene[0])
    assert np.allclose(out.table['flux_fit'], free.table['flux_fit'])
    for model in (out.psf_model, out.photometry.psf_model, psf_model):
        assert model.flux.bounds == bounds


@pytest.mark.parametrize('unit', [1.0, 30.0, 500.0, 5e4])
def test_dark_places(unit):
    """
    A star in a dark place, less a sky that is too bright there, begins with
    a negative flux. From one of some 1e4, fits did not find their way.
    """
    y, x = np.mgrid[:128, :192]
    data = np.random.default_rng(8).normal(0.0, 1.0, x.shape)
    xy = np.array([(32.3, 32.0), (96.0, 32.4), (160.2, 31.8),
                   (31.7, 96.1), (96.4, 95.7), (159.8, 96.0)])
    for x_0, y_0 in xy:
        data += PSF.evaluate(x, y, 500.0, x_0, y_0, PSF.fwhm)
        data -= 30.0 / (1.0 + np.exp((np.hypot(x - x_0, y - y_0) - 18.0)
                                     / 1.5))
    for x_0, y_0 in xy:  # so photutils 3.0 begins with less than nothing
        assert data[np.hypot(x - x_0, y - y_0) < 3.4].sum() < -500
    table = PSFPipeline(fwhm=3.4, detection_threshold=8)(unit * data).table
    assert len(table) == len(xy)
    found = np.transpose((table['x_fit'], table['y_fit']))
    assert np.all(match_positions(xy, found, 0.3) >= 0)
    assert np.allclose(table['flux_fit'] / unit, 500.0, rtol=0.1)


def test_holes(scene):
    """
    NaN, and errors of zero, hide only the pixels that they are in.
    """
    data, params = scene
    data = data.copy()
    error = np.full(SHAPE, SIGMA)
    index = np.round(params['y_0'][0]), np.round(params['x_0'][0])
    row, column = (int(value) for value in index)
    data[row, column + 2] = np.nan
    error[row + 2, column] = 0.0
    before = data.copy()
    result = PSFPipeline(fwhm=3.4)(data, error=error)
    assert np.array_equal(data, before, equal_nan=True)
    assert np.count_nonzero(result.mask) == 2
    index = match(params, result.table)
    assert np.all(index >= 0)
    assert np.isfinite(result.table['flux_fit'][index]).all()


def test_same_result_every_time(scene, result):
    data, _ = scene
    before = pickle.dumps(PSFPipeline())
    pipeline = pickle.loads(before)
    assert np.array_equal(pipeline(data).table['flux_fit'],
                          result.table['flux_fit'])
    assert pickle.dumps(pipeline) == before


def test_small_image(scene):
    result = PSFPipeline(fwhm=3.4)(scene[0][20:75, 40:110])
    assert len(result.table) > 0


def test_min_separation():
    params = make_model_params((101, 101), 1, flux=(4e3, 5e3), seed=1)
    params.add_row({'id': 2, 'x_0': params['x_0'][0] + 8,
                    'y_0': params['y_0'][0], 'flux': 3e3})
    data = make_model_image((101, 101), PSF, params)
    data += np.random.default_rng(1).normal(0, SIGMA, data.shape)
    assert len(PSFPipeline(fwhm=3.4)(data).table) == 2
    assert len(PSFPipeline(fwhm=3.4, min_separation=12)(data).table) == 1


@pytest.mark.filterwarnings('ignore:One or more fit')
def test_no_star_twice():
    """
    On a real nebula, bright stars are found, and each of them once.
    """
    result = PSFPipeline()(load_horsehead())
    found = np.transpose((result.table['x_fit'], result.table['y_fit']))
    stars = [(212.1, 171.2), (287.1, 70.3), (250.2, 415.3), (81.2, 166.8)]
    assert np.all(match_positions(stars, found, 1.0) >= 0)
    assert KDTree(found).query(found, k=2)[0][:, 1].min() > 0.5 * result.fwhm


def test_fits_of_the_same_star():
    xy = np.array([(7.0, 5.0), (np.nan, 5.0), (7.3, 5.2), (9.0, 5.0),
                   (7.6, 5.4)])
    keep = first_of_close(xy, 0.6)
    assert np.array_equal(keep, [True, True, False, True, True])
    assert np.all(first_of_close(xy[[0, 0]], 0.0))
    assert first_of_close(xy[:0], 1.0).shape == (0,)


def test_star_of_two_peaks():
    """
    Two detections whose fits end at the same place are one star.
    """
    shape = (61, 61)
    params = QTable({'x_0': [28.0, 32.0], 'y_0': [30.0, 30.0],
                     'flux': [600.0, 600.0]})
    data = make_model_image(shape, CircularGaussianPRF(fwhm=2.0), params)
    data += np.random.default_rng(1).normal(0, 1.0, shape)
    table = PSFPipeline(psf_model=CircularGaussianPRF(fwhm=6.0), fwhm=2.5,
                        fit_shape=9)(data).table
    assert len(table) == 1
    assert abs(table['x_fit'][0] - 30.0) < 0.5


class _TwoPlaces(PSFPipeline):
    """
    A pipeline that finds a star, and noise 6.5 pixels from it.
    """

    def _find(self, *args):
        return QTable({'x': [30.0, 36.5], 'y': [30.0, 30.0]})


@pytest.mark.parametrize(('min_separation', 'n_stars'), [(None, 2), (6.0, 1)])
def test_min_separation_of_fits(min_separation, n_stars):
    """
    Fits that end within half of the separation are of the same star.

    That of the noise runs to the star as far as it may, one FWHM of 4
    pixels, and ends 2.5 pixels from it.
    """
    params = QTable({'x_0': [30.0], 'y_0': [30.0], 'flux': [5e3]})
    data = make_model_image((61, 61), CircularGaussianPRF(fwhm=4.0), params)
    data += np.random.default_rng(1).normal(0, 1.0, data.shape)
    table = _TwoPlaces(fwhm=4.0, min_separation=min_separation)(data).table
    assert len(table) == n_stars
    if n_stars == 2:
        assert 2.0 < np.ptp(table['x_fit']) < 3.0


@pytest.mark.parametrize('n_lost', [0, 7])
def test_fwhm_of_large_image(monkeypatch, n_lost):
    """
    Nine parts of a large image are searched, a quarter of its pixels; not
    those without data.
    """
    shape = (480, 630)
    params = make_model_params(shape, 150, min_separation=14, border_size=9,
                               flux=(2000, 6000), seed=3)
    data = make_model_image(shape, PSF, params, model_shape=(31, 31))
    data += np.random.default_rng(4).normal(0.0, SIGMA, shape)
    for i in range(n_lost):
        y, x = 160 * (i // 3), 210 * (i % 3)
        data[y:y + 160, x:x + 210] = np.nan
    monkeypatch.setattr(_fwhm, '_MAX_PIXELS', data.size // 4)
    shapes = []

    def find(self, subtracted, mask, fwhm):
        shapes.append(subtracted.shape)
        return search(self, subtracted, mask, fwhm)

    search = PSFPipeline._find
    monkeypatch.setattr(PSFPipeline, '_find', find)
    result = PSFPipeline()(data)
    assert np.isclose(result.fwhm, PSF.fwhm, rtol=0.02)
    assert shapes.pop() == shape
    assert set(shapes) == {(80, 105)}
    assert len(shapes) % (9 - n_lost) == 0


def test_fwhm_of_what_is_left_of_a_large_image(monkeypatch):
    """
    If no part has data, then all of the image is searched.
    """
    data, _ = make_scene()
    mask = np.zeros(SHAPE, dtype=bool)
    for y in (38, 115, 192):  # the middles of the parts
        mask[y - 17:y + 17] = True
    monkeypatch.setattr(_fwhm, '_MAX_PIXELS', data.size // 4)
    result = PSFPipeline()(data, mask=mask)
    assert np.isclose(result.fwhm, PSF.fwhm, rtol=0.02)


def test_fwhm_among_knots():
    """
    A third of the sources have the width of stars, others have any.
    """
    rng = np.random.default_rng(6)
    widths = np.concatenate([np.full(12, 6.5), np.geomspace(1.5, 5.0, 24)])
    rng.shuffle(widths)
    data = rng.normal(0, 1, (226, 226))
    for i, width in enumerate(widths):
        # of the same height, but for one: no other is near the highest
        params = QTable({'x_0': [20.0 + 36 * (i % 6)],
                         'y_0': [20.0 + 36 * (i // 6)],
                         'flux': [100.0 * width ** 2 * (1 if i else 3)]})
        data += make_model_image(data.shape, CircularGaussianPRF(fwhm=width),
                                 params, model_shape=(41, 41))
    assert abs(PSFPipeline()(data).fwhm / 6.5 - 1.0) < 0.05


def make_grid(widths, fluxes, spacing):
    """
    Stars on a square grid, and what finds them.
    """
    n_side = round(len(widths) ** 0.5)
    y, x = spacing * np.indices((n_side, n_side)) + spacing // 2
    stars = QTable({'x_0': x.ravel(), 'y_0': y.ravel(), 'flux': fluxes,
                    'fwhm': widths})
    data = make_model_image((n_side * spacing,) * 2, PSF, stars,
                            model_shape=(spacing, spacing))
    data += np.random.default_rng(1).normal(0, 1, data.shape)
    found = QTable({'x': stars['x_0'], 'y': stars['y_0']})
    return data, lambda subtracted, mask, fwhm: found


def test_fwhm_is_that_of_the_brightest():
    """
    Fifty stars tell it, not what is fainter, if there are as many of both.
    """
    fluxes = np.tile([3000.0, 1000.0], 50)
    fluxes[0] = 9000  # no other is near the highest pixel
    data, find = make_grid(np.tile([3.0, 4.5], 50), fluxes, 21)
    fwhm = image_fwhm(data, data, np.zeros(data.shape, bool), find)
    assert np.isclose(fwhm, 3.0, rtol=0.01)


def test_fwhm_is_searched_again():
    """
    With the width just found: more stars, of another width.
    """
    widths = np.repeat([4.5, 5.5], [8, 28])
    fluxes = np.full(36, 3000.0)
    fluxes[0] = 9000
    data, search = make_grid(widths, fluxes, 31)

    def find(subtracted, mask, fwhm):
        found = search(subtracted, mask, fwhm)
        return found if fwhm > 4 else found[:8]

    fwhm = image_fwhm(data, data, np.zeros(data.shape, bool), find)
    assert np.isclose(fwhm, 5.5, rtol=0.01)


def test_cosmic_rays_tell_no_width():
    """
    What is narrower than a pixel is no star, if there is more of it, too.
    """
    fluxes = np.full(36, 2000.0)
    fluxes[0] = 9000
    data, find = make_grid(np.repeat([2.0, 0.9], [10, 26]), fluxes, 21)
    fwhm = image_fwhm(data, data, np.zeros(data.shape, bool), find)
    assert np.isclose(fwhm, 2.0, rtol=0.02)


def test_fwhm_needs_signal():
    """
    Fits of sources at twice their errors mostly tell no width: to three
    times, it is a sixth of them, and more as fits look for peaks.
    """
    # the matched filter, 2 sqrt(pi) sigma of the PSF, for noise of 1
    error = 2.0 * np.sqrt(np.pi * ((3.0 / 2.3548) ** 2 + 1 / 12))
    for signal, n_min, n_max in ((2.0, 0, 12), (30.0, 35, 35)):
        fluxes = np.full(36, signal * error)
        fluxes[0] = 9000  # the only one near the highest pixel: it is left out
        data, find = make_grid(np.full(36, 3.0), fluxes, 21)
        widths = _fwhm._Widths(
            data, data, np.zeros(data.shape, bool), find)(3.0)
        assert n_min <= len(widths) <= n_max


def test_fwhm_between_guesses():
    """
    Stars that are found with the last guess, 17 pixels, and are up to 1.5
    times as wide: those beyond 1.4 times do not get lost.
    """
    fluxes = np.full(9, 2e4)
    fluxes[0] = 1e5
    data, search = make_grid(np.linspace(20.5, 25.5, 9), fluxes, 75)

    def find(subtracted, mask, fwhm):
        found = search(subtracted, mask, fwhm)
        return found if fwhm > 12 else found[:0]

    fwhm = image_fwhm(data, data, np.zeros(data.shape, bool), find)
    assert np.isclose(fwhm, 23.0, rtol=0.02)


@pytest.mark.parametrize('full', [0.8, 0.3, 0.1])
def test_flat_tops(full):
    """
    Saturated stars are found, and not at their rims.
    """
    xy = [(30.3, 40.8), (90.1, 35.6), (60.0, 95.0)]
    x, y = np.transpose(xy)
    params = QTable({'x_0': x, 'y_0': y, 'flux': [3e5, 9e4, 3e5]})
    data = make_model_image((131, 121), PSF, params)
    data = np.minimum(data, full * np.max(data))
    data += np.random.default_rng(1).normal(0, SIGMA, data.shape)
    table = PSFPipeline(fwhm=3.4)(data).table
    found = np.transpose((table['x_fit'], table['y_fit']))
    assert len(found) == 3
    assert np.all(match_positions(xy, found, 1.0) >= 0)


@pytest.mark.parametrize('angle', [0, 22, 45, 80])
def test_clouds_are_not_stars(angle):
    """
    One star among filaments and clouds, at most one false detection.
    """
    data = make_filament_image(SHAPE, amplitude=40, angle=angle)
    data += make_cloud_image(SHAPE, rms=20, seed=5)
    data += np.random.default_rng(2).normal(0, 5 * SIGMA, SHAPE)
    star = QTable({'x_0': [150.0], 'y_0': [110.0], 'flux': [2000.0]})
    data += make_model_image(SHAPE, PSF, star)
    table = PSFPipeline(fwhm=3.4)(data).table
    assert len(table) <= 2
    assert np.all(match(star, table) == 0)


@pytest.mark.filterwarnings('ignore:One or more fit')
@pytest.mark.parametrize('angle', [22.5, 112.5])
def test_thin_filaments_are_not_stars(angle):
    """
    Narrow as a star, a filament stands out in all directions but its own;
    from end to end, there are few false detections.
    """
    data = make_filament_image(SHAPE, amplitude=20, fwhm=3.4, angle=angle)
    data += np.random.default_rng(2).normal(0, SIGMA, SHAPE)
    star = QTable({'x_0': [30.0], 'y_0': [60.0], 'flux': [2000.0]})
    data += make_model_image(SHAPE, PSF, star)
    table = PSFPipeline(fwhm=3.4)(data).table
    assert len(table) <= 8
    assert np.all(match(star, table) == 0)


def test_noise_has_no_clouds():
    """
    The error is that of the pixels, on a flat sky and on a steep one.
    """
    data = np.random.default_rng(2).normal(0, SIGMA, SHAPE)
    data += make_filament_image(SHAPE, amplitude=30, fwhm=40, angle=70)
    star = QTable({'x_0': [150.0], 'y_0': [110.0], 'flux': [900.0]})
    data += make_model_image(SHAPE, PSF, star)
    for image in (data, np.round(data)):
        result = PSFPipeline(fwhm=3.4)(image)
        assert np.allclose(result.error, SIGMA, rtol=0.1)


@pytest.mark.parametrize('axis', [0, 1])
def test_noise_is_that_along_stripes(axis):
    """
    Where structure is in all directions but one, the error is that of the
    pixels none the less.
    """
    place = np.indices(SHAPE)[axis]
    data = 30.0 * np.sin(place / 2.0)
    data += np.random.default_rng(2).normal(0, SIGMA, SHAPE)
    star = QTable({'x_0': [150.0], 'y_0': [110.0], 'flux': [9000.0]})
    data += make_model_image(SHAPE, PSF, star)
    assert np.allclose(PSFPipeline(fwhm=3.4)(data).error, SIGMA, rtol=0.1)


def test_masked_pixels_leave_no_dips():
    """
    Where the image is flat it is so smoothed, beside masked pixels too.
    """
    mask = np.random.default_rng(2).random(SHAPE) < 0.1
    mask[:, 40:80] = True
    smoothed = pipeline_module._smooth(
        np.where(mask, np.nan, 70.0), mask, 3.4)
    assert np.allclose(smoothed[~mask], 70.0, rtol=1e-12)


@pytest.mark.parametrize('x_0', [145.0, 3.0])
def test_star_on_dark_cloud(x_0):
    """
    A star on a cloud darker than the sky is found, at the edge of the image,
    too, and its fit does not drift off.
    """
    y, x = np.mgrid[:SHAPE[0], :SHAPE[1]]
    data = -300.0 * (np.hypot(x - x_0 - 5, y - 110) < 20)
    data += np.random.default_rng(2).normal(0, SIGMA, SHAPE)
    star = QTable({'x_0': [x_0], 'y_0': [107.0], 'flux': [900.0]})
    table = PSFPipeline(fwhm=3.4)(data + make_model_image(
        SHAPE, PSF, star)).table
    index = match(star, table)
    assert index >= 0
    assert np.isclose(table['flux_fit'][index], 900, rtol=0.1)


def test_nothing_to_find():
    noise = np.random.default_rng(1).normal(0, SIGMA, (80, 90))
    pipeline = PSFPipeline(detection_threshold=20, fwhm=3.4)
    with pytest.raises(NoSourcesError, match=r'none was found with '
                                             r'detection_threshold=20\.0'):
        pipeline(noise)
    with pytest.raises(ValueError, match='data must have noise'):
        pipeline(np.ones((80, 90)))
    with pytest.raises(ValueError, match='data must have finite'):
        pipeline(np.full((80, 90), np.nan))


@pytest.mark.parametrize(('options', 'error', 'message'), [
    ({'fwhm': -1}, ValueError, 'fwhm must be'),
    ({'fwhm': 'broad'}, TypeError, 'fwhm must be'),
    ({'detection_threshold': np.nan}, ValueError, 'detection_threshold must'),
    ({'fit_shape': 6}, ValueError, 'fit_shape must be odd'),
    ({'min_separation': 0}, ValueError, 'min_separation must be'),
    ({'box_size': 0}, ValueError, 'box_size must be'),
    ({'box_size': 3.5}, TypeError, 'box_size must be'),
    ({'psf_model': 3.4}, TypeError, 'psf_model must be'),
])
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        PSFPipeline(**options)


def test_repr():
    text = repr(PSFPipeline(fwhm=3.4, box_size=50))
    assert text.startswith('PSFPipeline(psf_model=None, fwhm=3.4, ')
    assert 'box_size=(50, 50)' in text
