# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Section 3.2 of Saydjari & Finkbeiner (2022): interpolating in a nebula.

A disc of radius 13 is masked in a heterogeneous image of dust, and filled
with the covariance learned from a window of 129 pixels (their figure 4).
Their image is the WISE map of the Pipe Nebula; ours are made: clouds with
a power law, of which the logarithm is Gaussian, so that cores are bright
and the field between them is faint, with filaments across, and a little
noise. The truth is known, and the experiment can be made many times.

Prints what the paper says beside what is found here, and with ``--plot
FILE`` draws the figure.
"""

import argparse
import time

import numpy as np

from lpiphot import LPIImputer
from lpiphot.datasets import make_cloud_image, make_filament_image

SHAPE = 321, 385
RADIUS = 13
STAMP, WINDOW = 49, 129
NOISE = 0.05


def nebula(seed):
    """
    Return an image of dust, far from Gaussian, and its filaments alone.

    Parameters
    ----------
    seed : int
        The seed.

    Returns
    -------
    image, ridges : 2-D `~numpy.ndarray`
        The image, and filaments with crests of 1.
    """
    rng = np.random.default_rng(seed)
    clouds = make_cloud_image(SHAPE, power=-3.0, seed=rng)
    ridges = sum(
        np.abs(make_filament_image(
            SHAPE, amplitude=1.0, fwhm=rng.uniform(6, 12),
            separation=rng.uniform(80, 160), angle=rng.uniform(0, 180)))
        for _ in range(2))
    dust = np.exp(0.9 * clouds + 1.2 * ridges)
    return dust + NOISE * rng.normal(size=SHAPE), ridges


def positions(ridges, seed):
    """
    Return centres of discs: a grid, and as many on crests of filaments.

    Parameters
    ----------
    ridges : 2-D `~numpy.ndarray`
        The filaments.

    seed : int
        The seed of the choice.

    Returns
    -------
    grid, crests : (n, 2) `~numpy.ndarray` of int
        The centres ``(y, x)``.
    """
    y, x = np.mgrid[80:SHAPE[0] - 60:90, 80:SHAPE[1] - 60:90]
    grid = np.column_stack([y.ravel(), x.ravel()])
    inside = np.s_[40:-40, 40:-40]
    crests = np.argwhere(ridges[inside] > 0.9) + 40
    rng = np.random.default_rng(seed)
    return grid, rng.choice(crests, len(grid), replace=False)


def width(z):
    """
    Return the robust width of a distribution, 1 if it is normal.

    Parameters
    ----------
    z : `~numpy.ndarray`
        Values.

    Returns
    -------
    width : float
        Their interquartile range over that of a unit Gaussian.
    """
    return np.subtract(*np.percentile(z, [75, 25])) / 1.349


def steps(image, mask):
    """
    Return the mean square step between neighbours along x in a mask.

    Parameters
    ----------
    image : 2-D `~numpy.ndarray`
        The image.

    mask : 2-D bool `~numpy.ndarray`
        `True` for the pixels to compare.

    Returns
    -------
    step : float
        The mean square.
    """
    both = mask[:, 1:] & mask[:, :-1]
    return np.mean(np.diff(image, axis=1)[both] ** 2)


def fill(truth, centre, seed, n_draws):
    """
    Fill one disc, and compare with the truth.

    Parameters
    ----------
    truth : 2-D `~numpy.ndarray`
        The image.

    centre : (2,) `~numpy.ndarray` of int
        The centre ``(y, x)`` of the disc.

    seed : int
        The seed of the draws.

    n_draws : int
        Their number.

    Returns
    -------
    measured : dict
        What is printed, of this disc.
    """
    imputer = LPIImputer(stamp_shape=STAMP, window_shape=WINDOW, rng=seed)
    start = time.perf_counter()
    result = imputer.run(truth, positions=[centre], radius=RADIUS,
                         n_draws=n_draws)
    seconds = time.perf_counter() - start
    mask = result.mask
    error = (truth - result.mean)[mask]
    # the strongest modes of the draws, whose covariance is the predicted
    modes = np.linalg.svd(result.draws[:, mask] - result.mean[mask],
                          full_matrices=False)
    distance = np.hypot(*np.moveaxis(
        np.moveaxis(np.indices(SHAPE), 0, -1) - centre, -1, 0))
    about = np.mean(truth[(distance > RADIUS) & (distance < RADIUS + 6)])
    return {'z': error / result.std[mask],
            'chi2': (modes.Vh[:4] @ error) ** 2 * n_draws / modes.S[:4] ** 2,
            'error': np.mean(error ** 2),
            'level': np.mean((truth[mask] - about) ** 2),
            'truth': steps(truth, mask),
            'draws': np.mean([steps(draw, mask) for draw in result.draws]),
            'mean': steps(result.mean, mask),
            'seconds': seconds}


def plot(seed):
    """
    Fill a disc on a filament, and show it as the paper's figure 4 does.

    Parameters
    ----------
    seed : int
        The seed of the image.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The truth, what is hidden, the mean prediction, and draws.
    """
    truth, ridges = nebula(seed)
    imputer = LPIImputer(stamp_shape=STAMP, window_shape=WINDOW)
    result = imputer.run(truth, positions=positions(ridges, seed)[1][:1],
                         radius=RADIUS, n_draws=4)
    return result.plot(truth=truth, size=STAMP)


def main():
    """
    Print the comparison, and draw the figure if that is asked for.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--fields', type=int, default=6)
    parser.add_argument('--draws', type=int, default=100)
    parser.add_argument('--plot', metavar='FILE')
    args = parser.parse_args()

    sets = [], []
    for seed in range(args.fields):
        truth, ridges = nebula(seed)
        for rows, centres in zip(sets, positions(ridges, seed), strict=True):
            rows.extend(fill(truth, centre, seed, args.draws)
                        for centre in centres)
    print(f'Section 3.2: radius {RADIUS}, stamp {STAMP}, window {WINDOW}; '
          f'{len(sets[0])} discs on a grid, as many on filaments')
    print(f'{"":42} {"paper":>20} {"grid":>8} {"filament":>8}')
    sets = [{name: np.array([row[name] for row in rows]) for name in rows[0]}
            for rows in sets]
    for name, paper, digits, value in (
            ('error of mean / spread about local level', 'joins (< 1)', 2,
             lambda r: np.sqrt(np.mean(r['error']) / np.mean(r['level']))),
            ('rms of (truth - mean) / sigma', 'consistent (1)', 2,
             lambda r: np.sqrt(np.mean(r['z'] ** 2))),
            ('robust width of the same', 'consistent (1)', 2,
             lambda r: width(r['z'].ravel())),
            ('truth within 1 sigma', '0.68', 2,
             lambda r: np.mean(np.abs(r['z']) < 1)),
            ('truth beyond 5 sigma', '0', 4,
             lambda r: np.mean(np.abs(r['z']) > 5)),
            ('mean chi2 of the 4 strongest modes', '1', 2,
             lambda r: np.mean(r['chi2'])),
            ('squared steps, draws / truth', 'same noise (1)', 2,
             lambda r: np.mean(r['draws']) / np.mean(r['truth'])),
            ('squared steps, mean / truth', 'smoother (< 1)', 2,
             lambda r: np.mean(r['mean']) / np.mean(r['truth'])),
            ('seconds a disc, with its draws', '-', 2,
             lambda r: np.median(r['seconds']))):
        print(f'{name:42} {paper:>20} ' + ' '.join(
            f'{value(rows):8.{digits}f}' for rows in sets))

    if args.plot:
        plot(0).savefig(args.plot, dpi=120)


if __name__ == '__main__':
    main()
