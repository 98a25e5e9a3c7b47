"""
The local mean and covariance against V^T V, built whole.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData
from astropy.utils.masked import Masked
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from lpiphot import local_covariance
from oracles import dense_lpi

# The contract: within 1e-5 of the variance. Most of it is for float32.
RTOL = 1e-5


@pytest.fixture(scope='module')
def field():
    """
    An image with anisotropic structure, white noise and negative mean.
    """
    rng = np.random.default_rng(1923)
    image = gaussian_filter(rng.normal(size=(75, 92)), (1.2, 3.0)) * 25
    return image + 1.7 * rng.normal(size=image.shape) - 12.5


def compare(image, positions, stamp_shape, window_shape):
    """
    Both ways, and the comparison; returns what lpiphot gave.
    """
    mean, cov = local_covariance(image, positions, stamp_shape=stamp_shape,
                                 window_shape=window_shape)
    n_pix = stamp_shape[0] * stamp_shape[1]
    assert mean.shape == (len(positions), n_pix)
    assert cov.shape == (len(positions), n_pix, n_pix)
    for (y, x), mean_1, cov_1 in zip(positions, mean, cov, strict=True):
        good_mean, good_cov = dense_lpi.local_moments(
            image, y, x, stamp_shape, window_shape)
        variance = np.median(np.diag(good_cov))
        assert_allclose(cov_1, good_cov, rtol=0, atol=RTOL * variance)
        # a level is added back, and float32 holds 1e5 only to 0.004
        eps = np.finfo(mean.dtype).eps * np.abs(good_mean).max()
        assert_allclose(mean_1, good_mean, rtol=0,
                        atol=RTOL * np.sqrt(variance) + eps)
    return mean, cov


@pytest.mark.parametrize(('stamp_shape', 'window_shape'), [
    ((5, 5), (21, 21)), ((5, 9), (21, 17)), ((7, 3), (15, 31)),
    ((1, 7), (25, 9)), ((9, 1), (9, 25)), ((1, 1), (5, 7)),
    ((11, 13), (3, 41))])
def test_shapes(field, stamp_shape, window_shape):
    """
    Stamps and windows that are square, wide, tall and thin.
    """
    compare(field, [(37, 45), (30, 61)], stamp_shape, window_shape)


@pytest.mark.parametrize('position', [
    (0, 0), (0, 91), (74, 0), (74, 91), (0, 40), (74, 40), (33, 0), (33, 91),
    (1, 1), (10, 88), (12, 11), (64, 80)])
def test_edges(field, position):
    """
    The image is mirrored at its edges and the edge pixel not repeated.
    """
    compare(field, [position], (7, 9), (19, 23))


def test_window_as_large_as_image(field):
    """
    The largest window that fits, at the centre and in a corner.
    """
    image = field[:31, :37]
    compare(image, [(15, 18), (0, 36)], (5, 3), (31, 37))


@pytest.mark.parametrize('level', [-1e5, 1e5])
def test_high_level(level):
    """
    A level of 1e5 under unit noise, of either sign, in float32 too.
    """
    rng = np.random.default_rng(8)
    image = (level + rng.normal(size=(60, 70))).astype(np.float32)
    mean, _ = compare(image, [(30, 35), (2, 66)], (5, 7), (25, 21))
    assert np.all(np.sign(mean) == np.sign(level))


def test_level_far_away():
    """
    Two levels in one image: what costs nothing must be the *local* level.
    """
    rng = np.random.default_rng(88)
    image = rng.normal(size=(60, 160))
    image[:, 80:] += 1e5
    compare(image, [(30, 30), (30, 130)], (5, 5), (21, 21))


def test_mean_keeps_its_sign(field):
    """
    The published code takes a root of the square and loses the sign.
    """
    mean, _ = compare(field, [(37, 45)], (5, 5), (31, 31))
    assert mean.max() < -8
    mean, _ = compare(field + 30, [(37, 45)], (5, 5), (31, 31))
    assert mean.min() > 8


@pytest.mark.parametrize('dtype', ['>f8', '>f4', '<f4', 'f8', '>i2', 'i4',
                                   'u1', 'u2'])
def test_dtypes(field, dtype):
    """
    Every number type gives the moments of its own values.
    """
    image = (field + 128).astype(dtype)
    compare(image, [(37, 45), (3, 90)], (5, 7), (21, 17))


def test_memory_order_and_strides(field):
    """
    Fortran order, a reversed view and a read-only array.
    """
    readonly = field.copy()
    readonly.flags.writeable = False
    for image in (np.asfortranarray(field), field[::-1, ::2], readonly):
        compare(image, [(37, 20)], (5, 7), (21, 17))


def test_symmetric_and_positive(field):
    """
    What comes out is symmetric to the bit, and positive semidefinite.
    """
    _, cov = local_covariance(field, [(37, 45), (0, 0), (70, 50)],
                              stamp_shape=(5, 7), window_shape=(25, 21))
    assert_array_equal(cov, cov.transpose(0, 2, 1))
    lowest = np.linalg.eigvalsh(cov.astype(float))[:, 0]
    assert np.all(lowest > 0)


def test_rank_deficient(field):
    """
    Fewer shifts than pixels: semidefinite to the rounding of the result.
    """
    _, cov = compare(field, [(37, 45)], (7, 7), (5, 5))
    values = np.linalg.eigvalsh(cov[0].astype(float))
    eps = 49 * np.finfo(cov.dtype).eps * values[-1]
    assert values[0] > -10 * eps
    assert values[49 - 25] < 10 * eps  # rank 24 = 25 shifts - 1
    assert values[49 - 24] > 10 * eps


def test_order_and_repeats(field):
    """
    A position's result does not depend on the others asked for.
    """
    keys = {'stamp_shape': (5, 7), 'window_shape': (25, 21)}
    positions = [(37, 45), (2, 3), (37, 45), (70, 20)]
    mean, cov = local_covariance(field, positions, **keys)
    assert_array_equal(cov[0], cov[2])
    mean_r, cov_r = local_covariance(field, positions[::-1], **keys)
    # tiles may be laid differently around other positions: to rounding
    assert_allclose(cov_r[::-1], cov, rtol=0, atol=RTOL * np.ptp(cov))
    assert_allclose(mean_r[::-1], mean, rtol=RTOL)


def test_unit(field):
    """
    That of the image, and its square.
    """
    keys = {'stamp_shape': (5, 7), 'window_shape': (25, 21)}
    mean, cov = local_covariance(field * u.Jy, [(37, 45)], **keys)
    plain_mean, plain_cov = local_covariance(field, [(37, 45)], **keys)
    assert_array_equal(mean, plain_mean * u.Jy)
    assert_array_equal(cov, plain_cov * u.Jy ** 2)


def test_input_unchanged(field):
    """
    Neither image nor positions are written to.
    """
    image, positions = field.copy(), np.array([(37, 45), (2, 3)])
    local_covariance(image, positions, stamp_shape=(5, 7),
                     window_shape=(25, 21))
    assert_array_equal(image, field)
    assert_array_equal(positions, [(37, 45), (2, 3)])


def test_no_positions(field):
    """
    No positions, no rows, right shapes.
    """
    mean, cov = local_covariance(field, np.empty((0, 2)), stamp_shape=(5, 7),
                                 window_shape=(25, 21))
    assert mean.shape == (0, 35)
    assert cov.shape == (0, 35, 35)


def test_integer_shapes(field):
    """
    One number means a square.
    """
    one = local_covariance(field, [(37, 45)], stamp_shape=5, window_shape=21)
    two = local_covariance(field, [(37, 45)], stamp_shape=(5, 5),
                           window_shape=(21, 21))
    assert_array_equal(one[1], two[1])


@pytest.mark.parametrize(('keys', 'name'), [
    ({'stamp_shape': (4, 5)}, 'stamp_shape'),
    ({'stamp_shape': 6}, 'stamp_shape'),
    ({'stamp_shape': (5, 0)}, 'stamp_shape'),
    ({'stamp_shape': (-5, 5)}, 'stamp_shape'),
    ({'stamp_shape': (5, 93)}, 'stamp_shape'),
    ({'window_shape': (21, 20)}, 'window_shape'),
    ({'window_shape': (77, 21)}, 'window_shape'),
    ({'window_shape': (21, 93)}, 'window_shape'),
    ({'window_shape': (0, 21)}, 'window_shape'),
    ({'positions': [(37, 92)]}, 'positions'),
    ({'positions': [(75, 4)]}, 'positions'),
    ({'positions': [(-1, 4)]}, 'positions'),
    ({'positions': [(np.nan, 4)]}, 'positions'),
    ({'positions': [(1, 2, 3)]}, 'positions'),
    ({'image': np.zeros(75)}, 'image'),
    ({'image': np.zeros((3, 75, 92))}, 'image'),
])
def test_bad_values(field, keys, name):
    """
    The message names the argument that is wrong.
    """
    good = {'image': field, 'positions': [(37, 45)], 'stamp_shape': (5, 5),
            'window_shape': (21, 21)}
    keys = good | keys
    image, positions = keys.pop('image'), keys.pop('positions')
    with pytest.raises(ValueError, match=name):
        local_covariance(image, positions, **keys)


def test_nan_in_image(field):
    """
    The image must be hole-free; a hole is said, not spread.
    """
    image = field.copy()
    image[3, 4] = np.nan
    with pytest.raises(ValueError, match=r'finite|NaN|nan'):
        local_covariance(image, [(37, 45)], stamp_shape=5, window_shape=21)


@pytest.mark.parametrize('kind', [np.ma.MaskedArray, Masked, NDData])
def test_masked_image(field, kind):
    """
    So is a masked pixel; with none, the mask makes no difference.
    """
    keys = {'stamp_shape': (3, 5), 'window_shape': 21}
    mask = np.zeros(field.shape, dtype=bool)
    for one, other in zip(local_covariance(kind(field, mask=mask), [(37, 45)],
                                           **keys),
                          local_covariance(field, [(37, 45)], **keys),
                          strict=True):
        assert_array_equal(one, other)
    mask[3, 4] = True
    with pytest.raises(ValueError, match=r'image .* finite.* 1 pixel'):
        local_covariance(kind(field, mask=mask), [(37, 45)], **keys)


@pytest.mark.parametrize('keys', [{'stamp_shape': 5.5}, {'window_shape': '21'},
                                  {'stamp_shape': None},
                                  {'stamp_shape': (5, 5, 5)}])
def test_bad_kinds(field, keys):
    """
    A shape that is not one or two whole numbers is refused, by name.
    """
    keys = {'stamp_shape': 5, 'window_shape': 21} | keys
    with pytest.raises((TypeError, ValueError), match=r'_shape'):
        local_covariance(field, [(37, 45)], **keys)
