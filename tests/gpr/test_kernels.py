"""
Covariance functions against the equations.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lpiphot.gpr.kernels import KERNELS, Kernel
from oracles import dense_gpr

DY, DX = np.mgrid[-4:5, -5:6]


@pytest.mark.parametrize('name', KERNELS)
@pytest.mark.parametrize(('length_scale', 'angle'), [
    ((0.72, 0.72), 0.0), ((2.3, 1.1), 0.0), ((0.9, 3.1), 25.0)])
def test_equations(name, length_scale, angle):
    """
    Each kernel is what the equations say, at every offset.
    """
    kernel = Kernel(name, 3.02, length_scale, angle, 5.5)
    wanted = [[dense_gpr.correlation(name, dy, dx, length_scale, angle=angle,
                                     period=5.5)
               for dx in range(-5, 6)] for dy in range(-4, 5)]
    assert_allclose(kernel(DY, DX), 3.02 ** 2 * np.array(wanted), rtol=1e-13)


@pytest.mark.parametrize('name', KERNELS)
@pytest.mark.parametrize('angle', [0.0, 90.0, 33.0])
def test_equal_scales(name, angle):
    """
    Equal scales are the isotropic kernel exactly, and nearly so nearly.
    """
    isotropic = Kernel(name, 3.0, (1.3, 1.3))(DY, DX)
    assert_array_equal(Kernel(name, 3.0, (1.3, 1.3), angle)(DY, DX),
                       isotropic)
    near = Kernel(name, 3.0, (1.3, 1.3 * (1 + 1e-9)), angle)(DY, DX)
    assert_allclose(near, isotropic, rtol=1e-7)


@pytest.mark.parametrize('name', KERNELS)
def test_axes(name):
    """
    The first scale is along y; a quarter turn exchanges them.
    """
    kernel = Kernel(name, 1.0, (3.0, 0.8), 0.0, 20.0)
    assert kernel(2, 0) > kernel(0, 2)
    turned = Kernel(name, 1.0, (0.8, 3.0), 90.0, 20.0)
    assert_allclose(turned(DY, DX), kernel(DY, DX), rtol=1e-12)


def test_angle_turns_from_x_to_y():
    """
    At 45 degrees the long axis, that of x, points to y = x.
    """
    kernel = Kernel('squared_exponential', 1.0, (0.8, 3.0), 45.0)
    assert kernel(2, 2) > kernel(2, -2)


@pytest.mark.parametrize(('pair', 'angle', 'symmetry'), [
    ((1.1, 1.1), 20.0, 'all'), ((1.1, 1.2), 0.0, 'axes'),
    ((1.1, 1.2), 90.0, 'axes'), ((1.1, 1.2), 20.0, 'point')])
def test_symmetry(pair, angle, symmetry):
    assert Kernel('matern32', 1.0, pair, angle).symmetry == symmetry
