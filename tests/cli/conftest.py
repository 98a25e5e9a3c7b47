# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A small field and its catalogue in files.
"""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from photutils.psf import CircularGaussianPRF

FWHM = 3.1
SHAPE = (52, 61)


@pytest.fixture(scope='session')
def scene():
    """
    Pixels, 1-sigma error and catalogue of eleven stars.
    """
    rng = np.random.default_rng(17)
    n_stars = 11
    catalog = QTable()
    catalog['id'] = np.arange(1, n_stars + 1)
    catalog['x_fit'] = rng.uniform(3, SHAPE[1] - 4, n_stars)
    catalog['y_fit'] = rng.uniform(3, SHAPE[0] - 4, n_stars)
    catalog['flux_fit'] = rng.uniform(300, 900, n_stars)
    catalog['flux_err'] = np.full(n_stars, 10.0)

    yy, xx = np.mgrid[:SHAPE[0], :SHAPE[1]]
    data = rng.normal(0, 1.7, SHAPE)
    for row in catalog:
        data += CircularGaussianPRF(flux=row['flux_fit'], x_0=row['x_fit'],
                                    y_0=row['y_fit'], fwhm=FWHM)(xx, yy)
    return data, np.full(SHAPE, 1.7), catalog


@pytest.fixture
def folder(scene, tmp_path, monkeypatch):
    """
    The scene in files, in a folder that is the current one.
    """
    data, error, catalog = scene
    monkeypatch.chdir(tmp_path)

    sci = fits.ImageHDU(data.astype('f4'), name='SCI')
    sci.header['CRPIX1'] = 12.5
    sci.header['BUNIT'] = 'adu'
    mask = np.zeros(SHAPE, dtype='u1')
    mask[20:22, 30:33] = 1
    fits.HDUList([fits.PrimaryHDU(), sci,
                  fits.ImageHDU(error, name='ERR'),
                  fits.ImageHDU(mask, name='DQ'),
                  fits.ImageHDU(np.zeros((3, *SHAPE)), name='CUBE'),
                  fits.BinTableHDU(catalog, name='CAT'),
                  ]).writeto('image.fits')
    catalog.write('catalog.ecsv')
    return tmp_path


@pytest.fixture
def correct(folder):
    """
    The arguments of a quick ``lpiphot correct``, without the PSF.
    """
    return ['correct', 'image.fits', 'catalog.ecsv', '-o', 'out.ecsv',
            '--stamp-shape', '9', '11', '--window-shape', '25',
            '--condition-radius', '6', '--no-progress']
