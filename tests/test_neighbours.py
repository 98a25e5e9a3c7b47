"""
Neighbours of uncertain flux in the covariance of a star.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, vstack
from corrector_cases import (ADDED, EXACT, PSF, agree, make, oracle_rows, same,
                             with_unit)
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import ImagePSF

from lpiphot import LPIBackgroundCorrector, flags
from lpiphot.lpi import correction
from lpiphot.lpi import neighbours as module
from lpiphot.lpi.neighbours import add_terms
from oracles.scenes import Scene, catalogue, star_image, structured_field


@pytest.fixture(scope='module')
def scene():
    """
    Clouds, noise, and stars of every kind, some with large errors.
    """
    scene = structured_field(PSF)
    scene.phot['flux_err'][8] = 3000.0  # bright
    # 0.9 pixels from the first; the FWHM is 2 and 2.5
    phot = vstack([scene.phot, catalogue([31.1], [41.1], [1500], 600)])
    phot['id'] = phot['group_id'] = np.arange(1, len(phot) + 1)
    # with its neighbour, and with a star on neither's stamp
    phot['group_id'][[0, 9]] = len(phot)
    phot['group_id'][[5, 6]] = 3  # with one far away
    data = scene.data + star_image(PSF, 31.1, 41.1, scene.data.shape, 1500)
    return Scene(data, phot, PSF, scene.mask)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_add_terms(dtype):
    """
    In place, in the upper triangle alone.
    """
    rng = np.random.default_rng(3)
    covariance = rng.normal(size=(7, 7)).astype(dtype)
    terms = rng.normal(size=(3, 7))
    want = covariance + np.triu(terms.T @ terms)
    add_terms(covariance, terms)
    assert covariance.dtype == dtype
    assert_allclose(covariance, want, rtol=0,
                    atol=100 * np.finfo(dtype).eps)
    add_terms(covariance, terms[:0])
    assert_allclose(covariance, want, rtol=0,
                    atol=100 * np.finfo(dtype).eps)


class TestOracle:
    """
    The dense oracle has a term for each other star of the table.
    """

    def test_exact(self, scene, monkeypatch):
        """
        So has lpiphot if told to leave none out.
        """
        monkeypatch.setattr(module, 'TERM_LIMIT', 1e-9)
        result = make(neighbours='flux_err').run(scene.data, scene.phot,
                                                 mask=scene.mask)
        rows, _ = oracle_rows(scene, result, neighbours=True)
        agree(result.table, rows, EXACT)
        without = make()(scene.data, scene.phot, mask=scene.mask)
        assert rows[0]['dcflux'] > 1.1 * without['dcflux'][0]

        # What is otherwise left out is far below the noise: a term of
        # 0.02 on each of a few neighbours' pixels adds some 0.02 ** 2 of
        # the variance of a pixel, and moves by its root.
        monkeypatch.undo()
        table = make(neighbours='flux_err')(scene.data, scene.phot,
                                            mask=scene.mask)
        agree(table, rows, 0.02)

    def test_float32(self, scene):
        """
        Terms that exceed the range of float32 are added in float64.
        """
        phot = scene.phot.copy()
        phot['flux_err'][-1] = 4e5
        single, double = (
            make(neighbours='flux_err', dtype=dtype)(scene.data, phot,
                                                     mask=scene.mask)
            for dtype in ('float32', 'float64'))
        assert np.all((single['dnt'] & 128) == 0)
        assert_allclose(single['cflux'], double['cflux'], rtol=0,
                        atol=0.01 * double['dcflux'].min())
        assert_allclose(single['dcflux'], double['dcflux'], rtol=1e-3)


    def test_float32_huge(self):
        """
        A neighbour of whose flux nothing is known, whose term in the
        covariance leaves float32 no digits for the noise.
        """
        data = np.random.default_rng(5).normal(size=(120, 120))
        x, y, flux = [60.0, 62.5], [60.0, 60.7], [300.0, 3000.0]
        for *place, brightness in zip(x, y, flux, strict=True):
            data += star_image(PSF, *place, data.shape, brightness)
        phot = catalogue(x, y, flux, 10.0)
        phot['flux_err'][1] = 1e4
        one, two = (make(dtype=dtype, neighbours='flux_err')(data, phot)
                    for dtype in ('float32', 'float64'))
        # far above that of float32, without neighbours
        assert_allclose(one['cflux'][0], two['cflux'][0],
                        rtol=0, atol=1e-3 * two['dcflux'][0])
        assert_allclose(one['dcflux'][0], two['dcflux'][0], rtol=2e-4)


class TestNothingToAdd:
    """
    Where no neighbour is uncertain, nothing changes, to the bit.
    """

    @pytest.mark.parametrize('error', [0.0, -1.0])
    def test_errors(self, scene, error):
        """
        Errors of zero or less.
        """
        phot = scene.phot.copy()
        phot['flux_err'] = error
        out, want = (make(neighbours=neighbours, dtype='float32')(
            scene.data, phot, mask=scene.mask)
            for neighbours in ('flux_err', None))
        same(out, want)

    @pytest.mark.parametrize('error', [np.nan, np.inf, 1e30])
    def test_unknown(self, scene, error):
        """
        A flux that is not known is more uncertain than any other.
        """
        phot = scene.phot.copy()
        dcflux = []
        for value in (300.0, error):
            phot['flux_err'][-1] = value
            out = make(neighbours='flux_err')(scene.data, phot,
                                              mask=scene.mask)
            dcflux.append(out['dcflux'][0])
            assert not np.any(out['dnt'] & 128)
        # the covariance of a PSF more or less; the flux is then free
        assert dcflux[0] < dcflux[1] < 2 * dcflux[0]

    def test_alone(self):
        """
        A star is no neighbour of itself; the others are far away.
        """
        data = 1.7 * np.random.default_rng(5).normal(size=(97, 113))
        phot = catalogue([30.2, 80.4], [50.3, 48.8], [500, 900], 50)
        out, want = (make(neighbours=neighbours)(data, phot)
                     for neighbours in ('flux_err', None))
        same(out, want)


class TestGroups:
    """
    Stars of one group are solved jointly.
    """

    def test_exact(self, scene, monkeypatch):
        """
        As by the dense oracle.
        """
        monkeypatch.setattr(correction, 'WEAK_PRIOR', 0.0)
        result = make(neighbours='group_id').run(scene.data, scene.phot,
                                                 mask=scene.mask)
        rows, details = oracle_rows(scene, result, groups=True)
        agree(result.table, rows, EXACT)
        without = make()(scene.data, scene.phot, mask=scene.mask)
        assert rows[0]['dcflux'] > 1.1 * without['dcflux'][0]
        assert rows[0]['kpred'] > without['kpred'][0]

        # the stars of a pair are each other's only partner
        assert list(result.pairs['id_1']) == [1, 6]
        assert list(result.pairs['id_2']) == [len(rows), 7]
        for pair in result.pairs:
            i, j = pair['id_1'] - 1, pair['id_2'] - 1
            want = np.mean([
                matrix[0, 1] / np.sqrt(matrix[0, 0] * matrix[1, 1])
                for matrix in (details[i]['flux_covariance'],
                               details[j]['flux_covariance'])])
            assert_allclose(pair['correlation'], want, rtol=EXACT)
            assert_allclose(pair['covariance'], want * rows[i]['dcflux']
                            * rows[j]['dcflux'], rtol=EXACT)
        assert result.pairs['correlation'][0] < -0.4

        # The weak prior is not seen in stars that can be told apart.
        monkeypatch.undo()
        table = make(neighbours='group_id')(scene.data, scene.phot,
                                            mask=scene.mask)
        agree(table, rows, 1e-5)

    def test_same_place(self, scene):
        """
        The fluxes of two stars at one place are not known, their sum is.
        """
        phot = vstack([scene.phot, scene.phot[:1]])
        phot['id'] = np.arange(1, len(phot) + 1)
        phot['flux_fit'][[0, -1]] /= 2
        corrector = make(neighbours='group_id')
        result = corrector.run(scene.data, phot, mask=scene.mask)
        want = corrector(scene.data, scene.phot, mask=scene.mask)
        assert_allclose(result.table['cflux'][[0, -1]].sum(),
                        want['cflux'][0], rtol=1e-4)
        # a prior of 1e-6 of the information on each limits them to 2 ** -0.5
        # of 1000 times their errors alone, less than those beside a third star
        ratio = result.table['dcflux'][[0, -1]] / want['dcflux'][0]
        assert np.all((ratio > 400) & (ratio < 707))
        assert result.table['dnt'][0] & 4096
        same_place = (result.pairs['id_1'] == 1) & (
            result.pairs['id_2'] == len(phot))
        assert_allclose(result.pairs['correlation'][same_place], -1,
                        atol=1e-4)

    def test_nothing_to_solve(self, scene):
        """
        Groups of one, or of unknown members, change no bit.
        """
        phot = scene.phot.copy()
        phot['group_id'] = np.ma.masked_equal(
            np.where(np.arange(len(phot)) < 5, 1, phot['id']), 1)
        phot = QTable(phot, masked=True)
        result = make(neighbours='group_id').run(scene.data, phot,
                                                 mask=scene.mask)
        same(result.table, make()(scene.data, scene.phot, mask=scene.mask))
        assert len(result.pairs) == 0

    def test_lost_member(self, scene):
        """
        A member whose fit failed is no partner, nor is one off the image.
        """
        phot = scene.phot.copy()
        phot['flux_fit'][-1] = np.nan
        corrector = make(neighbours='group_id')
        out = corrector(scene.data, phot, mask=scene.mask)
        phot['group_id'] = phot['id']
        want = corrector(scene.data, phot, mask=scene.mask)
        assert out['cflux'][0] == want['cflux'][0]
        assert np.isnan(out['cflux'][-1])

    def test_member_without_data(self):
        """
        A member whose pixels are all masked takes nothing from a star.

        Its PSF, an image, ends within them.
        """
        y, x = np.mgrid[:9, :9]
        psf = ImagePSF(PSF.evaluate(x, y, 1.0, 4.0, 4.0, 2.0, 2.0, 0.0))
        rng = np.random.default_rng(8)
        phot = catalogue([40.0, 48.0], [50.0, 50.0], [3000, 2000], 0)
        data = rng.normal(0, 5, (101, 90)) + sum(
            star_image(psf, row['x_fit'], row['y_fit'], (101, 90),
                       row['flux_fit']) for row in phot)
        phot['group_id'] = 1
        mask = np.zeros(data.shape, dtype=bool)
        mask[44:57, 43:54] = True
        keys = {'stamp_shape': 25, 'window_shape': 61}
        result = LPIBackgroundCorrector(
            psf, neighbours='group_id', **keys).run(data, phot, mask=mask)
        want = LPIBackgroundCorrector(psf, **keys)(data, phot, mask=mask)
        # the weak prior, 1e-6, is what is different
        for name in ('cflux', 'dcflux', 'dcflux_diag'):
            assert_allclose(result.table[name][0], want[name][0], rtol=1e-5)
        assert result.pairs['correlation'][0] == 0
        assert result.table['dnt'][1] & flags.NO_HIDDEN_PIXELS


@pytest.mark.parametrize('neighbours', ['flux_err', 'group_id'])
def test_row_order_and_threads(scene, neighbours):
    """
    Neither changes what a star gets.
    """
    keys = {'neighbours': neighbours}
    want = make(**keys)(scene.data, scene.phot, mask=scene.mask)
    same(make(**keys, n_threads=2)(scene.data, scene.phot, mask=scene.mask),
         want)
    out = make(**keys)(scene.data, scene.phot[::-1], mask=scene.mask)
    same(out[::-1], want, rtol=EXACT)


def test_large_numbers_of_groups(scene):
    """
    Those that float64 does not tell apart.
    """
    corrector = make(neighbours='group_id')
    small = scene.phot.copy()
    small['group_id'] = np.arange(len(small))
    small['group_id'][[6, 7]] = 5  # with row 5: a pair, and one far away
    large = small.copy()
    large['group_id'] += 2 ** 60
    want, out = (corrector.run(scene.data, phot, mask=scene.mask)
                 for phot in (small, large))
    same(out.table, want.table)
    assert len(out.pairs) == len(want.pairs)
    maps = [corrector.depth(scene.data, phot, mask=scene.mask, step=60)
            for phot in (small, large)]
    assert_array_equal(maps[1].image, maps[0].image)


def test_pair_units(scene):
    """
    Covariances have the square of the unit of the fluxes, in data units.
    """
    phot = with_unit(scene.phot, u.mJy)
    phot['flux_fit'] /= 1000
    corrector = make(neighbours='group_id')
    out = corrector.run(scene.data * u.uJy, phot, mask=scene.mask)
    want = corrector.run(scene.data, scene.phot, mask=scene.mask)
    assert_allclose(out.pairs['covariance'].to_value(u.uJy ** 2),
                    want.pairs['covariance'], rtol=1e-9)


def test_units(scene):
    """
    Errors in another unit than the data.
    """
    phot = with_unit(scene.phot, u.Jy)
    phot['flux_err'] = phot['flux_err'].to(u.mJy)
    out = make(neighbours='flux_err')(scene.data * u.Jy, phot,
                                      mask=scene.mask)
    want = make(neighbours='flux_err')(scene.data, scene.phot,
                                       mask=scene.mask)
    for name in ADDED:
        assert_allclose(getattr(out[name], 'value', out[name]), want[name],
                        rtol=1e-9, atol=1e-9)


def test_predict(scene):
    """
    The background is as uncertain as the star's neighbours.
    """
    without, prediction = (
        make(neighbours=neighbours).predict(scene.data, scene.phot, 1,
                                            mask=scene.mask)
        for neighbours in (None, 'flux_err'))
    assert_array_equal(prediction.classes, without.classes)
    assert (np.trace(prediction.covariance)
            > 1.2 * np.trace(without.covariance))


def test_bad_input(scene):
    """
    A word that is no option, a table without errors, wrong units.
    """
    with pytest.raises(ValueError, match=r"neighbours .*'flux_err'.*'all'"):
        make(neighbours='all')
    phot = scene.phot.copy()
    for name in ('flux_err', 'group_id'):
        phot.keep_columns(['x_fit', 'y_fit', 'flux_fit'])
        with pytest.raises(ValueError, match=name):
            make(neighbours=name)(scene.data, phot)
    phot['flux_err'] = 3 * u.m
    with pytest.raises(u.UnitsError, match='flux_err'):
        make(neighbours='flux_err')(scene.data, phot)


def test_metadata(scene):
    """
    The table says what was done.
    """
    out = make(neighbours='flux_err')(scene.data, scene.phot, mask=scene.mask)
    assert out.meta['lpiphot_neighbours'] == 'flux_err'
    out = make()(scene.data, scene.phot, mask=scene.mask)
    assert out.meta['lpiphot_neighbours'] == 'none'
