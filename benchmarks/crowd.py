# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Calibration in a synthetic crowd, by what is known of neighbours.
"""

import argparse
import time
import warnings

import numpy as np
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.psf import CircularGaussianPRF, PSFPhotometry, SourceGrouper
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from lpiphot import LPIBackgroundCorrector
from lpiphot.validation import random_positions, robust_width

FWHM, GAIN, SKY, CLOUDS = 4.0, 2.0, 100.0, 3.0
SHAPE, N_STARS = (220, 220), 300

# Name, parameters of the corrector, and whether LPI's groups are wide
WAYS = (('exact', {}, False),
        ('flux_err', {'neighbours': 'flux_err'}, False),
        ('groups', {'neighbours': 'group_id'}, True),
        ('groups, positions', {'neighbours': 'group_id', 'positions': True},
         True))


def field(rng):
    """
    Return the data, their errors and the stars.
    """
    positions = random_positions(SHAPE, N_STARS, min_separation=3.0,
                                 border=5,
                                 seed=int(rng.integers(2 ** 32)))
    stars = QTable({'x': positions[:, 0], 'y': positions[:, 1],
                    'flux': 10 ** rng.uniform(2.3, 4.3, N_STARS)})
    yy, xx = np.mgrid[:SHAPE[0], :SHAPE[1]]
    model = CircularGaussianPRF(fwhm=FWHM)
    data = sum(model.evaluate(xx, yy, flux, x, y, FWHM)
               for x, y, flux in stars.iterrows())
    data = rng.poisson((data + SKY) * GAIN) / GAIN - SKY
    clouds = gaussian_filter(rng.normal(size=SHAPE), 6)
    data += CLOUDS / clouds.std() * clouds
    return data, np.sqrt((np.maximum(data, 0) + SKY) / GAIN), stars


def measure(rng, separation, fixed):
    """
    Return z of the photometry and of each way, by name, and the distances
    of the nearest neighbours.
    """
    data, error, stars = field(rng)
    model = CircularGaussianPRF(fwhm=FWHM)
    model.x_0.fixed = model.y_0.fixed = fixed
    grouper = None if separation == 0 else SourceGrouper(separation * FWHM)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', AstropyUserWarning)
        phot = PSFPhotometry(model, (7, 7), grouper=grouper,
                             aperture_radius=FWHM)(data, error=error,
                                                   init_params=stars)
    with np.errstate(divide='ignore'):
        z = {'photutils': (phot['flux_fit'] - stars['flux'])
             / phot['flux_err']}
    seconds = {}
    for name, keys, wide in WAYS:
        table = phot.copy()
        if wide:
            table['group_id'] = SourceGrouper(2.5 * FWHM)(table['x_fit'],
                                                          table['y_fit'])
        start = time.perf_counter()
        out = LPIBackgroundCorrector(model, gain=GAIN, **keys)(
            data, table, background=SKY)
        seconds[name] = time.perf_counter() - start
        z[name] = (out['cflux'] - stars['flux']) / out['dcflux']
    positions = np.column_stack([stars['x'], stars['y']])
    return z, KDTree(positions).query(positions, k=2)[0][:, 1], seconds


def main():
    """
    Print a table for each kind of photometry.
    """
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument('--seeds', type=int, default=3)
    args = options.parse_args()
    # photutils 3.0.0 loses positions that are fixed if stars are grouped
    for separation, fixed in ((0, True), (0, False), (2.5, False)):
        results = [measure(np.random.default_rng(seed), separation, fixed)
                   for seed in range(args.seeds)]
        distance = np.concatenate([result[1] for result in results])
        print(f'photutils: {"groups" if separation else "star by star"}, '
              f'positions {"fixed" if fixed else "free"}; {len(distance)} '
              f'stars, {np.mean(distance < 1.5 * FWHM):.0%} with another '
              'within 1.5 FWHM; width of z, median, beyond 5; the same of '
              'those; ms a star')
        for name in results[0][0]:
            z = np.concatenate([result[0][name] for result in results])
            z = z.filled(np.nan) if hasattr(z, 'filled') else np.asarray(z)
            seconds = sum(result[2].get(name, 0) for result in results)
            cells = [f'{robust_width(some):6.2f} {np.nanmedian(some):+6.2f} '
                     f'{np.mean(np.abs(some) > 5):6.1%}'
                     for some in (z, z[distance < 1.5 * FWHM])]
            print(f'  {name:18}', *cells,
                  f'{1e3 * seconds / len(z):6.1f}', flush=True)


if __name__ == '__main__':
    main()
