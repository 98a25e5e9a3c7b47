"""
Means, covariances and draws of holes, against the dense oracle.
"""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lpiphot import flags
from lpiphot._parallel import one_blas_thread
from lpiphot.lpi import fill
from lpiphot.lpi.fill import Filling, fill_block, make_training, much_unknown
from lpiphot.lpi.holes import cut_holes, in_levels
from oracles.boxcar import boxcar_infill
from oracles.dense_infill import fill_in_turn

SHAPE = 61, 67
STAMP, WINDOW, DISTANCE = (13, 15), (31, 37), 2.5
HOLES = {
    'one block': (slice(30, 36), slice(20, 27)),
    'blocks': (slice(20, 37), slice(25, 40)),
    'edge': (slice(25, 45), slice(61, 67)),
    'corner': (slice(53, 61), slice(0, 20)),
    'row': (slice(40, 41), slice(0, 67)),
    'pixel': (slice(0, 1), slice(66, 67)),
}


def some_image(seed=3):
    """
    Waves along a diagonal on a high level, and noise.
    """
    y, x = np.indices(SHAPE)
    rng = np.random.default_rng(seed)
    return 700 + 9 * np.sin((y + 2 * x) / 7) + rng.normal(0, 1.7, SHAPE)


class KeepsAll(Filling):
    """
    A filling that keeps the vectors of all pixels, as long as it lives.
    """

    def __init__(self, *args, **keys):
        super().__init__(*args, **keys)
        self._all = np.zeros((*self.mean.shape, self._n_vectors))

    def _keep(self, block, factor, inherited):
        self._all[block.rows, block.columns] = self._vectors_of(
            block, factor, inherited)

    def deviations(self, pixels):
        return self.draws[:, self.places[pixels]].T, self._all[pixels]


def filled(holes, *, n_draws=0, order='outside_in', seed=5, n_unknown=0,
           cls=Filling):
    """
    Fill holes; some other pixels are not known and not filled.
    """
    image = some_image()
    rng = np.random.default_rng(1)
    good = ~holes & (rng.permutation(holes.size).reshape(SHAPE) >= n_unknown)
    image[~good] = np.nan
    blocks, numbers = cut_holes(holes, good, STAMP, 3, order)
    training = make_training(np.where(good, image, 0.0), good, seed)
    filling = cls(np.where(good, image, 0.0), blocks, n_draws, seed)
    for level in in_levels(blocks, filling.ranks):
        for block in level:
            fill_block(filling, training, block, numbers,
                       condition_distance=DISTANCE, window_shape=WINDOW)
    return image, good, training, blocks, filling


def hole(name):
    holes = np.zeros(SHAPE, dtype=bool)
    holes[HOLES[name]] = True
    return holes


def oracle(image, good, training, blocks):
    pixels = [np.column_stack([block.rows, block.columns])
              for block in blocks]
    mean, cov = fill_in_turn(image, training.filled, good, pixels, DISTANCE,
                             WINDOW)
    return tuple(np.vstack(pixels).T), mean, cov


def joint_covariance(filling, pixels):
    """
    The covariance that the vectors stand for.
    """
    _, vectors = filling.deviations(pixels)
    return vectors @ vectors.T


@pytest.mark.parametrize('order', ['outside_in', 'centre_out'])
@pytest.mark.parametrize('name', HOLES)
def test_mean_and_covariance(name, order):
    """
    Of holes anywhere, of one or several blocks.
    """
    image, good, training, blocks, filling = filled(
        hole(name), order=order, n_unknown=40, cls=KeepsAll)
    pixels, mean, cov = oracle(image, good, training, blocks)
    # a condition number of some 1e3 and rounding of 1e-16 of 700: a
    # wrong pixel changes the mean by some 1e-3
    assert_allclose(filling.mean[pixels], mean, rtol=0, atol=1e-8)
    assert_allclose(filling.variance[pixels], cov.diagonal(), rtol=1e-9)
    assert_array_equal(filling.flags & flags.FILLED, hole(name))
    if order == 'outside_in':  # else a corner is filled from nothing
        assert_array_equal(filling.flags, hole(name))
    assert_array_equal(filling.mean[good], image[good])
    if len(blocks) > 1:
        assert cov.shape[0] <= fill.N_VECTORS
        assert_allclose(joint_covariance(filling, pixels), cov, rtol=0,
                        atol=1e-9 * cov.max())
    assert len(blocks) == {'one block': 1, 'pixel': 1, 'blocks': 6,
                           'edge': 3, 'corner': 6, 'row': 8}[name]


@pytest.mark.parametrize('name', ['one block', 'blocks'])
def test_draws(name):
    """
    Their mean and covariance are those of the prediction.
    """
    n_draws = 4000
    image, good, training, blocks, filling = filled(hole(name),
                                                    n_draws=n_draws)
    pixels, _, cov = oracle(image, good, training, blocks)
    draws = filling.draws[:, filling.places[pixels]]
    white = np.linalg.solve(np.linalg.cholesky(cov), draws.T)
    n = len(cov)
    # a mean of n_draws normal numbers, at 5 sigma
    assert np.max(np.abs(white.mean(axis=1))) < 5 / np.sqrt(n_draws)
    values = np.linalg.eigvalsh(white @ white.T / n_draws)
    # the largest and smallest eigenvalue of the covariance of so many
    # samples of n independent numbers (Marchenko & Pastur), which
    # scatter by less than 1 %
    edge = np.sqrt(n / n_draws)
    assert (1 - edge) ** 2 - 0.03 < values[0]
    assert values[-1] < (1 + edge) ** 2 + 0.03


def test_many_pixels(monkeypatch):
    """
    In holes of many pixels the variance is known to 9 %.
    """
    _, _, _, _, exact = filled(hole('blocks'))
    monkeypatch.setattr(fill, 'N_VECTORS', 200)
    assert hole('blocks').sum() > 200
    _, _, _, _, filling = filled(hole('blocks'))
    assert_array_equal(filling.mean, exact.mean)
    ratio = (filling.variance[hole('blocks')]
             / exact.variance[hole('blocks')])
    # relative error sqrt(2 / 200) = 0.1 of what comes from other blocks
    assert np.max(np.abs(ratio - 1)) < 4 * 0.1
    assert 0.01 < np.std(ratio) < 0.1
    assert abs(np.mean(ratio) - 1) < 0.05


@pytest.mark.parametrize('order', ['outside_in', 'centre_out'])
@pytest.mark.parametrize(('name', 'n_vectors'), [
    ('blocks', 256), ('blocks', 200), ('row', 256), ('row', 40)])
def test_vectors_are_let_go(name, n_vectors, order, monkeypatch):
    """
    Those that no block needs any more: the same bits as with all kept,
    and none is left at the end.
    """
    monkeypatch.setattr(fill, 'N_VECTORS', n_vectors)
    few, every = (filled(hole(name), n_draws=2, order=order, n_unknown=40,
                         cls=cls)[-1] for cls in (Filling, KeepsAll))
    assert every._all.any()
    for attribute in ('mean', 'variance', 'draws', 'flags'):
        assert_array_equal(getattr(few, attribute), getattr(every, attribute))
    assert not few._vectors


@pytest.mark.parametrize('order', ['outside_in', 'centre_out'])
def test_memory(order):
    """
    Of a large hole the pixels at the front have vectors, not all.
    """
    size, (ny, nx) = 150, STAMP
    good = np.ones((size + 40, size + 50), dtype=bool)
    good[20:20 + size, 20:20 + size] = False
    image = np.where(good, np.random.default_rng(4).normal(
        700, 1.7, good.shape), 0.0)
    blocks, numbers = cut_holes(~good, good, STAMP, 3, order)
    training = make_training(image, good, 5)
    tracemalloc.start()
    try:
        filling = Filling(image, blocks, 0, 5)
        with one_blas_thread:
            for level in in_levels(blocks, filling.ranks):
                for block in level:
                    fill_block(filling, training, block, numbers,
                               condition_distance=DISTANCE,
                               window_shape=WINDOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # eight bytes a number: ten images, ten matrices of a stamp, and the
    # vectors of a front about the hole, a block wide: 17 MB. The vectors of
    # all pixels alone are 46 MB
    front = 4 * size * (max(ny, nx) - 2 * 3)
    assert peak < 8 * (10 * image.size + 10 * (ny * nx) ** 2
                       + front * fill.N_VECTORS)


def test_seeds():
    """
    Draws follow the seed, and the first ones do not need the others.
    """
    draws = [filled(hole('blocks'), n_draws=n, seed=seed)[-1].draws
             for n, seed in [(3, 5), (2, 5), (3, 6)]]
    # products of matrices of other widths are rounded otherwise
    assert_allclose(draws[0][:2], draws[1], rtol=0, atol=1e-11)
    assert np.min(np.std(draws[0] - draws[2], axis=1)) > 1
    assert np.std(draws[0][0] - draws[0][1]) > 1


def test_random_streams(monkeypatch):
    """
    Draws, vectors and drafts have numbers of their own.
    """
    n_vectors = 200
    monkeypatch.setattr(fill, 'N_VECTORS', n_vectors)
    *_, blocks, filling = filled(
        hole('blocks'), n_draws=n_vectors, cls=KeepsAll)
    first = blocks[0].rows, blocks[0].columns
    draws, vectors = filling.deviations(first)
    draft = Filling(filling.mean.copy(), blocks, n_vectors, 5, draft=True)
    n = len(draws)
    draft.write(blocks[0], np.zeros(n), np.eye(n),
                (np.zeros((n, n_vectors)), np.zeros((n, 0))), 0)
    # the first block has no other part than its own, factor @ numbers
    factor = np.linalg.cholesky(np.cov(draws, ddof=0))
    streams = [np.linalg.solve(factor, draws).ravel(),
               np.linalg.solve(factor, vectors).ravel(),
               draft.deviations(first)[0].ravel()]
    correlation = np.corrcoef(streams)[np.triu_indices(3, 1)]
    # of independent numbers, at 5 sigma
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(n * n_vectors)


def test_training():
    """
    Holes have boxcar means and the noise of the pixels, not the scatter.
    """
    image = some_image()
    holes = hole('blocks')
    training = make_training(np.where(holes, 0.0, image), ~holes, 3)
    # 5 pixels wide, growing by 1.4 as well
    means = boxcar_infill(image, holes, smaller=(2, 3, 4, 6))
    assert_allclose(training.smooth, means, rtol=1e-12)
    assert_array_equal(training.filled[~holes], image[~holes])
    noise = (training.filled - training.smooth)[holes]
    # 255 pixels: 4.4 %; the noise of blocks of 256 pixels to 7 %; the
    # waves add 5 %, and the scatter would be 6
    assert abs(np.std(noise) / 1.7 - 1) < 0.3
    assert np.median(training.scatter) > 4
    assert not training.unreached.any()


def test_flat_image():
    """
    No covariance to learn: the mean and scatter of good pixels, flagged.
    """
    good = ~hole('blocks')
    image = np.full(SHAPE, 5.0)
    blocks, numbers = cut_holes(~good, good, STAMP, 3)
    filling = Filling(np.where(good, image, 0.0), blocks, 2, 5)
    training = make_training(np.where(good, image, 0.0), good, 5)
    for block in blocks:
        fill_block(filling, training, block, numbers,
                   condition_distance=DISTANCE, window_shape=WINDOW)
    assert_array_equal(filling.mean, image)
    assert_array_equal(filling.draws, 0)
    assert_array_equal(filling.variance, 0)
    assert np.all(filling.flags[~good] & flags.LOCAL_MEAN)
    assert np.all(filling.flags[good] == 0)


def test_singular():
    """
    Pure waves have a singular covariance; a ridge predicts them still.
    """
    y, x = np.indices(SHAPE)
    image = 9 * np.sin((y + 2 * x) / 7)
    good = ~hole('blocks')
    blocks, numbers = cut_holes(~good, good, STAMP, 3)
    filling = Filling(np.where(good, image, 0.0), blocks, 0, 5)
    training = make_training(np.where(good, image, 0.0), good, 5)
    training = training._replace(filled=image)
    for block in blocks:
        fill_block(filling, training, block, numbers,
                   condition_distance=DISTANCE, window_shape=WINDOW)
    assert np.all(filling.flags[~good] == flags.FILLED
                  | flags.RIDGE)
    assert np.all(np.isfinite(filling.variance))
    # a ridge of 1e-10 of the variance is noise of 1e-5 of 9
    assert_allclose(filling.mean, image, rtol=0, atol=0.01)


def test_from_nothing():
    """
    Without a known pixel in reach: local mean and covariance.
    """
    _, _, training, blocks, filling = filled(hole('blocks'),
                                             order='centre_out')
    first = blocks[0].rows, blocks[0].columns
    bits = filling.flags[first]
    image, good, _, _, _ = filled(hole('blocks'))
    holes = np.zeros(SHAPE, dtype=bool)
    holes[30, 30] = True
    good = good & (np.hypot(*(np.indices(SHAPE) - 30)) > 4)
    blocks, numbers = cut_holes(holes, good, STAMP, 3)
    filling = Filling(np.where(good, image, 0.0), blocks, 0, 5)
    fill_block(filling, training, blocks[0], numbers,
               condition_distance=DISTANCE, window_shape=WINDOW)
    assert np.all(bits == flags.FILLED)  # of six blocks, all have some
    assert filling.flags[30, 30] == (flags.FILLED
                                     | flags.FROM_NOTHING)
    window = training.filled[15:46, 12:49]
    assert_allclose(filling.mean[30, 30], window.mean(), rtol=1e-12)
    assert_allclose(filling.variance[30, 30], window.var(ddof=1),
                    rtol=1e-10)


def test_far_from_good_pixels():
    """
    Beyond the largest boxcar the image is the median, and flagged.
    """
    shape = 450, 41
    rng = np.random.default_rng(3)
    image = 7 + 1.7 * rng.normal(size=shape)
    good = np.zeros(shape, dtype=bool)
    good[:40] = True
    holes = np.zeros(shape, dtype=bool)
    holes[[150, 400], 20] = True  # the largest half width is 196
    blocks, numbers = cut_holes(holes, good, STAMP, 3)
    filling = Filling(np.where(good, image, 0.0), blocks, 0, 5)
    training = make_training(image, good, 5)
    for block in blocks:
        fill_block(filling, training, block, numbers,
                   condition_distance=DISTANCE, window_shape=WINDOW)
    nothing = flags.FILLED | flags.FROM_NOTHING
    assert filling.flags[150, 20] == nothing
    assert filling.flags[400, 20] == nothing | flags.FAR_MEDIAN
    assert training.unreached[300:].all()
    assert not training.unreached[:230].any()
    assert_array_equal(training.smooth[300:], np.median(image[good]))


def test_much_unknown():
    """
    The holes about which more than 5 % of a window is unknown.
    """
    shape = 200, 210
    good = np.ones(shape, dtype=bool)
    good[40:70, 40:70] = False  # 900 of 101 x 101
    good[150:160, 150:160] = False  # 100
    _, numbers = cut_holes(~good, good, (33, 33), 6)
    assert much_unknown(good, numbers, (101, 101)) == {numbers[50, 50]}
    assert much_unknown(good, numbers, (161, 161)) == set()
    # 100 of 41 x 41 are 6 %
    assert much_unknown(good, numbers, (41, 41)) == {1, 2}
