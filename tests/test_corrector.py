"""
The corrector against the dense oracle, and what must not change it.
"""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable
from astropy.utils.masked import Masked
from corrector_cases import (ADDED, CORNERED, EXACT, KEYS, LIMITS, PSF,
                             PUBLISHED, agree, make, oracle_rows, same, undone)
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import GaussianPSF, ImagePSF, MoffatPSF

from lpiphot import decode_dnt_flags
from lpiphot.lpi import tiles
from oracles import dense_lpi
from oracles.scenes import Scene, catalogue, star_image, structured_field


@pytest.fixture(scope='module')
def scene():
    """
    Clouds, noise, and stars of every kind.
    """
    return structured_field(PSF)


@pytest.fixture(scope='module')
def result(scene):
    """
    The corrector's result on the scene.
    """
    return make().run(scene.data, scene.phot, mask=scene.mask)


@pytest.fixture(scope='module')
def table(result):
    """
    The table of the same.
    """
    return result.table


@pytest.fixture(scope='module', params=[
    ({}, {}), ({'loud': 30.0}, {'residual_threshold': None}),
    ({'n_unseen': 300}, {'residual_threshold': None})],
    ids=['published', 'loud', 'unseen'])
def case(request):
    """
    A scene, what its corrector is made with, and its result: by the
    published method, and where loud parts and typical backgrounds matter.
    """
    kind, keys = request.param
    scene = structured_field(PSF, **kind)
    return scene, keys, make(**keys).run(scene.data, scene.phot,
                                         mask=scene.mask)


@pytest.fixture(scope='module')
def oracle(scene, result):
    """
    The oracle's rows for the scene.
    """
    return oracle_rows(scene, result)


class TestOracle:
    """
    The numbers.
    """

    def test_scene_has_every_case(self, oracle):
        """
        The scene would not test what it lacks.
        """
        rows, _ = oracle
        assert {row['dnt'] for row in rows} == {0, 1, 3}
        assert any(row['kcond'] > row['kcond0'] for row in rows)

    def test_residual(self, scene, result):
        """
        Data minus all stars; where the data are bad anything may stand.
        """
        ok = np.isfinite(scene.data) & ~scene.mask
        # Far wings may be cut where they are lost in the noise, of 1.7:
        # the brightest star has 1e6 in its central pixel.
        assert_allclose(np.asarray(result.residual)[ok], scene.residual[ok],
                        rtol=0, atol=0.01)

    def test_wings_add_up(self):
        """
        The wings of many stars are subtracted, not only their cores.
        """
        model = MoffatPSF(alpha=2.5, beta=2.0)  # falls as r^-4
        rng = np.random.default_rng(12)
        shape, n = (121, 131), 150
        phot = catalogue(rng.uniform(0, 130, n), rng.uniform(0, 120, n),
                         10 ** rng.uniform(2, 4.5, n), 10)
        scene = Scene(1.7 * rng.normal(size=shape), phot, model,
                      np.zeros(shape, bool))
        data = scene.data + scene.star_model
        result = make(model).run(data, phot)
        missing = result.residual - scene.data
        # what is cut must be lost in the noise, also where wings overlap
        assert np.sqrt(np.mean(missing ** 2)) < 0.1 * 1.7
        assert np.abs(missing).max() < 0.5 * 1.7

    def test_mask(self, scene, result):
        """
        The pixels that are infilled are the oracle's, one by one.
        """
        mask, nodata = dense_lpi.image_mask(
            scene.residual, scene.star_images, scene.phot['flux_fit'],
            LIMITS['mask_threshold'], KEYS['residual_threshold'], scene.mask)
        assert nodata.sum() == 27
        assert np.asarray(result.mask).dtype == bool
        assert_array_equal(result.mask, mask)

    def test_filled(self, scene, result):
        """
        Only masked pixels are changed, to values like those around them.
        """
        filled = np.asarray(result.filled)
        assert_array_equal(filled[~result.mask],
                           result.residual[~result.mask])
        assert np.all(np.isfinite(filled))
        # sigma 6 clouds on -3, and noise of some 6: 5 sigma are 45
        assert np.abs(filled[result.mask] + 3).max() < 45
        # a mean without noise would have a sixth of the field's width
        assert filled[result.mask].std() > 0.5 * scene.residual[
            ~result.mask].std()

    def test_float64(self, table, oracle):
        """
        All ten columns, all stars.
        """
        agree(table, oracle[0], EXACT)

    def test_float32(self, scene):
        """
        Single precision costs far less than the infill's own scatter.
        """
        result = make(dtype='float32').run(scene.data, scene.phot,
                                           mask=scene.mask)
        rows, _ = oracle_rows(scene, result)
        # 6e-8 times a condition number of 1e5; the contract has 4 %
        agree(result.table, rows, 0.01)

    def test_published_size(self, scene):
        """
        A stamp of 33 and a window of 129, as published, for two stars.
        """
        rng = np.random.default_rng(33)
        shape = 150, 160
        phot = catalogue([70.3, 150.2], [77.6, 140.9], [3000, 9000], 15)
        data = np.tile(scene.data[60:90, :80], (5, 2))
        data[~np.isfinite(data)] = 0
        data += 2 * rng.normal(size=shape)
        for x, y, flux in phot.iterrows('x_fit', 'y_fit', 'flux_fit'):
            data += star_image(PSF, x, y, shape, flux)
        scene = Scene(data, phot, PSF, np.zeros(shape, bool))
        keys = {'stamp_shape': (33, 33), 'window_shape': (129, 129),
                'condition_radius': 16}
        result = make(**keys).run(data, phot)
        agree(result.table, oracle_rows(scene, result, **keys)[0], EXACT)

    def test_gain(self, scene):
        """
        Photon noise of all stars goes on the diagonal, divided by gain.
        """
        sky = np.full(scene.data.shape, 40.0)
        result = make(gain=1.7).run(scene.data, scene.phot, mask=scene.mask,
                                    background=sky)
        rows, _ = oracle_rows(scene, result, gain=1.7)
        # what photon noise a star has off the image is nobody's contract
        agree(result.table, rows, EXACT, but=[CORNERED])

    def test_gain_matters(self, scene, table):
        """
        Star noise makes the error of a bright star larger, never smaller.
        """
        sky = np.full(scene.data.shape, 40.0)
        noisy = make(gain=1.7)(scene.data, scene.phot, mask=scene.mask,
                               background=sky)
        ordinary = 0
        # p^2-weighted photon noise alone: flux / gain / (sum p)^2 and more
        photon = np.sqrt(scene.phot['flux_fit'][ordinary] / 1.7)
        assert noisy['dcflux'][ordinary] > photon
        assert noisy['dcflux'][ordinary] > table['dcflux'][ordinary] + 1

    def test_background_image(self, scene, result, oracle):
        """
        The predicted background stands where stars hid it.
        """
        counts = np.zeros(scene.data.shape, dtype=int)
        want = np.zeros(scene.data.shape)
        for (x, y), details in zip(scene.phot.iterrows('x_fit', 'y_fit'),
                                   oracle[1], strict=True):
            iy, ix = dense_lpi.stamp_centre(x, y)
            for (j, i), value in zip(np.argwhere(details['hidden']),
                                     details['mean'], strict=True):
                pixel = iy + j - 13 // 2, ix + i - 11 // 2
                counts[pixel] += 1
                want[pixel] = value
        once = counts == 1  # where two stars overlap, either may be taken
        assert once.sum() > 300
        background = np.asarray(result.background)
        assert_allclose(background[once], want[once], rtol=0, atol=1e-5)
        untouched = (counts == 0) & ~result.mask
        assert_array_equal(background[untouched],
                           result.residual[untouched])

    @pytest.mark.parametrize(('low', 'dnt'), [(-5e-4, 8), (-0.05, 24),
                                              (-0.2, 56)])
    def test_negative_psf(self, low, dnt):
        """
        Negative pixels set their bits, and the absolute value is used.
        """
        yy, xx = np.mgrid[-10:11, -9:10]
        image = np.exp(-0.5 * (yy ** 2 + xx ** 2) / 1.1 ** 2)
        image[10, 6] = low  # three pixels left of the centre
        model = ImagePSF(image / image.sum(), x_0=0, y_0=0)
        phot = catalogue([40, 70], [30, 50], [4000, 9000], 15)
        rng = np.random.default_rng(9)
        data = 2 * rng.normal(size=(81, 103))
        for x, y, flux in phot.iterrows('x_fit', 'y_fit', 'flux_fit'):
            data += star_image(model, x, y, data.shape, flux)
        scene = Scene(data, phot, model, np.zeros(data.shape, bool))
        result = make(model).run(data, phot)
        assert_array_equal(result.table['dnt'] & PUBLISHED, dnt)
        agree(result.table, oracle_rows(scene, result)[0], EXACT)


@pytest.mark.parametrize('kind', [{'loud': 30.0}, {'n_unseen': 300}])
def test_robust_matters(kind):
    """
    Or ``case`` would not show what it is for.
    """
    scene = structured_field(PSF, **kind)
    robust, published = (make(residual_threshold=threshold)(
        scene.data, scene.phot, mask=scene.mask)
        for threshold in (None, 1e9))
    moved = np.abs(robust['cflux'] - published['cflux'])
    assert np.count_nonzero(moved > 0.1 * published['dcflux']) > 3


class TestInvariance:
    """
    What must not change the result.
    """

    def test_constant(self, case):
        """
        A constant under everything leaves the corrected flux alone.
        """
        scene, keys, result = case
        table = result.table
        shifted = make(**keys).run(scene.data + 3, scene.phot,
                                   mask=scene.mask)
        assert_array_equal(shifted.mask, result.mask)  # else another infill
        assert_allclose(np.asarray(shifted.filled),
                        np.asarray(result.filled) + 3, atol=1e-6)
        for name in ('cflux', 'dcflux', 'dcflux_diag'):
            assert_allclose(shifted.table[name], table[name], rtol=EXACT,
                            atol=EXACT * 100)

    def test_constant_in_both_terms(self, scene, table):
        """
        Residual and prediction see it alike.
        """
        shifted = make()(scene.data + 3, scene.phot, mask=scene.mask)
        # for white noise by 3 sum(p) / sum(p^2) = 3 * 4 pi sigma^2 = 34
        moved = shifted['fdb_res'] - table['fdb_res']
        assert np.median(moved) < -3
        assert_allclose(shifted['fdb_pred'] - table['fdb_pred'], moved,
                        rtol=1e-5, atol=1e-4)

    @pytest.mark.parametrize('dtype', ['float32', 'float64'])
    @pytest.mark.parametrize('n_threads', [2, 5])
    def test_threads(self, case, dtype, n_threads):
        """
        One thread and many, to the bit.
        """
        scene, keys, _ = case
        one, many = (make(dtype=dtype, n_threads=n, **keys).run(
            scene.data, scene.phot, mask=scene.mask) for n in (1, n_threads))
        same(one.table, many.table)
        assert_array_equal(one.filled, many.filled)
        assert_array_equal(one.background, many.background)

    def test_repeat(self, scene, table):
        """
        The same instance twice, and a fresh one: the same bits.
        """
        corrector = make()
        first = corrector(scene.data, scene.phot, mask=scene.mask)
        corrector(scene.data[:80], scene.phot[:3], mask=scene.mask[:80])
        same(first, corrector(scene.data, scene.phot, mask=scene.mask))
        same(first, table)

    def test_shared_by_threads(self, scene, table):
        """
        The object keeps no state of a call.
        """
        corrector = make()
        other = corrector(scene.data[:80], scene.phot[:3],
                          mask=scene.mask[:80])

        def job(i):
            cut = slice(80) if i % 2 else slice(None)
            rows = slice(3) if i % 2 else slice(None)
            return corrector(scene.data[cut], scene.phot[rows],
                             mask=scene.mask[cut])

        with ThreadPoolExecutor(3) as pool:
            for i, got in enumerate(pool.map(job, range(6))):
                same(got, other if i % 2 else table)

    def test_rng(self, scene, table):
        """
        Another seed, another infill, and fluxes within half an error.
        """
        other = make(rng=8)(scene.data, scene.phot, mask=scene.mask)
        moved = np.abs(other['cflux'] - table['cflux']) / table['dcflux']
        assert moved.max() > 1e-6
        assert np.median(moved) < 0.5

    def test_row_order(self, case):
        """
        Rows in another order give the same rows in that order.
        """
        scene, keys, result = case
        order = np.random.default_rng(3).permutation(len(scene.phot))
        other = make(**keys)(scene.data, scene.phot[order], mask=scene.mask)
        assert_array_equal(other['id'], scene.phot['id'][order])
        same(other, result.table[order], rtol=EXACT)

    def test_tiles(self, case, monkeypatch):
        """
        Stars in jobs of their own give the same.
        """
        scene, keys, result = case
        monkeypatch.setattr(tiles, 'TILE', 8)
        monkeypatch.setattr(tiles, '_cost', lambda *_: 1)
        other = make(**keys)(scene.data, scene.phot, mask=scene.mask)
        same(other, result.table, rtol=EXACT)

    def test_predict(self, case):
        """
        Predictions are those that the table is made of.
        """
        scene, keys, result = case
        for got in make(**keys).predict(scene.data, scene.phot, [6, 1, 10],
                                        mask=scene.mask):
            psf = got.psf[got.hidden]
            weights = np.linalg.solve(got.covariance, psf)
            row = result.table[got.id - 1]
            assert_allclose(weights @ psf, row['dcflux'] ** -2, rtol=EXACT)
            assert_allclose(-(weights @ got.mean) / (weights @ psf),
                            row['fdb_pred'], rtol=EXACT,
                            atol=EXACT * row['dcflux'])

    def test_duplicate_rows(self, scene):
        """
        A star listed twice is twice in the model and gets two equal rows.
        """
        phot = scene.phot[[0, 3, 0, 6]]
        out = make()(scene.data, phot, mask=scene.mask)
        assert len(out) == 4
        for name in ADDED:
            assert out[name][0] == out[name][2]

    @pytest.mark.parametrize('dtype', ['>f8', '>f4', 'f4', '>i4', 'i8'])
    def test_data_types(self, scene, dtype):
        """
        Any number type gives what its values give in float64.
        """
        data = np.where(np.isfinite(scene.data), scene.data, 0).astype(dtype)
        got = make()(data, scene.phot, mask=scene.mask)
        want = make()(data.astype(float), scene.phot, mask=scene.mask)
        same(got, want, rtol=EXACT)

    def test_strides(self, scene, table):
        """
        A Fortran-ordered, read-only view does as well.
        """
        data = np.asfortranarray(scene.data)
        data.flags.writeable = False
        same(make()(data, scene.phot, mask=scene.mask), table)

    def test_inputs_unchanged(self, scene):
        """
        Data, mask, error, sky, table and model stay as they came.
        """
        data, mask, phot = (copy.deepcopy(x) for x in
                            (scene.data, scene.mask, scene.phot))
        phot.meta['mine'] = 'here'
        error = np.full(data.shape, 2.0)
        sky = np.full(data.shape, 40.0)
        model = GaussianPSF(flux=3, x_0=1, y_0=2, x_fwhm=2.0, y_fwhm=2.5)
        out = make(model, gain=1.7)(data, phot, mask=mask, error=error,
                                    background=sky)
        assert_array_equal(data, scene.data)
        assert_array_equal(mask, scene.mask)
        assert np.all(error == 2)
        assert np.all(sky == 40)
        assert phot.colnames == scene.phot.colnames
        assert phot.meta == scene.phot.meta | {'mine': 'here'}
        for name in phot.colnames:
            assert_array_equal(phot[name], scene.phot[name])
        assert (model.flux.value, model.x_0.value, model.y_0.value) == (
            3, 1, 2)
        out['flux_fit'][:] = 0  # the result is a copy, not a view
        assert np.all(phot['flux_fit'] == scene.phot['flux_fit'])

    def test_model_changed_later(self, scene, table):
        """
        The PSF is that of when the object was made.
        """
        model = PSF.copy()
        corrector = make(model)
        model.x_fwhm = 2 * model.x_fwhm
        for keys in ({}, {'templates': {}}):
            same(corrector(scene.data, scene.phot, mask=scene.mask, **keys),
                 table)

    def test_keeps_only_numbers(self, scene):
        """
        Pixels of the stars, some kB each, are kept for the images only.
        """
        corrector = make()
        call = corrector._open(scene.data, scene.phot, None, scene.mask, None,
                               None)
        numbers, pixels = ([len(pickle.dumps(row)) for row
                            in corrector._solve(call, images)]
                           for images in (False, True))
        assert len(numbers) > 10
        assert max(numbers) < 600 < np.median(pixels)


class TestSources:
    """
    A source that cannot be done gives NaN and a bit.
    """

    @pytest.mark.parametrize(('column', 'value'), [
        ('x_fit', np.nan), ('y_fit', np.nan), ('x_fit', np.inf),
        ('flux_fit', np.nan), ('flux_fit', -np.inf), ('x_fit', 112.6),
        ('x_fit', -0.6), ('y_fit', 97.0), ('y_fit', -30.0), ('x_fit', 1e300)])
    def test_undone(self, scene, column, value):
        """
        The row stays, the others are as if it did not exist.
        """
        phot = scene.phot[[0, 3, 6]]
        phot[column][1] = value
        out = make()(scene.data, phot, mask=scene.mask)
        assert_array_equal(out['id'], phot['id'])
        assert undone(out[1])
        assert not np.any(np.isnan(out['cflux'][[0, 2]]))
        if not np.isfinite(value) or abs(value) > 200:
            # (a star just outside the image still shines into it)
            want = make()(scene.data, phot[[0, 2]], mask=scene.mask)
            same(out[[0, 2]], want, rtol=EXACT)

    def test_just_outside_is_modelled(self):
        """
        A star whose centre is outside is still subtracted.
        """
        phot = catalogue([-1.5, 4.0], [60.0, 75.0], [5e4, 3e3], 15)
        rng = np.random.default_rng(2)
        data = 1.7 * rng.normal(size=(97, 113))
        for x, y, flux in phot.iterrows('x_fit', 'y_fit', 'flux_fit'):
            data += star_image(PSF, x, y, data.shape, flux)
        result = make().run(data, phot)
        assert undone(result.table[0])
        assert np.abs(np.asarray(result.residual)).max() < 10

    @pytest.mark.parametrize('column', [
        lambda values, mask: MaskedColumn(values, mask=mask), Masked,
        lambda values, mask: Masked(values * u.adu, mask)],
        ids=['column', 'array', 'quantity'])
    def test_masked_column(self, scene, column):
        """
        A masked entry is a missing one, whatever lies under the mask.
        """
        phot = QTable(scene.phot[[0, 3, 6]])
        phot['flux_fit'] = column(np.array(phot['flux_fit']),
                                  [False, True, False])
        phot['x_fit'] = Masked(np.array(phot['x_fit']), False)
        unit = getattr(phot['flux_fit'], 'unit', None) or 1
        corrector = make(positions=True)
        out = corrector(scene.data * unit, phot, mask=scene.mask)
        assert np.all(np.isnan(out['cflux']) == [False, True, False])
        want = corrector(scene.data, scene.phot[[0, 6]], mask=scene.mask)
        same(out[[0, 2]], want, rtol=EXACT)
        depth = corrector.depth(scene.data * unit, phot, mask=scene.mask,
                                step=60)
        want = corrector.depth(scene.data, scene.phot[[0, 6]],
                               mask=scene.mask, step=60)
        assert_allclose(getattr(depth.image, 'value', depth.image),
                        want.image, rtol=EXACT)

    def test_hole_under_star(self, scene):
        """
        No data under the star: nothing to correct.
        """
        mask = scene.mask.copy()
        mask[32:50, 22:40] = True  # around row 0, its whole stamp
        out = make()(scene.data, scene.phot, mask=mask)
        assert undone(out[0])
        assert not np.any(np.isnan(out['cflux'][1:]))
        assert len(decode_dnt_flags(int(out['dnt'][0]))) > 0

    def test_nan_is_mask(self, scene, table):
        """
        NaN in the data is the same as a masked pixel.
        """
        data = scene.data.copy()
        data[scene.mask] = np.nan
        same(make()(data, scene.phot), table)
        mask = scene.mask | ~np.isfinite(scene.data)
        data = np.where(mask, 12345.0, scene.data)
        same(make()(data, scene.phot, mask=mask), table)

    def test_empty_table(self, scene):
        """
        No rows in, no rows out, all columns there.
        """
        out = make()(scene.data, scene.phot[:0], mask=scene.mask)
        assert len(out) == 0
        assert set(ADDED) <= set(out.colnames)
        assert out['kpred'].dtype.kind in 'iu'

    def test_constant_image(self):
        """
        No noise, no covariance: NaN and a bit, no warning, no exception.
        """
        phot = catalogue([40.0], [30.0], [0.0], 1)
        out = make()(np.full((81, 103), 5.0), phot)
        assert undone(out[0])

    def test_no_hidden_pixel(self, scene):
        """
        A threshold that hides nothing leaves nothing to do.
        """
        out = make(mask_threshold=1e9)(scene.data, scene.phot[:2],
                                       mask=scene.mask)
        assert undone(out[0])
        assert_array_equal(out['kpred'], 0)
