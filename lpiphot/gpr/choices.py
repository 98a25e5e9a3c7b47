# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Which kernel is best for all training pixels.
"""

import numpy as np

from lpiphot.gpr.kernels import Kernel
from lpiphot.gpr.rows import rows_of
from lpiphot.gpr.training import Grid, grid, symmetry_of, train

__all__ = ['best_of', 'choices', 'every_other', 'single_kernel']

# Kernels to choose from
AMPLITUDES = tuple(np.geomspace(0.1, 1000.0, 13).tolist())
LENGTH_SCALES = (0.5, 0.7, 0.8, 1.0, 1.35, 1.6, 2.0, 2.5, 3.2, 4.0, 5.5, 7.5)
# Those of another kernel: with less all kernels are much the same
OTHER_AMPLITUDES, OTHER_SCALES = AMPLITUDES[4::2], LENGTH_SCALES[3:]

# Ratios of length scales, where pixels are too few to train for it
RATIOS = (0.2, 0.5, 1.0, 2.0, 5.0)


def choices(search, pixels):
    """
    Return the kernels to choose from; fewer if neighbours are bad.

    Parameters
    ----------
    search : `~lpiphot.gpr.training.Search`
        What is given, and what is searched for.

    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        The training pixels, from which a stretch is found.

    Returns
    -------
    found : `~lpiphot.gpr.training.Grid`
        The kernels.
    """
    amplitudes, scales = AMPLITUDES, LENGTH_SCALES
    whole = pixels[0].sums is not None
    if not whole:
        amplitudes, scales = amplitudes[::3], scales[::2]
    if search.amplitude is not None:
        amplitudes = (search.amplitude,)
    if search.length_scale is not None:
        pairs, angle = (search.length_scale,), search.angle or 0.0
    else:
        ratio, angle = _stretch(search, pixels)
        pairs = _stretched(scales, ratio)
    found = grid(search, amplitudes, pairs, symmetry_of(search), angle)
    if search.other is None or not whole:
        return found
    return _joined([found, grid(
        search._replace(name=search.other), OTHER_AMPLITUDES,
        _stretched(OTHER_SCALES, ratio), symmetry_of(search), angle)])


def _stretched(scales, ratio):
    return tuple((scale * ratio ** 0.5, scale / ratio ** 0.5)
                 for scale in scales)


def _joined(grids):
    """
    Put kernels of several grids together.
    """
    return Grid([kernel for one in grids for kernel in one.kernels],
                *map(np.concatenate, zip(*(one[1:] for one in grids),
                                         strict=True)))


def best_of(found, pixels, width):
    """
    Return the kernel with the least mean absolute residual, times penalty.

    Parameters
    ----------
    found : `~lpiphot.gpr.training.Grid`
        The kernels.

    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        The training pixels.

    width : int
        The width of the window in pixels.

    Returns
    -------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.
    """
    rows = rows_of(pixels, found, width)
    cost = rows.cost(np.arange(rows.values.size))
    return found.kernels[int(np.argmin(cost * found.penalty))]


def every_other(found):
    """
    Leave out every other amplitude.

    Parameters
    ----------
    found : `~lpiphot.gpr.training.Grid`
        The kernels.

    Returns
    -------
    found : `~lpiphot.gpr.training.Grid`
        Half of them; all, if the amplitude is given.
    """
    kept = [number for number, kernel in enumerate(found.kernels)
            if kernel.amplitude in AMPLITUDES[::2]]
    if not kept:
        return found
    return Grid([found.kernels[number] for number in kept],
                *(array[kept] for array in found[1:]))


def _stretch(search, pixels):
    """
    Find the ratio of the length scales, y over x, and the angle.
    """
    angle = search.angle or 0.0
    if search.stretch is None:
        return 1.0, angle
    if pixels[0].sums is not None:
        kernel = single_kernel(pixels, search)
        return np.divide(*kernel.length_scale).item(), kernel.angle
    angles = ((0.0, 45.0) if search.stretch == 'angle'
              and search.angle is None else (angle,))
    pairs = sum((_stretched(LENGTH_SCALES[3::3], ratio) for ratio in RATIOS),
                ())
    found = _joined([grid(search, AMPLITUDES[3::4], pairs,
                          symmetry_of(search), angle) for angle in angles])
    kernel = best_of(found, pixels, search.width)
    return np.divide(*kernel.length_scale).item(), kernel.angle


def single_kernel(pixels, search):
    """
    Find the kernel that is best for all pixels, also between choices.

    Parameters
    ----------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        Those of each image.

    search : `~lpiphot.gpr.training.Search`
        What there is to choose.

    Returns
    -------
    kernel : `~lpiphot.gpr.kernels.Kernel`
        The kernel.
    """
    if search.amplitude is not None and search.length_scale is not None:
        return Kernel(search.name, search.amplitude, search.length_scale,
                      search.angle or 0.0, search.period)
    if pixels[0].sums is not None:
        return train(np.concatenate([some.sums for some in pixels]),
                     search)[0]
    return best_of(choices(search, pixels), pixels, search.width)
