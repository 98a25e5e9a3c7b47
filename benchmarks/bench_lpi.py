"""
The cost of LPI in units of the bare Cholesky factorisation.

Each case prints the core time per star, the floor (LAPACK's potrf on
matrices of the same sizes, same run, one thread) and their ratio. See
README.rst for what the cases are and for figures.
"""

import argparse
import cProfile
import pstats
import resource
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from bench_helpers import (FWHM, NOISE, Clock, PeakMemory, cholesky_floor,
                           make_scene, own_memory)
from photutils.psf import CircularGaussianPRF
from threadpoolctl import threadpool_limits

import lpiphot.corrector
from lpiphot import LPIBackgroundCorrector
from lpiphot.lpi.covariance import (Workspace, joint_covariances,
                                    training_region)
from lpiphot.lpi.tiles import Region

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
    print(f'threads  {walls[0] / walls[1]:.2f} times as fast with two '
          f'(bare Cholesky: {_gain_of_cholesky():.2f}), results '
          f'{"the same" if same else "NOT the same"} bit for bit; '
          f'peak memory {before / 1e6:.2f} GB before, {after / 1e6:.2f} GB '
          'after', flush=True)


def _gain_of_cholesky():
    """
    Return what a second thread gains if all it does is to factor.
    """
    matrix = np.full((800, 800), 0.5, dtype='f4')
    matrix[np.diag_indices(800)] = 2.0

    def factor(n):
        for _ in range(n):
            np.linalg.cholesky(matrix)

    n, walls = 800, []
    with threadpool_limits(1, user_api='blas'):
        for n_threads in (1, 2):
            with ThreadPoolExecutor(n_threads) as pool, Clock() as clock:
                list(pool.map(factor, [n // n_threads] * n_threads))
            walls.append(clock.wall)
    return walls[0] / walls[1]


def run_mapped(fraction):
    """
    Print the memory that an image mapped from a FITS file takes.
    """
    side = int(16384 * fraction)
    n_stars = 2000
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'image.fits'
        header = fits.Header({'SIMPLE': True, 'BITPIX': -32, 'NAXIS': 2,
                              'NAXIS1': side, 'NAXIS2': side})
        with fits.StreamingHDU(path, header) as hdu:
            for _ in range(side // 256):
                hdu.write(rng.normal(0, NOISE, (256, side)).astype('>f4'))
        table = QTable({'x_fit': rng.uniform(0, side - 1, n_stars),
                        'y_fit': rng.uniform(0, side - 1, n_stars),
                        'flux_fit': np.full(n_stars, 100 * NOISE)})
        corrector = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=FWHM),
                                           n_threads=2)
        with fits.open(path, memmap=True) as hdus:
            before = own_memory()
            with PeakMemory() as peak:
                corrector(hdus[0].data, table)
    print(f'mapped   {side} x {side} pixels in a FITS file of '
          f'{4 * side ** 2 / 1e9:.2f} GB, {n_stars} stars, two threads: own '
          f'memory {before / 1e9:.2f} GB before, at most '
          f'{peak.bytes / 1e9:.2f} GB', flush=True)


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


def run_robust(fraction):
    """
    Print what the robust treatment costs more than the published method.
    """
    side = int(1024 * fraction ** 0.5)
    scenes = {'dense': make_scene((side, side), int(1250 * fraction)),
              'sparse': make_scene(SHAPE, 100)}
    for name, (data, table, psf_model) in scenes.items():
        robust = LPIBackgroundCorrector(psf_model)
        published = LPIBackgroundCorrector(psf_model, residual_threshold=1e9)
        robust(data, table)
        ratios = []
        for _ in range(7):  # by turns
            times = []
            for corrector in (robust, published):
                with Clock() as clock:
                    corrector(data, table)
                times.append(clock.core)
            ratios.append(times[0] / times[1])
        print(f'robust   {name}: {100 * (np.median(ratios) - 1):+.1f} % of a '
              f'star (from {100 * (min(ratios) - 1):+.1f} to '
              f'{100 * (max(ratios) - 1):+.1f} in 7 turns)', flush=True)


def run_sums(_):
    """
    Print the time of the sums over windows alone, for jobs of stars.
    """
    rng = np.random.default_rng(1)
    image = rng.normal(size=(800, 800))
    y, x = np.mgrid[-16:17, -16:17]
    used = (np.hypot(y, x) <= 16).ravel()
    place = np.where(used, np.cumsum(used) - 1, -1)
    shapes = (33, 33), (129, 129), image.shape
    for n_stars, side in ((1, 1), (20, 128), (78, 256)):
        centres = rng.integers(250, 250 + side, (n_stars, 2))
        training, _, corners = training_region(
            image, Region((0, 0), image.shape), centres, *shapes)
        places = np.tile(place, (n_stars, 1))
        for dtype in ('float32', 'float64'):
            workspace, times = Workspace(), []
            for _ in range(5):
                with Clock() as clock:
                    _, covariances = joint_covariances(
                        training, corners, places, *shapes[:2],
                        np.dtype(dtype), workspace)
                    for _ in covariances:
                        pass
                times.append(clock.core)
            print(f'sums     {n_stars:3d} stars on {side} x {side} pixels, '
                  f'{dtype}: {1e3 * np.median(times) / n_stars:.2f} ms/star',
                  flush=True)


def run_profile(fraction):
    """
    Print where the time of the dense case goes.
    """
    n_stars = int(10000 * fraction)
    data, table, psf_model = make_scene(
        (SHAPE[0], int(SHAPE[1] * fraction)), n_stars)
    corrector = LPIBackgroundCorrector(psf_model)
    # cProfile does not see other threads: run the jobs in this one
    lpiphot.corrector.run_jobs = (
        lambda function, jobs, **_: [function(job) for job in jobs])
    profile = cProfile.Profile()
    with threadpool_limits(1, user_api='blas'), profile:
        corrector(data, table)
    stats = pstats.Stats(profile).sort_stats('tottime')
    for name in stats.fcn_list[:12]:
        path, line, function = name
        seconds = stats.stats[name][2]
        print(f'profile  {1e3 * seconds / n_stars:.3f} ms/star  {function} '
              f'({path.split("/")[-1]}:{line})', flush=True)
    print(f'profile  {1e3 * stats.total_tt / n_stars:.3f} ms/star in all')


# the profile last: it changes the corrector
OTHERS = {'threads': run_threads, 'mapped': run_mapped,
          'accuracy': run_accuracy, 'robust': run_robust,
          'sums': run_sums, 'profile': run_profile}


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
