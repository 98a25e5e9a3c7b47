"""
The typical background behind stars, where it is skewed.
"""

import numpy as np
import pytest
from corrector_cases import EXACT, PSF, agree, make, no_outliers, oracle_rows
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF
from scipy.spatial import KDTree

from lpiphot import LPIBackgroundCorrector
from lpiphot.lpi import correction, residual
from lpiphot.lpi.typical import FreePlaces
from oracles.scenes import catalogue, structured_field

STAMP, WINDOW = (9, 11), (25, 27)


@pytest.mark.parametrize('n_free', [None, 1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_places(dtype, n_free):
    """
    Every place of the grid that is free, many or few, and no other.
    """
    rng = np.random.default_rng(1)
    training = rng.exponential(size=(60, 67))
    mask = rng.random(training.shape) < 0.05
    corner = 8, 5
    order = rng.permutation(99)[:70]
    weights, mean = rng.normal(size=70), rng.normal(size=99)
    y, x = np.indices(STAMP) - np.reshape([4, 4], (2, 1, 1))
    psf = np.exp(-0.5 * (y ** 2 + (x - 0.7) ** 2))
    core = psf > 0.1 * psf.max()
    # so small a window has all places
    grid = [(slice(corner[0] + j, corner[0] + j + STAMP[0]),
             slice(corner[1] + i, corner[1] + i + STAMP[1]))
            for j, i in np.ndindex(WINDOW)]
    if n_free is not None:
        mask[:] = True
        for number in range(n_free):
            mask[grid[80 * number + 7 * (number % 3)]][core] = False
    errors = [weights @ (training[place].ravel() - mean)[order]
              for place in grid if not mask[place][core].any()]
    if n_free is None:
        assert 200 < len(errors) < 600
    else:
        assert len(errors) == n_free
    places = FreePlaces(training, mask, np.array([[0, 0], corner]), STAMP,
                        WINDOW, np.dtype(dtype))
    got = places.typical_errors(1, order, mean, psf[np.newaxis],
                                weights[np.newaxis], np.array([1e-6]))
    # as scattered as dcflux: nothing is shrunk. Sums of 70 products of
    # some 1 in float32
    assert_allclose(got, np.median(errors),
                    atol=1e-5 if dtype == 'float32' else 1e-12)

    places = FreePlaces(training, np.ones_like(mask), np.array([[0, 0]]),
                        STAMP, WINDOW, np.dtype(dtype))
    assert_array_equal(places.typical_errors(
        0, order, mean, psf[np.newaxis], weights[np.newaxis],
        np.array([1e-6])), 0)


@pytest.mark.parametrize('positions', [False, True])
@pytest.mark.parametrize('neighbours', [None, 'group_id'])
def test_exact(monkeypatch, neighbours, positions):
    """
    As by the dense oracle, if there are stars that were not found.
    """
    monkeypatch.setattr(correction, 'WEAK_PRIOR', 0.0)
    monkeypatch.setattr(residual, 'STEP', 1e-4)
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
    monkeypatch.setattr(FreePlaces, 'typical_errors',
                        lambda *args: np.zeros(len(args[4])))
    z_of_mean = median_z()
    print(f'\nmedian z {z:+.3f}, of the mean {z_of_mean:+.3f}')
    # By chance 0.03, as n = 1500.
    assert abs(z) < 0.1
    assert z_of_mean < -0.1


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
    errors = FreePlaces.typical_errors
    with pytest.MonkeyPatch.context() as patch:
        def spy(*args):
            moved.append(errors(*args)[0] / args[6][0])
            return errors(*args)

        patch.setattr(FreePlaces, 'typical_errors', spy)
        corrector(data, phot)
    # of unit normal numbers with 0.04 of scatter, a third is beyond it
    assert np.median(np.abs(moved)) == 0
    assert np.std(moved) < 0.04
