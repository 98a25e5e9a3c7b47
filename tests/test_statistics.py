"""
Bias, width and size of the errors on fields of known truth.

The whole pipeline runs: photutils fits the stars, lpiphot corrects
them with the published stamp (33) and window (129).
"""

import numpy as np
import pytest
from astropy.table import QTable
from photutils.psf import CircularGaussianPSF, PSFPhotometry

from lpiphot import LPIBackgroundCorrector
from oracles.matched_filter import flux_error
from oracles.scenes import filaments, star_image

FWHM = 4.0
PSF = CircularGaussianPSF(fwhm=FWHM)


def fit(data, x, y, flux, error):
    """
    PSF photometry at fixed positions; returns photutils' table.
    """
    model = PSF.copy()
    model.x_0.fixed = True
    model.y_0.fixed = True
    init = QTable({'x': x, 'y': y, 'flux': flux})
    return PSFPhotometry(model, (11, 11))(data, error=error, init_params=init)


def width(z):
    """
    The robust standard deviation.
    """
    return np.subtract(*np.percentile(z, [75, 25])) / 1.349


def add_stars(x, y, flux, shape):
    """
    The image of stars, each on its own cut-out of 41 pixels.
    """
    image = np.zeros(shape)
    for x_1, y_1 in zip(x, y, strict=True):
        iy, ix = round(y_1), round(x_1)
        part = (slice(max(iy - 20, 0), iy + 21), slice(max(ix - 20, 0),
                                                       ix + 21))
        image[part] += star_image(PSF, x_1 - part[1].start,
                                  y_1 - part[0].start, image[part].shape, flux)
    return image


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_flat_white_noise(dtype):
    """
    On flat white noise LPI changes nothing.
    """
    sigma, flux, shape = 1.7, 600.0, (190, 192)
    rng = np.random.default_rng(1717)
    yy, xx = np.mgrid[20:180:25, 18:180:26]
    n = yy.size
    x = xx.ravel() + rng.uniform(-0.5, 0.5, n)
    y = yy.ravel() + rng.uniform(-0.5, 0.5, n)
    data = add_stars(x, y, flux, shape) + sigma * rng.normal(size=shape)
    phot = fit(data, x, y, np.full(n, flux), np.full(shape, sigma))
    corrector = LPIBackgroundCorrector(PSF, mask_threshold=0.05 * sigma,
                                       min_mask_flux=flux, n_threads=2,
                                       rng=1, dtype=dtype)
    out = corrector(data, phot)

    matched = flux_error(sigma, star_image(PSF, 20.0, 20.0, (41, 41)))
    ratio = np.median(out['dcflux']) / matched
    moved = (out['cflux'] - out['flux_fit']) / out['dcflux']
    z = (out['cflux'] - flux) / out['dcflux']
    print(f'\nwhite noise, {n} stars, {dtype}: dcflux / matched filter '
          f'{ratio:.4f}, cflux - flux_fit {np.std(moved):.3f} dcflux, '
          f'width of z {width(z):.3f}, of plain z '
          f'{width((phot["flux_fit"] - flux) / phot["flux_err"]):.3f}')
    # The noise of an image of 190 x 192 is 1.7 to 0.4 %, errors learned
    # from 129 x 129 of it to 0.6 %. The bound is the contract's.
    assert abs(ratio - 1) < 0.03
    # A regression on some 800 of 16641 samples predicts noise with a
    # variance of 800 / 16641, so moves a flux by some 0.22 dcflux (the
    # paper has 0.23 for its eq. 11 on an uncrowded field).
    assert np.std(moved) < 0.35
    # mean of n = 49 such moves: 0.03 by chance
    assert abs(np.mean(moved)) < 0.12
    assert np.all(out['dnt'] == 0)


SKY, GAIN, HEIGHT, FLUX = 400.0, 1.7, 50.0, 4000.0
N_FIELDS = 9
BRIGHT, DARK = 69, 187  # 118 pixels apart
COLUMNS = (20, 44, 94, 128, 162, 212, 236)


def filament_field(seed):
    """
    One noise realisation: the table of a field of two filaments.
    """
    rng = np.random.default_rng(seed)
    shape = 192, 256
    # A grid at whole pixels, each row shifted by one pixel across the
    # filaments. A star hides a radius of six; more stars on a filament
    # would hide it from the training, so only every other row has them.
    x, y = [], []
    for row in range(8):
        columns = np.array(COLUMNS if row % 2 else (*COLUMNS, BRIGHT, DARK))
        x.extend(columns + (row + seed) % 7 - 3.0)
        y.extend(np.full(columns.size, 20.0 + 22 * row))
    x, y = np.array(x), np.array(y)
    truth = SKY + filaments(shape, BRIGHT, DARK, HEIGHT) + add_stars(
        x, y, FLUX, shape)
    data = rng.poisson(GAIN * truth) / GAIN - SKY
    error = np.sqrt(truth / GAIN)
    phot = fit(data, x, y, np.full(x.size, FLUX), error)
    corrector = LPIBackgroundCorrector(
        PSF, mask_threshold=1.0, min_mask_flux=FLUX, gain=GAIN, n_threads=2,
        rng=seed)
    out = corrector(data, phot, background=np.full(shape, SKY))
    out['plain_z'] = (out['flux_fit'] - FLUX) / out['flux_err']
    out['lpi_z'] = (out['cflux'] - FLUX) / out['dcflux']
    return out


@pytest.fixture(scope='module')
def filament_stars():
    """
    Several realisations, stacked.
    """
    tables = [filament_field(seed) for seed in range(N_FIELDS)]
    return {name: np.concatenate([np.asarray(t[name]) for t in tables])
            for name in ('x_fit', 'plain_z', 'lpi_z', 'dcflux', 'dcflux_diag',
                         'fdb_res', 'fdb_pred', 'dnt')}


def places(x):
    """
    Stars on the crest of the bright and the dark filament, and away.
    """
    sigma = 6.7 / 2.355
    return {'bright': np.abs(x - BRIGHT) < sigma,
            'dark': np.abs(x - DARK) < sigma,
            # beyond the filament's and the star's own width
            'away': np.minimum(np.abs(x - BRIGHT), np.abs(x - DARK)) > 15}


def test_filaments(filament_stars):
    """
    Section 4.1: plain z follow the filaments, LPI's are standard normal.
    """
    stars = filament_stars
    plain, lpi = stars['plain_z'], stars['lpi_z']
    n = len(lpi)
    assert not np.any(np.isnan(lpi))
    where = places(stars['x_fit'])
    print(f'\nfilaments, {n} stars: plain |z| up to {np.abs(plain).max():.1f},'
          f' LPI |z| up to {np.abs(lpi).max():.1f}; widths '
          f'{width(plain):.3f}, {width(lpi):.3f}; LPI median '
          f'{np.median(lpi):+.3f}')
    for name, chosen in where.items():
        print(f'  {name:6} {chosen.sum():3} stars: mean z plain '
              f'{plain[chosen].mean():+6.2f}, LPI {lpi[chosen].mean():+5.2f}; '
              f'LPI width {width(lpi[chosen]):.2f}; median dcflux '
              f'{np.median(stars["dcflux"][chosen]):.1f}, diagonal '
              f'{np.median(stars["dcflux_diag"][chosen]):.1f}')

    # the problem is there ...
    assert plain[where['bright']].mean() > 6
    assert plain[where['dark']].mean() < -6
    # ... and gone. A width from n stars scatters by 1.17 / sqrt(n),
    # 0.049 for n = 576, so that a right width fails in 4 % of seeds,
    # and one of 1.2 passes in 4 %.
    assert n == 576
    assert 0.9 < width(lpi) < 1.1
    # mean of n: 1 / sqrt(n) = 0.037; the bound is the contract's
    assert abs(np.median(lpi)) < 0.1
    assert np.mean(np.abs(lpi) > 5) < 0.01


@pytest.mark.parametrize('place', ['bright', 'dark'])
def test_flat_across_filaments(filament_stars, place):
    """
    LPI's mean z on a filament is that off it.
    """
    where = places(filament_stars['x_fit'])
    lpi, plain = filament_stars['lpi_z'], filament_stars['plain_z']
    on, away = where[place], where['away']
    step = lpi[on].mean() - lpi[away].mean()
    chance = np.hypot(lpi[on].std() / np.sqrt(on.sum()),
                      lpi[away].std() / np.sqrt(away.sum()))
    before = plain[on].mean() - plain[away].mean()
    print(f'\n{place}: LPI z on - off {step:+.2f} +- {chance:.2f}; '
          f'plain {before:+.2f}')
    # A filament's height is recovered to a few per cent at this SNR of
    # 3 (section 4.2, Figure 7); 3 sigma of chance on top of that.
    assert abs(step) < 0.05 * abs(before) + 3 * chance
    assert chance < 0.25


def test_filament_terms(filament_stars):
    """
    Both terms see the filament, with the sign of residual = data - model.
    """
    stars = filament_stars
    where = places(stars['x_fit'])
    # On a bright filament the flux comes down: fdb_pred < 0 < fdb_res
    # (the fit has taken the filament's light: the residual is negative).
    assert np.median(stars['fdb_pred'][where['bright']]) < 0
    assert np.median(stars['fdb_pred'][where['dark']]) > 0
    assert np.median(stars['fdb_res'][where['bright']]) > 0
    assert np.median(stars['fdb_res'][where['dark']]) < 0
    # Off-diagonal terms make the error larger, and on a dark filament as
    # much as on a bright one (Figure 6, last panel).
    growth = stars['dcflux'] / stars['dcflux_diag']
    bright, dark = (np.median(growth[where[place]])
                    for place in ('bright', 'dark'))
    assert bright > 1.1
    assert abs(bright / dark - 1) < 0.05
