# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The pixels that training looks at.
"""

import numpy as np
import pytest

from lpiphot.gpr.plane import Plane
from lpiphot.gpr.sample import PART, Limits, bright_pixels, pixels_above

SIGMA = 1.7


@pytest.fixture(scope='module')
def plane():
    """
    A large image with few bright pixels, some of them bad.
    """
    rng = np.random.default_rng(21)
    data = rng.normal(1e3, SIGMA, (1111, 503))
    places = rng.integers(data.size, size=700)
    data.ravel()[places] += rng.uniform(0, 900, places.size)
    bad = rng.random(data.shape) < 0.1
    return Plane.of(data, bad)


@pytest.mark.parametrize('n_pixels', [10, 10 ** 6])
def test_pixels_above(plane, n_pixels):
    """
    All that are good, above one limit and below another, once each; in
    some of the rows, if these are enough.
    """
    index = pixels_above(plane, 50.0, n_pixels, 800.0)
    wanted = np.flatnonzero((plane.data > 50) & (plane.data < 800)
                            & ~plane.bad)
    if n_pixels == 10:
        assert n_pixels <= index.size < wanted.size
        assert np.isin(index, wanted).all()
        assert (np.diff(index) > 0).all()
    else:
        assert index.tolist() == wanted.tolist()


@pytest.fixture(scope='module')
def uneven():
    """
    A large image, each part with a level of its own, the last ones wider;
    one part is bad, and some pixels are bright.
    """
    rng = np.random.default_rng(22)
    shape = 11 * PART + 60, 5 * PART + 23
    parts = rng.permutation(np.arange(55.0)).reshape(11, 5) * 1000
    y, x = (np.minimum(np.arange(size) // PART, size // PART - 1)
            for size in shape)
    data = parts[np.ix_(y, x)] + rng.normal(0, SIGMA, shape)
    places = rng.integers(data.size, size=700)
    data.ravel()[places] += 900
    bad = rng.random(shape) < 0.1
    bad[3 * PART:4 * PART, PART:2 * PART] = True
    return Plane.of(data, bad), parts


def test_limits(uneven):
    """
    Of the image and of its parts, from medians and their scatter.
    """
    plane, levels = uneven
    limits = Limits.of(plane, 10)
    assert limits.image == 10 * plane.spread
    above = limits.parts + plane.level - levels
    assert above[3, 1] == np.inf
    above = above[np.isfinite(above)]
    assert above.size == 54
    # 10 median absolute deviations of the noise, from some 30 pixels: five
    # errors of their median and of these
    sigma = SIGMA / np.sqrt(30)
    assert above.min() > 6.745 * SIGMA - 5 * 1.25 * sigma
    assert above.max() < 6.745 * (SIGMA + 5 * 1.17 * sigma)
    # a step in the image, and nothing else: the noise is the least scatter
    step = np.repeat([0.0, 1e-3], [150, 151]) * np.ones((300, 1))
    step[::7, ::7] += np.random.default_rng(1).normal(0, 2, (43, 43))
    flat = Plane.of(step, np.zeros(step.shape, dtype=bool))
    assert flat.noise > 0
    assert Limits.of(flat, 10).parts.min() >= 6.7 * flat.noise


@pytest.mark.parametrize('period', [2, 4, 8, 16])
@pytest.mark.parametrize('axis', [0, 1])
def test_limits_of_patterns(period, axis):
    """
    A pattern of rows or columns is seen whole: half of them higher is what
    the scatter is, and half of them bad leaves the others.
    """
    shape = 3 * PART, 2 * PART
    upper = np.indices(shape)[axis] % period >= period // 2
    data = np.random.default_rng(23).normal(0, SIGMA, shape)
    none = np.zeros(shape, dtype=bool)
    for half in (upper, ~upper):
        plane = Plane.of(data + 50 * half, none)
        kinds = Limits.of(plane, 10).kinds(plane, *np.indices(shape))
        assert not kinds.any()
        assert np.isfinite(Limits.of(Plane.of(data, half), 10).parts).all()


@pytest.mark.parametrize('n_pixels', [10, 10 ** 6])
def test_bright_pixels(uneven, n_pixels):
    """
    All that stand out of their part of the image, or some of them if that
    is enough; of those that do not, but are bright, some.
    """
    plane, _ = uneven
    limits = Limits.of(plane, 10)._replace(image=2e4)
    kinds = np.zeros(plane.data.shape, dtype=int)
    for j, i in np.ndindex(limits.parts.shape):
        part = tuple(slice(PART * k, None if k + 1 == size else PART * (k + 1))
                     for k, size in zip((j, i), limits.parts.shape,
                                        strict=True))
        kinds[part] = np.where(plane.data[part] > limits.parts[j, i], 2,
                               plane.data[part] > 2e4)
    found = limits.kinds(plane, *np.indices(kinds.shape).reshape(2, -1))
    assert np.array_equal(found, kinds.ravel())
    local, wide = bright_pixels(plane, limits, n_pixels)
    for index, kind in ((local, 2), (wide, 1)):
        wanted = np.flatnonzero((kinds == kind) & ~plane.bad)
        assert np.isin(index, wanted).all()
        assert (np.diff(index) > 0).all()
        # the first rows are almost half of all
        assert wanted.size > index.size > 0.3 * wanted.size or (
            kind == 2 and n_pixels > 10 and index.size == wanted.size)
