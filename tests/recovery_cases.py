# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A scene, and pipelines so simple that their errors are known.

They are here, and not in a test module, for other processes to import.
"""

import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable
from photutils.detection import find_peaks
from photutils.psf import CircularGaussianPRF

from lpiphot.validation import inject_stars

SHAPE = (121, 137)
SIGMA = 1.7
PSF = CircularGaussianPRF(fwhm=3.1)
KNOWN = QTable({'x_0': [30.0, 90.0, 65.0], 'y_0': [40.0, 80.0, 22.0],
                'flux': [900.0, 1500.0, 700.0]})

_y, _x = np.mgrid[-5:6, -5:6]
STAMP = PSF.evaluate(_x, _y, 1.0, 0.0, 0.0, 3.1)
# the error of the matched filter on white noise
FLUX_ERR = SIGMA / np.sqrt(np.sum(STAMP ** 2))


def make_data(seed=8, unit=None):
    """
    White noise and three stars.
    """
    noise = np.random.default_rng(seed).normal(0.0, SIGMA, SHAPE)
    data = inject_stars(noise, PSF, KNOWN)
    return data if unit is None else CCDData(data, unit=unit)


class PeakPipeline:
    """
    Stars are at peaks; their fluxes are those of the matched filter.
    """

    def __init__(self, threshold=30.0, scale=1.0):
        self.threshold = threshold
        self.scale = scale

    def __call__(self, data, *, error=None, mask=None):
        unit = getattr(data, 'unit', None)
        values = np.asarray(getattr(data, 'data', data) if unit is not None
                            else data)
        table = find_peaks(values, self.threshold, box_size=5, mask=mask)
        x, y = (np.array(table[f'{axis}_peak']) for axis in 'xy')
        inside = ((np.minimum(x, y) >= 5) & (x < values.shape[1] - 5)
                  & (y < values.shape[0] - 5))
        x, y = x[inside], y[inside]
        flux = np.array([np.sum(STAMP * values[j - 5:j + 6, i - 5:i + 6])
                         for i, j in zip(x, y, strict=True)])
        flux /= np.sum(STAMP ** 2)
        flux_err = np.full(len(x), FLUX_ERR * self.scale)
        if unit is not None:
            flux, flux_err = flux << unit, flux_err << unit
        return QTable({'id': np.arange(1, len(x) + 1),
                       'x_fit': x.astype(float), 'y_fit': y.astype(float),
                       'flux_fit': flux, 'flux_err': flux_err,
                       'flags': np.zeros(len(x), dtype=int)})


def double_errors(data, table, *, error=None, mask=None, background=None):
    """
    A corrector that leaves fluxes, and doubles errors.
    """
    table = table.copy()
    table['cflux'] = table['flux_fit']
    table['dcflux'] = 2.0 * table['flux_err']
    table['dnt'] = np.zeros(len(table), dtype=int)
    return table
