"""
Parts of a window that are louder than what is about a star.
"""

from dataclasses import replace

import numpy as np
import pytest
from corrector_cases import (EXACT, PSF, agree, make, no_outliers, oracle_rows,
                             same)
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.lpi import correction, loudness
from lpiphot.lpi.noise import block_moments
from lpiphot.lpi.tiles import Region
from oracles.matched_filter import flux_error
from oracles.scenes import catalogue, star_image, structured_field


def test_block_loudness():
    """
    The root mean square of the good pixels about their median.
    """
    rng = np.random.default_rng(1)
    image = rng.normal(50, 3, (40, 50))
    mask = rng.random(image.shape) < 0.3
    mask[16:32, 16:32] = True
    mask[17, 17:32] = False  # 15
    image[mask] = np.nan
    *_, got = block_moments(image, mask, loudness=True)
    for j, i in np.ndindex(3, 4):
        part = image[16 * j:16 * j + 16, 16 * i:16 * i + 16]
        good = part[np.isfinite(part)]
        want = np.sqrt(np.mean((good - np.median(good)) ** 2))
        assert_allclose(got[j, i], np.nan if good.size < 16 else want)
    assert np.isnan(got[1, 1])


@pytest.mark.parametrize('keys', [
    {}, {'neighbours': 'group_id', 'positions': True}])
def test_exact(keys, monkeypatch):
    """
    As by the dense oracle, where some blocks are calmed.
    """
    monkeypatch.setattr(correction, 'WEAK_PRIOR', 0.0)
    monkeypatch.setattr('lpiphot.lpi.psf.STEP', 1e-4)
    scene = structured_field(PSF, loud=30.0)
    corrector = make(**no_outliers(monkeypatch), **keys)
    result = corrector.run(scene.data, scene.phot, mask=scene.mask)
    rows, _ = oracle_rows(scene, result, groups=bool(keys),
                          positions=bool(keys), robust=True)
    agree(result.table, rows, EXACT)

    monkeypatch.setattr(loudness, 'LIMIT', np.inf)
    without = corrector(scene.data, scene.phot, mask=scene.mask)
    change = result.table['dcflux'] / without['dcflux']
    x, y = scene.phot['x_fit'], scene.phot['y_fit']
    # the two whose windows have most of the loud part
    assert np.all(change[(x > 44) & (x < 62) & (y > 48) & (y < 62)] < 0.6)
    # in the loud part and beside it nothing changes, to the bit
    in_loud = (x > 68) & (y < 54)
    assert np.count_nonzero(in_loud) == 3
    same(result.table[in_loud], without[in_loud])


@pytest.mark.parametrize('keys', [
    {}, {'neighbours': 'group_id', 'positions': True}])
def test_exact_noise(keys, monkeypatch):
    """
    As by the dense oracle, where errors tell of several noises.
    """
    monkeypatch.setattr(correction, 'WEAK_PRIOR', 0.0)
    monkeypatch.setattr('lpiphot.lpi.psf.STEP', 1e-4)
    scene = structured_field(PSF, loud=2.0)
    error = np.full(scene.data.shape, 6.0)  # clouds and noise
    error[:48, 64:] *= 2.0
    error[60:, :40] *= 3.0  # more than there is
    error[66:69, 40:50] = np.nan
    corrector = make(gain=2.0, **no_outliers(monkeypatch), **keys)
    result = corrector.run(scene.data, scene.phot, error=error,
                           mask=scene.mask)
    bad = scene.mask | np.isnan(error)
    rows, _ = oracle_rows(replace(scene, mask=bad), result, gain=2.0,
                          groups=bool(keys), positions=bool(keys),
                          robust=True, error=error)
    agree(result.table, rows, EXACT)
    without = corrector(scene.data, scene.phot, mask=bad)
    change = np.abs(result.table['dcflux'] / without['dcflux'] - 1)
    assert change.max() > 0.1


def test_noise_beyond_the_window():
    """
    Only the noise of the window counts, not that of the rest of its blocks,
    and not that of the region, which may be larger.
    """
    shape = 160, 176
    variance = np.ones((10, 11))
    variance[7:, :] = variance[:, 8:] = 4.0  # pixels from 112 and from 128
    centres = np.array([[80, 70], [80, 98], [82, 70], [83, 70], [80, 99]])
    shapes = (15, 13), (49, 47)  # reach 31 and 29 pixels
    for first, last in (((0, 0), shape), ((48, 32), (128, 144))):
        part = tuple(slice(a // 16, b // 16) for a, b in
                     zip(first, last, strict=True))
        blocks = loudness.Loudness(
            Region(first, last), *np.zeros((2, 10, 11))[(slice(None), *part)],
            1.0, variance[part])
        assert_array_equal(blocks.variances(centres, *shapes),
                           [0, 0, 1, 1, 1])


@pytest.mark.parametrize('edge', [150, 144])
def test_noise_step(edge):
    """
    On both sides of a step of the noise, errors are those of their side.

    Blocks begin at 144; with an edge at 150, that at the edge is of both.
    """
    rng = np.random.default_rng(6)
    error = np.where(np.arange(300) < edge, 1.0, 3.0) * np.ones((300, 1))
    data = rng.normal(0, error)
    n = 150
    x = np.r_[rng.uniform(edge - 30, edge - 6, n),
              rng.uniform(edge + 6, edge + 30, n)]
    phot = catalogue(x, rng.uniform(20, 280, 2 * n), np.zeros(2 * n), 1)
    psf_model = CircularGaussianPRF(fwhm=3)
    corrector = LPIBackgroundCorrector(psf_model, min_mask_flux=100,
                                       n_threads=2)
    matched = flux_error(1.0, star_image(psf_model, 20.3, 20.1, (41, 41)))
    # with errors: 4 % of rounding, and blocks that are of both sides
    for keys, low, high in (({'error': error}, (0.9, 1.15), (0.9, 1.15)),
                            ({}, (1.9, 9), (0.5, 0.9))):
        table = corrector(data, phot, **keys)
        quiet, loud = np.split(np.asarray(table['dcflux']) / matched, 2)
        assert low[0] < np.median(quiet) < low[1]
        assert high[0] < np.median(loud) / 3 < high[1]


def test_structure_is_not_noise():
    """
    A loud part whose errors are those of the quiet one stays as it is, and
    where errors are the same everywhere nothing changes, to the bit.
    """
    scene = structured_field(PSF, loud=30.0)
    corrector = make()
    plain = corrector(scene.data, scene.phot, mask=scene.mask)
    error = np.full(scene.data.shape, 1.7)
    same(plain, corrector(scene.data, scene.phot, error=error,
                          mask=scene.mask))


def test_quiet_star():
    """
    Beside a loud part of the window, the error is that of the quiet one.
    """
    rng = np.random.default_rng(4)
    sigma, shape = 1.3, (256, 256)
    data = rng.normal(0, sigma, shape)
    data[:, 160:] *= 20
    psf_model = CircularGaussianPRF(fwhm=3)
    n = 60
    phot = catalogue(np.r_[rng.uniform(100, 130, n), rng.uniform(180, 240, n)],
                     rng.uniform(70, 190, 2 * n), np.zeros(2 * n), 1)
    table = LPIBackgroundCorrector(psf_model, n_threads=2,
                                   min_mask_flux=100 * sigma)(data, phot)
    matched = flux_error(sigma, star_image(psf_model, 20.3, 20.1, (41, 41)))
    quiet, loud = np.split(np.asarray(table['dcflux']) / matched, 2)
    # A window with a third of it 3 to 6 times as loud has 2 to 4 times the
    # scatter of the quiet part, and 12 times if that is left as it is.
    assert np.median(quiet) < 4
    assert 10 < np.median(loud) < 21
    z = np.split(np.asarray(table['cflux'] / table['dcflux']), 2)
    assert np.abs(z).max() < 5


@pytest.mark.parametrize('scale', [1, 3.7, 1e-6])
def test_scale(scale, monkeypatch):
    """
    Steps of 2 are steps of the noise, so that units do not matter.
    """
    scene = structured_field(PSF, loud=30.0)
    phot = scene.phot.copy()
    for name in ('flux_fit', 'flux_err'):
        phot[name] = phot[name] * scale
    limits = {name: value * scale for name, value in
              {'mask_threshold': 5.0, 'min_mask_flux': 2000.0}.items()}
    keys = no_outliers(monkeypatch)
    out = make(**limits, **keys)(scene.data * scale, phot, mask=scene.mask)
    want = make(**keys)(scene.data, scene.phot, mask=scene.mask)
    published = make(residual_threshold=1e9)(scene.data, scene.phot,
                                             mask=scene.mask)
    assert np.any(want['dcflux'] < 0.6 * published['dcflux'])
    assert_array_equal(out['dnt'], want['dnt'])
    # rounding of products times the condition number
    for name in ('cflux', 'dcflux'):
        assert_allclose(out[name] / scale, want[name], rtol=1e-7,
                        atol=1e-7 * np.median(want['dcflux']))
