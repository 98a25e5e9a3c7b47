"""
The cost of LPI in units of the bare Cholesky factorisation.

Each case prints the core time per star, the floor (LAPACK's potrf on
matrices of the same sizes, same run, one thread) and their ratio. See
README.rst for what the cases are and for figures.
"""

import argparse

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


def main():
    """
    Parse the command line and run the cases.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--which', nargs='+', choices=CASES,
                        default=list(CASES))
    parser.add_argument('--fraction', type=float, default=1.0,
                        help='use this fraction of image and stars')
    args = parser.parse_args()
    for name in args.which:
        run_case(name, args.fraction)


if __name__ == '__main__':
    main()
