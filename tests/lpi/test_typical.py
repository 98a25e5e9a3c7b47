"""
The typical background behind stars, where it is skewed.
"""

import numpy as np
import pytest
from corrector_cases import EXACT, PSF, agree, make, no_outliers, oracle_rows
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF
from scipy.spatial import KDTree
from scipy.stats import norm, spearmanr

from lpiphot import LPIBackgroundCorrector
from lpiphot.datasets import load_m67
from lpiphot.lpi import correction, typical
from lpiphot.lpi.typical import FreePlaces, line_slope, typical_error
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation.environment import residual_around
from oracles.scenes import catalogue, structured_field

STAMP, WINDOW = (9, 11), (25, 27)


@pytest.mark.parametrize(('n_free', 'step'), [
    (None, 1), (None, 2), (None, 4), *((n, 1) for n in range(1, 8))])
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_places(dtype, n_free, step, monkeypatch):
    """
    Every place of the grid that is free, many or few, and no other.
    """
    # so small a window has all places, or would
    monkeypatch.setattr(typical, 'N_PLACES', 1000 if step == 1
                        else 25 * 27 / step ** 2)
    rng = np.random.default_rng(1)
    training = rng.exponential(size=(60, 67))
    mask = rng.random(training.shape) < 0.05
    corner = 8, 5
    order = rng.permutation(99)[:70]
    weights, mean = rng.normal(size=(2, 70)), rng.normal(size=70)
    n_good = 50
    # the star, and another on its stamp
    y, x = np.indices(STAMP) - np.reshape([4, 4], (2, 1, 1))
    psfs = np.exp([-0.5 * (y ** 2 + (x - 0.7) ** 2),
                   -0.5 * ((y - 1.2) ** 2 + (x - 1.9) ** 2)])
    cores = [psf > 0.1 * psf.max() for psf in psfs]
    grid = [(slice(corner[0] + j, corner[0] + j + STAMP[0]),
             slice(corner[1] + i, corner[1] + i + STAMP[1]))
            for j, i in np.ndindex(WINDOW) if j % step == i % step == 0]
    if n_free is not None:
        mask[:] = True
        for number in range(n_free):
            mask[grid[80 * number + 7 * (number % 3)]][cores[0]] = False
    places = FreePlaces(training, mask, np.array([[0, 0], corner]), STAMP,
                        WINDOW, np.dtype(dtype))
    good = rng.normal(size=n_good)
    given = order, mean, good, psfs, weights, [2.0, 3.0]
    seen = []

    def spy(*args):
        seen.append(args)
        return 7.0 + args[3]

    monkeypatch.setattr(typical, 'typical_error', spy)
    got = places.typical_errors(1, *given)
    for core, own, dcflux, value in zip(cores, weights, (2, 3), got,
                                        strict=True):
        backgrounds = [training[place].ravel()[order] - mean
                       for place in grid if not mask[place][core].any()]
        n = len(backgrounds)
        if n_free is None:
            assert 0.3 < n / len(grid) < 0.9
        else:
            assert n == (n_free if dcflux == 2 else 0)
        if n == 0:
            assert value == 0
            continue
        assert value == 7 + dcflux
        errors, predictions, prediction, sigma, share, n_apart = seen.pop(0)
        # sums of 70 products of some 1 in float32
        tolerance = 1e-5 if dtype == 'float32' else 1e-12
        assert_allclose(errors, backgrounds @ own, atol=tolerance)
        assert_allclose(predictions,
                        -np.array(backgrounds)[:, :n_good] @ own[:n_good],
                        atol=tolerance)
        assert_allclose(prediction, own[:n_good] @ (mean[:n_good] - good))
        assert sigma == dcflux
        assert share == n / len(grid)
        # a Gaussian of this width covers 4 pi pixels
        assert_allclose(n_apart, n * {1: 1, 2: 4, 4: 4 * np.pi}[step]
                        / (4 * np.pi), rtol=0.005)

    places = FreePlaces(training, np.ones_like(mask), np.array([[0, 0]]),
                        STAMP, WINDOW, np.dtype(dtype))
    assert_array_equal(places.typical_errors(0, *given), [0.0, 0.0])
    assert len(seen) == 0


def test_line():
    """
    Errors with a slope are those of the line at what is predicted; what
    chance can explain is none.
    """
    rng = np.random.default_rng(5)
    predictions = rng.normal(0, 2, 1000)
    noise = rng.normal(0, 1, 1000)
    errors = -0.5 - 0.3 * predictions + noise
    n_apart = 1000
    scatter = np.median(np.abs(predictions)) / norm.ppf(0.75)
    # The median is uncertain by 0.04 and the slope by 0.025, and what counts
    # is up to 2.4: three times 0.07
    for prediction in (-3, 0, 4):
        counts = prediction * (1 - (prediction / (4.685 * scatter)) ** 2) ** 2
        assert_allclose(
            typical_error(errors, predictions, prediction, 1.0, 0.5, n_apart),
            -0.5 - 0.3 * counts, atol=0.22)
    # where the prediction is unlike all others, no line says what is typical
    for prediction in (-50, 4.7 * scatter, 50):
        assert_allclose(
            typical_error(errors, predictions, prediction, 1.0, 0.5, n_apart),
            -0.5, atol=0.1)
    # bumps on some per cent of the places change nothing
    bumps = rng.random(1000) < 0.03
    bumped = [values + np.where(bumps, rng.exponential(50, 1000), 0)
              for values in (errors, predictions)]
    assert_allclose(typical_error(*bumped, 4, 1.0, 0.5, n_apart),
                    typical_error(errors, predictions, 4, 1.0, 0.5, n_apart),
                    atol=0.1)
    # twice as far off as by chance, as a median or a slope: 3/4 is left
    flat = np.sort(noise) + 2 * (np.pi / 2 - 0.5) ** 0.5 / 1000 ** 0.5
    flat -= np.median(noise)
    assert_allclose(typical_error(flat, np.zeros(1000), 4, 1.0, 0.5, 1000),
                    0.75 * np.median(flat))
    assert typical_error(flat, np.zeros(1000), 4, 2.5, 0.5, 1000) == 0
    steps = np.repeat([-0.5, 0.0, 0.5], 333)
    for slope, part in ((2, 0.75), (0.8, 0)):
        chance = slope * (3 * np.pi / 1000) ** 0.5
        assert_allclose(line_slope(chance * steps, steps, 1.0, 1000),
                        part * chance, atol=1e-12)
    # no three places, no line
    assert typical_error(np.array([3.0, 3.0]), np.array([1.0, 2.0]), 1, 1e-3,
                         0.5, 2) == pytest.approx(3)


@pytest.mark.parametrize('positions', [False, True])
@pytest.mark.parametrize('neighbours', [None, 'group_id'])
def test_exact(monkeypatch, neighbours, positions):
    """
    As by the dense oracle, if there are stars that were not found.
    """
    monkeypatch.setattr(correction, 'WEAK_PRIOR', 0.0)
    monkeypatch.setattr('lpiphot.lpi.psf.STEP', 1e-4)
    scene = structured_field(PSF, n_unseen=300)
    scene.phot['group_id'][6] = scene.phot['group_id'][5]
    keys = {'neighbours': neighbours, 'positions': positions,
            **no_outliers(monkeypatch)}
    result = make(**keys).run(scene.data, scene.phot, mask=scene.mask)
    rows, details = oracle_rows(scene, result, groups=bool(neighbours),
                                positions=positions, robust=True)
    typical = np.array([detail['typical'][0] for detail in details])
    dcflux = np.array([row['dcflux'] for row in rows])
    assert np.count_nonzero(typical < -0.1 * dcflux) > 5
    agree(result.table, rows, EXACT)

    single = make(**keys, dtype='float32')(scene.data, scene.phot,
                                           mask=scene.mask)
    # 1e-3 of an error, as without: see test_precision
    assert np.max(np.abs(single['cflux'] - result.table['cflux'])
                  / result.table['dcflux']) < 1e-3


def test_median(monkeypatch):
    """
    Fluxes are too high as often as too low, in a crowd half of which is
    not found.

    Stars of flux 0 where none was found, so that nothing but the
    background counts.
    """
    size, n, fwhm, limit = 320, 1500, 2.0, 40.0
    rng = np.random.default_rng(2)
    psf_model = CircularGaussianPRF(fwhm=fwhm)
    y, x = np.mgrid[:size, :size]
    data = rng.normal(0, 0.3, (size, size))
    crowd = rng.uniform(0, size, (4000, 2))
    flux = np.minimum(1 + rng.pareto(0.7, len(crowd)), 1000)
    for (x_0, y_0), f in zip(crowd, flux, strict=True):
        part = tuple(slice(max(int(a) - 8, 0), int(a) + 9)
                     for a in (y_0, x_0))
        data[part] += psf_model.evaluate(x[part], y[part], f, x_0, y_0, fwhm)
    found = flux > limit
    blank = rng.uniform(10, size - 10, (3 * n, 2))
    blank = blank[KDTree(crowd[found]).query(blank)[0] > fwhm][:n]
    phot = catalogue(*np.concatenate([blank, crowd[found]]).T,
                     np.concatenate([np.zeros(n), flux[found]]), 1)
    corrector = LPIBackgroundCorrector(psf_model, stamp_shape=17,
                                       window_shape=81, min_mask_flux=limit,
                                       condition_radius=8, n_threads=2)

    def median_z():
        table = corrector(data, phot)[:n]
        return np.median(table['cflux'] / table['dcflux'])

    z = median_z()
    monkeypatch.setattr(typical, 'typical_error', lambda *args: 0.0)
    z_of_mean = median_z()
    print(f'\nmedian z {z:+.3f}, of the mean {z_of_mean:+.3f}')
    # By chance 0.03, as n = 1500.
    assert abs(z) < 0.1
    assert z_of_mean < -0.1


def test_slope(monkeypatch):
    """
    Where more or less light than usual is about a place of a real cluster,
    fluxes are right as well: the aim is a rank correlation of less than 0.1.
    """
    data = load_m67().data
    found = PSFPipeline(fwhm=2.3)(data)
    stars = np.transpose([found.table['x_fit'], found.table['y_fit']])
    places = np.random.default_rng(1).uniform(10, 229, (2000, 2))
    places = places[KDTree(stars).query(places)[0] > 3][:1200]
    n = len(places)
    assert n == 1200
    phot = catalogue(*np.concatenate([places, stars]).T,
                     np.append(np.zeros(n), found.table['flux_fit']), 1)
    corrector = LPIBackgroundCorrector(found.psf_model, n_threads=2)

    def correlations():
        result = corrector.run(found.data_subtracted, phot, mask=found.mask)
        table = result.table[:n]
        around = residual_around(result.residual, places, fwhm=found.fwhm,
                                 mask=result.mask)
        return [spearmanr(table['cflux'] / table['dcflux'], other,
                          nan_policy='omit')[0]
                for other in (around, -table['fdb_pred'])]

    with_slope = correlations()
    monkeypatch.setattr(typical, 'line_slope', lambda *_: 0.0)
    without = correlations()
    print(f'\ncorrelation of z with the residual around, {with_slope[0]:+.2f}'
          f', without slope {without[0]:+.2f}; with what is predicted, '
          f'{with_slope[1]:+.2f}, {without[1]:+.2f}')
    assert np.max(np.abs(with_slope)) < 0.1
    assert np.max(without) < -0.1


def test_gaussian():
    """
    Of noise, chance is all there is.
    """
    data = np.random.default_rng(3).normal(0, 1, (300, 300))
    n = 100
    phot = catalogue(*np.random.default_rng(4).uniform(0, 299, (2, n)),
                     np.zeros(n), 1)
    psf_model = CircularGaussianPRF(fwhm=4)
    corrector = LPIBackgroundCorrector(psf_model, n_threads=2)
    moved = []
    with pytest.MonkeyPatch.context() as patch:
        def spy(*args):
            error = typical_error(*args)
            moved.append(error / args[3])
            return error

        patch.setattr(typical, 'typical_error', spy)
        corrector(data, phot)
    # of unit normal numbers with 0.04 of scatter, a third is beyond it
    assert np.median(np.abs(moved)) == 0
    assert np.std(moved) < 0.04
