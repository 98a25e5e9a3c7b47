"""
Coverage, chi-square and power of infilled pixels, for known covariance.

The field is stationary and Gaussian, so that the distribution of a hole
given all other pixels is known; LPI learns it from the pixels alone.
"""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, median_filter

from lpiphot import LPIImputer
from lpiphot.datasets import load_horsehead
from oracles.dense_infill import gaussian_field

SHAPE = 256, 256
N_FIELDS = 2


def smooth_and_noise(k):
    """
    Blobs of a width of 3 pixels (1 sigma) and 3 times the noise of 1.7.
    """
    power = np.exp(-(2 * np.pi * 3 * k) ** 2)
    return 1.7 ** 2 * (9 * power / power.mean() + 1)


def clouds(k):
    """
    A power law, as of interstellar clouds, without noise.
    """
    power = np.where(k > 0, k, np.inf) ** -3.0
    return 9 * power / power.mean()


class Hole:
    """
    A hole in the middle, and its true distribution given the pixels
    within 10 pixels of it.
    """

    def __init__(self, radius, covariance):
        y, x = np.indices(SHAPE)
        distance = np.hypot(y - 128, x - 126)
        self.mask = distance <= radius
        # mean square of the step from a pixel to the next
        self.steps = 2 * (covariance[0, 0] - covariance[0, 1])
        self.near = (distance < radius + 10) & ~self.mask
        pixels = np.vstack([np.argwhere(self.near), np.argwhere(self.mask)])
        dy, dx = (axis[:, np.newaxis] - axis for axis in pixels.T)
        joint = covariance[dy, dx]
        n = np.count_nonzero(self.near)
        self.weights = np.linalg.solve(joint[:n, :n], joint[:n, n:]).T
        self.cov = joint[n:, n:] - self.weights @ joint[:n, n:]

    def mean(self, image):
        return self.weights @ image[self.near]


@pytest.fixture(scope='module', params=[
    (smooth_and_noise, 7), (clouds, 7), (clouds, 17)],
    ids=['smooth, one block', 'clouds, one block', 'clouds, blocks'])
def solved(request):
    """
    A hole in several fields: truth, LPI's mean, sigma and draws.
    """
    power, radius = request.param
    hole = Hole(radius, gaussian_field(SHAPE, power, 0)[1])
    rows = []
    for seed in range(N_FIELDS):
        # one field serves four holes, as it is periodic
        image, _ = gaussian_field(SHAPE, power, seed)
        for shift in [(0, 0), (128, 0), (0, 128), (128, 128)]:
            field = np.roll(image, shift, (0, 1))
            data = np.where(hole.mask, np.nan, field)
            result = LPIImputer(rng=seed).run(data, n_draws=40)
            rows.append((field[hole.mask], result.mean[hole.mask],
                         result.std[hole.mask],
                         result.draws[:, hole.mask], hole.mean(field)))
    return hole, rows


def test_coverage(solved):
    """
    1 sigma of the truth is where it should be, and the mean is nearly
    the best there is.
    """
    hole, rows = solved
    z = np.array([(truth - mean) / std for truth, mean, std, *_ in rows])
    best = [truth - mean for truth, *_, mean in rows]
    ours = [truth - mean for truth, mean, *_ in rows]
    true_std = np.sqrt(hole.cov.diagonal())
    best_z = np.array(best) / true_std
    print(f'\nz rms {np.sqrt(np.mean(z ** 2)):.3f}, with the truth '
          f'{np.sqrt(np.mean(best_z ** 2)):.3f}; error / best error '
          f'{np.std(ours) / np.std(best):.3f}; sigma / true sigma '
          f'{np.mean([std / true_std for _, _, std, *_ in rows]):.3f}; '
          f'within 1 sigma {np.mean(np.abs(z) < 1):.3f}')
    # The same holes scatter about the truth by chance: compared with
    # this, covariances of 129 x 129 samples cost some 5 %.
    ratio = np.sqrt(np.mean(z ** 2) / np.mean(best_z ** 2))
    assert 0.93 < ratio < 1.15
    assert 0.95 < np.std(ours) / np.std(best) < 1.12
    ratio = np.mean([std / true_std for _, _, std, *_ in rows])
    assert 0.90 < ratio < 1.08
    assert abs(np.mean(np.abs(z) < 1) - np.mean(np.abs(best_z) < 1)) < 0.05


def test_chi2_of_draws(solved):
    """
    Draws about their mean have the true covariance, on all scales.
    """
    hole, rows = solved
    factor = np.linalg.cholesky(hole.cov)
    chi2 = [np.mean(np.linalg.solve(factor, (draws - mean).T) ** 2)
            for _, mean, _, draws, _ in rows]
    print(f'\nchi2 of draws per pixel {np.mean(chi2):.3f}')
    # 8 x 40 draws of 149 pixels and more: 0.5 % by chance; the noise
    # of the training infill is not exactly that of the field
    assert 0.94 < np.mean(chi2) < 1.06


def test_power_of_draws(solved):
    """
    On the scale of the hole draws vary as the field does.
    """
    hole, rows = solved
    # the four strongest modes of what is unknown, and of the noise
    values, modes = np.linalg.eigh(hole.cov)
    deviations = np.concatenate([draws - mean
                                 for _, mean, _, draws, _ in rows])
    power = np.mean((deviations @ modes) ** 2, axis=0) / values
    n = len(values)
    print(f'\npower / true: strongest 4 modes {power[-4:].mean():.3f}, '
          f'middle {power[n // 3:2 * n // 3].mean():.3f}, '
          f'weakest third {power[:n // 3].mean():.3f}')
    # 320 draws of 4 modes: 3 % by chance, but the local variance of a
    # field that has power on all scales is another from place to place
    assert 0.75 < power[-4:].mean() < 1.2
    assert abs(power[n // 3:2 * n // 3].mean() - 1) < 0.06
    assert abs(power[:n // 3].mean() - 1) < 0.1


def test_field_with_draws(solved):
    """
    Draws are as rough as the field, and the mean is smoother.
    """
    hole, rows = solved
    beside = np.diff(np.nonzero(hole.mask)[0]) == 0

    def steps(values):
        return np.mean(np.diff(values)[..., beside] ** 2)

    truth = hole.steps
    of_draws = np.mean([steps(draws) for *_, draws, _ in rows]) / truth
    of_mean = np.mean([steps(mean) for _, mean, *_ in rows]) / truth
    print(f'\nsquared steps to the next pixel: draws / field '
          f'{of_draws:.3f}, mean / field {of_mean:.3f}')
    # 320 draws of 130 steps and more, of 8 fields: 2 % by chance
    assert abs(of_draws - 1) < 0.1
    assert of_mean < 0.6


@pytest.mark.parametrize('radius', [3, 6])
def test_real_nebula(radius):
    """
    Discs between the stars of the Horsehead field, which nobody made
    Gaussian or stationary.
    """
    data = load_horsehead().data
    residual = np.abs(data - median_filter(data, 11))
    bright = residual > 5 * 1.4826 * np.median(residual)
    stars = maximum_filter(bright, 5)
    empty = np.argwhere(~maximum_filter(bright, 13))
    rng = np.random.default_rng(1)
    positions = rng.choice(empty, 60, replace=False)
    result = LPIImputer().run(np.where(stars, np.nan, data),
                              positions=positions, radius=radius)
    mask = result.mask & ~stars
    z = (data - result.mean)[mask] / result.std[mask]
    width = np.subtract(*np.percentile(z, [75, 25])) / 1.349
    print(f'\n{z.size} pixels in discs of radius {radius}: rms z '
          f'{np.std(z):.3f}, width {width:.3f}, median {np.median(z):+.3f}')
    # 60 discs of a few independent parts each: 5 % by chance
    assert 0.85 < width < 1.15
    assert 0.85 < np.std(z) < 1.15
    assert abs(np.median(z)) < 0.1
    assert np.max(np.abs(z)) < 6


def test_single_pixels():
    """
    Where a third of all pixels is missing, one by one, errors are right.

    With boxcars from 19 pixels only, as behind stars, the covariance is
    learned without the structure, and errors are too large by 2.
    """
    image, _ = gaussian_field(  # blobs of 9 times the noise
        SHAPE, lambda k: 9 * smooth_and_noise(k) - 8 * 1.7 ** 2, 0)
    holes = np.random.default_rng(1).random(SHAPE) < 0.3
    result = LPIImputer().run(np.where(holes, np.nan, image))
    z = (result.mean - image)[holes] / result.std[holes]
    # 20000 pixels: 0.5 % by chance; means of 5 pixels have less structure
    # than the image, and the covariance fits its samples too well
    assert 0.9 < np.std(z) < 1.1
