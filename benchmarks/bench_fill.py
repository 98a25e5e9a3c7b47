"""
Holes filled by LPIImputer and by other methods, beside the truth.

Discs are cut out of images of which all pixels are known. See README.rst
for what is measured, and for figures.
"""

import argparse
import time
import warnings

import numpy as np
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from scipy.ndimage import distance_transform_edt

from lpiphot import LPIImputer
from lpiphot.datasets import load_horsehead, make_cloud_image

NOISE = 2.0


def make_clouds():
    """
    Clouds ten times as strong as the white noise on them.
    """
    image = make_cloud_image((420, 400), rms=10 * NOISE, seed=1)
    return image + np.random.default_rng(2).normal(0, NOISE, image.shape)


def make_sky():
    """
    White noise.
    """
    return np.random.default_rng(2).normal(0, NOISE, (420, 400))


IMAGES = {'horsehead': lambda: load_horsehead().data, 'clouds': make_clouds,
          'sky': make_sky}


def fill_lpi(data):
    """
    Mean, 1-sigma uncertainty and a draw, by LPI.
    """
    result = LPIImputer().run(data, n_draws=1)
    return result.mean, result.std, result.draws[0]


def fill_gaussian(data, radius):
    """
    Astropy's interpolation by a Gaussian that reaches across the hole.
    """
    kernel = Gaussian2DKernel(max(1.0, radius / 2))
    return interpolate_replace_nans(data, kernel)


def fill_maskfill(data, radius):  # noqa: ARG001
    """
    Means of neighbours, from the edge of the hole inwards.
    """
    from maskfill import maskfill

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)
        return maskfill(data, ~np.isfinite(data))[0]


def fill_biharmonic(data, radius):  # noqa: ARG001
    """
    The smoothest surface that goes on from the edge.
    """
    from skimage.restoration import inpaint_biharmonic

    hole = ~np.isfinite(data)
    scale = np.ptp(data[~hole])  # it clips what is beyond the image's range
    return scale * inpaint_biharmonic(np.where(hole, 0.0, data / scale), hole,
                                      split_into_regions=True)


OTHERS = {'astropy, Gaussian': fill_gaussian, 'maskfill': fill_maskfill,
          'biharmonic': fill_biharmonic}


def cut_discs(shape, radius, n_holes, seed):
    """
    Return a mask of discs that keep their distance from each other.
    """
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    mask = np.zeros(shape, dtype=bool)
    for _ in range(n_holes):
        while True:
            centre = [rng.integers(radius + 8, size - radius - 8)
                      for size in shape]
            disc = np.hypot(y - centre[0], x - centre[1]) <= radius
            if distance_transform_edt(~disc)[mask].min(initial=np.inf) > 12:
                break
        mask |= disc
    return mask


def roughness(image, mask):
    """
    The scatter of pixels about the mean of their four neighbours.
    """
    rough = image[1:-1, 1:-1] - 0.25 * (
        image[2:, 1:-1] + image[:-2, 1:-1]
        + image[1:-1, 2:] + image[1:-1, :-2])
    return np.std(rough[mask[1:-1, 1:-1]])


def report(name, filled, truth, mask, seconds, z=None):
    """
    Print the line of a method.
    """
    error = (filled - truth)[mask]
    width = '' if z is None else (
        f'  z width {np.subtract(*np.percentile(z, [75, 25])) / 1.349:.2f}, '
        f'{np.mean(np.abs(z) > 5):.1%} beyond 5')
    print(f'  {name:18s} rms error {np.sqrt(np.mean(error ** 2)):8.2f}  '
          f'median {np.median(np.abs(error)):8.2f}  roughness '
          f'{roughness(filled, mask) / roughness(truth, mask):5.2f}  '
          f'{seconds:6.2f} s{width}', flush=True)


def available_others():
    """
    Return the methods whose packages are there, all imported by now.
    """
    data = np.random.default_rng(1).normal(size=(20, 20))
    data[9:11, 9:11] = np.nan
    others = {}
    for label, fill in OTHERS.items():
        try:
            fill(data, 1)
        except ImportError as exc:
            print(f'{label} is left out: {exc}')
        else:
            others[label] = fill
    return others


def run(name, radius, n_holes, seed, others):
    """
    Fill the holes of one image in all ways.
    """
    truth = IMAGES[name]()
    mask = cut_discs(truth.shape, radius, n_holes, seed)
    data = np.where(mask, np.nan, truth)
    print(f'{name}, {n_holes} holes of radius {radius}, '
          f'{np.count_nonzero(mask)} pixels ({mask.mean():.1%})')
    start = time.process_time()
    mean, std, draw = fill_lpi(data)
    seconds = time.process_time() - start
    report('LPIImputer, mean', mean, truth, mask, seconds,
           (truth - mean)[mask] / std[mask])
    report('LPIImputer, a draw', draw, truth, mask, seconds)
    for label, fill in others.items():
        start = time.process_time()
        filled = fill(data, radius)
        report(label, filled, truth, mask, time.process_time() - start)


def main():
    """
    Parse the command line and fill holes.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--which', nargs='+', choices=IMAGES, default=IMAGES)
    parser.add_argument('--radii', nargs='+', type=int, default=[2, 6, 15])
    parser.add_argument('--holes', type=int, default=12)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    others = available_others()
    for name in args.which:
        for radius in args.radii:
            run(name, radius, args.holes, args.seed, others)


if __name__ == '__main__':
    main()
