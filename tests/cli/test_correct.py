# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot correct`` on good input.
"""

import gzip
import warnings
from inspect import signature

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.nddata import (CCDData, InverseVariance, StdDevUncertainty,
                            VarianceUncertainty)
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.cli import main
from lpiphot.cli._options import CORRECTOR_OPTIONS

FWHM = 3.1
PSF = ['--psf-fwhm', str(FWHM)]
SHAPES = {'stamp_shape': (9, 11), 'window_shape': 25, 'condition_radius': 6}


def test_same_as_api(correct, scene, capsys):
    assert main([*correct, *PSF, '--ext', 'SCI', '--error-ext', 'ERR',
                 '--mask-ext', 'DQ', '--gain', '1.7', '--seed', '3',
                 '--background', '12.5']) == 0
    table = QTable.read('out.ecsv')

    _, _, catalog = scene
    with fits.open('image.fits') as hdulist:
        data = hdulist['SCI'].data.astype(float)
        error = hdulist['ERR'].data.astype(float)
        mask = hdulist['DQ'].data.astype(bool)
    corrector = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=FWHM),
                                       gain=1.7, rng=3, **SHAPES)
    expected = corrector(data, catalog, error=error, mask=mask,
                         background=12.5)
    assert table.colnames == expected.colnames
    for name in expected.colnames:
        assert_array_equal(table[name], expected[name])

    captured = capsys.readouterr()
    assert f'{len(catalog)} stars' in captured.out
    assert 'wrote out.ecsv' in captured.out
    # the catalogue has no unit, the image is in adu
    assert captured.err.count('\n') == 1
    assert captured.err.startswith('lpiphot: warning: ')


def test_bunit_is_used(correct, scene):
    catalog = scene[2].copy()
    for name in ('flux_fit', 'flux_err'):
        catalog[name] *= u.adu
    catalog.write('catalog.ecsv', overwrite=True)
    assert main([*correct, *PSF, '--error-ext', 'ERR']) == 0
    assert QTable.read('out.ecsv')['cflux'].unit == u.adu


def test_unknown_bunit_is_left_aside(correct, capsys):
    fits.setval('image.fits', 'BUNIT', value='counts per eon', ext=1)
    assert main([*correct, *PSF, '-q']) == 0
    captured = capsys.readouterr()
    assert "'counts per eon' is not a unit" in captured.err
    assert not captured.out


@pytest.mark.parametrize('suffix', ['gz', 'fz'])
def test_compressed_image(correct, scene, suffix):
    data, _, _ = scene
    path = f'other.fits.{suffix}'
    if suffix == 'fz':
        hdu = fits.CompImageHDU(data.astype('f4'), quantize_level=0,
                                compression_type='GZIP_2')
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    else:
        fits.writeto(path, data.astype('f4'))
    correct[1] = path
    assert main([*correct, *PSF]) == 0
    table = QTable.read('out.ecsv')
    correct[1] = 'image.fits[1]'
    assert main([*correct, *PSF, '--overwrite']) == 0
    assert_array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])


@pytest.mark.parametrize(('name', 'form'), [
    ('stars.csv', 'ascii.csv'), ('stars.csv.gz', 'ascii.csv'),
    ('stars.txt', 'ascii'), ('stars.dat', 'ascii.commented_header'),
    ('stars.xml', 'votable'), ('stars.fit', 'fits')])
def test_catalogue_of_any_form(correct, scene, name, form):
    catalog = scene[2].copy()
    catalog.meta['grouper'] = None  # as of photutils
    catalog.write(name.removesuffix('.gz'), format=form)
    if name.endswith('.gz'):
        with open(name[:-3], 'rb') as plain, gzip.open(name, 'wb') as packed:
            packed.write(plain.read())
    assert main([*correct, *PSF]) == 0
    table = QTable.read('out.ecsv')
    correct[2] = name
    assert main([*correct, *PSF, '--overwrite']) == 0
    # text has all digits of a number
    assert_array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])


@pytest.mark.parametrize('way', ['spec', 'option'])
def test_extension_version(correct, scene, way):
    """
    Of two chips, the second: SCI,2 with ERR,2 and DQ,2.
    """
    data, error, _ = scene
    mask = (np.arange(data.size).reshape(data.shape) % 97 == 0).astype('u1')
    fits.HDUList([fits.PrimaryHDU()] + [
        fits.ImageHDU(plane, name=name, ver=ver) for ver in (1, 2)
        for name, plane in (('SCI', data + 50 * (2 - ver)),
                            ('ERR', ver * error), ('DQ', ver // 2 * mask))
    ]).writeto('chips.fits')
    correct[1] = 'chips.fits[4]'
    assert main([*correct, *PSF, '--error-ext', '5', '--mask-ext', '6']) == 0
    table = QTable.read('out.ecsv')
    correct[1] = 'chips.fits[SCI,2]' if way == 'spec' else 'chips.fits'
    options = (['--error', 'ERR,2', '--mask', 'chips.fits[DQ,2]']
               if way == 'spec' else
               ['--ext', 'sci,2', '--error-ext', 'ERR, 2', '--mask', 'DQ,2'])
    assert main([*correct, *PSF, *options, '--overwrite']) == 0
    assert_array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])


def test_unknown_version(correct, capsys):
    with fits.open('image.fits', mode='append') as hdulist:
        hdulist.append(fits.ImageHDU(np.ones((3, 3)), name='SCI', ver=2))
    correct[1] = 'image.fits[SCI,3]'
    assert main([*correct, *PSF]) == 2
    err = capsys.readouterr().err
    assert 'no extension SCI,3; it has 0 PRIMARY, 1 SCI, ' in err
    assert err.endswith('6 SCI,2\n')


def test_inputs_in_other_files(correct, scene):
    data, error, _ = scene
    fits.writeto('error.fits', error)
    fits.writeto('sky.fits', np.full(data.shape, 12.5))
    assert main([*correct, *PSF, '--error', 'error.fits', '--mask',
                 'image.fits[DQ]', '--background', 'sky.fits']) == 0
    table = QTable.read('out.ecsv')
    assert main([*correct, *PSF, '--overwrite', '--error-ext', 'ERR',
                 '--mask-ext', '3', '--background', '12.5']) == 0
    assert_array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])
    # an extension is found by its name, unless there is such a file
    names = ['--error', 'ERR', '--mask', 'DQ', '--background', '12.5']
    assert main([*correct, *PSF, '--overwrite', *names]) == 0
    assert_array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])
    mask = np.where(fits.getdata('image.fits', 'DQ'), -1.0, 0.0)
    mask[20, 31] = np.nan  # whatever is not 0 is bad
    fits.writeto('signed.fits', mask)
    names[3] = 'signed.fits'
    assert main([*correct, *PSF, '--overwrite', *names]) == 0
    assert_array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])
    mask[:, ::2] = 1
    fits.writeto('DQ', mask)
    names[3] = 'DQ'
    assert main([*correct, *PSF, '--overwrite', *names]) == 0
    assert np.any(table['cflux'] != QTable.read('out.ecsv')['cflux'])


@pytest.mark.parametrize('unit', [None, 'mJy'])
def test_units_of_others(correct, scene, unit):
    """
    Errors have a unit of their own, a background has that of the image,
    whether the fluxes have one or not.
    """
    data, error, catalog = scene
    error = np.hypot(error, np.sqrt(np.fmax(data, 0) / 2.0))  # of photons
    fits.writeto('plain.fits', error)
    assert main([*correct, *PSF, '--unit', 'none', '--error', 'plain.fits',
                 '--background', '12.5']) == 0
    plain = QTable.read('out.ecsv')
    fits.setval('image.fits', 'BUNIT', value='mJy', ext=1)
    fits.writeto('error.fits', 1e3 * error, fits.Header({'BUNIT': 'uJy'}))
    if unit is not None:
        catalog = catalog.copy()
        catalog['flux_fit'] *= u.Unit(unit)
        catalog['flux_err'] *= u.Unit(unit)
        catalog.write('catalog.ecsv', overwrite=True)
    assert main([*correct, *PSF, '--error', 'error.fits', '--background',
                 '12.5', '--overwrite']) == 0
    table = QTable.read('out.ecsv')
    for name in ('cflux', 'dcflux'):
        assert table[name].unit == unit
        assert_allclose(getattr(table[name], 'value', table[name]),
                        plain[name], rtol=1e-6)


@pytest.mark.parametrize(('unit', 'options'), [
    ('adu', []), ('adu', ['--unit', 'none']), ('mJy', [])])
def test_unit_of_background(correct, scene, unit, options, capsys):
    """
    The unit of a background goes with that of the image, which is not used
    as fluxes have none.
    """
    plain = ['--gain', '1.7', '--background', '12.5']
    assert main([*correct, *PSF, '--unit', 'none', *plain]) == 0
    expected = QTable.read('out.ecsv')
    fits.writeto('sky.fits', np.full(scene[0].shape, 12.5),
                 fits.Header({'BUNIT': unit}))
    code = main([*correct, *PSF, *options, '--gain', '1.7', '--background',
                 'sky.fits', '--overwrite'])
    if unit == 'mJy':
        assert code == 2
        assert 'error: background: ' in capsys.readouterr().err
        return
    assert code == 0
    table = QTable.read('out.ecsv')
    for name in ('cflux', 'dcflux'):
        assert_array_equal(table[name], expected[name])


@pytest.mark.parametrize(('kind', 'power'), [
    (StdDevUncertainty, 1), (VarianceUncertainty, 2), (InverseVariance, -2)])
@pytest.mark.parametrize(('unit', 'options'), [
    (None, []), ('adu', []), ('adu', ['--unit', 'adu'])])
def test_kinds_of_errors(correct, scene, kind, power, unit, options):
    """
    Errors are those of a file that CCDData wrote, whatever their kind.
    """
    data, error, catalog = scene
    error = np.hypot(error, np.sqrt(np.fmax(data, 0) / 2.0))  # of photons
    error[7, 9] = np.inf  # an inverse variance of 0
    catalog = catalog.copy()
    catalog['flux_fit'] *= u.adu
    catalog.write('catalog.ecsv', overwrite=True)
    hdus = CCDData(data, unit='adu',
                   uncertainty=kind(error ** power)).to_hdu()
    if unit is not None:  # which CCDData does not write
        hdus['UNCERT'].header['BUNIT'] = str(u.Unit(unit) ** power)
    hdus.writeto('image.fits', overwrite=True)
    assert main([*correct, *PSF, '--error', 'UNCERT', *options]) == 0
    table = QTable.read('out.ecsv')
    expected = LPIBackgroundCorrector(
        CircularGaussianPRF(fwhm=FWHM), **SHAPES)(
            data * u.adu, catalog, error=error * u.adu)
    for name in ('cflux', 'dcflux'):
        assert_allclose(table[name].value, expected[name].value, rtol=1e-6)


def test_all_arguments_are_options():
    """
    What the corrector takes in Python can be given on the command line.
    """
    names = set(signature(LPIBackgroundCorrector).parameters)
    assert names - {'psf_model', 'progress_bar'} == set(
        CORRECTOR_OPTIONS.values())


@pytest.mark.parametrize('neighbours', ['flux_err', 'group_id'])
def test_crowded(correct, scene, neighbours):
    catalog = scene[2].copy()
    catalog['group_id'] = np.arange(len(catalog)) // 2
    catalog.write('catalog.ecsv', overwrite=True)
    assert main([*correct, *PSF, '--unit', 'none', '--neighbours',
                 neighbours, '--positions']) == 0
    table = QTable.read('out.ecsv')
    corrector = LPIBackgroundCorrector(
        CircularGaussianPRF(fwhm=FWHM), neighbours=neighbours,
        positions=True, **SHAPES)
    expected = corrector(fits.getdata('image.fits', 'SCI').astype(float),
                         catalog)
    for name in ('cflux', 'dcflux', 'cx', 'dcy'):
        assert_array_equal(table[name], expected[name])
    assert table.meta['lpiphot_neighbours'] == neighbours


@pytest.mark.parametrize('option', ['--mask', '--mask-ext'])
@pytest.mark.parametrize('n_rows', [27, 25])
def test_mask_of_much(correct, option, n_rows, capsys):
    """
    Not 0 in more than half of an image: the user is told, and by how much.
    """
    with fits.open('image.fits', mode='update') as hdulist:
        hdulist['DQ'].data[:n_rows] = 4
        hdulist['DQ'].data[n_rows:] = 0
    assert main([*correct, *PSF, '--unit', 'none', option, 'DQ']) == 0
    err = capsys.readouterr().err
    assert ('the mask DQ excludes 52 % of the pixels' in err) == (n_rows == 27)
    assert ('--mask-bits' in err) == (n_rows == 27)


@pytest.mark.parametrize('suffix', ['fits', 'parquet'])
def test_catalog_formats(correct, scene, suffix):
    if suffix == 'parquet':
        pytest.importorskip('pyarrow')
        pytest.importorskip('pandas')  # astropy reads Parquet with it
    scene[2].write(f'catalog.{suffix}')
    args = [*correct, *PSF, '-q']
    assert main(args) == 0
    table = QTable.read('out.ecsv')
    args[2] = f'catalog.{suffix}'
    assert main([*args, '--overwrite']) == 0
    assert_array_equal(table['cflux'], QTable.read('out.ecsv')['cflux'])


def test_catalog_in_an_extension(correct):
    correct[2] = 'image.fits[CAT]'
    assert main([*correct, *PSF]) == 0


def test_catalog_in_place(correct, scene):
    correct[4] = 'catalog.ecsv'
    assert main([*correct, *PSF]) == 2
    assert main([*correct, *PSF, '--overwrite']) == 0
    table = QTable.read('catalog.ecsv')
    assert_array_equal(table['flux_fit'], scene[2]['flux_fit'])
    # and again, on a table that has the columns already
    assert main([*correct, *PSF, '--overwrite']) == 0
    again = QTable.read('catalog.ecsv')
    assert again.colnames == table.colnames
    assert_array_equal(again['cflux'], table['cflux'])


@pytest.mark.parametrize(('options', 'unused'), [
    ([], ['--error UNCERT', '--mask MASK']),
    (['--mask', 'MASK'], ['--error UNCERT']),
    (['--error-ext', 'UNCERT'], ['--mask MASK']),
    (['--mask', 'MASK', '--error', 'UNCERT'], []), (['--quiet'], [])])
def test_unused_planes(correct, scene, capsys, options, unused):
    """
    A mask and errors of CCDData that are not used are told of.
    """
    data, error, _ = scene
    CCDData(data, unit='adu', mask=data < -4,
            uncertainty=StdDevUncertainty(error)).write('ccd.fits')
    correct[1] = 'ccd.fits'
    assert main([*correct, *PSF, *options]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines()
             if 'which is not used' in line]
    assert [line.partition('give ')[2] for line in notes] == [
        f'{option} to use it' for option in unused]


def test_images(correct, scene):
    assert main([*correct, *PSF, '--images', 'images.fits']) == 0
    data, _, catalog = scene
    with fits.open('images.fits') as hdulist:
        assert [hdu.name for hdu in hdulist[1:]] == ['RESIDUAL', 'BACKGROUND',
                                                     'MASK']
        for hdu in hdulist[1:]:
            assert hdu.data.shape == data.shape
            assert hdu.header['CRPIX1'] == 12.5
        residual, background, mask = (hdu.data for hdu in hdulist[1:])
    yy, xx = np.mgrid[:data.shape[0], :data.shape[1]]
    model = sum(CircularGaussianPRF(flux=row['flux_fit'], x_0=row['x_fit'],
                                    y_0=row['y_fit'], fwhm=FWHM)(xx, yy)
                for row in catalog)
    assert_allclose(residual, data - model, atol=0.5)
    # stars are masked, and far from them the background is what is left
    assert_array_equal(mask[model > 20], 1)
    assert np.all(background[model > 20] != residual[model > 20])
    assert np.count_nonzero(model < 1e-6) > 100
    assert_array_equal(mask[model < 1e-6], 0)
    assert_array_equal(background[model < 1e-6], residual[model < 1e-6])


def test_images_of_a_careless_header(correct, scene):
    hdu = fits.PrimaryHDU(scene[0].astype('i2'))
    hdu.header['BZERO'] = 3.0  # and more that is not true of floats
    hdu.header['EXTNAME'] = 'OLD'
    hdu.header.append(fits.Card.fromstring("bad key = 'open"), end=True)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', VerifyWarning)
        hdu.writeto('odd.fits', output_verify='ignore', checksum=True)
    hdu = fits.CompImageHDU(scene[0].astype('i2'), name='SCI')
    hdu.writeto('odd.fits.fz')
    for i, path in enumerate(['odd.fits', 'odd.fits.fz']):
        correct[1] = path
        assert main([*correct, *PSF, '--overwrite', '--images',
                     f'images{i}.fits']) == 0
        with fits.open(f'images{i}.fits') as hdulist:
            residual = hdulist['RESIDUAL']
            assert residual.data.dtype.kind == 'f'
            assert abs(np.median(residual.data) - 3 * (i == 0)) < 2
            for key in ('BZERO', 'CHECKSUM', 'ZIMAGE'):
                assert key not in residual.header


def test_plot(correct):
    pytest.importorskip('matplotlib')
    assert main([*correct, *PSF, '--plot', 'plot.png']) == 0
    with open('plot.png', 'rb') as fh:
        assert fh.read(4) == b'\x89PNG'


def test_progress_bar(correct, capsys):
    pytest.importorskip('tqdm')
    args = [arg for arg in correct if arg != '--no-progress']
    assert main([*args, *PSF]) == 0
    assert '%' not in capsys.readouterr().err  # not a terminal
    assert main([*args, *PSF, '--overwrite', '--progress-bar']) == 0
    assert '%' in capsys.readouterr().err
