# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot validate``.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.cli import main
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import (Calibration, RecoveryResult,
                                check_blank_positions)


@pytest.fixture
def validate(folder):
    """
    The arguments of a quick ``lpiphot validate``.
    """
    return ['validate', 'image.fits', '-o', 'out.ecsv', '--stamp-shape', '9',
            '--window-shape', '25', '--condition-radius', '4',
            '--min-mask-flux', '60', '--box-size', '26', '30', '--psf-fwhm',
            '3.1', '--n-stars', '4', '--n-rounds', '2', '--border', '6',
            '--seed', '2', '--no-progress']


@pytest.fixture
def blank(validate):
    """
    The same without what is about injected stars.
    """
    args = [*validate, '--blank']
    for name in ('--n-rounds', '--border', '--n-stars'):
        index = args.index(name)
        del args[index:index + 2]
    return args


@pytest.fixture
def no_plots(monkeypatch):
    """
    Leave the plots out, which are most of the work.
    """
    monkeypatch.setattr(RecoveryResult, 'plot', lambda *args: Figure())


def test_files(validate, capsys):
    assert main([*validate, '--mask-ext', 'DQ', '--gain', '2']) == 0
    result = RecoveryResult.read('out.ecsv')
    assert len(result.table) == 8
    assert result.table['flux_fit'].unit == 'adu'
    assert result.table.meta['lpiphot_n_rounds'] == 2
    assert result.table.meta['recovery_gain'] == 2.0
    assert result.table.meta['recovery_seed'] == 2
    assert result.table.meta['lpiphot_stamp_shape'] == '(9, 9)'
    header = Path('out.png').read_bytes()[:24]
    assert int.from_bytes(header[16:20]) >= 1600
    page = Path('out.html').read_text(encoding='utf-8')
    assert '<h1>Injection test of image.fits</h1>' in page
    assert page.rstrip().endswith('</html>')
    out = capsys.readouterr().out
    assert 'width of z' in out
    for name in ('out.ecsv', 'out.png', 'out.html'):
        assert f'wrote {name}' in out


@pytest.mark.skipif(sys.platform != 'linux', reason='names are UTF-8')
def test_name_is_no_utf8(validate, folder, no_plots):
    """
    Hours of work are not lost for the title of the report.
    """
    name = os.fsdecode(b'fie\xe9.fits')
    (folder / 'image.fits').rename(name)
    assert main([validate[0], name, *validate[2:], '--quiet']) == 0
    page = Path('out.html').read_text(encoding='utf-8')
    assert r'Injection test of fie\udce9.fits' in page


def test_folder(validate, no_plots, capsys):
    args = [*validate, '--folder', 'kept', '--quiet', '--overwrite']
    assert main(args) == 0
    first = RecoveryResult.read('out.ecsv').table
    assert len(list(Path('kept').iterdir())) == 3
    assert main(args) == 0
    again = RecoveryResult.read('out.ecsv').table
    assert np.array_equal(again['z_after'], first['z_after'], equal_nan=True)
    assert main([*args, '--gain', '3']) == 2
    assert 'another configuration' in capsys.readouterr().err


def test_blank(blank, no_plots, capsys):
    assert main([*blank, '--n-stars', '40', '--report',
                 'page.html', '--plot', 'page.svg', '--calibration',
                 'cal.json']) == 0
    table = RecoveryResult.read('out.ecsv').table
    assert len(table) == 40
    assert table.meta['lpiphot_stamp_shape'] == '(9, 9)'
    assert 'z_before' not in table.colnames
    assert Calibration.load('cal.json').n_stars == 40
    assert Path('page.svg').stat().st_size > 0
    page = Path('page.html').read_text(encoding='utf-8')
    assert '<h1>Blank positions of image.fits</h1>' in page
    assert 'wrote page.html' in capsys.readouterr().out


@pytest.mark.filterwarnings('ignore:One or more fit')
@pytest.mark.parametrize('options', [['--error', 'ERR'], ['--gain', '2']])
def test_blank_same_as_api(blank, scene, no_plots, options):
    """
    Positions are drawn, and predicted, with all that is known.
    """
    data, error, _ = scene
    data = data + 300
    error = np.hypot(error, np.sqrt(data / 2.0))  # of photons
    mask = np.zeros(data.shape, dtype='u1')
    mask[20:32, 30:43] = 1
    fits.HDUList([fits.PrimaryHDU(data), fits.ImageHDU(error, name='ERR'),
                  fits.ImageHDU(mask, name='DQ')]).writeto('sky.fits')
    blank[1] = 'sky.fits'
    assert main([*blank, *options, '--mask', 'DQ', '--n-stars', '15',
                 '--quiet']) == 0
    table = RecoveryResult.read('out.ecsv').table
    gain = 2.0 if '--gain' in options else None
    error = None if gain else error
    phot = PSFPipeline(psf_model=CircularGaussianPRF(fwhm=3.1), fwhm=3.1,
                       box_size=(26, 30))(data, error=error, mask=mask == 1)
    corrector = LPIBackgroundCorrector(
        phot.psf_model, stamp_shape=9, window_shape=25, condition_radius=4,
        min_mask_flux=60, gain=gain, rng=2)
    expected = check_blank_positions(
        corrector, phot.data_subtracted, phot.table, error=error,
        mask=phot.mask, background=phot.background, rng=2,
        n_positions=15).table
    for name in ('x_true', 'y_true', 'z_after', 'dcflux'):
        assert_array_equal(table[name], expected[name])


def test_whole_or_not_at_all(validate, folder, no_plots, monkeypatch):
    """
    If the last file cannot be written, then none is there.
    """
    before = sorted(path.name for path in folder.iterdir())

    def fail(result, **kwargs):
        raise OSError

    monkeypatch.setattr(RecoveryResult, 'to_html', fail)
    assert main(validate) == 1
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(('options', 'words'), [
    (['--n-rounds', '0'], '--n-rounds '),
    (['--n-stars', '0'], '--n-stars '),
    (['--fraction', '-1'], 'fraction'),
    (['--bright', '-8'], '--faint'),
    (['--bright', '-5', '--faint', '-8'], 'magnitudes'),
    (['--n-stars', '300'], 'do not fit'),
    (['--border', '26'], 'border'),
    (['--stamp-shape', '8'], '--stamp-shape '),
    (['-o', 'out.fits'], '.ecsv'),
    (['--report', 'out.txt'], '.html'),
    (['--calibration', 'cal.ecsv'], '.json'),
    (['--plot', 'image.fits'], '--plot'),
    (['--calibration', 'cal.json'], 'at least 30 stars; there will be 8'),
    (['--blank'], 'no use for --n-rounds, --border'),
])
def test_bad_input(validate, no_plots, options, words, capsys):
    assert main([*validate, *options]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert words in err
    assert not Path('out.ecsv').exists()
    assert not Path('out.png').exists()


def test_too_few_recovered(validate, capsys):
    """
    Only the calibration is missing, if no star is found; that is told.
    """
    args = [*validate, '--bright', '10', '--faint', '11', '--n-stars', '15',
            '--calibration', 'cal.json']
    assert main(args) == 2
    printed = capsys.readouterr()
    error = printed.err.splitlines()[-1]
    assert 'cal.json is not written: z must have at least 30' in error
    assert '0 of 30 recovered' in printed.out
    assert 'wrote out.html' in printed.out
    assert 'cal.json' not in printed.out
    assert not Path('cal.json').exists()
    assert not np.any(RecoveryResult.read('out.ecsv').table['recovered'])
    assert Path('out.png').stat().st_size > 0
    assert '0 of 30 (0.0%)' in Path('out.html').read_text(encoding='utf-8')


@pytest.mark.parametrize('option', [
    ('--n-rounds', '2'), ('--fraction', '0.1'), ('--bright', '5'),
    ('--faint', '5'), ('--zero-point', '25'), ('--avoid-blends',),
    ('--integer',), ('--border', '5'), ('--n-processes', '2'),
    ('--folder', 'kept')])
def test_useless_for_blank(blank, option, capsys):
    assert main([*blank, *option]) == 2
    assert f'no use for {option[0]}\n' in capsys.readouterr().err


def test_few_blank(blank, capsys):
    assert main([*blank, '--n-stars', '29', '--calibration', 'c.json']) == 2
    assert 'there will be 29' in capsys.readouterr().err


def test_config(validate, no_plots):
    Path('options.toml').write_text(
        'n_rounds = 3\nfraction = 0.5\navoid_blends = true\n'
        'min_separation = 4.0\n')
    args = [*validate[:validate.index('--n-stars')], '--border', '6']
    assert main([*args, '--config', 'options.toml', '--quiet']) == 0
    meta = RecoveryResult.read('out.ecsv').table.meta
    assert meta['recovery_avoid_blends'] is True
    assert len(meta['recovery_counts']['round']) == 3
    assert meta['lpiphot_fraction'] == 0.5


def test_psf_of_the_image(validate, no_plots):
    """
    Without a PSF it is learned once, and then stays.
    """
    args = [arg for arg in validate if arg not in ('--psf-fwhm', '3.1')]
    assert main(args) == 0
    meta = RecoveryResult.read('out.ecsv').table.meta
    assert abs(meta['recovery_fwhm'] - 3.1) < 0.3
    with fits.open('image.fits') as hdulist:
        assert hdulist['SCI'].shape == (52, 61)
