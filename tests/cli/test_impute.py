# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot impute``: files in, files out.
"""

import gzip
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from numpy.testing import assert_array_equal

from lpiphot import GPRImputer
from lpiphot.cli import impute, main


@pytest.fixture
def files(scene, tmp_path, monkeypatch):
    """
    An MEF file of every kind of extension, and its mask.
    """
    data, _, catalog = scene
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    mask = rng.random(data.shape) < 0.02
    sci = fits.ImageHDU(data.astype('f4'), name='SCI')
    sci.header['CRPIX1'] = 12.5
    counts = (10 * data + 1000).astype('u2')
    fits.HDUList([
        fits.PrimaryHDU(), sci,
        fits.ImageHDU(mask.astype('u1'), name='DQ'),
        fits.ImageHDU(counts, name='COUNTS'),
        fits.CompImageHDU(data.astype('f4'), name='PACKED',
                          quantize_level=-0.01, quantize_method=1),
        fits.CompImageHDU(counts.astype('i2'), name='RICE'),
        fits.BinTableHDU(catalog, name='CAT'),
        fits.ImageHDU(np.stack([data, data]), name='CUBE'),
    ]).writeto('in.fits', checksum=True)
    fits.writeto('mask.fits', mask.astype('i2'))
    Path('in.fits.gz').write_bytes(gzip.compress(
        Path('in.fits').read_bytes()))
    return data.astype('f4'), mask


def hdu_bytes(path, number):
    """
    The bytes of an extension, as they stand in the file.
    """
    content = Path(path).read_bytes()
    if path.endswith('.gz'):
        content = gzip.decompress(content)
    with fits.open(io.BytesIO(content),
                   disable_image_compression=True) as hdulist:
        info = hdulist[number].fileinfo()
        return content[info['hdrLoc']:info['datLoc'] + info['datSpan']]


def check_others(path, changed, source='in.fits', n_hdus=8):
    """
    All other extensions have every byte they had.
    """
    for number in range(n_hdus):
        if number != changed:
            assert hdu_bytes(path, number) == hdu_bytes(source, number)


@pytest.mark.parametrize('mask_option', ['mask.fits', 'DQ', '2',
                                         'in.fits[DQ]'])
def test_image(files, mask_option, capsys):
    data, mask = files
    assert main(['impute', 'in.fits', 'out.fits', '--mask',
                 mask_option]) == 0
    out = capsys.readouterr().out
    assert f'{mask.sum()} of {mask.size} pixels filled' in out
    assert 'wrote out.fits' in out
    with fits.open('out.fits') as hdulist:
        hdulist.verify('exception')
        clean, header = hdulist['SCI'].data, hdulist['SCI'].header
        assert_array_equal(clean, GPRImputer()(data, mask=mask))
        assert clean.dtype == np.dtype('>f4')
        assert header['CRPIX1'] == 12.5
        assert 'squared_exponential' in header['GPRIMPUT']
        assert 'CHECKSUM' not in header
    check_others('out.fits', 1)


@pytest.mark.parametrize(('dtype', 'high'), [
    ('u1', 2 ** 7), ('i2', -2 ** 15), ('u2', 2 ** 15), ('u4', 2 ** 31),
    ('i4', 2 ** 30), ('i8', 2 ** 40), ('f4', 2 ** 23)])
def test_mask_bits(files, dtype, high, capsys):
    """
    The bits that are named are bad, in integers of any kind, and no others.
    """
    rng = np.random.default_rng(5)
    flags = rng.random((3, *files[1].shape)) < 0.02
    values = flags[0] + 4 * flags[1] + high * flags[2].astype('i8')
    fits.writeto('bits.fits', values.astype(dtype))
    args = ['impute', 'in.fits', 'out.fits', '--overwrite', '--mask']
    high = high % 2 ** 16 if dtype == 'i2' else high
    for bits, bad in (('1', flags[0]), ('4', flags[1]),
                      ('2', np.zeros_like(flags[0])),
                      ('5', flags[0] | flags[1]), (str(high), flags[2]),
                      (f'{high},1', flags[0] | flags[2]),
                      ('~4', flags[0] | flags[2])):
        assert main([*args, 'bits.fits', '--mask-bits', bits]) == 0
        assert f'{bad.sum()} of {bad.size} pix' in capsys.readouterr().out
        fits.writeto('bad.fits', bad.astype('u1'), overwrite=True)
        image = fits.getdata('out.fits', 'SCI')
        assert main([*args, 'bad.fits', '-q']) == 0
        assert_array_equal(image, fits.getdata('out.fits', 'SCI'))


@pytest.mark.parametrize(('image', 'option', 'dtype'), [
    ('SCI', 'BITS', 'u2'), ('CUBE', 'in2.fits[BITS]', 'i4'),
    ('CUBE', 'BITS', 'u2'), ('COUNTS', 'BITS', 'u1')])
def test_clear_mask(files, image, option, dtype):
    """
    What was filled is good to the next tool; the others keep their bits.
    """
    _, mask = files
    bits = np.where(mask, 2 ** 7 + 1, 0).astype(dtype)
    with fits.open('in.fits') as hdulist:
        hdulist.append(fits.ImageHDU(bits, name='BITS'))
        hdulist['BITS'].header['BAD'] = 7
        hdulist.writeto('in2.fits')
    assert main(['impute', f'in2.fits[{image}]', 'out.fits', '--mask', option,
                 '--clear-mask', '--add-planes', '-q']) == 0
    with fits.open('out.fits', uint=True) as hdulist:
        hdulist.verify('exception')
        assert hdulist['BITS'].data.dtype.newbyteorder('=') == np.dtype(dtype)
        assert not hdulist['BITS'].data.any()
        assert hdulist['BITS'].header['BAD'] == 7
        assert 'GPRIMPUT' not in hdulist['BITS'].header
        assert hdulist['GPR_FLAG'].data[..., mask].all()
        assert 'GPRIMPUT' in hdulist[image].header


def test_clear_compressed_mask(files):
    """
    And of another file, or of none, there is nothing to clear.
    """
    _, mask = files
    packed = fits.CompImageHDU(mask.astype('i2'), name='PACKED')
    with fits.open('in.fits') as hdulist:
        fits.HDUList([fits.PrimaryHDU(), hdulist['SCI'], packed]).writeto(
            'two.fits')
    assert main(['impute', 'two.fits', 'out.fits', '--mask-ext', 'PACKED',
                 '--clear-mask']) == 0
    with fits.open('out.fits') as hdulist:
        assert isinstance(hdulist[2], fits.CompImageHDU)
        assert not hdulist[2].data.any()


@pytest.mark.parametrize('options', [[], ['--mask', 'mask.fits'],
                                     ['--mask', 'mask.fits[0]']])
def test_clear_no_mask(files, options, capsys):
    assert main(['impute', 'in.fits', 'out.fits', '--clear-mask',
                 *options]) == 2
    assert 'needs a mask that is an ext' in capsys.readouterr().err
    assert not os.path.exists('out.fits')


def test_clear_mask_of_no_image(files, capsys):
    assert main(['impute', 'no.fits', 'out.fits', '--clear-mask', '--mask',
                 'mask.fits[0]']) == 2
    assert 'image not found: no.fits' in capsys.readouterr().err


@pytest.mark.parametrize('options', [[], ['--mask', 'MASK']])
def test_mask_of_ccddata(files, options, capsys):
    """
    A mask in the file that is not used is told of.
    """
    data, mask = files
    CCDData(data, unit='adu', mask=mask).write('ccd.fits')
    main(['impute', 'ccd.fits', 'out.fits', *options])
    printed = capsys.readouterr().out
    assert f'{mask.sum() if options else 0} of ' in printed
    assert ('give --mask MASK' in printed) == (not options)


@pytest.mark.parametrize(('name', 'number'), [
    ('COUNTS', 3), ('PACKED', 4), ('RICE', 5), ('CUBE', 7)])
def test_every_kind(files, name, number):
    """
    Good pixels of integers and compressed images have lost nothing.
    """
    _, mask = files
    assert main(['impute', f'in.fits[{name}]', 'out.fits', '--mask', 'DQ',
                 '-q']) == 0
    with (fits.open('in.fits', uint=True) as before,
          fits.open('out.fits') as after):
        old, new = before[name].data, after[name].data
        assert_array_equal(new[..., ~mask], old[..., ~mask])
        assert np.any(new[..., mask] != old[..., mask])
        assert new.dtype.kind == 'f'
        assert type(after[name]) is type(before[name])
    check_others('out.fits', number)


@pytest.mark.parametrize(('source', 'target'), [
    ('in.fits.gz', 'out.fits'), ('in.fits', 'out.fits.gz')])
def test_gzip(files, source, target):
    data, mask = files
    assert main(['impute', source, target, '--ext', 'SCI', '--mask', 'DQ',
                 '-q']) == 0
    with fits.open(target) as hdulist:
        assert_array_equal(hdulist['SCI'].data[~mask], data[~mask])
    check_others(target, 1, source)
    assert target.endswith('.gz') == Path(target).read_bytes().startswith(
        b'\x1f\x8b')


def test_primary(files):
    """
    A file of one image, with NaN for bad pixels.
    """
    data, mask = files
    fits.writeto('single.fits', np.where(mask, np.nan, data))
    assert main(['impute', 'single.fits', 'out.fits', '--add-planes',
                 '-q']) == 0
    result = GPRImputer().run(data, mask=mask)
    with fits.open('out.fits') as hdulist:
        assert len(hdulist) == 3
        assert_array_equal(hdulist[0].data, result.image)
        assert_array_equal(hdulist['GPR_ERR'].data,
                           result.std.astype('f4'))
        assert_array_equal(hdulist['GPR_FLAG'].data, result.flags | 2 * mask)


def test_mask_extension(files):
    """
    The option of the other commands is understood, in a file as well.
    """
    data, mask = files
    Path('survey.toml').write_text('mask_ext = "DQ"\nn_rounds = 2\n')
    for options in (['--mask-ext', 'DQ'], ['--config', 'survey.toml']):
        assert main(['impute', 'in.fits', 'out.fits', '-q', '--overwrite',
                     *options]) == 0
        assert_array_equal(fits.getdata('out.fits', 'SCI'),
                           GPRImputer()(data, mask=mask))


def test_options(files):
    data, mask = files
    assert main(['impute', 'in.fits', 'out.fits', '--mask', 'DQ', '-q',
                 '--kernel', 'matern52', '--width', '7', '--amplitude', '9',
                 '--length-scale', '1.5,2', '--angle', '20', '--noise', '3',
                 '--n-threads', '2']) == 0
    wanted = GPRImputer(kernel='matern52', width=7, amplitude=9,
                        length_scale=(1.5, 2), angle=20, noise=3)
    assert_array_equal(fits.getdata('out.fits', 'SCI'),
                       wanted(data, mask=mask))


def test_model(files):
    """
    Train on one file, apply to another.
    """
    assert main(['impute', 'in.fits', 'out.fits', '--mask', 'DQ', '-q',
                 '--kernel', 'matern32', '--save-model',
                 'kernels.json']) == 0
    assert json.loads(Path('kernels.json').read_text())['kernels']
    assert main(['impute', 'in.fits', 'again.fits', '--mask', 'DQ', '-q',
                 '--model', 'kernels.json', '--save-model',
                 'same.json']) == 0
    assert Path('same.json').read_text() == Path('kernels.json').read_text()
    assert_array_equal(fits.getdata('again.fits', 'SCI'),
                       fits.getdata('out.fits', 'SCI'))
    headers = [fits.getheader(name, 'SCI')['GPRIMPUT']
               for name in ('out.fits', 'again.fits')]
    assert headers[0] == headers[1]
    assert 'kernel=matern32, width=9, method=local' in headers[0]


@pytest.mark.parametrize(('args', 'words'), [
    (['in.fits', 'in.fits', '--overwrite'], ['OUT', 'same file']),
    (['in.fits', 'out.txt'], ['OUT out.txt', 'unknown suffix']),
    (['in.fits', 'mask.fits'], ['OUT mask.fits', '--overwrite']),
    (['none.fits', 'out.fits'], ['image not found: none.fits']),
    (['in.fits[CAT]', 'out.fits'], ['in.fits[CAT] holds no image']),
    (['in.fits[1]', 'out.fits', '--ext', '1'], ['given twice']),
    (['in.fits', 'out.fits', '--mask', 'NONE'], ['no file NONE', '2 DQ']),
    (['in.fits', 'out.fits', '--mask-ext', 'NONE'], ['no extension NONE']),
    (['in.fits', 'out.fits', '--mask', 'DQ', '--mask-ext', 'DQ'],
     ['only one of mask and mask_ext']),
    (['in.fits', 'out.fits', '--mask', 'CUBE'], ['mask', '(2, 52, 61)']),
    (['in.fits', 'out.fits', '--mask-bits', '1'], ['by --mask or --mask-e']),
    (['in.fits', 'out.fits', '--mask', 'PACKED', '--mask-bits', '1'],
     ['mask PACKED: --mask-bits needs whole numbers']),
    (['in.fits', 'out.fits', '--mask', 'DQ', '--mask-bits', '3,4'],
     ['--mask-bits', 'powers of 2', "'3,4'"]),
    (['in.fits', 'out.fits', '--mask', 'DQ', '--mask-bits', '0'],
     ['--mask-bits', "'0'"]),
    (['in.fits', 'out.fits', '--width', '8'], ['width', '8']),
    (['in.fits', 'out.fits', '--kernel', 'gauss'], ['--kernel']),
    (['in.fits', 'out.fits', '--angle', '30'],
     ['angle must be given with two length scales', 'angle=30']),
    (['in.fits', 'out.fits', '--length-scale', 'x'], ['--length-scale']),
    (['in.fits', 'out.fits', '--model', 'mask.fits'], ['mask.fits']),
    (['in.fits', 'out.fits', '--model', 'm.json', '--length-scale', '2',
      '--method', 'single'],
     ['--model m.json has', 'no --length-scale or --method with it']),
    (['text.fits', 'out.fits'], ['text.fits is not a FITS file']),
    (['nan.fits', 'out.fits'], ['nan.fits', 'at least one pixel']),
])
def test_bad_input(files, args, words, capsys):
    Path('text.fits').write_text('not a FITS file\n')
    fits.writeto('nan.fits', np.full((9, 9), np.nan))
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    assert main(['impute', *args]) == 2
    captured = capsys.readouterr()
    assert captured.err.count('\n') == 1
    assert not captured.out
    for word in words:
        assert word in captured.err
    assert {name: Path(name).read_bytes()
            for name in os.listdir()} == before


def test_nothing_is_left_behind(files, monkeypatch, capsys):
    """
    The file appears whole or not at all.
    """
    def fail(path, content):
        Path(path).write_bytes(content[:1000])
        msg = 'No space left on device'
        raise OSError(msg)

    before = sorted(os.listdir())
    monkeypatch.setattr(impute, 'write_bytes', fail)
    assert main(['impute', 'in.fits', 'out.fits', '--mask', 'DQ']) == 1
    assert 'No space left' in capsys.readouterr().err
    assert sorted(os.listdir()) == before


def test_clear_mask_without_data(tmp_path, monkeypatch):
    """
    Pixels that no good one was near stay in the mask.
    """
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(8).normal(100, 3, (90, 95))
    mask = np.zeros(data.shape, dtype='u1')
    mask[:, :40] = mask[50, 60] = 1
    fits.HDUList([fits.PrimaryHDU(data),
                  fits.ImageHDU(mask, name='DQ')]).writeto('in.fits')
    assert main(['impute', 'in.fits', 'out.fits', '--mask', 'DQ',
                 '--clear-mask', '-q']) == 0
    mask[:, 8:] = 0  # 32 pixels from the good ones
    assert_array_equal(fits.getdata('out.fits', 'DQ'), mask)


@pytest.mark.filterwarnings('ignore:File may have been truncated')
def test_last_block_is_not_whole(files):
    """
    Planes begin where the next one does.
    """
    content = Path('in.fits').read_bytes()
    Path('short.fits').write_bytes(content[:-1000])  # of the padding
    for name in ('in', 'short'):
        assert main(['impute', f'{name}.fits[SCI]', f'{name}_out.fits',
                     '--mask', 'DQ', '--add-planes']) == 0
    assert (Path('short_out.fits').read_bytes()
            == Path('in_out.fits').read_bytes())
