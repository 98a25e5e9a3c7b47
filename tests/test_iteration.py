"""
Photometry and correction in turn: convergence, what is kept, and gains.
"""

import copy

import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.fitting import DogBoxLSQFitter
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal
from photutils.background import LocalBackground
from photutils.detection import DAOStarFinder
from photutils.psf import (CircularGaussianPRF, IterativePSFPhotometry,
                           PSFPhotometry, SourceGrouper)

from lpiphot import LPIBackgroundCorrector, iteration, lpi_photometry
from lpiphot.results import LPIResult
from oracles.scenes import star_image

pytestmark = pytest.mark.filterwarnings('ignore:One or more fit')

FWHM = 4.0
SHAPE = 111, 123
STARS = QTable({'x': [30.3, 58.6, 64.9, 92.2, 61.5, 35.0],
                'y': [40.7, 85.4, 55.2, 91.9, 25.1, 80.2],
                'flux': [900.0, 1500.0, 1800.0, 3000.0, 1200.0, 1000.0]})


def psf(*, fixed=False):
    """
    The PSF, with positions fixed or not.
    """
    model = CircularGaussianPRF(fwhm=FWHM)
    model.x_0.fixed = model.y_0.fixed = fixed
    return model


def image(noise=1.7, stars=STARS):
    """
    Stars on the edge of a dark cloud, and beside it.
    """
    y, x = np.indices(SHAPE)
    data = -40 / (1 + np.exp((x - 61 + 4 * np.sin(y / 9)) / 2.5))
    data += np.random.default_rng(4).normal(0, noise, SHAPE)
    for star in stars.iterrows():
        data += star_image(psf(), *star[:2], SHAPE, star[2])
    return data


def photometry(data, model=None, stars=STARS, mask=None):
    """
    Photometry without any local background, that has been run.
    """
    fit = PSFPhotometry(model or psf(), 11, aperture_radius=FWHM,
                        xy_bounds=FWHM)
    fit(data, mask=mask, init_params=QTable({'x': np.round(stars['x']),
                                             'y': np.round(stars['y'])}))
    return fit


def corrector(model=None):
    """
    A corrector with stamps that are not too large for a test.
    """
    return LPIBackgroundCorrector(model or psf(), stamp_shape=21,
                                  window_shape=51)


def off(table, stars=STARS):
    """
    The distance of each star from where it is.
    """
    return np.hypot(table['x_fit'] - stars['x'], table['y_fit'] - stars['y'])


@pytest.fixture(scope='module')
def solved():
    """
    The image, its first photometry, and the result.
    """
    data = image()
    first = photometry(data)
    return data, first, lpi_photometry(data, first, corrector())


def test_gain(solved):
    """
    Fits on the edge find their stars, and fluxes are right then.
    """
    data, first, result = solved
    once = corrector()(data, first)
    table = result.table
    assert np.max(off(once)) > 2
    assert np.all(off(table) < 0.7)
    assert_array_equal(table['converged'], True)
    assert np.all(table['n_iter'] >= 1)
    assert np.max(np.abs(once['cflux'] / STARS['flux'] - 1)) > 0.3
    assert np.all(np.abs(table['cflux'] - STARS['flux'])
                  < 3.5 * table['dcflux'])


def test_is_a_fixed_point(solved):
    """
    One more refit, done by hand with photutils, changes nothing much.
    """
    data, _, result = solved
    again = PSFPhotometry(psf(), 11, aperture_radius=FWHM, xy_bounds=FWHM)(
        data - result.background, mask=~result.hidden,
        init_params=QTable({'x': result.table['x_init'],
                            'y': result.table['y_init']}))
    for name in ('x_fit', 'y_fit'):
        assert_allclose(again[name], result.table[name], rtol=0, atol=0.1)
    new = result.table.copy()
    for name in ('x_fit', 'y_fit', 'flux_fit'):
        new[name] = again[name]
    once_more = corrector()(data, new)
    # two changes of less than the tolerance of 0.1, and a half step
    assert np.all(np.abs(once_more['cflux'] - result.table['cflux'])
                  < 0.3 * once_more['dcflux'])


def test_table(solved):
    """
    The rows of the photometry in their order, corrected once more.
    """
    data, first, result = solved
    names = result.table.colnames
    assert names[:len(first.results.colnames)] == first.results.colnames
    for name in ('id', 'group_id', 'x_init', 'y_init', 'flux_init'):
        assert_array_equal(result.table[name], first.results[name])
    assert names[-2:] == ['n_iter', 'converged']
    want = corrector()(data, result.table)
    assert_array_equal(result.table['cflux'], want['cflux'])
    assert result.table.meta['lpiphot_tolerance'] == 0.1
    assert result.hidden.sum() == np.count_nonzero(
        result.background != result.filled)
    # what is wrong with the first fit, and what has been done
    assert np.all(result.table['flux_err'] != first.results['flux_err'])


def test_pixels_of_the_fit(solved):
    """
    Those whose background was predicted, of the box of the photometry.
    """
    data, first, _ = solved
    table = lpi_photometry(data, first, corrector(), max_iterations=1).table
    hidden = corrector()(data, first)['kpred'][3]
    x, y = (int(first.results[name][3]) for name in ('x_init', 'y_init'))
    within = corrector().run(data, first).hidden[y - 5:y + 6, x - 5:x + 6]
    assert table['n_pixels_fit'][3] == np.count_nonzero(within)
    assert 50 < np.count_nonzero(within) <= min(hidden, 100)


def test_partial_fits():
    """
    That pixels have no prediction does not count as pixels without data.
    """
    data, mask = image(), np.zeros(SHAPE, dtype=bool)
    x, y = (round(STARS[name][3]) for name in 'xy')
    mask[y + 4, x] = True
    first = photometry(data, mask=mask)
    table = lpi_photometry(data, first, corrector(), mask=mask).table
    assert_array_equal(table['flags'] & 1, np.arange(6) == 3)
    assert np.all(table['n_iter'] > 0)
    assert np.all(table['n_pixels_fit'] < 120)


def test_few_pixels_of_the_fit():
    """
    As many as parameters: photutils divides by 0, and that is no news.
    """
    data, mask = image(), np.zeros(SHAPE, dtype=bool)
    x, y = (round(STARS[name][3]) for name in 'xy')
    mask[y - 9:y + 10, x - 9:x + 10] = True
    mask[[y, y, y + 1], [x, x + 1, x]] = False
    with np.errstate(divide='ignore', invalid='ignore'):
        first = photometry(data, mask=mask)
    assert first.results['n_pixels_fit'][3] == 3
    table = lpi_photometry(data, first, corrector(), mask=mask,
                           error=np.ones(SHAPE)).table
    assert np.all(table['n_iter'][[0, 1, 2, 4, 5]] > 0)


@pytest.mark.parametrize('keys', [{'max_iterations': 0},
                                  {'tolerance': 1e9}])
def test_once(solved, keys):
    """
    The corrector alone; or one refit, if any change is small enough.
    """
    data, first, _ = solved
    table = lpi_photometry(data, first, corrector(), **keys).table
    if 'tolerance' in keys:
        assert_array_equal(table['n_iter'], 1)
        assert_array_equal(table['converged'], True)
    else:
        want = corrector()(data, first)
        assert_array_equal(table['cflux'], want['cflux'])
        assert_array_equal(table['n_iter'], 0)
        assert_array_equal(table['converged'], False)


def test_fixed_positions():
    """
    Nothing to iterate: the flux that is subtracted does not matter.
    """
    data = image()
    model = psf(fixed=True)
    first = photometry(data, model)
    once = corrector(model)(data, first)
    table = lpi_photometry(data, first, corrector(model)).table
    assert_array_equal(table['converged'], True)
    assert np.all(table['n_iter'] <= 3)
    # fluxes off by 100 to 1000, whose wings, and masks, matter a little
    change = np.abs(table['flux_fit'] - once['flux_fit'])
    assert np.all(change[[0, 1, 4, 5]] > 100)
    assert np.all(np.abs(table['cflux'] - once['cflux'])
                  < 0.05 * change + 0.5 * table['dcflux'])


@pytest.mark.filterwarnings('ignore:.*sources of phot were fitted in groups')
def test_fixed_positions_in_groups():
    """
    Stars of groups stay where they are held, in the first fit and in others.
    """
    data, model = image(), psf(fixed=True)
    first = PSFPhotometry(model, 11, grouper=SourceGrouper(45))
    first(data, init_params=STARS)
    assert np.max(first.results['group_size']) > 2
    table = lpi_photometry(data, first, corrector(model)).table
    assert np.all(table['n_iter'] >= 1)
    assert_array_equal(off(table), 0)
    assert_allclose(table['cflux'], STARS['flux'],
                    atol=4 * np.max(table['dcflux']))


def test_units_and_containers(solved):
    """
    CCDData with mask and uncertainty, and a unit, as plain arrays.
    """
    data, _, _ = solved
    mask = np.zeros(SHAPE, dtype=bool)
    mask[60:63, 20:30] = True
    spoilt = np.where(mask, np.nan, data)
    fit = PSFPhotometry(psf(), 11, aperture_radius=FWHM, xy_bounds=FWHM)
    start = QTable({'x': np.round(STARS['x']), 'y': np.round(STARS['y'])})
    fit(spoilt, mask=mask, error=np.full(SHAPE, 1.7), init_params=start)
    plain = lpi_photometry(spoilt, fit, corrector(), mask=mask,
                           error=np.full(SHAPE, 1.7), max_iterations=1)
    twice = lpi_photometry(spoilt, fit, corrector(), mask=mask,
                           error=np.full(SHAPE, 3.4), max_iterations=1)
    assert_allclose(twice.table['flux_err'] / plain.table['flux_err'], 2,
                    rtol=0.1)
    ccd = CCDData(spoilt, unit='mJy', mask=mask,
                  uncertainty=StdDevUncertainty(np.full(SHAPE, 1.7)))
    fit(spoilt * u.mJy, mask=mask, error=np.full(SHAPE, 1.7) * u.mJy,
        init_params=start)
    got = lpi_photometry(ccd, fit, corrector(), max_iterations=1)
    assert got.table['cflux'].unit == got.table['flux_fit'].unit == u.mJy
    assert_allclose(got.table['cflux'].value, plain.table['cflux'],
                    rtol=1e-6)
    assert_allclose(got.table['x_fit'], plain.table['x_fit'], rtol=1e-8)
    assert got.background.unit == u.mJy


def test_what_is_kept():
    """
    Stars that fail, or would fall on another, keep their first fit.
    """
    stars = STARS.copy()
    stars.add_row([92.2 + 5.0, 91.9, 60.0])  # in the wing of the brightest
    stars.add_row([10.0, 100.0, 900.0])  # no data under it
    data = image(stars=stars)
    data[90:, :22] = np.nan
    mask = ~np.isfinite(data)
    first = photometry(data, stars=stars, mask=mask)
    # a catalogue from elsewhere: the same star twice, one of them far off
    first.results['x_fit'][6] += 3.0
    kept = first.results.copy()
    table = lpi_photometry(data, first, corrector(), mask=mask).table
    assert len(table) == len(stars)
    assert table['n_iter'][7] == 0
    assert not table['converged'][7]
    for name in ('x_fit', 'flux_fit', 'flux_err', 'flags'):
        assert_array_equal(table[name][7], kept[name][7])
        assert_array_equal(first.results[name], kept[name])
    others = np.delete(np.arange(7), [3, 6])
    assert np.all(off(table, stars)[others] < 0.7)
    xy = np.column_stack([table['x_fit'], table['y_fit']])[:7]
    distance = np.hypot(*(xy[:, np.newaxis] - xy).T)
    assert np.min(distance[~np.eye(7, dtype=bool)]) > 0.5 * FWHM


def beside(flux_fit, x_fit, y_fit, flux=0.0):
    """
    A star of 3000, and the photometry of it and of one whose fit failed.
    """
    stars = STARS[3:4].copy()
    stars.add_row([90.5, 92.5, flux])
    data = star_image(psf(), 92.2, 91.9, SHAPE, 3000.0)
    data += star_image(psf(), x_fit, y_fit, SHAPE, flux)
    data += np.random.default_rng(4).normal(0, 1.7, SHAPE)
    first = photometry(data, stars=stars)
    for name, values in (('x_fit', [92.2, x_fit]), ('y_fit', [91.9, y_fit]),
                         ('flux_fit', [3000.0, flux_fit]), ('flags', [0, 8])):
        first.results[name] = values
    return data, first


@pytest.mark.parametrize('fit', [(1e5, 99.2, 90.2), (2900.0, 92.9, 92.3)])
def test_beside_a_fit_that_ran_away(fit):
    """
    What is not in the image, or is another star, is not taken off it.
    """
    data, first = beside(*fit)
    table = lpi_photometry(data, first, corrector()).table
    assert_array_equal(table['n_iter'] > 0, [True, False])
    assert_array_equal(table['converged'], [True, False])
    assert_allclose(table['cflux'][0], 3000, atol=5 * table['dcflux'][0])
    for name, want in (('x_fit', first.results['x_init'][1]),
                       ('y_fit', first.results['y_init'][1]),
                       ('flux_fit', 0.0)):
        assert table[name][1] == want


@pytest.mark.parametrize('unit', [1, u.mJy])
@pytest.mark.parametrize(('part', 'back'), [
    (0.8, True), (1.0, True), (1.8, True), (2.2, False)])
def test_beside_a_lost_fit(monkeypatch, part, back, unit):
    """
    A first fit is back at the end if half of its light is in the image, and
    a star has not converged whose flux this changes.
    """
    monkeypatch.setattr(iteration, '_accepted',
                        lambda *_: np.array([True, False]))
    data, first = beside(part * 2500, 96.4, 95.3, flux=2500.0)
    first.results['x_init'][1] = 96.4
    first.results['y_init'][1] = 95.3
    if unit != 1:  # the image in another unit than the fluxes
        data = (data << unit).to(u.Jy)
        for name in ('flux_init', 'flux_fit', 'flux_err', 'local_bkg'):
            first.results[name] = first.results[name] << unit
    table = lpi_photometry(data, first, corrector()).table
    assert_array_equal(table['n_iter'] > 0, [True, False])
    assert table['flux_fit'][1] == (part * 2500 if back else 0.0) * unit
    assert_array_equal(table['converged'], [not back, False])


class Linear(LPIBackgroundCorrector):
    """
    Corrected fluxes that follow the positions alone; no background.
    """

    def run(self, data, table, **_):
        table = table.copy()
        table['cflux'] = 100 * table['x_fit']
        table['dcflux'] = 1.0
        data = np.asarray(data)
        return LPIResult(table, *[data] * 4, np.zeros_like(data), *[data] * 2)


def recording(calls):
    """
    A `Linear` that keeps the table and the keywords of each call.
    """
    class Recorder(Linear):
        def run(self, data, table, **keys):
            calls.append((table, keys))
            return super().run(data, table)

    return Recorder(psf())


def begun_at(first, x):
    """
    A photometry whose fits ended at other positions, and well.
    """
    start = copy.deepcopy(first)
    start.results['flags'] = 0
    start.results['x_fit'] = x
    start.results['y_fit'] = start.results['y_init']
    return start


def taken_after(monkeypatch, start, steps, fit_flags=0, **keys):
    """
    Whether fits are taken that end so far in x from their beginning.
    """
    def refit(_, __, table, *___):
        fit = table.copy()
        rows = fit['id'] - 1
        fit['x_fit'] = fit['x_init'] + np.broadcast_to(steps, 6)[rows]
        fit['y_fit'] = fit['y_init']
        fit['flags'] = np.broadcast_to(fit_flags, 6)[rows]
        return fit

    monkeypatch.setattr(iteration, '_refit', refit)
    table = lpi_photometry(np.zeros(SHAPE), start, Linear(psf()),
                           max_iterations=2, **keys).table
    assert_array_equal(table['converged'], table['n_iter'] > 0)
    return table['n_iter'] > 0


@pytest.mark.parametrize(('bit', 'astray', 'taken'), [
    pytest.param(1, False, True, id='n_pixels_fit_partial'),
    pytest.param(2, True, False, id='position_outside_image'),
    pytest.param(4, True, True, id='non_positive_flux'),
    pytest.param(8, True, False, id='no_convergence'),
    pytest.param(16, False, True, id='no_covariance'),
    pytest.param(32, True, True, id='parameter_near_bound'),
    pytest.param(64, True, False, id='no_overlap'),
    pytest.param(128, True, False, id='fully_masked'),
    pytest.param(256, True, False, id='too_few_pixels'),
    pytest.param(512, True, False, id='non_finite_position'),
    pytest.param(1024, True, False, id='non_finite_flux'),
    pytest.param(2048, False, True, id='non_finite_local_bkg'),
    pytest.param(4096, True, False, id='position_outside_fit_region')])
def test_flags(solved, monkeypatch, bit, astray, taken):
    """
    After which first fits a star begins again, with no flux, and which
    refits are not taken. Names are those of photutils 3.1.
    """
    _, first, _ = solved
    bits = np.where(np.arange(6) == 3, bit, 0)
    assert_array_equal(taken_after(monkeypatch, begun_at(
        first, STARS['x']), 0.0, bits), taken | (bits == 0))

    start = begun_at(first, STARS['x'] + 0.3)
    start.results['flags'] = bits
    seen = []
    lpi_photometry(np.zeros(SHAPE), start, recording(seen), max_iterations=1)
    again = astray & (bits > 0)
    for name, end in (('x_fit', first.results['x_init']), ('flux_fit', 0.0)):
        assert_array_equal(seen[0][0][name],
                           np.where(again, end, start.results[name]))


def test_reach(solved, monkeypatch):
    """
    Fits are taken within a FWHM of where they began, or as far as those
    before.
    """
    _, first, _ = solved
    begun = first.results['x_init']
    start = begun_at(first, begun + FWHM * np.array([0, 0, 0, 1.4, 1.4, 0]))
    steps = FWHM * np.array([0.9, -0.9, 1.1, 1.3, 1.5, -1.1])
    assert_array_equal(taken_after(monkeypatch, start, steps),
                       [True, True, False, True, False, False])


def test_of_one_star_before(solved, monkeypatch):
    """
    Two stars that were nearer than half a FWHM may stay so.
    """
    _, first, _ = solved
    start = begun_at(first, STARS['x'])
    for name in ('init', 'fit'):
        for axis, offset in (('x', 0.3 * FWHM), ('y', 0.0)):
            start.results[f'{axis}_{name}'][1] = (
                start.results[f'{axis}_{name}'][0] + offset)
    assert_array_equal(taken_after(monkeypatch, start, 0.2), True)


def test_all_is_passed_on(solved, monkeypatch):
    """
    Errors and sky to all corrections, the last of stars that are lost
    included; errors to the fits, with the settings of the first ones.
    """
    data, _, _ = solved
    fit = PSFPhotometry(
        psf(), (9, 13), fitter=DogBoxLSQFitter(), fitter_maxiters=37,
        aperture_radius=3.3, xy_bounds=(2.0, 2.5), group_warning_threshold=7,
        local_bkg_estimator=LocalBackground(6, 9), progress_bar=True)
    fit(data, init_params=QTable({'x': STARS['x'], 'y': STARS['y']}))
    fit.results['flags'] = np.where(np.arange(6) == 3, 8, 0)
    calls, fits = [], []

    def refit(photometry, _, table, error):
        fits.append((photometry, error))
        return table.copy()

    monkeypatch.setattr(iteration, '_refit', refit)
    error, sky = np.full(SHAPE, 1.3), 50.0
    table = lpi_photometry(data, fit, recording(calls), error=error,
                           background=sky).table
    assert table['n_iter'][3] == 0
    assert table['flux_fit'][3] == fit.results['flux_fit'][3] != 0
    assert len(calls) == len(fits) + 2
    for _, keys in calls:
        assert_array_equal(keys['error'], error)
        assert keys['background'] == sky
    for again, fit_error in fits:
        assert_array_equal(fit_error, error)
        assert again.local_bkg_estimator is None
        for name in ('fit_shape', 'fitter', 'fitter_maxiters', 'xy_bounds',
                     'aperture_radius', 'group_warning_threshold',
                     'progress_bar'):
            assert np.all(getattr(again, name) == getattr(fit, name))


@pytest.mark.parametrize('factor', [-3.2, -1.5, -1.9, -0.9, 0.7, 1.4,
                                    0.0])
def test_refits_that_diverge(solved, monkeypatch, factor):
    """
    Steps are halved until they lead somewhere.
    """
    _, first, _ = solved
    n_pixels = np.zeros(6, dtype=int)

    def refit(_, __, table, *___):
        fit = table.copy()
        rows = fit['id'] - 1
        n_pixels[rows] += 9
        right = STARS['x'][rows] + 0.5
        fit['x_fit'] = right + factor * (table['x_fit'] - right)
        fit['y_fit'], fit['flags'] = fit['y_init'], 0
        fit['n_pixels_fit'] = n_pixels[rows]
        return fit

    monkeypatch.setattr(iteration, '_refit', refit)
    offsets = np.array([-0.3, 0.1, 0.3, -0.4, 0.0, 0.5])
    if factor < -2:  # half steps alone would not do; fits stay in reach
        offsets *= 0.1
    start = begun_at(first, STARS['x'] + 0.5 + offsets)
    table = lpi_photometry(np.zeros(SHAPE), start, Linear(psf()),
                           max_iterations=40).table
    off_by = np.abs(table['x_fit'] - (STARS['x'] + 0.5))
    if factor > 1:  # away from what is right: to the limit, and no farther
        assert np.all(off_by < FWHM + 1)
        return
    assert_array_equal(table['converged'], True)
    # of the last fit, not of what is between it and the one before
    assert_array_equal(table['n_pixels_fit'], n_pixels)
    assert_array_equal(table['n_iter'], n_pixels // 9)
    # 0.1 of an error of 1 is 0.001 pixels here, which a whole step is less
    # than: what is left is as much larger as it contracts less
    assert np.all(off_by < 0.001 * max(1, 1 / (1 - factor)) + 1e-9)


def test_back_and_forth(solved, monkeypatch):
    """
    A star that has two fits, in turn, has not converged between them.
    """
    _, first, _ = solved
    ways = []

    def refit(_, __, table, *___):
        ways.append(1 - 2 * (len(ways) % 2))
        fit = table.copy()
        fit['x_fit'], fit['y_fit'] = fit['x_init'], fit['y_init']
        fit['x_fit'][0] += 0.01 * ways[-1]
        fit['flags'] = 0
        return fit

    monkeypatch.setattr(iteration, '_refit', refit)
    start = begun_at(first, first.results['x_init'])
    table = lpi_photometry(np.zeros(SHAPE), start, Linear(psf()),
                           max_iterations=20).table
    assert len(ways) == 20
    assert_array_equal(table['converged'], np.arange(6) > 0)
    # the way to one of both, or to the other, is ten times the tolerance,
    # whatever part of it is gone
    assert abs(table['x_fit'][0] - table['x_init'][0]) < 0.01


@pytest.mark.parametrize('groups', [[1, 2, 3, 4, 5, 6], [1, 2, 2, 1, 3, 3]])
def test_what_is_fitted_again(solved, monkeypatch, groups):
    """
    Stars whose fluxes still change, with those of their group.
    """
    _, first, _ = solved
    steps = np.full((3, 6), 0.5)
    steps[1:, 1] = 0.6
    fitted = []

    def refit(_, __, table, *___):
        fit = table.copy()
        rows = fit['id'] - 1
        fit['x_fit'] = fit['x_init'] + steps[len(fitted)][rows]
        fit['y_fit'], fit['flags'] = fit['y_init'], 0
        fitted.append(set((rows + 1).tolist()))
        return fit

    monkeypatch.setattr(iteration, '_refit', refit)
    start = begun_at(first, first.results['x_init'] + 0.5)
    start.results['x_fit'][1] += 0.2
    start.results['group_id'] = groups
    table = lpi_photometry(np.zeros(SHAPE), start, Linear(psf())).table
    together = {i + 1 for i in range(6) if groups[i] == groups[1]}
    assert fitted == [{1, 2, 3, 4, 5, 6}, together, together]
    assert_array_equal(table['converged'], True)
    assert_array_equal(table['n_iter'],
                       [3 if i + 1 in together else 1 for i in range(6)])


def test_goes_on(solved, monkeypatch):
    """
    A star that came to rest is fitted again, and by a whole step, if its
    flux changes because of others; and one whose fit failed.
    """
    _, first, _ = solved
    calls, fitted = [], []
    failed = 8  # no convergence

    class Jumping(Linear):
        def run(self, data, table, **keys):
            result = super().run(data, table, **keys)
            calls.append(table)
            result.table['cflux'][2] += 3.0 * (len(calls) > 2)
            return result

    def refit(_, __, table, *___):
        fit = table.copy()
        rows = fit['id'] - 1
        fitted.append(rows.tolist())
        fit['x_fit'] = fit['x_init'] + np.where(rows == 1, 0.5 + 0.01 * min(
            len(fitted), 4), 0.5 + 0.02 * (len(fitted) > 2))
        fit['y_fit'] = fit['y_init']
        fit['flags'] = np.where((rows == 5) & (len(fitted) == 1), failed, 0)
        return fit

    monkeypatch.setattr(iteration, '_refit', refit)
    start = begun_at(first, first.results['x_init'] + 0.5)
    table = lpi_photometry(np.zeros(SHAPE), start, Jumping(psf())).table
    assert fitted == [[0, 1, 2, 3, 4, 5], [1, 5], [1, 2], [1, 2], [1]]
    assert abs(calls[3]['x_fit'][2] - table['x_init'][2] - 0.52) < 1e-9
    assert_array_equal(table['converged'], True)


@pytest.mark.parametrize(('distance', 'kept'), [(0.45, True), (0.55, False)])
def test_two_of_one_star(solved, monkeypatch, distance, kept):
    """
    Fits that would end within half a FWHM of each other are not taken.
    """
    _, first, _ = solved

    def refit(_, __, table, *___):
        fit = table.copy()
        fit['x_fit'], fit['y_fit'] = fit['x_init'], fit['y_init']
        fit['flags'] = 0
        return fit

    monkeypatch.setattr(iteration, '_refit', refit)
    start = begun_at(first, STARS['x'] + 0.2)
    for name, offset in (('x_init', distance * FWHM), ('y_init', 0.0)):
        start.results[name][1] = start.results[name][0] + offset
    start.results['y_fit'][1] += 5.0
    table = lpi_photometry(np.zeros(SHAPE), start, Linear(psf())).table
    assert_array_equal(table['n_iter'][:2] == 0, kept)
    assert np.all(table['n_iter'][2:] > 0)


def test_iterative_photometry():
    """
    The settings of each round, and all stars that it found.
    """
    data = image()
    fit = IterativePSFPhotometry(
        psf(), 11, DAOStarFinder(20.0, FWHM), aperture_radius=FWHM,
        xy_bounds=FWHM, maxiters=2)
    fit(data)
    once = corrector()(data, fit)
    table = lpi_photometry(data, fit, corrector(), max_iterations=1).table
    assert len(table) == len(fit.results)
    assert_array_equal(table['iter_detected'], fit.results['iter_detected'])
    assert np.any(table['x_fit'] != once['x_fit'])
    assert np.all(np.isfinite(table['cflux']) == np.isfinite(once['cflux']))


def test_rounds():
    """
    Stars of a later round are fitted without those before: no star twice.
    """
    y, x = np.indices(SHAPE)
    data = 20 * np.sin(x / 11) * np.cos(y / 13)
    data += np.random.default_rng(4).normal(0, 1.7, SHAPE)
    stars = STARS.copy()
    stars.add_row([92.2 - 5.5, 91.9, 700.0])  # is not found at first
    for star in stars.iterrows():
        data += star_image(psf(), *star[:2], SHAPE, star[2])
    data <<= u.Jy
    fit = IterativePSFPhotometry(
        psf(), 9, DAOStarFinder(8 * u.Jy, FWHM, sharpness_range=None,
                                roundness_range=None),
        aperture_radius=FWHM, maxiters=3, sub_shape=25)
    phot = fit(data)
    assert np.all(np.isin([1, 2], phot['iter_detected']))
    table = lpi_photometry(data, fit, corrector()).table
    distance = np.hypot(table['x_fit'] - stars['x'][:, np.newaxis],
                        table['y_fit'] - stars['y'][:, np.newaxis])
    nearest = np.argmin(distance, axis=1)
    assert np.all(distance[np.arange(7), nearest] < 0.25)
    assert table['iter_detected'][nearest[-1]] == 2
    found = table[nearest]
    assert np.all(found['n_iter'] > 0)
    assert_allclose(found['cflux'].value, stars['flux'], rtol=0.1)
    # what else was found is no star once more
    others = np.delete(np.arange(len(table)), nearest)
    assert others.size
    assert np.all(table['flux_fit'][others].value < 150)


def test_began_near_a_star(solved, monkeypatch):
    """
    A fit that went astray, and ends on the star that it began near, is not
    taken; that of the star is.
    """
    _, first, _ = solved

    def refit(_, __, table, *___):
        fit = table.copy()
        fit['x_fit'], fit['y_fit'] = fit['x_init'], fit['y_init']
        fit['x_fit'][1], fit['y_fit'][1] = (fit[name][0] for name in
                                            ('x_fit', 'y_fit'))
        fit['flags'] = 0
        return fit

    monkeypatch.setattr(iteration, '_refit', refit)
    start = begun_at(first, STARS['x'] + 0.2)
    for axis, offset in (('x', 0.4 * FWHM), ('y', 0.0)):
        start.results[f'{axis}_init'][1] = (
            start.results[f'{axis}_init'][0] + offset)
    start.results['y_fit'][1] += 5.0
    start.results['flags'] = np.where(np.arange(6) == 1, 8, 0)
    table = lpi_photometry(np.zeros(SHAPE), start, Linear(psf())).table
    assert_array_equal(table['n_iter'] > 0, np.arange(6) != 1)
    assert table['x_fit'][1] == start.results['x_init'][1]


@pytest.mark.parametrize(('args', 'keys', 'error', 'text'), [
    ((None, 'c'), {}, TypeError, 'photometry must be a PSFPhotometry'),
    (('p', None), {}, TypeError, 'corrector must be an LPIBackground'),
    (('new', 'c'), {}, ValueError, 'phot has no results'),
    (('p', 'c'), {'tolerance': 0}, ValueError, 'tolerance must be positive'),
    (('p', 'c'), {'max_iterations': -1}, ValueError, 'max_iterations must be'),
    (('p', 'c'), {'mask': np.zeros(3, bool)}, ValueError, 'mask must have'),
])
def test_bad_input(solved, args, keys, error, text):
    """
    The argument, its value, and what was expected.
    """
    data, first, _ = solved
    known = {'p': first, 'c': corrector(), 'new': PSFPhotometry(psf(), 11)}
    with pytest.raises(error, match=text):
        lpi_photometry(data, *(known.get(arg) for arg in args), **keys)
