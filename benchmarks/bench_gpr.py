"""
The cost of imputation in units of one dense inverse per bad pixel.

Each fill case prints the core time of `lpiphot.GPRImputer` per bad pixel,
everything after training included, that of the published way (one inverse
of the covariance of the good neighbours for each bad pixel that has bad
neighbours; a part of the pixels, same run, one thread), and their ratio.
See README.rst for what the cases are and for figures.
"""

import argparse

import numpy as np
from bench_helpers import Clock, make_scene
from scipy.ndimage import binary_dilation
from threadpoolctl import threadpool_limits

from lpiphot import GPRImputer
from lpiphot.gpr.orbits import sum_orbits
from lpiphot.gpr.training import objective

SHAPE = (2048, 2048)
WIDTH = 9
N_DENSE = 3000

# name: (aim in microseconds, aim for the ratio)
CASES = {'random 1 %': (5, 30), 'random 5 %': (5, 30), 'blobs': (15, 30)}


def make_mask(name):
    """
    Return the bad pixels of a case.
    """
    rng = np.random.default_rng(2)
    if name == 'blobs':
        seeds = rng.random(SHAPE) < 5e-4
        return binary_dilation(seeds, np.ones((5, 5)))
    return rng.random(SHAPE) < (0.01 if '1 %' in name else 0.05)


def covariance(y, x, other_y, other_x, a, h):
    """
    Return the squared exponential covariance of pixels.
    """
    square = (np.subtract.outer(y, other_y) ** 2
              + np.subtract.outer(x, other_x) ** 2)
    return a ** 2 * np.exp(-square / (2 * h ** 2))


def dense_weights(bad, a, h):
    """
    Return normalised weights for the centre of a window, by an inverse.
    """
    half = WIDTH // 2
    y, x = np.nonzero(~bad)
    inverse = np.linalg.inv(covariance(y, x, y, x, a, h) + np.eye(y.size))
    weights = np.zeros(bad.shape)
    weights[y, x] = inverse @ covariance(
        y, x, np.array([half]), np.array([half]), a, h)[:, 0]
    return weights / weights.sum()


def fill_densely(data, mask, pixels, a, h):
    """
    Fill pixels one by one, those with whole windows by one kernel.
    """
    half = WIDTH // 2
    alone = np.zeros((WIDTH, WIDTH), dtype=bool)
    alone[half, half] = True
    isolated = dense_weights(alone, a, h)
    values = np.empty(len(pixels))
    for i, (y, x) in enumerate(pixels):
        window = np.s_[y - half:y + half + 1, x - half:x + half + 1]
        bad = mask[window]
        weights = (isolated if np.count_nonzero(bad) == 1
                   else dense_weights(bad, a, h))
        values[i] = np.sum(weights * data[window])
    return values


def run_fill(name, data, n_repeat):
    """
    Run one case of filling and print its line.
    """
    mask = make_mask(name)
    imputer = GPRImputer().fit(data, mask=mask)
    times = []
    for _ in range(n_repeat):
        with Clock() as clock:
            imputer(data, mask=mask)
        times.append(clock.core)
    ours = np.median(times) / mask.sum()

    kernel = imputer.model.kernels[0]
    edge = WIDTH // 2
    pixels = np.argwhere(mask)
    inside = np.all((pixels >= edge) & (pixels < np.array(SHAPE) - edge),
                    axis=1)
    pixels = np.random.default_rng(3).permutation(pixels[inside])[:N_DENSE]
    zeroed = np.where(mask, 0, data)
    with Clock() as clock:
        fill_densely(zeroed, mask, pixels, kernel.amplitude,
                     kernel.length_scale[0])
    dense = clock.core / len(pixels)
    aim, ratio = CASES[name]
    print(f'{name:11s} {mask.sum():7d} pixels  {1e6 * ours:6.2f} us/pixel '
          f'(aim {aim})  dense {1e6 * dense:6.1f} us/pixel  ratio '
          f'{dense / ours:6.1f} (aim {ratio})', flush=True)


def run_training(data, n_repeat):
    """
    Print the time of training at the default number of pixels.
    """
    mask = make_mask('random 1 %')
    for method in ('local', 'single'):
        for stretch in (None, 'axes'):
            imputer = GPRImputer(method=method, stretch=stretch)
            imputer.fit(data, mask=mask)
            with Clock() as read:
                for _ in range(n_repeat):
                    _plane_of(data, mask)
            with Clock() as clock:
                for _ in range(n_repeat):
                    imputer.fit(data, mask=mask)
            core = (clock.core - read.core) / n_repeat
            print(f'training    {method:6s} stretch {stretch!s:4s} '
                  f'{1e3 * core:6.1f} ms from {imputer.model.n_training} '
                  f'pixels, after {1e3 * read.core / n_repeat:.0f} ms of '
                  'reading the image', flush=True)


def _plane_of(data, mask):
    from lpiphot._inputs import parse_pixels
    from lpiphot.gpr.plane import Plane

    return Plane.of(*parse_pixels(data, mask=mask)[:2])


def run_objective(data, _):
    """
    Print how much the objective of all bright pixels exceeds its least.
    """
    from lpiphot.gpr.training import Bounds, Search, train

    mask = make_mask('random 1 %')
    plane = _plane_of(data, mask)
    level = np.median(np.abs(plane.data))
    y, x = (np.ascontiguousarray(axis) for axis in np.nonzero(
        (plane.data > 10 * level) & ~mask))
    sums = sum_orbits(plane.data, plane.bad, y, x, WIDTH, 'all').sums
    search = Search('squared_exponential', WIDTH, None,
                    Bounds((1.0, 5000.0), (0.5, float(WIDTH))))
    _, least = train(sums, search)
    imputer = GPRImputer(method='single', training_clip=1.0)
    kernel = imputer.fit(data, mask=mask).model.kernels[0]
    value = objective(kernel, sums, search, 'all')
    print(f'objective   {100 * (value / least - 1):.2f} % above the least '
          f'for all {len(sums)} bright pixels')


OTHERS = {'training': run_training, 'objective': run_objective}


def main():
    """
    Parse the command line and run the cases.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--which', nargs='+', choices=[*CASES, *OTHERS],
                        default=[*CASES, *OTHERS])
    parser.add_argument('--n-repeat', type=int, default=5)
    args = parser.parse_args()
    data, _, _ = make_scene(SHAPE, 4000)
    data = data.astype(float)
    with threadpool_limits(1, user_api='blas'):
        for name in args.which:
            if name in OTHERS:
                OTHERS[name](data, args.n_repeat)
            else:
                run_fill(name, data, args.n_repeat)


if __name__ == '__main__':
    main()
