"""
Stars in groups, and those that cannot be done.
"""

import numpy as np
import pytest
from corrector_cases import (ADDED, COUNTS, EXACT, FLUXES, PSF, make, same,
                             undone)
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF, GaussianPSF

from lpiphot import LPIBackgroundCorrector, decode_dnt_flags
from lpiphot.lpi import scene as scene_module
from lpiphot.lpi import solve, tiles
from oracles.scenes import catalogue, structured_field

SMALL = {'stamp_shape': 9, 'window_shape': 29, 'condition_radius': 6}


@pytest.fixture(scope='module')
def scene():
    """
    Clouds, noise, and stars of every kind.
    """
    return structured_field(PSF)


@pytest.fixture(scope='module')
def table(scene):
    """
    The corrected table, in float64.
    """
    return make()(scene.data, scene.phot, mask=scene.mask)


def has(table, name):
    """
    Which rows have a flag.
    """
    return [name in names for names in decode_dnt_flags(table['dnt'])]


class TestTiling:
    """
    Results do not depend on how stars are grouped, but for rounding.
    """

    # 14 stars: alone; by threes at most; by tiles; in one group
    @pytest.mark.parametrize(('tile', 'max_bytes', 'n_groups'), [
        (1000, 1, 14), (1000, 3 * 8 * 143 ** 2, None), (40, 2 ** 40, None),
        (1000, 2 ** 40, 1)])
    def test_groups(self, scene, table, monkeypatch, tile, max_bytes,
                    n_groups):
        """
        One by one, tile by tile, or all at once.
        """
        # no group is cheaper in parts
        monkeypatch.setattr(tiles, '_cost', lambda *_: 1)
        monkeypatch.setattr(tiles, 'TILE', tile)
        monkeypatch.setattr(tiles, 'MAX_BYTES', max_bytes)
        sizes = []

        def counted(solver, rows, *args):
            sizes.append(len(rows))
            return solve_stars(solver, rows, *args)

        solve_stars = solve.StarSolver.__call__
        monkeypatch.setattr(solve.StarSolver, '__call__', counted)
        out = make()(scene.data, scene.phot, mask=scene.mask)
        assert sum(sizes) == len(scene.phot)
        if n_groups is None:
            assert 1 < len(sizes) < len(scene.phot)
        else:
            assert len(sizes) == n_groups
        # rounding of 1e-16 times a condition number of 1e5
        for name in FLUXES:
            assert_allclose(out[name], table[name], rtol=1e-9,
                            atol=1e-9 * np.median(table['dcflux']))
        assert_allclose(out['cchi2'], table['cchi2'], rtol=1e-9)
        for name in (*COUNTS, 'dnt'):
            assert_array_equal(out[name], table[name])

    @pytest.mark.parametrize('itemsize', [4, 8])
    def test_memory(self, monkeypatch, itemsize):
        """
        The sums of a group take so much, not more; no star is lost.
        """
        monkeypatch.setattr(tiles, 'MAX_BYTES', 2 ** 28)
        rng = np.random.default_rng(3)
        centres = rng.integers(0, 250, size=(400, 2))
        groups = tiles.group_stars(centres, (33, 31), (129, 129), itemsize)
        largest = max(len(group) for group in groups)
        n_sums = 33 * 34 // 2 * 31 ** 2
        assert 2 ** 26 < largest * n_sums * itemsize <= 2 ** 28
        assert_array_equal(np.sort(np.concatenate(groups)), np.arange(400))


class TestPrecision:
    """
    float64 takes over where the covariance fails in float32.
    """

    @pytest.fixture
    def calls(self, monkeypatch):
        """
        The dtype of each conditioning, and whether it succeeded.
        """
        calls = []

        def spy(covariance, mean, known):
            conditional = condition(covariance, mean, known)
            calls.append((covariance.dtype.name, conditional is not None))
            return conditional

        condition = solve.condition
        monkeypatch.setattr(solve, 'condition', spy)
        return calls

    def test_retry(self, monkeypatch, calls):
        """
        Smooth structure 1e5 times the noise: 1e-10 of the variance. No
        star, so that there is no noise of infill either.
        """
        monkeypatch.setattr(solve, 'FLOAT32_RANGE', np.inf)
        y, x = np.indices((101, 121))
        data = np.random.default_rng(6).normal(scale=0.02, size=x.shape)
        data += 2000 * np.sin(x / 8) * np.cos(y / 11)
        model = CircularGaussianPRF(fwhm=3)
        phot = catalogue([40.3, 80.1, 61.7], [50.2, 33.4, 72.8], [0, 0, 0], 1)
        single, double = (
            LPIBackgroundCorrector(
                model, stamp_shape=(13, 11), window_shape=(41, 45),
                mask_threshold=0.1, min_mask_flux=50, condition_radius=7,
                residual_threshold=1e5, dtype=dtype)(data, phot)
            for dtype in ('float32', 'float64'))
        assert calls[:6] == 3 * [('float32', False), ('float64', True)]
        assert calls[6:] == 3 * [('float64', True)]
        assert_array_equal(single['dnt'], 0)
        # The same products summed for one star and for three: 1e-16 of a
        # variance that is 1e10 times that of the noise.
        assert_allclose(single['cflux'], double['cflux'], rtol=0,
                        atol=1e-4 * double['dcflux'].min())
        assert_allclose(single['dcflux'], double['dcflux'], rtol=1e-4)

    def test_one_star_fails(self, scene, table, monkeypatch):
        """
        One of many that fails in float32 is done in float64, from the
        products on; the others are not touched.
        """
        want = make(dtype='float32')(scene.data, scene.phot, mask=scene.mask)
        n_good = table['kcond'][0]
        condition = solve.condition

        def first_fails(covariance, mean, known):
            if covariance.dtype == np.float32 and len(known) == n_good:
                return None
            return condition(covariance, mean, known)

        monkeypatch.setattr(solve, 'condition', first_fails)
        out = make(dtype='float32')(scene.data, scene.phot, mask=scene.mask)
        failed = table['kcond'] == n_good
        assert 0 < failed.sum() < len(table)
        same(out[~failed], want[~failed])
        same(out[failed], table[failed], rtol=EXACT)
        assert np.any(out['cflux'][failed] != want['cflux'][failed])

    @pytest.mark.parametrize('dtype', ['float32', 'float64'])
    def test_both_fail(self, scene, monkeypatch, dtype):
        """
        Then there is no result, but a flag and the counts.
        """
        monkeypatch.setattr(solve, 'condition', lambda *_: None)
        out = make(dtype=dtype)(scene.data, scene.phot, mask=scene.mask)
        assert all(has(out, 'not_positive_definite'))
        assert all(undone(row) for row in out)
        assert np.all(out['kpred'] > 0)

    @pytest.mark.parametrize('dtype', ['float32', 'float64'])
    def test_singular(self, dtype):
        """
        A star on a constant part of the image, and one on noise.
        """
        data = np.full((60, 150), 8.0)
        data[:, 75:] += np.random.default_rng(1).normal(size=(60, 75))
        phot = catalogue([30, 110], [30, 30], [0, 0], 1)
        out = LPIBackgroundCorrector(
            PSF, stamp_shape=9, window_shape=21, mask_threshold=1,
            min_mask_flux=30, condition_radius=6, residual_threshold=50,
            dtype=dtype)(data, phot)
        assert has(out, 'not_positive_definite') == [True, False]
        assert undone(out[0])
        assert all(np.isfinite(out[name][1]) for name in ADDED)


@pytest.mark.filterwarnings('ignore:.*sources of phot above 10 sigma')
class TestFlags:
    """
    What the user must know of the pixels under and near a star. There is
    none in the image.
    """

    def data(self):
        """
        White noise, 120 x 130.
        """
        return np.random.default_rng(2).normal(scale=1.7, size=(120, 130))

    @pytest.mark.parametrize('lost', [np.nan, -3.4e38, 1e300])
    def test_pixels_lost(self, lost):
        """
        No value or a bad pixel under the star, or the edge of the image.
        """
        data = self.data()
        mask = np.zeros(data.shape, dtype=bool)
        phot = catalogue([30, 60, 90, 30, 60, 0.3], [30, 30, 30, 80, 80, 60],
                         6 * [500], 1)
        data[31, 30] = lost
        mask[30, 59] = True
        data[34, 94] = np.nan  # beside the star, in its stamp
        data[80, 40] = np.nan  # beyond its stamp
        out = make(**SMALL)(data, phot, mask=mask)
        assert has(out, 'pixels_lost') == [True, True, False, False, False,
                                           True]
        assert np.isfinite(out['cflux']).all()

    @pytest.mark.parametrize('dtype', ['float32', 'float64'])
    def test_error_that_stands_for_none(self, dtype):
        """
        An error of 1e20, whose square float32 cannot hold, is as one that is
        infinite.
        """
        tables = []
        for none in (np.inf, 1e20, 1e300):
            error = np.full((120, 130), 1.7)
            error[31, 30] = none
            error[75:85, 80:90] = none  # the ring about a star, too
            tables.append(make(dtype=dtype, **SMALL)(
                self.data(), catalogue([30, 80], [30, 80], [500, 500], 1),
                error=error))
        for table in tables[1:]:
            same(table, tables[0], rtol=EXACT)
        assert has(tables[0], 'pixels_lost') == [True, True]
        assert has(tables[0], 'ring_forced') == [False, True]

    def test_pixels_lost_is_no_outlier(self):
        """
        A pixel that is infilled as an outlier has data.
        """
        data = self.data()
        data[31, 33] = 4000
        out = make(**SMALL)(data, catalogue([30], [30], [500], 1))
        assert_array_equal(out['dnt'], 0)

    def test_misfit(self):
        """
        Stars wider than the PSF, and blends; but not a star whose flux is
        wrong, nor one that fits not quite, or whose photons are known.
        """
        y, x = np.mgrid[:120, :130]
        stars = [(30, 30, 5000, 1), (30, 90, 5000, 1.3), (90, 30, 5000, 1),
                 (91.5, 30.5, 3000, 1), (90, 90, 5000, 1.02),
                 (60, 60, 5500, 1)]
        data = self.data() + sum(
            GaussianPSF(flux=flux, x_0=x_0, y_0=y_0,
                        x_fwhm=width * PSF.x_fwhm.value,
                        y_fwhm=width * PSF.y_fwhm.value)(x, y)
            for x_0, y_0, flux, width in stars)
        phot = catalogue([30, 30, 90, 90, 60], [30, 90, 30, 90, 60],
                         5 * [5000], 1)
        keys = {'stamp_shape': 15, 'window_shape': 41}
        out = make(**keys)(data, phot)
        assert has(out, 'misfit') == [False, True, True, False, False]
        # photons of which one counts a thousand
        out = make(**keys, gain=1e-3)(data, phot)
        assert not any(has(out, 'misfit'))

    def test_misfit_limits(self):
        """
        A chi-square of 5 for each hidden pixel and a change of 5 % of the
        flux, up or down, whatever its sign and whichever the rows.
        """
        # flux, part by which it changes, chi-square for each hidden pixel:
        # the variance of the noise is learned to a few per cent
        cases = [(5000, 0.2, 4, False), (5000, 0.2, 6, True),
                 (5000, 0.04, 50, False), (5000, -0.04, 50, False),
                 (5000, 0.06, 50, True), (5000, -0.06, 50, True),
                 (-5000, 0.04, 50, False), (-5000, 0.2, 50, True)]
        x, y = np.tile([25, 70, 115, 160], 2), np.repeat([25, 70], 4)
        flux, changes, chi2, bad = np.transpose(cases)
        # a row that is not solved, of which nothing may be used
        phot = catalogue([np.nan, *x], [50, *y], [1e9, *flux], 1)
        keys = {'stamp_shape': 15, 'window_shape': 41}
        rng = np.random.default_rng(2)
        data = rng.normal(scale=1.7, size=(95, 185))
        for got, change, ratio, flux in zip(
                make(**keys).predict(data, phot, range(2, 10)), changes,
                chi2, phot['flux_fit'][1:], strict=True):
            psf = got.psf[got.hidden]
            shape = rng.normal(size=psf.size)
            shape -= psf * (shape @ psf) / (psf @ psf)
            shape *= 1.7 * np.sqrt(ratio * psf.size / (shape @ shape))
            row, column = got.centre
            stamp = data[row - 7:row + 8, column - 7:column + 8]
            stamp[got.hidden] = shape  # and no noise
            stamp += (1 + change) * flux * got.psf
        assert_array_equal(has(make(**keys)(data, phot), 'misfit'),
                           [False, *bad])

    @pytest.mark.parametrize(('window', 'is_few'), [(27, True), (29, False)])
    def test_few_shifts(self, window, is_few):
        """
        81 pixels need 810; all values are there.
        """
        out = make(**SMALL | {'window_shape': window})(
            self.data(), catalogue([30], [30], [500], 1))
        assert has(out, 'few_shifts') == [is_few]

    def test_infill_median(self, monkeypatch):
        """
        Stars that learn from pixels that no boxcar fills.
        """
        monkeypatch.setattr(scene_module, 'HALF_WIDTHS', (9,))
        data = self.data()
        # filled from column 60 to 69 and 90 to 99, not in between
        data[:, 60:100] = np.nan
        # the window of the stamp reaches 18 pixels
        phot = catalogue([30, 50, 54, 105, 125], 5 * [60], 5 * [500], 1)
        out = make(**SMALL)(data, phot)
        assert has(out, 'infill_median') == [False, False, True, True, False]
        assert np.isfinite(out['cflux']).all()

    def test_infill_median_needs_a_large_hole(self):
        """
        All boxcars fill a hole that the first two do not.
        """
        data = self.data()
        data[30:90, 40:100] = np.nan
        phot = catalogue([35, 64], [60, 25], 2 * [500], 1)
        out = make(**SMALL)(data, phot)
        assert not any(has(out, 'infill_median'))
