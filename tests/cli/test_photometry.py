# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot photometry``.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from numpy.testing import assert_array_equal
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.cli import main
from lpiphot.pipeline import PSFPipeline


@pytest.fixture
def photometry(folder):
    """
    The arguments of a quick ``lpiphot photometry``.
    """
    return ['photometry', 'image.fits', '-o', 'out.ecsv', '--stamp-shape',
            '9', '--window-shape', '25', '--box-size', '26', '30',
            '--no-progress']


def match(table, catalog):
    """
    For each star of the catalogue, the nearest row and its distance.
    """
    distance = np.hypot(table['x_fit'] - catalog['x_fit'][:, np.newaxis],
                        table['y_fit'] - catalog['y_fit'][:, np.newaxis])
    return table[np.argmin(distance, axis=1)], np.min(distance, axis=1)


@pytest.mark.parametrize('psf', [[], ['--psf-fwhm', '3.1'],
                                 ['--psf', 'psf.fits']])
def test_photometry(photometry, scene, psf, capsys):
    yy, xx = np.mgrid[-10:11, -10:11]
    stamp = np.exp(-(xx**2 + yy**2) / (2 * 1.35**2))  # not normalized
    fits.writeto('psf.fits', stamp)
    assert main([*photometry, *psf, '--mask-ext', 'DQ']) == 0
    table, distance = match(QTable.read('out.ecsv'), scene[2])
    good = distance < 0.5
    assert np.count_nonzero(good) > 6
    assert table['cflux'].unit == u.adu
    ratio = table['cflux'].value / scene[2]['flux_fit']
    assert abs(np.median(ratio[good]) - 1) < 0.1
    assert 'wrote out.ecsv' in capsys.readouterr().out


@pytest.mark.filterwarnings('ignore:One or more fit')
@pytest.mark.parametrize('options', [['--error', 'ERR'], ['--gain', '2']])
def test_same_as_api(photometry, scene, options):
    """
    The correction has the errors, the mask and the sky of the photometry.
    """
    data, error, _ = scene
    data = data + 300 + np.arange(data.shape[1])
    error = np.hypot(error, np.sqrt(data / 2.0))  # of photons
    mask = np.zeros(data.shape, dtype='u1')
    mask[20:22, 30:33] = 1
    data[mask == 1] = 5e3
    fits.HDUList([fits.PrimaryHDU(data), fits.ImageHDU(error, name='ERR'),
                  fits.ImageHDU(mask, name='DQ')]).writeto('sky.fits')
    photometry[1] = 'sky.fits'
    assert main([*photometry, '--psf-fwhm', '3.1', *options, '--mask',
                 'DQ']) == 0
    table = QTable.read('out.ecsv')
    gain = 2.0 if '--gain' in options else None
    error = None if gain else error
    phot = PSFPipeline(psf_model=CircularGaussianPRF(fwhm=3.1), fwhm=3.1,
                       box_size=(26, 30))(data, error=error, mask=mask == 1)
    corrector = LPIBackgroundCorrector(phot.psf_model, stamp_shape=9,
                                       window_shape=25, gain=gain)
    expected = corrector(phot.data_subtracted, phot.table, error=error,
                         mask=phot.mask, background=phot.background)
    assert table.colnames == expected.colnames
    for name in expected.colnames:
        assert_array_equal(table[name], expected[name])


def test_other_outputs(photometry):
    assert main([*photometry, '--psf-fwhm', '3.1', '--error', 'ERR',
                 '--neighbours', 'flux_err', '--positions',
                 '--images', 'images.fits', '--plot', 'plot.png']) == 0
    with fits.open('images.fits') as hdulist:
        assert hdulist['RESIDUAL'].header['BUNIT'] == 'adu'
    table = QTable.read('out.ecsv')
    assert 'dcx' in table.colnames
    meta = table.meta
    assert meta['lpiphot_neighbours'] == 'flux_err'
    assert meta['lpiphot_command'] == 'photometry'
    assert meta['lpiphot_box_size'] == '26 30'


def test_no_box_is_left(photometry, capsys):
    """
    The arguments of the pipeline are named as options.
    """
    mask = np.ones((52, 61), dtype='u1')
    mask[::3] = 0
    fits.writeto('much.fits', mask)
    assert main([*photometry, '--mask', 'much.fits']) == 2
    err = capsys.readouterr().err
    assert 'a smaller --box-size' in err


@pytest.mark.parametrize(('options', 'words'), [
    (['--detection-threshold', '0'], '--detection-threshold '),
    (['--detection-threshold', '1e6'],
     'Give --psf-fwhm or --psf, or lower --detection-threshold'),
    (['--box-size', '0'], '--box-size '),
    (['--fit-shape', '4'], '--fit-shape '),
    (['--stamp-shape', '8'], '--stamp-shape '),
    (['--window-shape', '99'], '--window-shape '),
    (['--background', '3'], '--background'),
    (['--neighbours', 'group_id'], '--neighbours'),
    (['--ext', 'CUBE'], '2D'),
    (['--mask', 'image.fits[CUBE]'], '2D'),
])
def test_bad_input(photometry, options, words, capsys):
    assert main([*photometry, *options]) == 2
    err = capsys.readouterr().err
    assert err.count('\n') == 1
    assert words in err
