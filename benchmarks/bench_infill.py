"""
Measure errors of fluxes as more and more of an image is under its stars.

What is under stars is infilled before the covariance is learned. Stars that
are subtracted exactly are on clouds with noise, few or many of them. Printed
are how much of the image is infilled, the width of the errors of the fluxes
and the median of ``dcflux``, both in units of the error of a matched filter in
the noise, and the width of z.
"""

import argparse

import numpy as np
from astropy.table import QTable
from bench_helpers import matched_error
from photutils.psf import CircularGaussianPRF
from scipy.ndimage import gaussian_filter

from lpiphot import LPIBackgroundCorrector
from lpiphot.datasets import make_cloud_image
from lpiphot.validation import inject_stars, random_positions, robust_width

SHAPE = (400, 420)
RMS = 3.0  # of the clouds; that of the noise is 1
FWHM, FLUX = 4.0, 900.0


def make_clouds(sigma, seed):
    """
    Return clouds of one size, or of all sizes, with noise.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=SHAPE)
    if sigma is None:
        return make_cloud_image(SHAPE, rms=RMS, seed=seed) + noise
    clouds = gaussian_filter(rng.normal(size=SHAPE), sigma, mode='wrap')
    return RMS / clouds.std() * clouds + noise


def measure(corrector, sigma, n_stars, n_images):
    """
    Return the errors of fluxes, ``dcflux``, and what part was infilled.
    """
    offset, dcflux, share = [], [], []
    for seed in range(n_images):
        x, y = random_positions(SHAPE, n_stars, border=6, seed=seed,
                                min_separation=3 * FWHM).T
        stars = QTable([x, y, np.full(n_stars, FLUX)],
                       names=('x_0', 'y_0', 'flux'))
        data = inject_stars(make_clouds(sigma, seed), corrector.psf_model,
                            stars)
        result = corrector.run(data, QTable(
            stars, names=('x_fit', 'y_fit', 'flux_fit')))
        offset.extend(result.table['cflux'] - FLUX)
        dcflux.extend(result.table['dcflux'])
        share.append(result.mask.mean())
    return np.array(offset), np.array(dcflux), np.mean(share)


def main():
    """
    Print a line for each kind of clouds and number of stars.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--stars', nargs='+', type=int,
                        default=[20, 60, 180, 360])
    parser.add_argument('--total', type=int, default=720,
                        help='the number of stars of all images together')
    args = parser.parse_args()
    corrector = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=FWHM))
    matched = matched_error(corrector.psf_model)
    print('clouds      infilled  error  dcflux  width of z')
    for name, sigma in (('all sizes', None), ('sigma 2.5', 2.5),
                        ('sigma 5', 5.0)):
        for n_stars in args.stars:
            offset, dcflux, share = measure(corrector, sigma, n_stars,
                                            args.total // n_stars)
            print(f'{name:11s} {share:8.1%} '
                  f'{robust_width(offset) / matched:6.2f} '
                  f'{np.median(dcflux) / matched:7.2f} '
                  f'{robust_width(offset / dcflux):11.2f}', flush=True)


if __name__ == '__main__':
    main()
