# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The PSF of ``lpiphot correct``, from a file.
"""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from numpy.testing import assert_allclose
from photutils.psf import CircularGaussianPRF

from lpiphot.cli import main

FWHM = 3.1


def gaussian_stamp(oversampling=1, size=21):
    """
    A stamp whose flux is 1 in photutils' convention.
    """
    model = CircularGaussianPRF(flux=oversampling**2, x_0=size // 2,
                                y_0=size // 2, fwhm=oversampling * FWHM)
    yy, xx = np.mgrid[:size, :size]
    return model(xx, yy)


@pytest.mark.parametrize(('oversampling', 'by_option'), [
    (1, False), (4, False), (4.0, False), (1, True), (4, True)])
def test_psf_stamp(correct, oversampling, by_option):
    hdu = fits.PrimaryHDU(gaussian_stamp(oversampling,
                                         20 * int(oversampling) + 1))
    options = []
    if by_option:
        options = ['--psf-oversampling', str(oversampling)]
    else:
        hdu.header['OVERSAMP'] = oversampling
    hdu.writeto('psf.fits')
    assert main([*correct, '--psf', 'psf.fits', *options]) == 0
    assert main([*correct[:3], '-o', 'gauss.ecsv', *correct[5:],
                 '--psf-fwhm', str(FWHM)]) == 0
    table, expected = (QTable.read(f'{name}.ecsv') for name in
                       ('out', 'gauss'))
    assert_allclose(table['dcflux'], expected['dcflux'], rtol=0.1)


def test_oversampling_that_nobody_tells(correct, capsys):
    """
    It is taken for 1, with a word about it; not if it is given.
    """
    fits.writeto('psf.fits', gaussian_stamp())
    args = [*correct, '--psf', 'psf.fits', '--overwrite']
    assert main(args) == 0
    err = capsys.readouterr().err
    assert 'warning: PSF psf.fits: no OVERSAMP in its header' in err
    table = QTable.read('out.ecsv')
    assert main([*args, '--psf-oversampling', '1']) == 0
    assert 'OVERSAMP' not in capsys.readouterr().err
    assert np.array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])


@pytest.mark.parametrize('oversampling', [1, 4])
def test_psf_normalization(correct, oversampling, capsys):
    stamp = gaussian_stamp(oversampling, 20 * oversampling + 1)
    fits.writeto('psf.fits', 5 * stamp)
    args = [*correct, '--psf', 'psf.fits', '--psf-oversampling',
            str(oversampling), '--overwrite']
    check_normalization(args, capsys)
    table = QTable.read('out.ecsv')
    fits.writeto('psf.fits', stamp, overwrite=True)
    assert main(args) == 0
    assert 'a flux of' not in capsys.readouterr().err
    assert_allclose(table['cflux'], QTable.read('out.ecsv')['cflux'],
                    rtol=1e-5)


def check_normalization(args, capsys):
    """
    A PSF of flux 5 is told of once, and not any more when it is scaled.
    """
    assert main(args) == 0
    err = capsys.readouterr().err
    assert 'it has a flux of 5, not 1' in err
    assert 'psf_model is not normalized' not in err
    assert main([*args, '--psf-normalize']) == 0
    assert 'a flux of' not in capsys.readouterr().err


def grid_hdu(form, factors=(1, 1, 1, 1)):
    """
    A grid of four PSFs with some fluxes.
    """
    cube = np.array([factor * gaussian_stamp(4, 85) for factor in factors])
    hdu = fits.PrimaryHDU(cube)
    corners = [(0, 0), (0, 60), (51, 0), (51, 60)]
    if form == 'stdpsf':
        hdu.header['NXPSFS'] = hdu.header['NYPSFS'] = 2
        hdu.header['IPSFX01'], hdu.header['IPSFX02'] = 1, 61
        hdu.header['JPSFY01'], hdu.header['JPSFY02'] = 1, 52
    else:
        hdu.header['OVERSAMP'] = 4
        for i, (y, x) in enumerate(corners):
            hdu.header[f'DET_YX{i}'] = f'({y}.0, {x}.0)'
    return hdu


@pytest.mark.parametrize('form', ['stdpsf', 'webbpsf'])
def test_psf_grid(correct, form, capsys):
    grid_hdu(form).writeto('psf.fits')
    args = [*correct, '--psf', 'psf.fits', '--overwrite']
    assert main(args) == 0
    assert 'a flux of' not in capsys.readouterr().err
    table = QTable.read('out.ecsv')
    assert np.all(table['dcflux'] > 0)

    grid_hdu(form, (1, 2, 5, 0.9)).writeto('psf.fits', overwrite=True)
    check_normalization(args, capsys)
    assert_allclose(QTable.read('out.ecsv')['cflux'], table['cflux'],
                    rtol=1e-5)


def test_grid_without_flux(correct, capsys):
    grid_hdu('webbpsf', (1, 1, 0, 1)).writeto('psf.fits')
    assert main([*correct, '--psf', 'psf.fits', '--psf-normalize']) == 2
    assert 'cannot be normalized, its sum is 0' in capsys.readouterr().err


def test_grid_refuses_options_for_stamps(correct, capsys):
    hdu = fits.PrimaryHDU(np.ones((4, 9, 9)))
    hdu.header['NXPSFS'] = hdu.header['NYPSFS'] = 2
    hdu.writeto('psf.fits')
    assert main([*correct, '--psf', 'psf.fits', '--psf-oversampling',
                 '4']) == 2
    assert '--psf-oversampling is for PSF stamps' in capsys.readouterr().err
