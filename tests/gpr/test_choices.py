# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Two covariance functions to choose from.
"""

import numpy as np
import pytest

from lpiphot import GPRImputer
from oracles import dense_gpr

SMOOTH, ROUGH = 'squared_exponential', 'matern52'
SHAPE = (250, 260)


def field(name, a, h, rng):
    """
    A periodic Gaussian field of known covariance, with noise of 1.
    """
    dy, dx = (np.minimum(axis, size - axis) for axis, size
              in zip(np.indices(SHAPE), SHAPE, strict=True))
    power = np.fft.fft2(a ** 2 * dense_gpr.correlation(name, dy, dx, (h, h)))
    waves = np.sqrt(power.real.clip(0)) * np.fft.fft2(rng.normal(size=SHAPE))
    return np.fft.ifft2(waves).real + rng.normal(size=SHAPE)


def holes(rng):
    mask = np.zeros(SHAPE, dtype=bool)
    for y, x in rng.integers(10, 240, (150, 2)):
        mask[y:y + 3, x:x + 3] = True
    return mask


def kernel_names(imputer):
    return {kernel.name for kernel in imputer.model.kernels}


@pytest.mark.parametrize(('name', 'a', 'h', 'wrong'), [
    (ROUGH, 100.0, 4.0, SMOOTH), (SMOOTH, 30.0, 2.0, ROUGH)])
def test_best_possible(name, a, h, wrong):
    """
    No linear predictor is better than that of the true covariance. The
    steps between kernels and chance cost less than half of what the
    wrong covariance function does.
    """
    rng = np.random.default_rng(2)
    image, mask = field(name, a, h, rng), holes(rng)
    best, _ = dense_gpr.fill(image, mask, name, a, (h, h), 9)
    least, ours, others = (
        np.abs(clean - image)[mask].mean() for clean in
        (best, *(GPRImputer(kernel=kernel)(image, mask=mask)
                 for kernel in (None, wrong))))
    assert ours - least < (others - least) / 2


@pytest.fixture(scope='module')
def rough():
    return field(ROUGH, 100.0, 4.0, np.random.default_rng(3))


class TestNames:
    """
    Which covariance functions there are to choose from.
    """

    @pytest.mark.parametrize('keys', [
        {'kernel': SMOOTH}, {'method': 'single'}, {'amplitude': 100.0},
        {'length_scale': 2.0}])
    def test_one(self, rough, keys):
        """
        The paper's, unless the choice is free.
        """
        imputer = GPRImputer(**keys)
        assert f'kernel={SMOOTH}, ' in imputer.describe(3)
        assert kernel_names(imputer.fit(rough)) == {SMOOTH}
        assert f'kernel={SMOOTH}, ' in imputer.describe(3)

    def test_without_whole_windows(self, rough):
        """
        Each kernel of each pixel has its own weights there, and costs.
        """
        mask = np.indices(SHAPE).sum(axis=0) % 2 == 0
        assert kernel_names(GPRImputer().fit(rough, mask=mask)) == {SMOOTH}

    @pytest.mark.parametrize('stretch', [None, 'axes'])
    def test_both(self, rough, stretch, tmp_path):
        """
        Headers and saved models have both; the stretch is the same.
        """
        scene = np.concatenate([
            rough, field(SMOOTH, 30.0, 2.0, np.random.default_rng(4))])
        imputer = GPRImputer(stretch=stretch)
        assert f'kernel={SMOOTH}+{ROUGH}, ' in imputer.describe(3)
        imputer.fit(scene).save(tmp_path / 'kernels.json')
        for one in (imputer, GPRImputer().load(tmp_path / 'kernels.json')):
            assert kernel_names(one) == {SMOOTH, ROUGH}
            assert f'kernel={SMOOTH}+{ROUGH}, ' in one.describe(3)
            ratios = [np.divide(*kernel.length_scale)
                      for kernel in one.model.kernels]
            np.testing.assert_allclose(ratios, ratios[0], rtol=1e-12)
