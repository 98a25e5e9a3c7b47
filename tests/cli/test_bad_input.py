# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Bad input: one line, code 2, nothing written.
"""

import os

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from lpiphot.cli import main

PSF = ['--psf-fwhm', '3.1']


def check_refused(args, words, capsys):
    """
    Check the code, the one line and that no file is new.
    """
    before = sorted(os.listdir())
    code = main(args)
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines()
              if not line.startswith('lpiphot: warning: ')]
    assert code == 2, captured.err
    assert len(errors) == 1
    assert errors[0].startswith('lpiphot: error: ')
    assert not captured.out
    for word in words:
        assert word in errors[0]
    assert sorted(os.listdir()) == before


@pytest.fixture
def bad_files(folder):
    """
    Files that are wrong in one way each.
    """
    (folder / 'text.fits').write_text('not a FITS file\n')
    (folder / 'empty.fits').write_bytes(b'')
    content = (folder / 'image.fits').read_bytes()
    (folder / 'short.fits').write_bytes(content[:8000])
    (folder / 'bad.ecsv').write_text('# %ECSV 1.0\n# ---\n# nonsense\nx y\n')
    (folder / 'bad.parquet').write_bytes(b'nothing')
    fits.writeto('nan.fits', np.full((9, 9), np.nan))
    fits.writeto('zero.fits', np.zeros((9, 9)))
    fits.writeto('tiny.fits', np.ones((3, 3)))
    fits.writeto('small.fits', np.ones((20, 61)))
    fits.HDUList([fits.PrimaryHDU()]).writeto('none.fits')
    good = QTable.read('catalog.ecsv')
    good.write('catalog.html', format='ascii.html')
    (folder / 'noise.txt').write_text('')

    table = good.copy()
    table.remove_column('flux_fit')
    table.write('no_flux.ecsv')
    table = good.copy()
    table['x_fit'].name = 'column'
    table.write('no_x.ecsv')
    table = good.copy()
    table['x_fit'] = [f'star {i}' for i in range(len(table))]
    table.write('text.ecsv')
    for name, unit in (('mag', u.Jy), ('adu', u.adu)):
        table = good.copy()
        table['flux_fit'] *= unit
        table.write(f'{name}.ecsv')


IMAGES = [
    ('missing.fits', ['image not found: missing.fits']),
    ('.', ['image is not a file']),
    ('text.fits', ['text.fits is not a FITS file']),
    ('empty.fits', ['empty.fits is not a FITS file']),
    ('short.fits', ['short.fits']),
    ('catalog.ecsv', ['catalog.ecsv is not a FITS file']),
    ('none.fits', ['none.fits holds no image']),
    ('image.fits[SCIENCE]', ['no extension SCIENCE', '1 SCI']),
    ('image.fits[9]', ['no extension 9']),
    ('image.fits[0]', ['image.fits[0] holds no image']),
    ('image.fits[CAT]', ['image.fits[CAT] holds no image']),
    ('image.fits[CUBE]', ['2D', '(3, 52, 61)']),
    ('small.fits', ['--window-shape', '(20, 61)']),
    ('nan.fits', []),
]


@pytest.mark.parametrize(('image', 'words'), IMAGES)
def test_image(correct, bad_files, image, words, capsys):
    correct[1] = image
    check_refused([*correct, *PSF], words, capsys)


CATALOGS = [
    ('missing.ecsv', ['catalogue not found: missing.ecsv']),
    ('catalog.html', ['unknown format', '.ecsv, .fits, .parquet, ']),
    ('noise.txt', ['noise.txt cannot be read: it is no table of text']),
    ('bad.ecsv', ['bad.ecsv cannot be read']),
    ('bad.parquet', ['bad.parquet cannot be read']),
    ('text.fits', ['text.fits is not a FITS file']),
    ('nan.fits', ['nan.fits holds no table']),
    ('image.fits[STARS]', ['no extension STARS', '5 CAT']),
    ('image.fits[SCI]', ['image.fits[SCI] holds no table']),
    ('image.fits[CAT', ['not found']),
    ('catalog.ecsv[2]', ['only FITS files have extensions']),
    ('no_flux.ecsv', ['flux_fit']),
    ('no_x.ecsv', ['x_fit']),
    ('text.ecsv', ['x_fit']),
    ('mag.ecsv', ['Jy', 'adu']),
]


@pytest.mark.parametrize(('catalog', 'words'), CATALOGS)
def test_catalog(correct, bad_files, catalog, words, capsys):
    correct[2] = catalog
    check_refused([*correct, *PSF], words, capsys)


PSFS = [
    ([], ['--psf-fwhm or --psf is required']),
    (['--psf-fwhm', '3', '--psf', 'zero.fits'], ['only one of']),
    (['--psf-fwhm', '0'], ['--psf-fwhm must be positive']),
    (['--psf-fwhm', 'nan'], ['--psf-fwhm must be positive']),
    (['--psf-fwhm', 'broad'], ['--psf-fwhm', "'broad'"]),
    (['--psf', 'missing.fits'], ['PSF not found: missing.fits']),
    (['--psf', 'text.fits'], ['PSF text.fits is not a FITS file']),
    (['--psf', 'image.fits[CUBE]'], ['2D']),
    (['--psf', 'nan.fits'], ['nan.fits', 'finite']),
    (['--psf', 'tiny.fits'], ['tiny.fits', '4']),
    (['--psf', 'zero.fits', '--psf-normalize'], ['cannot be normalized']),
    (['--psf', 'zero.fits', '--psf-oversampling', '0'], ['oversampling']),
    (['--psf', 'zero.fits', '--psf-detector', '1'], ['STDPSF']),
]


@pytest.mark.parametrize(('options', 'words'), PSFS)
def test_psf(correct, bad_files, options, words, capsys):
    check_refused([*correct, *options], words, capsys)


OPTIONS = [
    (['--stamp-shape', '8'], ['--stamp-shape', '8', 'odd']),
    (['--stamp-shape', '9', '8'], ['--stamp-shape', 'odd']),
    (['--stamp-shape', 'big'], ['--stamp-shape', "'big'"]),
    (['--window-shape', '24'], ['--window-shape', 'odd']),
    (['--window-shape', '99'], ['--window-shape', '99']),
    (['--mask-threshold', '0'], ['--mask-threshold']),
    (['--residual-threshold', '-3'], ['--residual-threshold']),
    (['--min-mask-flux', '-1'], ['--min-mask-flux']),
    (['--condition-radius', '0'], ['--condition-radius']),
    (['--gain', '-1.7'], ['error: --gain must']),
    (['--n-threads', '0'], ['--n-threads']),
    (['--dtype', 'int'], ['--dtype', 'float32']),
    (['--seed', '-1'], []),
    (['--colour', 'blue'], ['--colour']),
    (['--ext', 'SCI', '--debugging'], ['--debugging']),
    (['--unit', 'parrots'], ["'parrots' is not a unit"]),
    (['--error', 'missing.fits'], ['error not found', '2 ERR']),
    (['--mask', 'DQX'], ['mask not found: there is no file DQX', '3 DQ']),
    (['--mask', 'CUBE'], ['mask', '2D']),
    (['--mask', '1'], ['mask 1 is the image itself', '--ext']),
    (['--mask', 'image.fits'], ['mask image.fits is the image itself']),
    (['--error-ext', 'SCI'], ['error SCI is the image itself']),
    (['--mask', 'CAT'], ['image.fits[CAT] holds no image']),
    (['--error', 'small.fits'], ['error', '(20, 61)']),
    (['--error', 'small.fits', '--error-ext', 'ERR'], ['only one of']),
    (['--error-ext', 'SIGMA'], ['no extension SIGMA']),
    (['--mask', 'small.fits'], ['mask', '(20, 61)']),
    (['--mask-ext', 'CUBE'], ['mask', '2D']),
    (['--background', 'missing.fits'], ['background not found']),
    (['--background', 'small.fits'], ['background', '(20, 61)']),
    (['--config', 'missing.toml'], ['missing.toml']),
    (['--config', 'image.fits'], ['image.fits is not a TOML file']),
]


@pytest.mark.parametrize(('options', 'words'), OPTIONS)
def test_options(correct, bad_files, options, words, capsys):
    check_refused([*correct, *PSF, *options], words, capsys)


def test_extension_twice(correct, capsys):
    correct[1] = 'image.fits[SCI]'
    check_refused([*correct, *PSF, '--ext', 'SCI'], ['twice'], capsys)


def test_catalog_has_unit_image_has_none(correct, bad_files, capsys):
    correct[2] = 'adu.ecsv'
    check_refused([*correct, *PSF, '--unit', 'none'],
                  ['flux_fit', 'has the unit adu', "--unit 'adu'"], capsys)
    assert main([*correct, *PSF, '--unit', 'adu']) == 0


OUTPUTS = [
    (['-o', 'out.txt'], ['out.txt', '.ecsv, .fits, .parquet']),
    (['-o', 'nowhere/out.ecsv'], ['no folder nowhere']),
    (['-o', 'catalog.ecsv'], ['catalog.ecsv: exists', '--overwrite']),
    (['-o', 'image.fits', '--overwrite'], ['same file as the image']),
    (['-o', 'folder.ecsv', '--overwrite'], ['is a folder']),
    (['--images', 'images.png'], ['.fits']),
    (['--images', 'image.fits'], ['same file as the image']),
    (['--plot', 'plot.gif'], ['.png']),
    (['--plot', 'nowhere/plot.png'], ['no folder nowhere']),
    (['-o', 'a.fits', '--images', 'a.fits'], ['same file as the output']),
]


@pytest.mark.parametrize(('options', 'words'), OUTPUTS)
def test_outputs_are_checked_first(correct, folder, options, words, capsys,
                                   monkeypatch):
    (folder / 'folder.ecsv').mkdir()
    monkeypatch.setattr('lpiphot.LPIBackgroundCorrector', None)
    check_refused([*correct, *PSF, *options], words, capsys)
