# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Measure what it gives to have the predicted background in the fit.

Stars are injected into images, and all are fitted without a local
background, with the median of a ring, and with LPILocalBackground; the
results are corrected once, and iterated by lpi_photometry. Each way
begins at the same detections. Printed for the injected stars that have a
result in all ways are median and 90th percentile of the errors of position
in pixels, and of flux in per cent; median and robust width of z = (flux -
true) / error, and the percentage beyond 5. For the images as they are, the
iterations and their cost in core seconds are printed.
"""

import argparse
import time
import warnings

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.psf import PSFPhotometry

from lpiphot import LPIBackgroundCorrector, LPILocalBackground, lpi_photometry
from lpiphot.datasets import load_galactic_plane, load_horsehead, load_m67
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import InjectionRecovery, robust_width

IMAGES = {'horsehead': load_horsehead, 'm67': load_m67,
          'galactic_plane': load_galactic_plane}

# Fluxes of the injected stars, in units of the median error of a flux
FLUXES = 10.0, 100.0

FLUX_ERRORS = {'flux_fit': 'flux_err', 'cflux': 'dcflux'}
MEASURED = 'x_fit', 'y_fit', *FLUX_ERRORS, *FLUX_ERRORS.values()


class EveryWay:
    """
    All fits and corrections, in one table of the detections.

    Parameters
    ----------
    fwhm : float
        The FWHM of the PSF in pixels.
    """

    def __init__(self, fwhm):
        self.pipeline = PSFPipeline(fwhm=fwhm)

    def __call__(self, data):
        """
        Measure an image in all ways.
        """
        found = self.pipeline(data)
        table = QTable({'x_fit': found.table['x_init'],
                        'y_fit': found.table['y_init'],
                        'flux_fit': found.table['flux_fit']})
        for way, measured in self.measure(found).items():
            for name in MEASURED:
                table[f'{name} {way}'] = measured[name]
        return table

    def measure(self, found, *, talk=False):
        """
        Return the table of each way.
        """
        corrector = LPIBackgroundCorrector(found.psf_model)
        given = {'error': found.error, 'mask': found.mask}
        tables = {}
        for name, local in (
                ('no ring', None),
                ('ring', found.photometry.local_bkg_estimator),
                ('LPILocalBackground', LPILocalBackground(corrector))):
            photometry = PSFPhotometry(
                found.psf_model, found.photometry.fit_shape,
                aperture_radius=found.fwhm, xy_bounds=found.fwhm,
                local_bkg_estimator=local)
            photometry(found.data_subtracted, **given,
                       init_params=found.table['x_init', 'y_init'])
            start = time.process_time()
            tables[name] = corrector(found.data_subtracted, photometry,
                                     **given)
            seconds = time.process_time() - start
            if name == 'LPILocalBackground':
                continue
            start = time.process_time()
            table = lpi_photometry(found.data_subtracted, photometry,
                                   corrector, **given).table
            tables[f'{name}, iterated'] = table
            if talk:
                seconds = seconds, time.process_time() - start
                former = lpi_photometry(
                    found.data_subtracted, photometry, corrector, **given,
                    max_iterations=np.max(table['n_iter']) - 1).table
                say_iterations(name, table, former, seconds)
        return tables


def say_iterations(name, table, former, seconds):
    """
    Print how many refits there were, what they cost, and what still moves.
    """
    moving = ~np.array(table['converged'])
    step = np.abs(np.array((table['cflux'] - former['cflux'])
                           / table['dcflux']))[moving]
    print(f'  {name:8s} {len(table)} sources: at most '
          f'{np.max(table["n_iter"])} refits; '
          f'{np.count_nonzero(table["n_iter"] == 0)} kept their first fit, '
          f'{len(step)} not converged (last steps of '
          f'{np.nanmax(step, initial=0):.2f} dcflux at most, '
          f'{np.count_nonzero(step >= 0.1)} of 0.1 or more); '
          '{:.1f} s once, {:.1f} s iterated'.format(*seconds), flush=True)


def report(stars):
    """
    Print a line for each way.
    """
    ways = [name.removeprefix('cflux ') for name in stars.colnames
            if name.startswith('cflux ')]
    plain = {name: np.array(getattr(stars[name], 'value', stars[name]),
                            dtype=float)
             for name in ('x_true', 'y_true', 'flux_true', *(
                 f'{name} {way}' for way in ways for name in MEASURED))}
    found = np.array(stars['recovered'], dtype=bool)
    good = found & np.all([np.isfinite(values) for values in plain.values()],
                          axis=0)
    plain = {name: values[good] for name, values in plain.items()}
    print(f'  {np.count_nonzero(found)} detected, {np.count_nonzero(good)} '
          'with results in all ways\n'
          f'  {"":30s}  {"position":>11s}  {"error of flux":>15s}  '
          '    z width    >5')
    for way in ways:
        distance = np.hypot(plain[f'x_fit {way}'] - plain['x_true'],
                            plain[f'y_fit {way}'] - plain['y_true'])
        for flux, error in FLUX_ERRORS.items():
            if flux == 'flux_fit' and 'iterated' in way:
                continue  # cflux is the result of an iteration
            offset = plain[f'{flux} {way}'] - plain['flux_true']
            z = offset / plain[f'{error} {way}']
            part = 100 * np.abs(offset / plain['flux_true'])
            print(f'  {way:20s} {flux:9s}  {np.median(distance):5.3f} '
                  f'{np.percentile(distance, 90):5.3f}  '
                  f'{np.median(part):5.1f} % {np.percentile(part, 90):5.1f} %'
                  f'  {np.median(z):+5.2f} {robust_width(z):5.2f} '
                  f'{100 * np.mean(np.abs(z) > 5):5.1f} %', flush=True)


def run(name, data, n_rounds, n_stars, seed):
    """
    Test one image.
    """
    base = PSFPipeline()(data)
    tool = EveryWay(base.fwhm)
    print(f'{name}: {data.shape[0]} x {data.shape[1]} pixels, FWHM '
          f'{base.fwhm:.2f}, {n_rounds} x {n_stars} stars injected')
    tool.measure(tool.pipeline(data), talk=True)
    errors = base.table['flux_err']
    low, high = np.log10(FLUXES)
    fluxes = np.logspace(low, high, 1000) * np.nanmedian(errors)
    injection = InjectionRecovery(
        tool, base.psf_model, corrector=None, n_rounds=n_rounds,
        n_stars=n_stars, fluxes=fluxes, flux_quantiles=(0.0, 1.0),
        avoid_blends=True, rng=seed)
    report(injection(data, catalogue=base.table).table)


def main():
    """
    Parse the command line and run the images.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('images', nargs='*', default=list(IMAGES),
                        help='FITS files, or names of images of the package: '
                        + ', '.join(IMAGES) + ' (default: these)')
    parser.add_argument('--rounds', type=int, default=6)
    parser.add_argument('--stars', type=int, default=40,
                        help='the number of stars in a round')
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter('ignore', AstropyUserWarning)
    for name in args.images:
        data = (IMAGES[name]() if name in IMAGES
                else fits.getdata(name).astype(float))
        run(name, data, args.rounds, args.stars, args.seed)


if __name__ == '__main__':
    main()
