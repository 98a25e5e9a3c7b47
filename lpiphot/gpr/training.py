# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Training pixels -> kernel parameters.
"""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.linalg import LinAlgError
from scipy.optimize import minimize

from lpiphot._core.imputation import mean_sizes
from lpiphot.gpr.kernels import PERIOD, Kernel
from lpiphot.gpr.orbits import OrbitSolver, coarsen
from lpiphot.gpr.weights import Window

__all__ = ['Bounds', 'Grid', 'Search', 'columns', 'grid', 'mean_residuals',
           'objective', 'penalty', 'symmetry_of', 'train']

# The penalty of equation 7, in units of the noise
MU, TAU = 3000.0, 200.0

# Amplitudes and length scales of the first, coarse search
GRID = (9, 9)

# Kernels are done so many at a time
N_VECTOR = 8

# Training pixels that the coarse search uses
N_COARSE = 1500


class Bounds(NamedTuple):
    """
    The range of the parameters.

    Attributes
    ----------
    amplitude, length_scale : 2-tuple of float
        The smallest and the largest value, in units of the noise and in
        pixels.
    """

    amplitude: tuple
    length_scale: tuple


class Search(NamedTuple):
    """
    What is searched for, and what is given.

    Attributes
    ----------
    name : str
        The kernel, one of `~lpiphot.gpr.kernels.KERNELS`.

    width : int
        The width of the window in pixels.

    stretch : {None, 'axes', 'angle'}
        Whether the kernel is isotropic, stretched along the axes, or
        stretched at an angle.

    bounds : `Bounds`
        The range of the parameters.

    amplitude, length_scale, angle : float, tuple or `None`
        Parameters that are given, or `None`.

    period : float
        The period of the periodic kernel in pixels.

    other : str or `None`
        Another kernel, that classes of neighbourhoods take where it is
        better.
    """

    name: str
    width: int
    stretch: str
    bounds: Bounds
    amplitude: float = None
    length_scale: tuple = None
    angle: float = None
    period: float = PERIOD
    other: str = None


@lru_cache(maxsize=32)
def _solver(width, symmetry):
    return OrbitSolver(width, symmetry)


def _solve(kernel, amplitudes, search, symmetry):
    """
    Return the weights of orbits, or `None` if there are none.
    """
    try:
        if search.name == 'periodic':
            # positive definite only for some parameters, and then not
            # seen from the symmetric vectors alone
            Window(replace(kernel, amplitude=float(np.max(amplitudes))),
                   search.width)
        return _solver(search.width, symmetry)(kernel, amplitudes)
    except (LinAlgError, ValueError):
        return None


def columns(values):
    """
    Return the weights of kernels as `mean_residuals` takes them.

    Parameters
    ----------
    values : (n_kernels, n) `~numpy.ndarray`
        The weights.

    Returns
    -------
    weights : (n, n_columns) `~numpy.ndarray`
        One column for each kernel, and some of zeros, float32.
    """
    n_kernels, n = values.shape
    weights = np.zeros((n, -(-n_kernels // N_VECTOR) * N_VECTOR),
                       dtype=np.float32)
    weights[:, :n_kernels] = values.T
    return weights


def mean_residuals(values, weights, n_terms, which):
    """
    Return the mean absolute residual of many kernels.

    Parameters
    ----------
    values : (n_pixels, n) `~numpy.ndarray`
        The sums of training pixels, or their neighbours, float32.

    weights : (n_patterns, n, n_columns) `~numpy.ndarray`
        The weights of the kernels, of `columns`, for some patterns.

    n_terms : (n_patterns,) `~numpy.ndarray` of int
        How many of the n weights there are; the others are 0.

    which : (n_pixels,) `~numpy.ndarray` of int
        The pattern of each pixel, equal ones together.

    Returns
    -------
    residuals : (n_columns,) `~numpy.ndarray`
        The mean absolute residuals, to the precision of float32.
    """
    means = np.empty(weights.shape[2])
    mean_sizes(values, weights, n_terms, which, means)
    return means


def penalty(amplitude):
    """
    Return the factor that keeps the amplitude finite (equation 7).

    Parameters
    ----------
    amplitude : float
        The amplitude in units of the noise.

    Returns
    -------
    factor : float
        The factor.
    """
    return 1 + np.exp(np.minimum((amplitude - MU) / TAU, 500))


def objective(kernel, sums, search, symmetry):
    """
    Return the mean absolute residual times the penalty.

    Parameters
    ----------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.

    sums : (n, n_orbits) `~numpy.ndarray`
        The sums over the orbits of ``symmetry``, of `sum_orbits`.

    search : `Search`
        The search.

    symmetry : {'all', 'axes', 'point'}
        A symmetry of the kernel.

    Returns
    -------
    value : float
        The value, in units of the image; infinite if the covariance is
        not positive definite.
    """
    solved = _solve(kernel, [kernel.amplitude], search, symmetry)
    if solved is None:
        return np.inf
    return (np.abs(sums @ solved.values[0]).mean()
            * penalty(kernel.amplitude))


def symmetry_of(search):
    """
    Return the symmetry that all kernels of a search have.

    Parameters
    ----------
    search : `Search`
        The search.

    Returns
    -------
    symmetry : {'all', 'axes', 'point'}
        The symmetry.
    """
    if search.length_scale is not None:
        return Kernel(search.name, 1.0, search.length_scale,
                      search.angle or 0.0).symmetry
    if search.stretch == 'axes' and (search.angle or 0.0) % 90:
        return 'point'  # the axes are turned
    return {None: 'all', 'axes': 'axes', 'angle': 'point'}[search.stretch]


class Grid(NamedTuple):
    """
    Kernels to choose from, and their weights for a full window.

    Attributes
    ----------
    kernels : list of `~lpiphot.gpr.kernels.Kernel`
        The kernels, of those asked for that are positive definite.

    values : (n, n_orbits) `~numpy.ndarray`
        Their weights.

    variance : (n,) `~numpy.ndarray`
        Their variances.

    penalty : (n,) `~numpy.ndarray`
        Their penalties (equation 7).
    """

    kernels: list
    values: np.ndarray
    variance: np.ndarray
    penalty: np.ndarray


@lru_cache(maxsize=32)
def grid(search, amplitudes, pairs, symmetry, angle=0.0):
    """
    Return kernels to choose from, for any image.

    Parameters
    ----------
    search : `Search`
        The search.

    amplitudes : tuple of float
        The amplitudes.

    pairs : tuple of 2-tuples of float
        The length scales.

    symmetry : {'all', 'axes', 'point'}
        A symmetry of the kernels.

    angle : float, optional
        Their angle in degrees.

    Returns
    -------
    result : `Grid`
        The kernels.

    Raises
    ------
    ValueError
        If there are none.
    """
    kernels, values, variance = [], [], []
    for pair in pairs:
        some = [Kernel(search.name, amplitude, pair, angle, search.period)
                for amplitude in amplitudes]
        solved = _solve(some[0], amplitudes, search, symmetry)
        while solved is None and len(some) > 1:
            some = some[:-1]  # a smaller amplitude may do
            solved = _solve(some[0], amplitudes[:len(some)], search,
                            symmetry)
        if solved is not None:
            kernels.extend(some)
            values.append(solved.values)
            variance.append(solved.variance)
    if not kernels:
        msg = (f'kernel {search.name!r} has no positive definite covariance '
               f'at width {search.width} for the parameters searched')
        raise ValueError(msg)
    return Grid(kernels, np.concatenate(values), np.concatenate(variance),
                penalty(np.array([one.amplitude for one in kernels])))


def _free(kernel, search, *, stretched):
    """
    Return the free parameters, (start, low, high, step) in each row, and
    what makes a kernel of them. Amplitude and scales are logarithms.
    """
    rows = []
    if search.amplitude is None:
        rows.append((np.log(kernel.amplitude),
                     *np.log(search.bounds.amplitude), 0.25))
    n_scales = 0
    if search.length_scale is None:
        n_scales = 2 if stretched else 1
        rows.extend((np.log(scale), *np.log(search.bounds.length_scale), 0.25)
                    for scale in kernel.length_scale[:n_scales])
    if stretched and search.stretch == 'angle' and search.angle is None:
        rows.append((kernel.angle, -np.inf, np.inf, 20.0))

    def make(point):
        point = list(point)
        amplitude, pair, angle = (kernel.amplitude, kernel.length_scale,
                                  kernel.angle)
        if search.amplitude is None:
            amplitude = float(np.exp(point.pop(0)))
        if n_scales:
            pair = np.exp(point[:n_scales]).tolist()
            pair = tuple(pair * 2 if n_scales == 1 else pair)
            point = point[n_scales:]
        if point:
            angle = float(point[0]) % 180
        return Kernel(search.name, amplitude, pair, angle, search.period)

    return np.array(rows, dtype=float).reshape(-1, 4), make


def _refine(kernel, sums, search, symmetry, *, stretched=False):
    """
    Minimise the objective from a kernel on; return kernel and value.
    """
    rows, make = _free(kernel, search, stretched=stretched)

    def cost(point):
        return objective(make(point), sums, search, symmetry)

    start, low, high, step = rows.T
    first = cost(start)
    if len(rows) == 0:
        return kernel, first
    simplex = np.tile(start, (len(rows) + 1, 1))
    simplex[1:] += np.diag(np.where(start + step <= high, step, -step))
    result = minimize(
        cost, start, method='Nelder-Mead',
        bounds=list(zip(low, high, strict=True)),
        options={'initial_simplex': simplex, 'xatol': 2e-3,
                 'fatol': 1e-5 * first, 'maxfev': 60 * len(rows)})
    return make(result.x), result.fun


def train(sums, search):
    """
    Find the kernel with the least mean absolute residual.

    A coarse grid on a part of the training pixels gives the start, and
    the simplex method goes on from there with all of them, in the
    logarithms of the parameters: no start of the user's is needed. A
    stretched kernel starts from the isotropic one, and is taken only if
    it is better.

    Parameters
    ----------
    sums : (n, n_orbits) `~numpy.ndarray`
        The training pixels, of `sum_orbits`, with the symmetry
        `symmetry_of` the search.

    search : `Search`
        What to search for.

    Returns
    -------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.

    value : float
        Its objective, in units of the image.
    """
    fine = symmetry_of(search)
    first = 'all' if search.length_scale is None else fine
    part = coarsen(sums, search.width, fine, first)
    amplitudes, scales = (np.geomspace(*bounds, size).tolist()
                          for bounds, size in
                          zip(search.bounds, GRID, strict=True))
    if search.amplitude is not None:
        amplitudes = [search.amplitude]
    pairs = ([(scale, scale) for scale in scales]
             if search.length_scale is None else [search.length_scale])
    coarse = grid(search, tuple(amplitudes), tuple(pairs), first,
                  search.angle or 0.0)
    few = part[::max(1, len(part) // N_COARSE)]
    best = np.argmin(np.abs(few @ coarse.values.T).mean(axis=0)
                     * coarse.penalty)
    kernel, value = _refine(coarse.kernels[best], part, search, first)
    if search.length_scale is not None or search.stretch is None:
        return kernel, value

    # to both sides of the isotropic kernel, and for a free angle to
    # both diagonals as well
    angles = ((search.angle or 0.0,) if search.stretch == 'axes'
              or search.angle is not None else (0.0, 45.0))
    scale = kernel.length_scale[0]
    starts = [replace(kernel, angle=angle, length_scale=_within(
        (scale * ratio, scale / ratio), search.bounds.length_scale))
        for angle in angles for ratio in (0.8, 1.25)]
    start = min(starts, key=lambda start: objective(start, sums, search,
                                                    fine))
    stretched, best = _refine(start, sums, search, fine, stretched=True)
    return (stretched, best) if best < value else (kernel, value)


def _within(pair, bounds):
    return tuple(np.clip(pair, *bounds).tolist())
