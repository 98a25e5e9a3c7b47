"""
Positions solved for together with fluxes.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData
from astropy.table import QTable
from corrector_cases import EXACT, PSF, agree, make, oracle_rows, same
from numpy.testing import assert_allclose
from photutils.psf import (CircularGaussianPRF, GriddedPSFModel, ImagePSF,
                           MoffatPSF, PSFPhotometry)
from scipy.ndimage import gaussian_filter

from lpiphot import LPIBackgroundCorrector
from lpiphot.lpi import correction
from lpiphot.lpi import psf as lpi_psf
from lpiphot.lpi.psf import Sources, psf_gradients, psf_stamps
from oracles.scenes import structured_field

NAMES = ('cx', 'cy', 'dcx', 'dcy')


@pytest.fixture(scope='module')
def scene():
    """
    Clouds, noise, and stars of every kind, two of them in a group.
    """
    scene = structured_field(PSF)
    scene.phot['group_id'][[5, 6]] = 77
    scene.phot['x_fit'][[0, 5]] += [0.2, -0.1]
    return scene


def agree_too(table, rows, rtol):
    """
    All columns; a star without flux has no position.
    """
    agree(table, rows, rtol)
    for row, want in zip(table, rows, strict=True):
        if want['cflux'] <= 0:
            assert all(np.isnan(row[name]) for name in NAMES)
            continue
        for name in NAMES:
            assert_allclose(row[name], want[name], rtol=rtol,
                            atol=rtol * want['d' + name.removeprefix('d')])


@pytest.mark.parametrize('groups', [False, True])
def test_exact(scene, monkeypatch, groups):
    """
    As by the dense oracle: all three of each star of a group.
    """
    monkeypatch.setattr(correction, 'WEAK_PRIOR', 0.0)
    monkeypatch.setattr('lpiphot.lpi.psf.STEP', 1e-4)
    corrector = make(positions=True,
                     neighbours='group_id' if groups else None)
    result = corrector.run(scene.data, scene.phot, mask=scene.mask)
    rows, _ = oracle_rows(scene, result, positions=True, groups=groups)
    agree_too(result.table, rows, EXACT)

    # The usual step is 0.01 of sigmas of 0.85 and more: a sixth of the
    # square is 3e-5; at the edge of the image, shapes are less different.
    monkeypatch.undo()
    agree_too(corrector(scene.data, scene.phot, mask=scene.mask), rows, 1e-3)
    # back by what the catalogue is off
    assert_allclose(result.table['cx'][0], 30.3, rtol=0,
                    atol=4 * result.table['dcx'][0])
    assert result.table['dcx'][0] < 0.02


def test_default(scene):
    """
    Positions are not solved for unless asked for.
    """
    out = make()(scene.data, scene.phot, mask=scene.mask)
    assert not set(NAMES) & set(out.colnames)
    assert out.meta['lpiphot_positions'] is False


def test_units_and_round_trip(scene, tmp_path):
    """
    Positions have the unit of those of the table, and are plain columns.
    """
    corrector = make(positions=True)
    want = corrector(scene.data, scene.phot, mask=scene.mask)
    phot = scene.phot.copy()
    for name in ('x_fit', 'y_fit'):
        phot[name] = phot[name] * u.pix
    out = corrector(scene.data, phot, mask=scene.mask)
    same(out, want)
    for name in NAMES:
        assert out[name].unit == u.pix
        assert_allclose(out[name].value, want[name], rtol=EXACT)
    phot['x_fit'] = phot['x_fit'].value
    out_y = corrector(scene.data, phot, mask=scene.mask)
    assert [getattr(out_y[name], 'unit', None) for name in NAMES] == [
        None, u.pix, None, u.pix]
    phot['y_fit'] = phot['y_fit'].to(u.mpix)
    in_mpix = corrector(scene.data, phot, mask=scene.mask)
    for name in ('cy', 'dcy'):
        assert in_mpix[name].unit == u.mpix
        assert_allclose(in_mpix[name].to_value(u.pix), want[name], rtol=EXACT)
    depth, want_depth = (corrector.depth(scene.data, table, step=60,
                                         mask=scene.mask).image
                         for table in (phot, scene.phot))
    assert_allclose(depth, want_depth, rtol=EXACT)
    for suffix in ('ecsv', 'parquet'):
        path = tmp_path / f'table.{suffix}'
        out.write(path)
        again = QTable.read(path)
        assert_allclose(again['cx'].value, want['cx'], rtol=EXACT)
        assert again.meta == out.meta


def test_single_pixel(scene):
    """
    A star on the middle of the one pixel with data has a flux, no position.
    """
    mask = scene.mask.copy()
    y, x = 41, 30
    mask[y - 8:y + 9, x - 8:x + 9] = True
    mask[y, x] = False
    phot = scene.phot.copy()
    phot['x_fit'][0], phot['y_fit'][0] = x, y
    out = make(positions=True)(scene.data, phot, mask=mask)
    want = make()(scene.data, phot, mask=mask)
    assert out['kpred'][0] == 1
    # the weak prior, 1e-6, is what is different
    assert_allclose(out['dcflux'][0], want['dcflux'][0], rtol=1e-5)
    assert_allclose(out['cflux'][0], want['cflux'][0], rtol=0,
                    atol=1e-4 * want['dcflux'][0])
    assert all(np.isnan(out[name][0]) for name in NAMES)
    assert np.isfinite(out['cx'][1])


def test_no_derivatives(scene):
    """
    PSFs that fits have left without a slope, or with no light, have no
    position, and spoil none of those that are solved with them.
    """
    phot = scene.phot.copy()
    phot['group_id'] = np.arange(len(phot))
    phot['group_id'][:2] = 77
    phot['x_fit'][1] = phot['x_fit'][0] + 3
    phot['y_fit'][1] = phot['y_fit'][0]
    model = MoffatPSF(alpha=2.0, beta=3.0)
    phot['alpha_fit'] = 2.0
    phot['alpha_fit'][1] = 0.0  # it is NaN everywhere
    keys = {'positions': True, 'neighbours': 'group_id'}
    out = make(model, **keys)(scene.data, phot, mask=scene.mask)
    phot['flux_fit'][1] = np.nan  # in no group
    alone = make(model, **keys)(scene.data, phot, mask=scene.mask)
    same(out[[0]], alone[[0]], rtol=EXACT)
    assert_allclose(out['cx'][0], alone['cx'][0])

    phot['fwhm_fit'] = 2.5
    phot['fwhm_fit'][0] = 1e-6  # all in one pixel, far from its edges
    phot['x_fit'][0], phot['y_fit'][0] = 30, 41
    out = make(CircularGaussianPRF(fwhm=2.5), **keys)(
        scene.data, phot, mask=scene.mask)
    assert np.isfinite(out['cflux'][0])
    assert np.isnan(out['cx'][0])


def test_threads_and_order(scene):
    """
    Neither changes what a star gets.
    """
    keys = {'positions': True, 'neighbours': 'group_id'}
    want = make(**keys)(scene.data, scene.phot, mask=scene.mask)
    out = make(**keys, n_threads=2)(scene.data, scene.phot[::-1],
                                    mask=scene.mask)
    same(out[::-1], want, rtol=EXACT)
    for name in NAMES:
        assert_allclose(out[name][::-1], want[name], rtol=1e-6)


def gaussian_stack():
    """
    A model whose FWHM changes across the image, from 3 to 5 pixels.
    """
    y, x = np.mgrid[-24:25, -24:25] / 2.0
    images = [CircularGaussianPRF(fwhm=fwhm)(x, y) for fwhm in (3, 3, 5, 5)]
    return GriddedPSFModel(NDData(np.array(images), meta={
        'grid_xypos': [(0, 0), (0, 100), (100, 0), (100, 100)],
        'oversampling': 2}))


@pytest.mark.parametrize('model', [
    CircularGaussianPRF(fwhm=2.2), gaussian_stack(),
    ImagePSF(gaussian_stack().data[0], oversampling=2)],
    ids=['analytic', 'gridded', 'image'])
def test_gradients(model):
    """
    Moving a star by a tenth of a pixel adds a tenth of the derivative.
    """
    psf = lpi_psf.PSF(model)
    sources = Sources(np.array([30.5, 70.2]), np.array([40.1, 20.9]),
                      np.ones(2), {})
    centres = np.array([[40, 30], [21, 71]])
    gradients = psf_gradients(psf, sources, (21, 19), centres)
    assert gradients.shape == (2, 2, 21, 19)
    for gradient, name in zip(gradients, ('x', 'y'), strict=True):
        step = 0.05
        moved = [psf_stamps(psf, sources._replace(
            **{name: getattr(sources, name) + sign * step}), (21, 19),
            centres) for sign in (1, -1)]
        # (0.05 / sigma) ** 2 / 6, sigma 1.1 and more, of the largest
        assert_allclose((moved[0] - moved[1]) / (2 * step), gradient,
                        rtol=0, atol=2e-3 * np.abs(gradient).max())


def test_flux_of_moved_stars():
    """
    A flux is right although its position was not.

    By one linear step from 0.4 pixels off, a quarter of sigma, it is too
    low by 0.4 ** 2 / (4 * 1.7 ** 2), 1.4 %, and more where the PSF's middle
    counts most; that is 4 sigma here.
    """
    rng = np.random.default_rng(3)
    model = CircularGaussianPRF(fwhm=4.0)
    x, y = (grid.ravel() + rng.uniform(-0.5, 0.5, grid.size)
            for grid in np.mgrid[15:140:24, 15:140:24].astype(float))
    phi = rng.uniform(0, 2 * np.pi, x.size)
    rows, columns = np.mgrid[:151, :151]
    data = rng.normal(0, 1, rows.shape)
    for x_1, y_1 in zip(x, y, strict=True):
        data += model.evaluate(columns, rows, 2000.0, x_1, y_1, 4.0)
    phot = QTable({'x_fit': x + 0.4 * np.cos(phi),
                   'y_fit': y + 0.4 * np.sin(phi),
                   'flux_fit': np.full(x.size, 1900.0)})
    one, two = (LPIBackgroundCorrector(
        model, stamp_shape=21, window_shape=75, condition_radius=10,
        positions=positions)(data, phot) for positions in (False, True))
    z = [(out['cflux'] - 2000) / out['dcflux'] for out in (one, two)]
    # 36 stars: 0.2 by chance
    assert np.median(z[0]) < -3
    assert abs(np.median(z[1])) < 0.7
    for name, true in (('x', x), ('y', y)):
        z = (two[f'c{name}'] - true) / two[f'dc{name}']
        assert abs(np.median(z)) < 0.7
        assert np.std(z) < 1.5


def test_nothing_there():
    """
    Where there is no star, none is moved: noise has no position.
    """
    rng = np.random.default_rng(1)
    data = gaussian_filter(rng.normal(size=(121, 131)), 4.0)
    data *= 5 / data.std()
    data += rng.normal(0, 1.7, data.shape)
    phot = QTable({'x_fit': [60.0], 'y_fit': [60.0], 'flux_fit': [0.0]})
    known, unknown = (LPIBackgroundCorrector(
        CircularGaussianPRF(fwhm=4.0), stamp_shape=21, window_shape=75,
        condition_radius=10, positions=positions).depth(
            data, phot, step=8).image for positions in (False, True))
    # never less by what is unknown; more at the edges, where the position
    # of half a star is not apart from its flux
    assert np.min(unknown / known) > 0.999
    assert np.max(unknown / known) < 1.5


def test_calibration():
    """
    On clouds, positions are better than those fitted, and errors right.
    """
    rng = np.random.default_rng(8)
    model = CircularGaussianPRF(fwhm=4.0)
    shape, sigma, flux = (257, 255), 1.7, 900.0
    y, x = (grid.ravel() + rng.uniform(-0.5, 0.5, grid.size)
            for grid in np.mgrid[18:245:22, 18:245:22].astype(float))
    psf = lpi_psf.PSF(model)
    sources = Sources(x, y, np.full(x.size, flux), {})
    data = gaussian_filter(rng.normal(size=shape), 3.0)
    data *= 6.0 / data.std()
    data += sigma * rng.normal(size=shape)
    for stamp, x_1, y_1 in zip(psf_stamps(psf, sources, (31, 31)), x, y,
                               strict=True):
        iy, ix = int(y_1 + 0.5), int(x_1 + 0.5)
        data[iy - 15:iy + 16, ix - 15:ix + 16] += flux * stamp
    phot = PSFPhotometry(model, (7, 7))(
        data, error=np.full(shape, sigma),
        init_params=QTable({'x': x, 'y': y, 'flux': sources.flux}))
    out = LPIBackgroundCorrector(model, stamp_shape=25, condition_radius=12,
                                 window_shape=101, positions=True)(data, phot)
    fixed = LPIBackgroundCorrector(model, stamp_shape=25, condition_radius=12,
                                   window_shape=101)(data, phot)

    def width(z):
        return np.subtract(*np.percentile(z, [75, 25])) / 1.349

    before = np.concatenate([phot['x_fit'] - x, phot['y_fit'] - y])
    after = np.concatenate([out['cx'] - x, out['cy'] - y])
    z = after / np.concatenate([out['dcx'], out['dcy']])
    plain = before / np.concatenate([phot['x_err'], phot['y_err']])
    flux_z, fixed_z = ((table['cflux'] - flux) / table['dcflux']
                       for table in (out, fixed))
    print(f'\n{x.size} stars on clouds: position errors {width(before):.3f} '
          f'before, {width(after):.3f} after; widths of z {width(plain):.2f} '
          f'and {width(z):.2f}; of flux {width(flux_z):.2f}, with positions '
          f'as fitted {width(fixed_z):.2f}; dcflux '
          f'{np.median(out["dcflux"] / fixed["dcflux"]):.3f} times')
    assert width(after) < 0.7 * width(before)
    # 242 coordinates: 1.17 / sqrt(242) = 0.075 by chance
    assert width(plain) > 2
    assert 0.75 < width(z) < 1.25
    assert abs(np.median(z)) < 0.25
    assert 0.7 < width(flux_z) < 1.25
