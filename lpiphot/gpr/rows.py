# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Training pixels -> what kernels make of them.

To tell which of many kernels is best, all of them fill each training pixel,
and what they give is compared with what was measured. What a kernel needs of
the neighbours are their sums over orbits (`lpiphot.gpr.orbits`), so that all
kernels and pixels together are one product of matrices.
"""

import numpy as np

from lpiphot._core.imputation import fill_pixels, lose_neighbours
from lpiphot.gpr.patterns import pattern_weights, patterns
from lpiphot.gpr.training import columns, mean_residuals
from lpiphot.gpr.weights import Window, stack_windows
from lpiphot.gpr.window import Moments, offsets, taper

__all__ = ['HurtRows', 'LostRows', 'WholeRows', 'rows_of', 'spread']

# The largest sum over an orbit, in units of the noise
MAX_SUM = 1e30

# A pixel loses neighbours so often at most, by patterns drawn anew
MAX_REPEAT = 8


class _Rows:
    """
    Training pixels, and what kernels make of them, in units of the noise.

    Attributes
    ----------
    moments : `~lpiphot.gpr.window.Moments`
        How the neighbours of the pixels scatter.

    found : `~lpiphot.gpr.training.Grid`
        The kernels.

    values : (n,) `~numpy.ndarray`
        The pixels themselves, counted from the level of the image.

    share : (n,) `~numpy.ndarray`
        Weights by which they are a fair sample.
    """

    def cost(self, chosen):
        """
        Return the mean absolute residual of some pixels, of all kernels.

        Parameters
        ----------
        chosen : (n,) `~numpy.ndarray` of int
            The pixels.

        Returns
        -------
        cost : (n_kernels,) `~numpy.ndarray`
            The residuals.
        """
        # beyond the kernels are columns of zeros
        return self._cost(chosen)[:len(self.found.kernels)]

    def take(self, chosen, kernel):
        """
        Return residuals and variances of some pixels, of one kernel.

        Parameters
        ----------
        chosen : (n,) `~numpy.ndarray` of int
            The pixels.

        kernel : int
            The number of the kernel.

        Returns
        -------
        residuals, variances : `~numpy.ndarray`
            What is filled less what was measured, and the variance of it,
            of all pixels alike or of each.
        """
        return self._take(chosen, kernel)


class WholeRows(_Rows):
    """
    Training pixels with all their neighbours.

    Parameters
    ----------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        Those of each image.

    found : `~lpiphot.gpr.training.Grid`
        The kernels.
    """

    def __init__(self, pixels, found):
        self.moments, self.found = _moments(pixels), found
        self.values, self.share = _values(pixels), _shares(pixels)
        # an image almost without noise has sums beyond float32
        sums = np.concatenate([some.sums for some in pixels])
        self._sums = np.clip(sums, -MAX_SUM, MAX_SUM).astype(np.float32)
        self._weights = columns(found.values)[np.newaxis]

    def _cost(self, chosen):
        sums = self._sums.take(chosen, axis=0)  # faster than an index
        return mean_residuals(sums, self._weights, np.array([sums.shape[1]]),
                              np.zeros(len(sums), dtype=np.intp))

    def _take(self, chosen, kernel):
        weights = self._weights[0, :, kernel]
        return self._sums[chosen] @ weights, self.found.variance[kernel]


class HurtRows(_Rows):
    """
    Training pixels without some of their neighbours.

    Parameters
    ----------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        Those of each image.

    found : `~lpiphot.gpr.training.Grid`
        The kernels.

    width : int
        The width of the window in pixels.
    """

    def __init__(self, pixels, found, width):
        self.moments, self.found = _moments(pixels), found
        self.values, self.share = _values(pixels), _shares(pixels)
        arrays = stack_windows([Window(kernel, width)
                                for kernel in found.kernels])
        parts = [_fill_again(some, arrays, width) for some in pixels]
        self._residuals, self._variance = (
            np.concatenate(part) for part in zip(*parts, strict=True))

    def _cost(self, chosen):
        return np.abs(self._residuals[chosen]).mean(axis=0)

    def _take(self, chosen, kernel):
        return self._residuals[chosen, kernel], self._variance[chosen, kernel]


class LostRows(_Rows):
    """
    Training pixels that lose neighbours, each by a pattern.

    Parameters
    ----------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        Those of each image; the neighbours of all are good.

    found : `~lpiphot.gpr.training.Grid`
        The kernels.

    key : tuple
        Width, least and largest share that is lost, and symmetry, as for
        `~lpiphot.gpr.patterns.patterns`.

    n_pixels : int
        How many rows to make, see `spread`.

    rng : `~numpy.random.Generator`
        The generator that chooses patterns.
    """

    def __init__(self, pixels, found, key, n_pixels, rng):
        width, shapes = key[0], patterns(*key)
        self._weights, self._n_good, self._variance, middle = (
            pattern_weights(tuple(found.kernels), *key))
        # the error of a class is that of its middle pattern
        self.found = found._replace(variance=middle)

        parts, times = spread(pixels, n_pixels)
        ends = np.cumsum([len(part) for part in parts])
        pattern = rng.integers(len(shapes.which), size=ends[-1])
        which = shapes.which[pattern]
        # equal ones together; numpy sorts short integers several times faster
        order = np.argsort(which.astype(np.uint16), kind='stable')
        self._which = which[order]
        row = np.empty_like(order)
        row[order] = np.arange(order.size)
        self._values = np.empty((order.size, shapes.order.shape[1]),
                                dtype=np.float32)
        self.moments = Moments(*np.empty((3, order.size)))
        self.values = np.concatenate([
            _value(some)[part] for some, part
            in zip(pixels, parts, strict=True)])[order]
        self.share = np.concatenate([
            some.share[part] / n[part] for some, part, n
            in zip(pixels, parts, times, strict=True)])[order]
        for some, part, end in zip(pixels, parts, ends, strict=True):
            mine = slice(end - len(part), end)
            lose_neighbours(
                some.plane.data, some.y[part], some.x[part], *offsets(width),
                taper(width), shapes.hidden, shapes.order, pattern[mine],
                some.plane.noise, MAX_SUM, row[mine], self._values,
                *self.moments)

    def _cost(self, chosen):
        return mean_residuals(self._values.take(chosen, axis=0),
                              self._weights, self._n_good,
                              self._which[chosen])

    def _take(self, chosen, kernel):
        which = self._which[chosen]
        weights = np.ascontiguousarray(self._weights[:, :, kernel])
        residuals = np.einsum('ij,ij->i', self._values.take(chosen, axis=0),
                              weights.take(which, axis=0))
        return residuals, self._variance[kernel, which]


def rows_of(pixels, found, width):
    """
    Return what kernels make of training pixels.

    Parameters
    ----------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        Those of each image.

    found : `~lpiphot.gpr.training.Grid`
        The kernels.

    width : int
        The width of the window in pixels.

    Returns
    -------
    rows : `WholeRows` or `HurtRows`
        What the pixels are.
    """
    if pixels[0].sums is not None:
        return WholeRows(pixels, found)
    return HurtRows(pixels, found, width)


def spread(pixels, n_pixels):
    """
    Choose pixels of each image in proportion to those it has, and of each
    of its groups to those that were wanted; scarce ones several times.

    Parameters
    ----------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        Those of each image.

    n_pixels : int
        How many to choose; less, if all would be chosen too often.

    Returns
    -------
    chosen : list of `~numpy.ndarray` of int
        The indices of the pixels of each image.

    times : list of `~numpy.ndarray`
        How often each pixel of each image is chosen on average, given
        its group.
    """
    sizes = np.cumsum([0, *(len(some.y) for some in pixels)])
    ends = n_pixels * sizes // max(sizes[-1], 1)
    return tuple(zip(*(_spread_one(some.groups, n_rows) for some, n_rows
                       in zip(pixels, np.diff(ends), strict=True)),
                     strict=True))


def _spread_one(groups, n_rows):
    """
    Choose pixels of one image; what a group has not, the others give.
    """
    firsts = np.cumsum([0, *(size for size, _ in groups[:-1])])
    wanted = sum(n for _, n in groups)
    times = np.ones(sum(size for size, _ in groups))
    parts = []
    for first, (size, n) in sorted(  # the scarcest first
            zip(firsts, groups, strict=True),
            key=lambda group: group[1][0] / group[1][1]):
        n_mine = min(round(n_rows * n / wanted), MAX_REPEAT * size)
        parts.append(first + np.arange(n_mine) * size // max(n_mine, 1))
        times[first:first + size] = n_mine / max(size, 1)
        n_rows, wanted = n_rows - n_mine, wanted - n
    return np.sort(np.concatenate(parts)), times


def _moments(pixels):
    """
    Put the moments of all images together.
    """
    return Moments(*np.concatenate([some.moments for some in pixels], axis=1))


def _value(some):
    """
    Return the pixels of one image themselves, in units of the noise.
    """
    return some.plane.data[some.y, some.x] / some.plane.noise


def _values(pixels):
    return np.concatenate([_value(some) for some in pixels])


def _shares(pixels):
    return np.concatenate([some.share for some in pixels])


def _fill_again(pixels, arrays, width):
    """
    Fill good pixels as if they were bad, by every kernel; return
    residuals in units of the noise, and variances.
    """
    plane, y, x = pixels[:3]
    n_kernels = len(arrays[0])
    value, variance = np.zeros((2, n_kernels, y.size))
    n_good = np.zeros(y.size, dtype=np.intc)
    for number in range(n_kernels):
        which = np.full(y.size, number, dtype=np.intc)
        fill_pixels(plane.data, plane.bad.view(np.uint8), y, x,
                    *offsets(width), which, *arrays, 1, value[number],
                    variance[number], n_good)
    return (value - plane.data[y, x]).T / plane.noise, variance.T
