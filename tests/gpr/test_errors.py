"""
Errors of filled pixels, from residuals of training pixels.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from lpiphot.gpr.errors import MIN_NODE, Residuals, error_nodes, height_nodes
from lpiphot.gpr.learn import Settings
from lpiphot.gpr.model import Steps
from lpiphot.gpr.pixels import class_candidates, whole_windows
from lpiphot.gpr.plane import Plane
from lpiphot.gpr.rows import LostRows
from lpiphot.gpr.sample import PART
from lpiphot.gpr.training import Bounds, Search, grid

# sigma of a median absolute value of n: 1.17 / sqrt(n) of it; of the some
# 20 nodes here, none is off by four of them
NODE_ERROR = 4 * 1.17 / MIN_NODE ** 0.5


def test_error_nodes():
    """
    Widths that grow with contrast, between its smallest and its largest.
    """
    rng = np.random.default_rng(1)
    contrast = np.exp(rng.normal(size=6000))
    size = np.abs(rng.normal(size=6000)) * (1 + contrast)
    nodes, errors = error_nodes(contrast, size, np.ones(6000))
    assert np.all(np.diff(nodes) > 0)
    # at the ends nodes are for a hundred pixels or few more
    assert nodes[0] < np.quantile(contrast, 2 * MIN_NODE / 6000)
    assert nodes[-1] > np.quantile(contrast, 1 - 2 * MIN_NODE / 6000)
    assert_allclose(errors, 1 + np.array(nodes), rtol=NODE_ERROR)


def test_shares():
    """
    Pixels that are too many count less: exactly as if they were fewer.
    """
    rng = np.random.default_rng(2)
    size = np.abs(rng.normal(size=19))
    once = error_nodes(np.ones(19), size, np.ones(19))
    # each three times for a third, and some for hardly anything
    many = np.concatenate([np.repeat(size, 3), np.full(19, 7.0)])
    share = np.repeat([1 / 3, 1e-9], [57, 19])
    assert error_nodes(np.ones(76), many, share) == once
    assert error_nodes(np.ones(76), many, np.ones(76)) != once


def test_height_nodes():
    """
    Factors that grow with height are found, in classes together; where
    there are none, they are 1.
    """
    rng = np.random.default_rng(3)
    parts, flat = [], []
    for error in (2.0, 5.0):
        contrast = np.exp(rng.normal(size=3000))
        height = rng.normal(size=3000)
        steps = Steps((0.0,), (0,), (4.0,), (1.0,), (2 * error,))
        noise = error * np.abs(rng.normal(size=3000))
        for list_, factor in ((parts, np.exp(0.3 * height)), (flat, 1.0)):
            list_.append((steps, Residuals(
                contrast, height * contrast, factor * noise,
                np.ones(3000))))
    nodes, factors = height_nodes(parts)
    assert nodes[0] < -1.5
    assert nodes[-1] > 1.5
    assert_allclose(factors, np.exp(0.3 * np.array(nodes)), rtol=NODE_ERROR)
    assert_allclose(height_nodes(flat)[1], 1, rtol=NODE_ERROR)


def test_nothing_to_tell():
    """
    Residuals of zero, as of a constant image, have logarithms.
    """
    errors = error_nodes(np.zeros(5), np.zeros(5), np.ones(5))[1]
    assert np.isfinite(np.log(errors)).all()


@pytest.mark.parametrize('n_bright', [0, 40, 4000])
def test_fair_shares(n_bright):
    """
    With their shares, training pixels are bright as often as those of the
    image are, but for chance, also where they lose neighbours.
    """
    rng = np.random.default_rng(4)
    data = rng.normal(size=(200, 210))
    bright = rng.choice(data.size, n_bright, replace=False)
    data.flat[bright] += 12 + 3 * rng.random(n_bright)
    plane = Plane.of(data, np.zeros(data.shape, dtype=bool))
    search = Search('squared_exponential', 9, None,
                    Bounds((1.0, 5000.0), (0.5, 9.0)))
    settings = Settings(search, True, 10, np.inf, 3000)
    pixels = whole_windows(plane, class_candidates(plane, settings, rng),
                           search, rng)
    lost = LostRows([pixels], grid(search, (2.0,), ((1.5, 1.5),), 'all'),
                    (9, 0.35, 0.8, 'all'), 1500, rng)
    values = (plane.data[pixels.y, pixels.x] / plane.noise, lost.values)
    for value, share in zip(values, (pixels.share, lost.share), strict=True):
        # between the noise and the faintest bright one
        is_bright = value * plane.noise > 7.5
        if n_bright:
            # most bright ones are taken, and too many
            assert is_bright.mean() > 1.3 * n_bright / data.size
        got = share[is_bright].sum() / share.sum()
        # of 1700 random pixels
        sigma = np.sqrt(n_bright / data.size / 1700)
        assert abs(got - n_bright / data.size) <= 4 * sigma


def test_stars_on_a_galaxy():
    """
    Of a galaxy whose pixels are all bright, the few of stars are training
    pixels, and both have their share of the image.
    """
    rng = np.random.default_rng(5)
    data = rng.normal(size=(3 * PART, 3 * PART))
    data[:, :PART] += 400
    light = np.zeros(data.shape)
    light[6:-6:60, 6:-6:60] = 5000
    light = gaussian_filter(light, 1.2)
    stars = light > 20
    data += light
    plane = Plane.of(data, np.zeros(data.shape, dtype=bool))
    search = Search('squared_exponential', 9, None,
                    Bounds((1.0, 5000.0), (0.5, 9.0)))
    settings = Settings(search, True, 10, np.inf, 6000)
    candidates = class_candidates(plane, settings, rng)
    pixels = whole_windows(plane, candidates, search, rng)
    is_star = stars[pixels.y, pixels.x]
    # all whose windows are inside
    assert is_star.sum() >= 0.9 * stars.sum()
    on_galaxy = is_star[pixels.x < PART].mean()
    assert on_galaxy > 4 * stars[:, :PART].mean() > 0
    # what stars do not fill, the galaxy does
    (local, n_local), (_, n_wide), (_, n_others) = candidates.groups
    assert local.size < n_local
    assert local.size + n_wide + n_others == 6000
    kinds = candidates.limits.kinds(plane, *np.indices(data.shape))
    mine = kinds[pixels.y, pixels.x]
    n_drawn = pixels.groups[-1][0]
    for kind in (1, 2):
        share = np.mean(kinds == kind)
        got = pixels.share[mine == kind].sum() / pixels.share.sum()
        assert np.mean(mine == kind) > 1.3 * share
        assert abs(got - share) <= 4 * np.sqrt(share / n_drawn)


@pytest.mark.parametrize(('last', 'slope'), [
    (1.0, 0.0), (2 ** 0.5, 0.0), (2.0, 0.0), (2 * 2 ** 0.5, 0.5), (8.0, 1.0)])
def test_errors_beyond_the_last_node(last, slope):
    """
    Of two nodes a factor of 2 apart, the errors 2 and ``last``: beyond
    they go on as between these, but neither fall nor rise faster than
    the contrast, as two measured errors may by chance.
    """
    steps = Steps((0.0,), (7,), (4.0,), (3.0, 6.0), (2.0, last))
    kernel, error = steps.choose(np.array([0.01, 3.0, 6.0, 60.0, 6e6]))
    assert kernel.tolist() == [7] * 5
    # over the root of the variance of the kernel
    assert_allclose(error, np.array([
        2.0, 2.0, last, last * 10 ** slope, last * 1e6 ** slope]) / 2)
