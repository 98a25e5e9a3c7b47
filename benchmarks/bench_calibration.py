"""
Measure whether ``dcflux`` is the error of ``cflux`` on real images.

Stars of the fluxes of the catalogue are injected into images at random
positions, `~lpiphot.pipeline.PSFPipeline` is run again, and its table is
corrected in several ways: as by default; with outliers of the residual
masked beyond 12, 8 and 5 times the local scatter (default 6); with loud
parts of the window calmed to twice what is about the star (default 3), or
not at all; with the mean in place of the typical background, or with its
median, whatever is predicted; not calmed, with the mean; with positions
solved for; with ``dcflux`` scaled by what ``cchi2`` says of the good pixels;
and less what a fit gains by its position. Printed are median and robust
width of z = (cflux - true) / dcflux, the percentage beyond 5, the robust
scatter of cflux in units of that in the first line, and the rank correlation
of z with the residual of the image in a ring of 1.5 to 4 FWHM about the star,
before stars were injected; for all stars, and for those not blended (4/3
FWHM) with another one.

Stars are fitted with a Gaussian of the measured FWHM, unless there is a FITS
image of the PSF, which is widened by a Gaussian for what the making of a
mosaic did to it. In place of `~lpiphot.pipeline.PSFPipeline`, other photometry
can be run (``photometries.py``).
"""

import argparse
import warnings
from contextlib import ExitStack
from unittest import mock

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from photometries import KINDS, make_photometry
from photutils.psf import ImagePSF
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from lpiphot import LPIBackgroundCorrector, flags
from lpiphot.lpi import loudness, masks, typical
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import InjectionRecovery, robust_width

MEAN = (typical, 'typical_error', lambda *_: 0.0)
MEDIAN = (typical, 'line_slope', lambda *_: 0.0)
NOT_CALMED = (loudness, 'LIMIT', np.inf)
WAYS = {
    'default': [],
    'limit 12': [(masks, 'ROBUST_LIMIT', 12)],
    'limit 8': [(masks, 'ROBUST_LIMIT', 8)],
    'limit 5': [(masks, 'ROBUST_LIMIT', 5)],
    'calmed to 2': [(loudness, 'LIMIT', 2)],
    'not calmed': [NOT_CALMED],
    'mean': [MEAN],
    'median': [MEDIAN],
    'not calmed, mean': [NOT_CALMED, MEAN],
    'positions': [],
}


class ManyWays:
    """
    A corrector that corrects in several ways.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        The PSF.

    ways : list of str
        The ways.
    """

    def __init__(self, psf_model, ways):
        self._correctors = {
            way: LPIBackgroundCorrector(
                psf_model, positions=way == 'positions', n_threads=2)
            for way in ways}

    def __call__(self, data, table, **keys):
        """
        Add the columns of all ways to a table.
        """
        result = table.copy()
        for way, corrector in self._correctors.items():
            with ExitStack() as stack:
                for change in WAYS[way]:
                    stack.enter_context(mock.patch.object(*change))
                corrected = corrector(data, table, **keys)
            for name in ('cflux', 'dcflux', 'cchi2', 'kcond'):
                result[f'{name} {way}'] = corrected[name]
            if way == 'default':
                for name in ('cflux', 'dcflux', 'dnt'):
                    result[name] = corrected[name]
        return result


def read_psf(path, oversampling, sigma):
    """
    Return the PSF of an image, widened by so many pixels, or `None`.
    """
    if path is None:
        return None
    pixels = gaussian_filter(fits.getdata(path).astype(float),
                             sigma * oversampling)
    return ImagePSF(pixels * oversampling ** 2 / pixels.sum(),
                    oversampling=oversampling)


def position_gain(flux, error):
    """
    Return by how much stars come out too bright as the fit moves to where
    they are brightest; nothing below 3 sigma.
    """
    return np.where(flux > 3 * error, error ** 2 / flux, 0)


def print_lines(label, table, names, unit=None, scale=1.0, among=True,
                gain=None):
    """
    Print the statistics of one way, of all stars and without blends.
    """
    flux, error = (np.array(table[name]) for name in names)
    if gain is not None:
        flux = flux - gain(flux, error)
    offset = flux - np.array(table['flux_true'])
    z = offset / (error * scale)
    ring = np.array(table['residual_around'])
    chosen = (np.array(table['recovered']) & np.isfinite(z)
              & np.isfinite(ring) & among)
    unit = unit or robust_width(offset[chosen])
    parts = [f'{members.sum():4d} {np.median(z[members]):+6.2f} '
             f'{robust_width(z[members]):5.2f} '
             f'{100 * np.mean(np.abs(z[members]) > 5):4.1f}% '
             f'{robust_width(offset[members]) / unit:5.2f} '
             f'{spearmanr(z[members], ring[members])[0]:+5.2f}'
             for members in (chosen, chosen & ~np.array(table['blended']))]
    print(f'{label:32s} {"  |  ".join(parts)}', flush=True)
    return unit


def main():
    """
    Parse the command line and run the images.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('images', nargs='+', help='FITS files')
    parser.add_argument('--rounds', type=int, default=4)
    parser.add_argument('--stars', type=int, default=150,
                        help='the number of stars in a round')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--way', action='append', choices=WAYS,
                        help='beside the default, may be repeated (default: '
                        'all of them)')
    parser.add_argument('--psf', help='a FITS image of the PSF')
    parser.add_argument('--oversampling', type=int, default=1,
                        help='of the image of the PSF')
    parser.add_argument('--psf-sigma', type=float, default=0.0,
                        help='by which it is widened, in pixels')
    parser.add_argument('--photometry', choices=KINDS, default='pipeline',
                        help='; '.join(map(': '.join, KINDS.items())))
    args = parser.parse_args()
    ways = dict.fromkeys(['default', *(args.way or WAYS)])
    psf_model = read_psf(args.psf, args.oversampling, args.psf_sigma)
    warnings.simplefilter('ignore', AstropyUserWarning)
    print(f'{"":32s} {"all stars":>35s}     {"not blended":>35s}\n{"":32s} '
          + '  |  '.join(2 * ['   n median width    >5 error   rho']))
    for path in args.images:
        data = fits.getdata(path).astype(float)
        base = PSFPipeline(psf_model=psf_model)(data)
        tool = InjectionRecovery(
            make_photometry(args.photometry, psf_model, base.fwhm),
            base.psf_model,
            corrector=ManyWays(base.psf_model, ways), n_rounds=args.rounds,
            n_stars=args.stars, rng=args.seed)
        table = tool(data).table
        print(path.split('/')[-1])
        unit = print_lines('photutils', table, ('flux_fit', 'flux_err'))
        for way in ways:
            names = f'cflux {way}', f'dcflux {way}'
            print_lines(f'LPI, {way}', table, names, unit)
        print_lines('LPI, default, no misfits', table,
                    ('cflux default', 'dcflux default'), unit,
                    among=(np.array(table['dnt']) & flags.MISFIT) == 0)
        chi2 = np.array(table['cchi2 default'] / table['kcond default'])
        names = 'cflux default', 'dcflux default'
        print_lines('default x sqrt(cchi2 / kcond)', table, names, unit,
                    np.sqrt(chi2))
        print_lines('default x that, if above 1', table, names, unit,
                    np.sqrt(np.maximum(chi2, 1)))
        print_lines('default, less gain by position', table, names, unit,
                    gain=position_gain)


if __name__ == '__main__':
    main()
