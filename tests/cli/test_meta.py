# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The configuration in the metadata, and the configuration file.
"""

from importlib.metadata import version

import numpy as np
import pytest
from astropy.table import QTable

from lpiphot.cli import main


def read_meta(path):
    """
    The metadata of a table in a file.
    """
    if path.endswith('.parquet'):  # astropy would need pandas
        from astropy.table.meta import get_header_from_yaml
        from pyarrow import parquet

        text = parquet.read_schema(path).metadata[b'table_meta_yaml']
        return get_header_from_yaml(text.decode().split('\n'))['meta']
    return QTable.read(path).meta


@pytest.mark.parametrize('suffix', ['ecsv', 'fits', 'parquet'])
def test_round_trip(correct, suffix):
    if suffix == 'parquet':
        pytest.importorskip('pyarrow')
    with open('lpi.toml', 'w') as fh:
        fh.write('mask_ext = "DQ"\n')
    correct[1] = 'image.fits[SCI]'
    correct[4] = f'out.{suffix}'
    assert main([*correct, '--psf-fwhm', '3.1', '--config', 'lpi.toml',
                 '--background', '0.5', '--gain', '1.7', '--seed', '5',
                 '--debug']) == 0
    meta = read_meta(f'out.{suffix}')
    assert meta['lpiphot_command'] == 'correct'
    assert meta['lpiphot_image'] == 'image.fits[SCI]'
    assert meta['lpiphot_catalog'] == 'catalog.ecsv'
    assert meta['lpiphot_psf_fwhm'] == 3.1
    assert meta['lpiphot_mask_ext'] == 'DQ'
    assert meta['lpiphot_config'] == 'lpi.toml'
    assert meta['lpiphot_background'] == '0.5'
    assert 'lpiphot_output' not in meta
    # written by the corrector
    assert meta['lpiphot_gain'] == 1.7
    assert meta['lpiphot_rng'] == 5
    assert meta['lpiphot_stamp_shape'] == '(9, 11)'
    assert meta['lpiphot_mask_threshold'] > 0
    assert meta['lpiphot_version'] == version('lpiphot')


def test_long_name_in_fits(correct, folder):
    name = 'f' * 90 + '.ecsv'
    (folder / 'catalog.ecsv').rename(folder / name)
    correct[2] = name
    correct[4] = 'out.fits'
    assert main([*correct, '--psf-fwhm', '3.1']) == 0
    assert read_meta('out.fits')['lpiphot_catalog'] == name


def test_structured_metadata_in_fits(correct, scene, capsys):
    catalog = scene[2].copy()
    catalog.meta = {'versions': {'numpy': '2.4'}, 'fit_shape': (5, 7),
                    'xy_bounds': np.array([1.5, 2.5]), 'comments': ['a', 'b']}
    catalog.write('catalog.ecsv', overwrite=True)
    correct[4] = 'out.fits'
    assert main([*correct, '--psf-fwhm', '3.1', '--unit', 'none']) == 0
    assert not capsys.readouterr().err
    meta = read_meta('out.fits')
    assert meta['versions_numpy'] == '2.4'
    assert meta['fit_shape'] == '5 7'
    assert meta['xy_bounds'] == '1.5 2.5'
    assert meta['comments'] == ['a', 'b']


def test_earlier_run_is_forgotten(correct):
    args = [*correct, '--psf-fwhm', '3.1']
    assert main([*args, '--background', '1']) == 0
    args[2] = 'out.ecsv'
    args[4] = 'again.ecsv'
    assert main(args) == 0
    assert 'lpiphot_background' not in read_meta('again.ecsv')


def run_with_config(correct, text, *options):
    """
    Run with a configuration file and return the metadata.
    """
    with open('lpi.toml', 'w') as fh:
        fh.write(text)
    code = main([*correct[:5], '--config', 'lpi.toml', *options])
    return code, read_meta('out.ecsv') if code == 0 else None


CONFIG = """\
psf_fwhm = 3.1
stamp_shape = [9, 11]
window_shape = 25
condition_radius = 6.0
gain = 2
ext = 1
progress_bar = false
quiet = true
"""


def test_config(correct, capsys):
    code, meta = run_with_config(correct, CONFIG)
    assert code == 0
    assert meta['lpiphot_psf_fwhm'] == 3.1
    assert meta['lpiphot_ext'] == '1'
    assert meta['lpiphot_gain'] == 2
    assert not capsys.readouterr().out


def test_command_line_wins(correct):
    code, meta = run_with_config(correct, CONFIG, '--gain', '1.7',
                                 '--psf-fwhm', '3.3')
    assert code == 0
    assert meta['lpiphot_gain'] == 1.7
    assert meta['lpiphot_psf_fwhm'] == 3.3


def test_command_line_wins_over_the_alternative(correct):
    code, meta = run_with_config(correct, f'{CONFIG}error_ext = "ERR"\n',
                                 '--error', 'image.fits[2]')
    assert code == 0
    assert meta['lpiphot_error'] == 'image.fits[2]'
    assert 'lpiphot_error_ext' not in meta


@pytest.mark.parametrize('bits', ['[1, 4]', '5', '"1,4"'])
def test_bits(correct, bits):
    """
    Bits of the mask are a list, a sum, or text.
    """
    code, meta = run_with_config(
        correct, f'{CONFIG}mask = "DQ"\nmask_bits = {bits}\n')
    assert code == 0
    assert meta['lpiphot_mask_bits'] == 5


def test_options_of_other_commands(correct):
    """
    One file serves several commands; each takes what is its own.
    """
    code, meta = run_with_config(
        correct, f'{CONFIG}n_rounds = 3\nbox_size = 0\nkernel = 7\n')
    assert code == 0
    assert meta['lpiphot_gain'] == 2
    assert 'lpiphot_n_rounds' not in meta
    assert 'lpiphot_box_size' not in meta


@pytest.mark.parametrize(('text', 'words'), [
    ('stampshape = 9\n', ['stampshape', 'valid ones', 'stamp_shape']),
    ('output = "a.ecsv"\n', ['unknown option output']),
    ('n_rounds = 3\nnrounds = 3\n', ['unknown option nrounds;']),
    ('config = "b.toml"\n', ['unknown option config']),
    ('gain = "much"\n', ['gain', "'much'"]),
    ('gain = true\n', ['gain']),
    ('overwrite = 1\n', ['overwrite', 'true or false']),
    ('dtype = "float16"\n', ['dtype', 'float32, float64']),
    ('stamp_shape = [9, 9, 9]\n', ['stamp_shape', 'N or NY NX']),
    ('stamp_shape = {ny = 9}\n', ['stamp_shape']),
    ('psf = "psf.fits"\npsf_fwhm = 3\n', ['only one of psf and psf_fwhm']),
    ('gain = \n', ['lpi.toml is not a TOML file']),
])
def test_bad_config(correct, text, words, capsys):
    code, _ = run_with_config(correct, text)
    assert code == 2
    err = capsys.readouterr().err
    assert err.startswith('lpiphot: error: lpi.toml')
    assert err.count('\n') == 1
    for word in words:
        assert word in err
