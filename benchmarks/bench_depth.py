# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Measure what the step of a map of depth costs, and whether the map is true.

For the steps, the time, and how far the map is from that of the smallest
step. For the truth, stars of known flux are put on blank positions by
check_blank_positions, and their errors divided by dcflux, by the map at
their pixel, and by the map without covariances: median and robust width
should be 0 and 1. The map of white noise is compared with the error of
the matched filter.
"""

import argparse
import time
import warnings

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from bench_helpers import matched_error
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.datasets import load_horsehead
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import check_blank_positions, robust_width

N_SIGMA = 5
EDGE = 16  # half a stamp


def plain(values):
    """
    Return values without their unit.
    """
    return np.array(getattr(values, 'value', values), dtype=float)


def compare_steps(corrector, found, steps):
    """
    Print time and accuracy of each step; the smallest is the truth.
    """
    truth = None
    for step in sorted(steps):
        start = time.process_time()
        depth = corrector.depth(found.data_subtracted, found.table,
                                mask=found.mask, step=step)
        seconds = time.process_time() - start
        image = plain(depth.image)
        truth = image if truth is None else truth
        change = 100 * np.abs(image / truth - 1)
        print(f'  step {step:3d}: {depth.dnt.size:6d} nodes  {seconds:6.1f} s'
              '  differences: median {:4.1f} %, 90 % < {:4.1f} %, '
              '99 % < {:4.1f} %; {} pixels from the edges {:4.1f} %'.format(
                  *np.nanpercentile(change, [50, 90, 99]), EDGE,
                  np.nanpercentile(change[EDGE:-EDGE, EDGE:-EDGE], 99)),
              flush=True)


def check_errors(corrector, found, n_positions, seed):
    """
    Print how errors at blank positions compare with the map.
    """
    depth = corrector.depth(found.data_subtracted, found.table,
                            mask=found.mask, n_sigma=N_SIGMA)
    blank = check_blank_positions(corrector, found.data_subtracted,
                                  found.table, mask=found.mask,
                                  n_positions=n_positions, rng=seed).table
    x, y = (np.round(blank[name]).astype(int)
            for name in ('x_true', 'y_true'))
    offset = plain(blank['cflux']) - plain(blank['flux_true'])
    map_error = plain(depth.image)[y, x] / N_SIGMA
    for name, error in (
            ('dcflux of each', plain(blank['dcflux'])), ('map', map_error),
            ('map, no covariances', plain(depth.image_diag)[y, x] / N_SIGMA)):
        z = offset / error
        print(f'  {name:20s} median z {np.median(z):+5.2f}  width '
              f'{robust_width(z):5.2f}  beyond 5: '
              f'{np.count_nonzero(np.abs(z) > 5)} of {len(z)}')
    for part in np.array_split(np.argsort(map_error), 3):
        print(f'  map about {N_SIGMA * np.median(map_error[part]):10.4g}: '
              f'width of errors {robust_width(offset[part]):10.4g}, '
              f'of z {robust_width((offset / map_error)[part]):5.2f}')


def check_white_noise(seed, n_images=10):
    """
    Print the map of white noise in units of the matched filter's error.
    """
    psf_model = CircularGaussianPRF(fwhm=3.5)
    noise = 1.7
    matched = N_SIGMA * noise * matched_error(psf_model)
    corrector = LPIBackgroundCorrector(psf_model)
    nobody = QTable(names=('x_fit', 'y_fit', 'flux_fit'))
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(n_images):
        data = rng.normal(0, noise, (300, 320))
        depth = corrector.depth(data, nobody, n_sigma=N_SIGMA)
        ratios.append((depth.image / matched)[EDGE:-EDGE, EDGE:-EDGE])
    means = np.mean(ratios, axis=(1, 2))
    print(f'white noise: map / matched filter {np.mean(means):.3f} ± '
          f'{np.std(means, ddof=1) / np.sqrt(n_images):.3f} ({n_images} '
          f'images), pixels from {np.min(ratios):.3f} to '
          f'{np.max(ratios):.3f}')


def main():
    """
    Parse the command line, and run the image.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('image', nargs='?',
                        help='FITS file (default: the Horsehead)')
    parser.add_argument('--steps', nargs='+', type=int,
                        default=[4, 8, 16, 32])
    parser.add_argument('--positions', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter('ignore', AstropyUserWarning)
    data = (load_horsehead() if args.image is None
            else fits.getdata(args.image).astype(float))
    found = PSFPipeline()(data)
    corrector = LPIBackgroundCorrector(found.psf_model)
    print(f'{data.shape[0]} x {data.shape[1]} pixels, FWHM '
          f'{found.fwhm:.2f}, {len(found.table)} sources')
    compare_steps(corrector, found, args.steps)
    check_errors(corrector, found, args.positions, args.seed)
    check_white_noise(args.seed)


if __name__ == '__main__':
    main()
