"""
The cost of LPI in units of the bare Cholesky factorisation.

Each case prints the core time per star, the floor (LAPACK's potrf on
matrices of the same sizes, same run, one thread) and their ratio. See
README.rst for what the cases are and for figures.
"""

import argparse
import resource

import numpy as np
from bench_helpers import Clock, cholesky_floor, make_scene

from lpiphot import LPIBackgroundCorrector

SHAPE = (2048, 4096)

# name: (stars, dtype, threads, aim for the ratio)
CASES = {
    'dense': (10000, 'float32', 1, 1.6),
    'sparse': (100, 'float32', 1, 4.0),
    'float64': (10000, 'float64', 1, 1.6),
}


def run_case(name, fraction):
    """
    Run one case and print its line.
    """
    n_stars, dtype, n_threads, aim = CASES[name]
    shape = SHAPE
    if fraction < 1 and name != 'sparse':
        shape = (SHAPE[0], int(SHAPE[1] * fraction))
        n_stars = int(n_stars * fraction)
    data, table, psf_model = make_scene(shape, n_stars)
    corrector = LPIBackgroundCorrector(psf_model, dtype=dtype,
                                       n_threads=n_threads)
    with Clock() as clock:
        result = corrector(data, table)
    floor = cholesky_floor(result['kcond'] + result['kpred'], dtype)
    per_star = clock.core / n_stars
    print(f'{name:8s} {n_stars:6d} stars  {1e3 * per_star:6.2f} ms/star  '
          f'floor {1e3 * floor:5.2f} ms (n = '
          f'{np.median(result["kcond"] + result["kpred"]):.0f})  ratio '
          f'{per_star / floor:5.2f}  aim {aim}  wall {clock.wall:.1f} s',
          flush=True)


def run_threads(fraction):
    """
    Print what a second thread gains, and the peak of the memory.
    """
    shape = (SHAPE[0], int(SHAPE[1] * fraction))
    data, table, psf_model = make_scene(shape, int(10000 * fraction))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    walls, tables = [], []
    for n_threads in (1, 2):
        corrector = LPIBackgroundCorrector(psf_model, n_threads=n_threads)
        with Clock() as clock:
            tables.append(corrector(data, table))
        walls.append(clock.wall)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    same = all(np.array_equal(tables[0][name], tables[1][name])
               for name in ('cflux', 'dcflux', 'cchi2', 'dnt'))
    print(f'threads  {walls[0] / walls[1]:.2f} times as fast with two, '
          f'results {"the same" if same else "NOT the same"} bit for bit; '
          f'peak memory {before / 1e6:.2f} GB before, {after / 1e6:.2f} GB '
          'after', flush=True)


def run_accuracy(fraction):
    """
    Print how far float32 is from float64, at two levels.
    """
    n_stars = int(4000 * fraction)
    for level in (0.0, 1e5):
        data, table, psf_model = make_scene((2048, int(2048 * fraction)),
                                            n_stars, level=level)
        single, double = (
            LPIBackgroundCorrector(psf_model, dtype=dtype, n_threads=2)(
                data, table) for dtype in ('float32', 'float64'))
        shift = abs(single['cflux'] - double['cflux']) / double['dcflux']
        change = abs(single['dcflux'] / double['dcflux'] - 1)
        print(f'accuracy {n_stars} stars, level {level:g}: 99 % have '
              f'|shift of cflux| < {np.nanpercentile(shift, 99):.1e} dcflux '
              f'and dcflux within {np.nanpercentile(change, 99):.1e}',
              flush=True)


OTHERS = {'threads': run_threads, 'accuracy': run_accuracy}


def main():
    """
    Parse the command line and run the cases.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--which', nargs='+', choices=[*CASES, *OTHERS],
                        default=[*CASES, *OTHERS])
    parser.add_argument('--fraction', type=float, default=1.0,
                        help='use this fraction of image and stars')
    args = parser.parse_args()
    for name in args.which:
        if name in OTHERS:
            OTHERS[name](args.fraction)
        else:
            run_case(name, args.fraction)


if __name__ == '__main__':
    main()
