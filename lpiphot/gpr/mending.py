# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Training pixels with bad neighbours, these filled for a while.
"""

from contextlib import contextmanager

import numpy as np

from lpiphot._core.imputation import fill_pixels
from lpiphot.gpr.choices import best_of, choices
from lpiphot.gpr.pixels import MIN_PIXELS, N_TRIED, count, whole_windows
from lpiphot.gpr.weights import Window, stack_windows
from lpiphot.gpr.window import moments, offsets

__all__ = ['mend_all']

# Bad neighbours of training pixels are filled if they have no more than
# this share of the weights, from so many good pixels at least
MAX_MENDED, MIN_MENDED = 0.35, 8


def mend_all(planes, candidates, pixels, search, rng, stack):
    """
    Return training pixels whose bad neighbours are filled, if they are
    more than those that there are.

    Parameters
    ----------
    planes : list of `~lpiphot.gpr.plane.Plane`
        The images.

    candidates : list of `~lpiphot.gpr.pixels.Candidates`
        Those of each image.

    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        The training pixels that there are, from which the kernel is that
        fills.

    search : `~lpiphot.gpr.training.Search`
        The kernels.

    rng : `~numpy.random.Generator`
        The generator.

    stack : `~contextlib.ExitStack`
        The images are changed until it is left.

    Returns
    -------
    pixels : list of `~lpiphot.gpr.pixels.TrainingPixels`
        The training pixels.
    """
    kernel = best_of(choices(search, pixels), pixels, search.width)
    mended = []
    for plane, some in zip(planes, candidates, strict=True):
        chosen = []
        for index, n_pixels in some.groups:
            index = rng.permutation(index)[:N_TRIED * n_pixels]
            index = index[_clean_enough(plane, index, search.width)]
            chosen.append((index[:n_pixels], n_pixels))
        index = np.concatenate([index for index, _ in chosen])
        stack.enter_context(_mended(plane, index, kernel, search.width))
        mended.append(whole_windows(plane, some._replace(groups=chosen),
                                    search, rng))
    if count(mended) >= max(count(pixels), MIN_PIXELS):
        return mended
    stack.close()
    return pixels


def _clean_enough(plane, index, width):
    """
    Tell good pixels inside the image with few bad neighbours.
    """
    half = width // 2
    n_y, n_x = plane.data.shape
    y, x = np.divmod(index, n_x)
    return ((y >= half) & (y < n_y - half) & (x >= half) & (x < n_x - half)
            & ~plane.bad[y, x]
            & (moments(plane.data, plane.bad, y, x, width).lost < MAX_MENDED))


@contextmanager
def _mended(plane, index, kernel, width):
    """
    Fill the bad neighbours of pixels, for a while.
    """
    data, bad = plane.data.ravel(), plane.bad.ravel()  # no copies
    dy, dx = offsets(width)
    near = index[:, np.newaxis] + dy * plane.data.shape[1] + dx
    near = np.unique(near[bad[near]])
    value, variance = np.zeros((2, near.size))
    n_good = np.zeros(near.size, dtype=np.intc)
    fill_pixels(plane.data, plane.bad.view(np.uint8),
                *np.divmod(near, plane.data.shape[1]), dy, dx,
                np.zeros(near.size, dtype=np.intc),
                *stack_windows([Window(kernel, width)]), MIN_MENDED, value,
                variance, n_good)
    done = n_good >= MIN_MENDED
    near = near[done]
    before = data[near]
    data[near], bad[near] = value[done], False
    try:
        yield
    finally:
        data[near], bad[near] = before, True
