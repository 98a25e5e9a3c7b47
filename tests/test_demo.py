# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the demo, and for the example of the README.
"""

import importlib.util
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, Cutout2D, StdDevUncertainty
from astropy.table import QTable
from astropy.wcs import WCS
from numpy.testing import assert_allclose
from photutils.psf import CircularGaussianPRF

from lpiphot import demo
from lpiphot.cli import main
from lpiphot.datasets import load_horsehead

README = Path(__file__).parents[1] / 'README.rst'
FILES = ['catalogue.ecsv', 'demo.png', 'images.fits', 'injected.ecsv']


def small_image():
    """
    A part of the field, with four stars.
    """
    full = load_horsehead()
    cut = Cutout2D(full.data, (325, 210), (135, 140), wcs=full.wcs,
                   mode='strict', copy=True)
    return CCDData(cut.data, unit=full.unit, wcs=cut.wcs, meta=full.meta)


small_demo = partial(demo.run_demo, small_image(), n_rounds=1, n_stars=5)


@pytest.fixture(scope='module')
def result():
    return small_demo(n_threads=2)


class TestRunDemo:
    def test_summary(self, result):
        summary = result.summary
        assert all(np.isfinite(list(summary.values())))
        assert summary['n_stars'] == len(result.field.table)
        assert summary['n_injected'] == 5
        assert 1 <= summary['n_recovered'] <= 5
        assert result.n_corrected >= summary['n_stars']
        assert 0 < result.lpi_seconds < result.seconds

    def test_injected(self, result):
        table = result.recovery.table
        assert np.all(table['round'] == 1)
        for name in ('flux_true', 'flux_fit', 'cflux', 'dcflux'):
            assert table[name].unit == 'adu'
        z = (table['cflux'] - table['flux_true']) / table['dcflux']
        assert_allclose(table['z_after'], z.value)
        found = table['recovered']
        assert np.all(np.isfinite(table['z_before'][found]))
        assert np.all(np.isnan(table['z_before'][~found]))
        distance = np.hypot(table['x_fit'] - table['x_true'],
                            table['y_fit'] - table['y_true'])
        assert np.all(distance[found] < 4.0)

    def test_seed(self, result):
        same, other = (small_demo(rng=seed).recovery.table
                       for seed in (1, 2))
        table = result.recovery.table
        for name in ('x_true', 'flux_true', 'cflux', 'dcflux'):
            assert np.array_equal(table[name], same[name], equal_nan=True)
        assert not np.any(table['x_true'] == other['x_true'])
        flux = result.field.table['flux_fit']
        assert np.all((table['flux_true'] > 0)
                      & (table['flux_true'] < flux.max()))
        assert not np.any(table['blended'])

    def test_images(self, result):
        hdus = result.to_hdulist()
        assert [hdu.name for hdu in hdus] == ['DATA', 'RESIDUAL',
                                              'BACKGROUND', 'MASK']
        hdus.verify('exception')
        wcs = result.image.wcs
        for hdu in hdus:
            assert hdu.shape == (135, 140)
            assert_allclose(WCS(hdu.header).wcs_pix2world([(9, 7)], 0),
                            wcs.wcs_pix2world([(9, 7)], 0), rtol=1e-8)
            assert hdu.header.get('BUNIT') == (
                None if hdu.name == 'MASK' else 'adu')
        assert hdus['MASK'].data.dtype == np.uint8

    def test_errors_and_no_data(self):
        """
        Errors are those of field and rounds; pixels without data leave
        the scales of the plot alone.
        """
        image = small_image()
        image.uncertainty = StdDevUncertainty(np.sqrt(image.data))
        image.data = image.data.astype(float)
        image.data[100:104, 20:23] = np.nan
        result = demo.run_demo(image, n_rounds=1, n_stars=2)
        for table in (result.field.table, result.recovery.table):
            assert table.meta['lpiphot_star_noise_from'] == 'error'
        residual = result.field.residual.value
        assert np.count_nonzero(np.isnan(residual)) == 12
        scale = result.plot().axes[1].images[0].get_clim()
        finite = residual[np.isfinite(residual)]
        centre = np.median(finite)
        reach = np.percentile(np.abs(finite - centre), 98)
        assert_allclose(scale, [centre - reach, centre + reach])

    def test_n_threads(self):
        with pytest.raises(ValueError, match='n_threads'):
            demo.run_demo(n_threads=0)


class TestCommand:
    @pytest.fixture(autouse=True)
    def _prepare(self, result, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(demo, 'run_demo', lambda **kwargs: result)

    def test_files(self, result, capsys):
        for _ in range(2):  # a second run replaces the files
            assert main(['demo']) == 0
        folder = Path('lpiphot-demo')
        assert sorted(path.name for path in folder.iterdir()) == FILES
        out = capsys.readouterr().out
        assert f'{len(result.field.table)} stars' in out
        for name in FILES:
            assert str(folder / name) in out

        table = QTable.read(folder / 'catalogue.ecsv')
        assert np.all(table['cflux'] == result.field.table['cflux'])
        injected = QTable.read(folder / 'injected.ecsv')
        assert injected.colnames == result.recovery.table.colnames
        with fits.open(folder / 'images.fits') as hdus:
            assert len(hdus) == 4
        header = (folder / 'demo.png').read_bytes()[:24]
        assert int.from_bytes(header[16:20]) >= 1600

    def test_quiet(self, capsys):
        assert main(['demo', '-o', 'a/b', '--quiet']) == 0
        assert sorted(path.name for path in Path('a/b').iterdir()) == FILES
        assert capsys.readouterr() == ('', '')

    def test_bad_folder(self, capsys):
        Path('a').touch()
        assert main(['demo', '-o', 'a']) == 2
        assert '--output a: cannot make' in capsys.readouterr().err

    def test_missing_package(self, monkeypatch, capsys):
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
        assert main(['demo']) == 2
        err = capsys.readouterr().err
        assert 'matplotlib: pip install "lpiphot[all]"' in err
        assert not Path('lpiphot-demo').exists()


def test_bad_n_threads(tmp_path, capsys):
    assert main(['demo', '-o', str(tmp_path), '--n-threads', '0']) == 2
    assert '--n-threads must be at least 1' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_readme(tmp_path, monkeypatch, capsys):
    """
    Run the example of the README on a small synthetic image.
    """
    rest = README.read_text().split('.. code-block:: python\n')[1]
    lines = rest.split('\nAny PSF model')[0].splitlines()
    code = '\n'.join(line[4:] for line in lines)
    monkeypatch.chdir(tmp_path)
    y, x = np.mgrid[:150, :140]
    data = np.random.default_rng(5).normal(0, 1.7, x.shape)
    stars = QTable({'x': [40.2, 95.7], 'y': [60.1, 88.3]})
    for star in stars:
        data += CircularGaussianPRF(flux=900, x_0=star['x'], y_0=star['y'],
                                    fwhm=3.4)(x, y)
    fits.writeto('image.fits', data)
    stars.write('stars.ecsv')
    exec(compile(code, 'README.rst', 'exec'), {})  # noqa: S102
    table = QTable.read('corrected.ecsv')
    assert np.all(np.abs(table['cflux'] - 900) < 5 * table['dcflux'])
    assert 'dcflux' in capsys.readouterr().out
