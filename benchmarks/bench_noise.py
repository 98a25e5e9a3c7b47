"""
Measure errors of fluxes beside a step of the noise, with and without errors.

Half of an image of white noise, with clouds or without, is noisier than the
other. Stars of no flux are corrected on both sides of the step, so many pixels
from it (quiet side first). Printed are the median of ``dcflux``, in units of
the error of a matched filter in the noise of that side, and the width of z.
On clouds ``dcflux`` is larger, and only z tells.
"""

import argparse

import numpy as np
from astropy.table import QTable
from bench_helpers import matched_error
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.datasets import make_cloud_image
from lpiphot.validation import robust_width

SHAPE, EDGE = (600, 300), 150
BINS = ((-80, -25), (-25, -4), (-4, 4), (4, 25), (25, 80))
FWHM, N_STARS = 3.0, 300


def correct(factor, clouds, seed):
    """
    Return distances from the step, and tables with and without errors.
    """
    rng = np.random.default_rng(seed)
    error = np.where(np.arange(SHAPE[1]) < EDGE, 1.0, factor) * np.ones(SHAPE)
    data = rng.normal(0, error)
    if clouds:
        data += make_cloud_image(SHAPE, rms=clouds, seed=seed)
    stars = QTable({'x_fit': EDGE - 0.5 + rng.uniform(-85, 85, N_STARS),
                    'y_fit': rng.uniform(10, SHAPE[0] - 11, N_STARS),
                    'flux_fit': np.zeros(N_STARS)})
    corrector = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=FWHM),
                                       min_mask_flux=100.0)
    return stars['x_fit'] - EDGE + 0.5, [
        corrector(data, stars, error=given) for given in (None, error)]


def main():
    """
    Print a line for each step, with and without errors.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--factors', nargs='+', type=float,
                        default=[1.5, 2.0, 3.0, 5.0])
    parser.add_argument('--clouds', type=float, default=0.0,
                        help='rms of clouds (default: none)')
    parser.add_argument('--images', type=int, default=4)
    args = parser.parse_args()
    matched = matched_error(CircularGaussianPRF(fwhm=FWHM))
    print('pixels from the step  ' + '  '.join(
        f'{low:4d} to {high:3d}' for low, high in BINS))
    for factor in args.factors:
        runs = [correct(factor, args.clouds, seed)
                for seed in range(args.images)]
        distance = np.concatenate([one for one, _ in runs])
        noise = np.where(distance < 0, 1.0, factor)
        for i, name in enumerate(('without', 'with')):
            cflux, dcflux = (np.concatenate([
                np.asarray(tables[i][column]) for _, tables in runs])
                for column in ('cflux', 'dcflux'))
            ratio, z = dcflux / (matched * noise), cflux / dcflux
            chosen = [(distance > low) & (distance < high)
                      for low, high in BINS]
            print(f'step by {factor:3.1f}, {name:7s}  ' + '  '.join(
                f'{np.median(ratio[k]):4.2f} ({robust_width(z[k]):4.2f})'
                for k in chosen), flush=True)


if __name__ == '__main__':
    main()
