# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests of the injection test itself.
"""

import errno
import os
import pickle
import sys
import time
from functools import partial
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.models import Gaussian1D
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import Column, MaskedColumn, QTable
from astropy.utils.exceptions import AstropyUserWarning
from astropy.utils.masked import Masked
from numpy.testing import assert_array_equal
from photutils.psf import CircularGaussianPRF, ImagePSF
from recovery_cases import (FLUX_ERR, KNOWN, PSF, SHAPE, SIGMA, STAMP,
                            PeakPipeline, double_errors, make_data)

from lpiphot import LPIBackgroundCorrector, flags
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import InjectionRecovery, RecoveryResult
from lpiphot.validation.html import recovery_page
from lpiphot.validation.rounds import measure

KEYS = {'corrector': double_errors, 'n_stars': 20, 'fluxes': 800.0,
        'integer': True, 'min_separation': 14.0, 'rng': 5}


def make_tool(**kwargs):
    return InjectionRecovery(PeakPipeline(), PSF, **(KEYS | kwargs))


def same(first, second):
    """
    Whether two results are the same, bit for bit; times are not.
    """
    first, second = first.table, second.table
    assert first.colnames == second.colnames
    for name in first.colnames:
        one, other = first[name], second[name]
        assert type(one) is type(other)
        assert one.dtype == other.dtype
        assert one.info.description == other.info.description
        assert np.array_equal(np.asarray(one), np.asarray(other),
                              equal_nan=one.dtype.kind == 'f'), name
    counts = [dict(table.meta['recovery_counts'])
              for table in (first, second)]
    for count in counts:
        for name in ('pipeline_seconds', 'corrector_seconds'):
            count.pop(name)
    assert counts[0] == counts[1]
    metas = [{key: value for key, value in table.meta.items()
              if key != 'recovery_counts'} for table in (first, second)]
    return metas[0] == metas[1]


@pytest.fixture(name='result', scope='module')
def fixture_result():
    return make_tool(n_rounds=20, avoid_blends=True)(make_data())


class TestKnownAnswer:
    """
    White noise and a matched filter: z is a unit Gaussian.

    The image has room for some 250 independent places: the width is
    good to 0.07, median and coverage to less. Tolerances are three
    times that.
    """

    def test_honest_errors(self, result):
        report = result.report()
        apart = report.ways['apart']
        assert apart['n'] == apart['n_recovered'] == 400
        assert apart['completeness'] == 1.0
        assert abs(apart['width_before'] - 1.0) < 0.21
        assert abs(apart['median_before']) < 0.21
        assert apart['pit_before'] < 0.11
        # one star may have the wing of a known one in its 11 x 11 pixels
        assert apart['beyond5_before'] < 0.01
        level = np.asarray(report.coverage['level'])
        assert np.all(np.abs(report.coverage['flux_fit'] - level) < 0.1)
        assert report.purity == 1.0

    def test_wrong_errors(self, result):
        """
        Errors that are twice too large are seen.
        """
        apart = result.report().ways['apart']
        assert np.isclose(apart['width_after'], 0.5 * apart['width_before'])
        assert apart['pit_after'] > 0.12
        assert apart['ratio'] == 0.0
        calibration = result.calibration()
        assert np.isclose(calibration.factor, apart['width_after'])
        stars = result.stars()
        table = calibration.apply(stars)
        z = ((table['cflux'] - table['flux_true'])
             / table['dcflux_calibrated'])
        assert np.isclose(np.subtract(*np.percentile(z, [75, 25])), 1.349,
                          rtol=1e-3)

    def test_noise_of_the_image(self, result):
        """
        z is the noise under the star, by itself: the residual says it.
        """
        apart = result.report().ways['apart']
        assert apart['rho_at_before'] > 0.9
        assert abs(apart['rho_around_before']) < 0.2

    def test_table(self, result):
        table = result.table
        assert len(table) == 400
        assert list(np.unique(table['round'])) == list(range(1, 21))
        assert np.all(table['flux_true'] == 800.0)
        assert np.allclose(table['mag_true'], -2.5 * np.log10(800.0))
        z = (table['flux_fit'] - 800.0) / table['flux_err']
        assert np.allclose(table['z_before'], z)
        assert np.all(table['x_true'] == np.round(table['x_true']))
        assert np.all(table['existing_distance'] > 4.0 / 3.0 * 3.1)
        assert not np.any(table['blended'])
        assert abs(np.median(table['roughness']) - 1.0) < 0.1
        for name in ('lpiphot_version', 'recovery_fwhm', 'recovery_seed'):
            assert name in table.meta
        assert table.meta['recovery_kind'] == 'injected stars'


def test_existing_star_is_never_matched():
    """
    A faint star beside a bright one is not recovered; blends are told.
    """
    stars = QTable({'x_0': [31.0, 91.0, 60.0], 'y_0': [40.0, 80.0, 100.0],
                    'flux': [20.0, 20.0, 800.0]})
    result = make_tool()(make_data(), stars=stars)
    assert result.table['recovered'].tolist() == [False, False, True]
    assert result.table['blended'].tolist() == [True, True, False]
    assert np.all(np.isnan(result.table['flux_fit'][:2]))
    report = result.report()
    assert report.ways['all']['completeness'] == pytest.approx(1 / 3)
    assert report.ways['apart']['completeness'] == 1.0
    assert result.rounds['n_existing'].tolist() == [3]
    # without knowing what was there, the known stars would pass for them
    result = make_tool()(make_data(), stars=stars, catalogue=QTable())
    assert result.table['recovered'].tolist() == [True, True, True]


def test_blends():
    tool = make_tool(n_rounds=6, min_separation=0.0, border=0)
    assert np.any(tool(make_data()).table['blended'])
    tool = make_tool(n_rounds=6, min_separation=None, border=0,
                     avoid_blends=True)
    assert not np.any(tool(make_data()).table['blended'])
    # injected stars blend with each other, in the same round only
    stars = QTable({'x_0': [60.0, 63.0, 60.0], 'y_0': [100.0, 100.0, 100.0],
                    'flux': [800.0] * 3, 'round': [1, 1, 2]})
    table = make_tool()(make_data(), stars=stars).table
    assert table['blended'].tolist() == [True, True, False]
    assert table['injected_distance'].tolist() == [3.0, 3.0, np.inf]


def test_processes_and_resumption(tmp_path):
    """
    Neither processes, nor interruptions, nor more rounds change a bit.
    """
    data = make_data(unit='adu')
    keys = {'n_stars': 6, 'gain': 1.7}
    whole = make_tool(n_rounds=5, **keys)(data)
    assert same(whole, make_tool(n_rounds=5, n_processes=2,
                                 folder=tmp_path, **keys)(data))
    kept = {path.name: path.stat().st_mtime_ns for path in
            tmp_path.glob('round-*')}
    assert len(kept) == 5
    (tmp_path / 'round-00002.ecsv').unlink()
    assert same(whole, make_tool(n_rounds=5, folder=tmp_path, **keys)(data))
    again = {path.name: path.stat().st_mtime_ns for path in
             tmp_path.glob('round-*')}
    changed = {name for name, when in again.items() if kept[name] != when}
    assert changed == {'round-00002.ecsv'}
    assert {path.name for path in tmp_path.iterdir()} == {
        'setup.json', *kept}

    short = make_tool(n_rounds=2, **keys)(data)
    assert np.array_equal(short.table['z_before'],
                          whole.table['z_before'][:12])


@pytest.mark.parametrize(('change', 'word'), [
    ({'rng': 6}, 'seed'), ({'n_stars': 7}, 'options'),
    ({'fluxes': 900.0}, 'fluxes'), ({'corrector': None}, 'corrector'),
    ('data', 'data'), ('pipeline', 'pipeline'), ('psf', 'psf_model')])
def test_changed_configuration(tmp_path, change, word):
    data = make_data()
    make_tool(n_rounds=1, n_stars=3, folder=tmp_path)(data)
    options = {'n_rounds': 1, 'n_stars': 3, 'folder': tmp_path}
    tool = make_tool(**options)
    if isinstance(change, dict):
        tool = make_tool(**(options | change))
    elif change == 'data':
        data[3, 4] += 1e-9
    elif change == 'pipeline':
        tool = InjectionRecovery(PeakPipeline(scale=1.1), PSF,
                                 **(KEYS | options))
    else:
        tool = InjectionRecovery(PeakPipeline(), CircularGaussianPRF(
            fwhm=3.2), **(KEYS | options))
    with pytest.raises(ValueError, match=f'configuration: .*{word}.* differ'):
        tool(data)


def test_same_stars(result):
    """
    Another photometry, tested with the same stars.
    """
    tool = InjectionRecovery(PeakPipeline(scale=0.5), PSF, corrector=None)
    other = tool(make_data(), stars=result.table[:40])
    assert np.array_equal(other.table['x_true'], result.table['x_true'][:40])
    assert np.allclose(other.table['z_before'],
                       2.0 * result.table['z_before'][:40])
    assert 'z_after' not in other.table.colnames
    assert list(other.report().labels) == ['before']


def test_column_of_the_name_round():
    def pipeline(image):
        table = PeakPipeline()(image)
        table['round'] = -1.5
        return table

    tool = InjectionRecovery(pipeline, PSF, **(KEYS | {'n_rounds': 2}))
    table = tool(make_data()).table
    assert_array_equal(table['round'], np.repeat([1, 2], 20))


def test_same_stars_after_other_names():
    """
    What a pipeline measured as x_0, y_0 and flux is not injected.
    """
    def pipeline(image):
        table = PeakPipeline()(image)
        table.rename_columns(('x_fit', 'y_fit', 'flux_fit'),
                             ('x_0', 'y_0', 'flux'))
        return table

    keys = KEYS | {'corrector': None, 'n_rounds': 2}
    stars = QTable({'x_0': [31.0, 60.0] * u.pix, 'y_0': [40.0, 100.0] * u.pix,
                    'flux': [20.0, 800.0]})  # the first is not recovered
    first = InjectionRecovery(pipeline, PSF, **keys)(make_data(), stars=stars)
    assert first.table['recovered'].tolist() == [False, True]
    again = InjectionRecovery(pipeline, PSF, **keys)(make_data(),
                                                     stars=first.table)
    for name in ('x_true', 'y_true', 'flux_true', 'flux'):
        assert_array_equal(again.table[name], first.table[name])


def test_units_error_and_noise():
    """
    The errors of an image give the photon noise, and grow with it.
    """
    clean = make_data()
    error = np.sqrt(SIGMA ** 2 + np.maximum(clean, 0.0) / 2.3)
    ccd = CCDData(clean, unit='adu', uncertainty=StdDevUncertainty(error))
    seen = []

    def pipeline(data, **kwargs):
        seen.append(data.uncertainty.array)
        return PeakPipeline()(data)

    tool = InjectionRecovery(pipeline, PSF, **(KEYS | {'n_rounds': 1}))
    result = tool(ccd)
    assert result.table.meta['recovery_noise_from'] == 'error'
    assert np.isclose(result.table.meta['recovery_gain'], 2.3, rtol=0.15)
    assert result.table['flux_fit'].unit == u.adu
    assert result.table['flux_true'].unit == u.adu
    assert np.sum(seen[1] ** 2 - seen[0] ** 2) > 20 * 800 / 2.3 * 0.9
    assert 'adu' in result.plot('profile').axes[-1].get_ylabel()
    assert np.array_equal(ccd.uncertainty.array, error)

    given = []

    def plain(data, error):
        given.append(error)
        return PeakPipeline()(data)

    tool = InjectionRecovery(plain, PSF, **(KEYS | {'n_rounds': 1}))
    tool(clean, error=error)
    assert np.sum(given[1] ** 2 - given[0] ** 2) > 20 * 800 / 2.3 * 0.9


def test_flux_distributions():
    data = make_data()
    tool = make_tool(fluxes='catalogue', n_stars=40, min_separation=0.0,
                     flux_quantiles=(0.0, 0.5))
    flux = tool(data).table['flux_true']
    assert flux.min() > 690
    assert flux.max() < 920
    assert len(np.unique(flux)) > 300
    tool = make_tool(fluxes='catalogue', magnitudes=(-8.0, -5.0))
    magnitude = tool(data).table['mag_true']
    assert magnitude.min() > -8.0
    assert magnitude.max() < -5.0
    assert np.ptp(magnitude) > 2.5
    tool = make_tool(n_stars=None, fraction=2.0, n_rounds=1)
    assert len(tool(data).table) == 6


def test_lpi():
    """
    The default corrector is LPI, with its columns.
    """
    tool = make_tool(corrector=LPIBackgroundCorrector(
        PSF, stamp_shape=11, window_shape=31, condition_radius=5,
        min_mask_flux=100.0), n_rounds=2, n_stars=8)
    result = tool(make_data())
    assert np.all(np.isfinite(result.table['cflux']))
    assert np.median(np.abs(result.table['z_after'])) < 2.0
    assert result.table.meta['lpiphot_stamp_shape'] == '(11, 11)'
    setup = make_tool(corrector='lpi')
    assert setup.corrector == 'lpi'


@pytest.mark.parametrize('kind', [np.ma.MaskedArray, Masked])
def test_masked_array(kind):
    """
    The mask of the image is that of the images with stars.
    """
    data, mask = make_data(), np.zeros(SHAPE, dtype=bool)
    mask[50:60] = True
    data[mask] = -999.0
    tool = InjectionRecovery(
        PSFPipeline(psf_model=PSF), corrector=LPIBackgroundCorrector(
            PSF, stamp_shape=11, window_shape=31, condition_radius=5),
        n_rounds=1, n_stars=8, fluxes=800.0, rng=2)
    out, want = tool(kind(data, mask=mask)), tool(data, mask=mask)
    assert np.isfinite(want.table['cflux']).any()
    same(out, want)

    def pipeline(image):
        return SimpleNamespace(table=PeakPipeline()(data),
                               data_subtracted=data - 1.0)

    assert np.array_equal(measure(pipeline, kind(data, mask=mask)).mask, mask)


@pytest.mark.parametrize('kind', [np.ma.MaskedArray, Masked, CCDData])
def test_masked_subtracted(kind):
    """
    The mask of the image that a pipeline fitted is that of the result.
    """
    mask = np.zeros(SHAPE, dtype=bool)
    mask[50:60] = True

    def fit(image, kind):
        table = PeakPipeline()(image)
        fitted = np.where(mask, -999.0, image)
        if kind is None:
            return SimpleNamespace(table=table, data_subtracted=fitted,
                                   mask=mask)
        options = {'unit': 'adu'} if kind is CCDData else {}
        return SimpleNamespace(table=table, data_subtracted=kind(
            fitted, mask=mask, **options))

    out, want = (InjectionRecovery(partial(fit, kind=way), PSF, n_rounds=1,
                                   **KEYS)(make_data())
                 for way in (kind, None))
    same(out, want)
    assert_array_equal(out.mask, mask)
    assert_array_equal(out.residual, want.residual)


def recording_pipeline(data):
    """
    A pipeline whose table tells the PSF, as that of photutils does.
    """
    table = PeakPipeline()(data)
    table.meta['psf_model'] = repr(PSF)
    return table


def test_calibration():
    """
    It is for the table that is made of the image alone, and no other.
    """
    data = make_data()
    options = {'stamp_shape': 11, 'window_shape': 31, 'condition_radius': 5,
               'min_mask_flux': 100.0}
    corrector = LPIBackgroundCorrector(PSF, **options)
    tool = InjectionRecovery(recording_pipeline, PSF, **(KEYS | {
        'corrector': corrector, 'n_rounds': 2}))
    result = tool(data)
    phot = recording_pipeline(data)
    calibration = result.calibration(way='all')
    after = calibration.apply(corrector(data, phot))
    assert np.all(after['dcflux_calibrated'] > 0)
    other = LPIBackgroundCorrector(PSF, gain=2.0, **options)
    with pytest.raises(ValueError, match='lpiphot_gain'):
        calibration.apply(other(data, phot))
    before = result.calibration('before', way='all')
    for table in (phot, other(data, phot)):
        assert np.all(before.apply(table)['flux_err_calibrated'] > 0)
    phot.meta['psf_model'] = repr(CircularGaussianPRF(fwhm=6.0))
    with pytest.raises(ValueError, match='psf_model'):
        before.apply(phot)
    for method in (result.calibration, result.rescaling_map):
        with pytest.raises(ValueError, match='when must be one of before, a'):
            method('later')


def test_finds_nothing():
    """
    A catalogue may be empty, before and after.
    """
    tool = InjectionRecovery(lambda data: None, PSF, **KEYS)
    result = tool(np.zeros(SHAPE) + make_data() * 0)
    assert not np.any(result.table['recovered'])
    assert result.report().ways['all']['completeness'] == 0.0
    figure = result.plot()
    assert 'No star recovered of 200' in figure.get_suptitle()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ['Residual: image − sky − its stars', 'Completeness']
    assert 'No star' in RecoveryResult(result.table).plot().get_suptitle()
    page = result.to_html()
    assert '0 of 200 (0.0%)' in page
    assert '>nan' not in page
    assert '>+nan' not in page
    assert 'nan' not in '\n'.join(result.report().lines(short=True))
    with pytest.raises(ValueError, match='none was recovered'):
        result.plot('maps')


def test_round_trip(result, tmp_path):
    path = tmp_path / 'result.ecsv'
    result.write(path)
    read = RecoveryResult.read(path)
    assert same(result, read)
    assert str(read.report()) == str(result.report())
    assert read.shape == SHAPE
    with pytest.raises(FileExistsError, match=r'overwrite=True.*result\.ecsv'):
        read.write(path)
    KNOWN.write(tmp_path / 'other.ecsv')
    with pytest.raises(ValueError, match='must be a table of Injection'):
        RecoveryResult.read(tmp_path / 'other.ecsv')


def test_written_whole(result, tmp_path, monkeypatch):
    """
    A full disk leaves what was there.
    """
    def write(table, path, **options):
        with open(path, 'w', encoding='utf-8') as fh:
            fh.write('half of it')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / 'result.ecsv'
    path.write_text('old', encoding='utf-8')
    monkeypatch.setattr(QTable, 'write', write)
    with pytest.raises(OSError, match='No space left'):
        result.write(path, overwrite=True)
    assert path.read_text(encoding='utf-8') == 'old'
    assert os.listdir(tmp_path) == ['result.ecsv']


@pytest.mark.parametrize('which', [
    'summary', 'maps', 'pdf', 'changes', 'rescaling', 'profile',
    'completeness', 'pit'])
def test_plots(result, which):
    figure = result.plot(which, way='all')
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) >= {'summary': 10, 'maps': 3, 'rescaling': 2,
                          'profile': 4}.get(which, 1)
    texts = ' '.join(axes.get_title() for axes in figure.axes)
    assert texts.strip()


def test_panels_are_filled(result):
    """
    Errors fill their panel, and legends stay within theirs.
    """
    figure = result.plot(way='all')
    figure.draw_without_rendering()
    panels = {axes.get_title(): axes for axes in figure.axes}
    low, high = panels['Errors along the image'].get_ylim()
    errors = result.table['flux_err'][result.table['recovered']]
    assert low > np.min(errors) / 3
    assert high < np.max(errors) * 10
    plot = panels['Probability integral transform']
    legend = plot.get_legend().get_window_extent()
    assert plot.bbox.x0 <= legend.x0
    assert legend.x1 <= plot.bbox.x1


@pytest.mark.parametrize('catalogue', [None, QTable()])
def test_empty_field(catalogue):
    """
    The pipeline of the package may find nothing in the image alone, and
    in that with stars.
    """
    data = np.random.default_rng(1).normal(0.0, SIGMA, SHAPE)
    stars = QTable({'x_0': [60.0, 70.0], 'y_0': [60.0, 50.0],
                    'flux': [1e-3, 2000.0], 'round': [1, 2]})
    tool = InjectionRecovery(PSFPipeline(psf_model=PSF,
                                         detection_threshold=12.0), PSF,
                             corrector=None)
    result = tool(data, stars=stars, catalogue=catalogue)
    assert result.table['recovered'].tolist() == [False, True]


def test_some_rounds_find_nothing():
    """
    The metadata are of a round that has them, the first or not.
    """
    calls = []

    def pipeline(data):
        calls.append(data)
        if len(calls) in (1, 3):
            return None
        table = PeakPipeline()(data)
        table.rename_column('flux_err', 'flux_unc')
        return table

    corrector = LPIBackgroundCorrector(
        PSF, stamp_shape=11, window_shape=31, condition_radius=5)
    tool = InjectionRecovery(pipeline, PSF, **(KEYS | {
        'corrector': corrector, 'n_rounds': 3, 'n_stars': 4}))
    result = tool(make_data(), catalogue=QTable())
    table = result.table
    assert table['recovered'].tolist() == 4 * [False] + 4 * [True] + 4 * [
        False]
    assert table.meta['lpiphot_stamp_shape'] == '(11, 11)'
    assert table.meta['recovery_measured_before'] == 'flux_fit flux_unc'
    assert np.isfinite(table['z_after']).tolist() == list(table['recovered'])


def test_summary_of_few(result):
    """
    Maps of less than four cells are left out, for one or two.
    """
    def titles(n, *names):
        table = result.table[:n].copy()
        table.remove_columns(names)
        for name in names:
            del table.meta[name.replace('z', 'recovery_measured')]
        figure = RecoveryResult(table).plot()
        figure.draw_without_rendering()
        for axes in figure.axes:
            box = axes.xaxis.label.get_window_extent()
            assert axes.axison is False or box.x0 >= 0
            assert axes.axison is False or box.x1 <= figure.bbox.width
        return ' '.join(axes.get_title() for axes in figure.axes)

    for names in ((), ('z_before',)):
        few, many = titles(100, *names), titles(400, *names)
        assert 'median factor' not in few
        assert 'median factor' in many
        for word in ('honest', 'z along', 'Residual'):
            assert word in few


def test_all_blended():
    """
    Completeness has a curve of all, and no limit of those apart.
    """
    stars = QTable({'x_0': [60.0, 63.0], 'y_0': [100.0, 100.0],
                    'flux': [800.0, 900.0]})
    result = make_tool()(make_data(), stars=stars)
    assert 'No star recovered of 0' in result.plot().get_suptitle()
    assert 'nan' not in '\n'.join(result.report().lines(short=True))
    assert 'nan%' not in result.to_html()
    lines = result.plot('completeness', way='all').axes[0].lines
    assert len(lines) == 1


def test_plots_without_images(result):
    alone = RecoveryResult(result.table)
    for which in ('maps', 'profile'):
        alone.plot(which)
    with pytest.raises(ValueError, match="which must be 'summary' or one"):
        result.plot('pie')
    with pytest.raises(ValueError, match="axis must be 'x' or 'y'"):
        result.plot('profile', axis='z')


def test_no_tqdm(monkeypatch):
    """
    There is no progress bar then, which a warning says, as anywhere else.
    """
    monkeypatch.setitem(sys.modules, 'tqdm.auto', None)
    with pytest.warns(AstropyUserWarning, match='needs the package tqdm'):
        result = make_tool(n_rounds=2, progress_bar=True)(make_data())
    assert same(result, make_tool(n_rounds=2)(make_data()))


def test_pipeline_with_memory(tmp_path):
    """
    What it keeps of a call does not matter, what it is set to does.
    """
    class Keeping(PeakPipeline):
        def __init__(self, cut):
            super().__init__()
            self._cut, self.when = cut, None

        def __call__(self, data, **kwargs):
            self.when = time.time_ns()
            table = super().__call__(data, **kwargs)
            return table[table['flux_fit'] > self._cut]

    results = [InjectionRecovery(Keeping(30.0), PSF, folder=tmp_path,
                                 n_rounds=n_rounds, **KEYS)(make_data())
               for n_rounds in (1, 2)]
    assert len(results[1].table) == 2 * len(results[0].table)
    with pytest.raises(ValueError, match='pipeline differ'):
        InjectionRecovery(Keeping(31.0), PSF, folder=tmp_path, n_rounds=2,
                          **KEYS)(make_data())


def test_harmless_bits():
    """
    A PSF with negative pixels, as measured ones have, flags every star.
    """
    rng = np.random.default_rng(4)
    psf = ImagePSF(STAMP + rng.normal(0.0, 1e-5, STAMP.shape))
    lpi = LPIBackgroundCorrector(psf, stamp_shape=17, window_shape=47,
                                 condition_radius=8, min_mask_flux=100.0)
    result = InjectionRecovery(PeakPipeline(), psf, corrector=lpi, n_rounds=2,
                               n_stars=18, fluxes=800.0, rng=5)(make_data())
    assert np.all(result.stars()['dnt'] & flags.PSF_NEGATIVE)
    good = result.stars()['dnt'] == flags.PSF_NEGATIVE
    assert 30 <= np.count_nonzero(good) < len(good)
    assert np.array_equal(result.stars('clean')['x_true'],
                          result.stars()['x_true'][good])
    assert result.calibration().n_stars == np.count_nonzero(good)


def test_rescaling_map(result):
    factor, y_edges, x_edges = result.rescaling_map('before', size=60)
    assert factor.shape == (2, 2)
    assert (y_edges[-1], x_edges[-1]) == (SHAPE[0] - 0.5, SHAPE[1] - 0.5)
    assert np.all(np.abs(factor - 1.0) < 0.5)
    assert np.all(np.isnan(result.rescaling_map(size=60, n_min=999)[0]))


def test_html(result):
    figures = {'one': result.plot('pit'), 'two & three': result.plot('pdf')}
    page = recovery_page(result, title='a <b> c', figures=figures)
    assert page.startswith('<!DOCTYPE html>')
    assert '<h1>a &lt;b&gt; c</h1>' in page
    assert page.count('data:image/png;base64,') == 2
    assert '<figcaption>two &amp; three</figcaption>' in page
    width = result.report().ways['apart']['width_before']
    assert f'{width:.3f}' in page
    assert 'recovery_seed' in page


def in_place(image, *, error, mask):
    """
    A pipeline that changes all that it is given.
    """
    table = PeakPipeline()(image, error=error, mask=mask)
    for value in image, error, mask:
        value[:] = 0
    return table


def test_pipeline_that_changes_its_input():
    """
    It changes neither the user's arrays nor those of other rounds.
    """
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:, 100] = True
    given = make_data(), np.full(SHAPE, SIGMA), mask
    before = [value.copy() for value in given]
    keys = {'corrector': None, 'n_rounds': 2, 'n_stars': 8, 'fluxes': 800.0}
    result = InjectionRecovery(in_place, PSF, **keys)(
        given[0], error=given[1], mask=mask)
    for value, old in zip(given, before, strict=True):
        assert_array_equal(value, old)
    want = InjectionRecovery(PeakPipeline(), PSF, **keys)(
        given[0], error=given[1], mask=mask)
    assert_array_equal(result.table['flux_fit'], want.table['flux_fit'])


def test_bad_input(tmp_path):
    data = make_data()
    with pytest.raises(u.UnitsError, match='match_radius must be a plain'):
        InjectionRecovery(PeakPipeline(), PSF, match_radius=3 * u.pix)
    with pytest.raises(TypeError, match='pipeline must be callable'):
        InjectionRecovery(3, PSF)
    with pytest.raises(TypeError, match="corrector must be 'lpi', a call"):
        InjectionRecovery(PeakPipeline(), PSF, corrector='gpr')
    for name in ('n_rounds', 'n_processes', 'n_stars'):
        with pytest.raises(ValueError, match=f'{name} must be at least 1'):
            make_tool(**{name: 0})
        with pytest.raises(TypeError, match=f'{name} must be an integer'):
            make_tool(**{name: 1.5})
    with pytest.raises(ValueError, match='fraction must be positive'):
        make_tool(fraction=0.0)
    for name, value in (('fraction', None), ('flux_quantiles', 0.5),
                        ('min_separation', 'a'), ('match_radius', 'a'),
                        ('border', 1.5), ('gain', 'a'), ('zero_point', 'a'),
                        ('columns', 'cflux'), ('columns', ('cflux',))):
        with pytest.raises(TypeError, match=f'{name} must be'):
            make_tool(**{name: value})
    for name, value in (('flux_quantiles', (0.9, 0.1)),
                        ('flux_quantiles', (0, 2)), ('min_separation', -1),
                        ('match_radius', 0), ('border', -1), ('gain', -1),
                        ('zero_point', np.nan)):
        with pytest.raises(ValueError, match=f'{name} must be'):
            make_tool(**{name: value})
    with pytest.raises(ValueError, match="fluxes must be 'catalogue', num"):
        make_tool(fluxes='list')
    with pytest.raises(ValueError, match='fluxes and magnitudes are both'):
        make_tool(magnitudes=(-9, -5))
    with pytest.raises(ValueError, match='magnitudes must be two numbers in'):
        make_tool(fluxes='catalogue', magnitudes=(-5, -9))
    with pytest.raises(ValueError, match='psf_model must be given'):
        InjectionRecovery(PeakPipeline())(data)
    with pytest.raises(TypeError, match='psf_model must be an astropy mod'):
        InjectionRecovery(PeakPipeline(), 'gauss')
    with pytest.raises(ValueError, match='psf_model must be two-dim'):
        InjectionRecovery(PeakPipeline(), Gaussian1D())
    with pytest.warns(AstropyUserWarning, match='is -1, not about 1,'):
        dark = InjectionRecovery(PeakPipeline(), ImagePSF(-STAMP))
    with pytest.raises(ValueError, match='psf_model must have a peak'):
        dark(data)
    with pytest.raises(TypeError, match='pipeline must return a table'):
        InjectionRecovery(np.sum, PSF)(data)
    with pytest.raises(ValueError, match='fluxes must be given'):
        make_tool(fluxes='catalogue')(data, catalogue=QTable())
    with pytest.raises(TypeError, match='catalogue must be an astropy'):
        make_tool()(data, catalogue=[1])
    with pytest.raises(TypeError, match='stars must be an astropy Table'):
        make_tool()(data, stars=[1])
    with pytest.raises(ValueError, match='stars must have the columns'):
        make_tool()(data, stars=QTable({'x_0': [1.0]}))
    with pytest.raises(ValueError, match='stars must have at least one row'):
        make_tool()(data, stars=KNOWN[:0])
    stars = KNOWN.copy()
    stars['round'] = [0, 1, 2]
    with pytest.raises(ValueError, match='stars must have rounds from 1 up'):
        make_tool()(data, stars=stars)
    stars['x_0'][1] = np.nan
    with pytest.raises(ValueError, match='stars must have finite x_0; got'):
        make_tool()(data, stars=stars)
    with pytest.raises(ValueError, match='corrector must return the same'):
        make_tool(corrector=lambda data, table: table)(data)
    with pytest.raises(TypeError, match='corrector must be a function or'):
        make_tool(n_processes=2, corrector=lambda *args: None)(data)
    with pytest.raises(ValueError, match='positions do not fit'):
        make_tool(n_stars=99)(data)
    with pytest.raises(ValueError, match='way must be one of'):
        make_tool(n_rounds=1)(data).stars('best')
    assert os.listdir(tmp_path) == []


def test_fluxes_of_another_unit():
    """
    The catalogue may be in another unit than the image, as for LPI.
    """
    def other(image):
        table = PeakPipeline()(image)
        for name in ('flux_fit', 'flux_err'):
            table[name] = table[name].to(u.mJy)
        return table

    keys = KEYS | {'fluxes': 800.0 * u.Jy, 'n_rounds': 2}
    one, two = (InjectionRecovery(pipeline, PSF, **keys)(make_data(unit='Jy'))
                for pipeline in (PeakPipeline(), other))
    assert two.table['flux_fit'].unit == u.mJy
    assert np.allclose(two.residual, one.residual)
    first, second = (result.report().ways['all'] for result in (one, two))
    for name, value in first.items():
        assert np.isclose(second[name], value, atol=1e-9,
                          equal_nan=True), name
    first, second = (
        result.plot('changes').axes[0].collections[0].get_offsets()
        for result in (one, two))
    assert np.allclose(first, second)


def test_repr(result):
    assert repr(result) == 'RecoveryResult(400 stars, 400 recovered)'
    assert FLUX_ERR > 0


def test_catalogue_fluxes_can_be_sent():
    """
    To other processes: a column in a unit refers to its table.
    """
    catalogue = QTable({'x_fit': [1.0, 2.0], 'y_fit': [3.0, 4.0],
                        'flux_fit': [500.0, 700.0] * u.adu})
    tool = make_tool(fluxes='catalogue')
    sent = pickle.loads(pickle.dumps(tool._fluxes_of(catalogue, u.adu)))
    assert np.array_equal(sent.value, [500.0, 700.0])
    assert sent.unit == u.adu


@pytest.mark.parametrize('fluxes', [
    [0.5, 0.7], [500.0 * u.mJy, 0.7 * u.Jy],
    Column([500.0, 700.0], unit='mJy'), Masked([0.5, 0.7] * u.Jy),
    np.ma.array([0.5, 0.7]),
    MaskedColumn([0.5, 1e9, 0.7], mask=[False, True, False]),
    MaskedColumn([500.0, 700.0, 1e9], mask=[False, False, True],
                 unit='mJy')])
def test_given_fluxes(fluxes):
    """
    In their unit, if they have one, and without masked ones.
    """
    source = make_tool(fluxes=fluxes)._fluxes_of(None, u.Jy)
    assert source.unit == u.Jy
    assert np.allclose(source.value, [0.5, 0.7])


def test_masked_catalogue_flags():
    """
    What is under the mask of a flag is no reason to leave out a flux.
    """
    catalogue = QTable({
        'x_fit': [1.0, 2.0, 3.0], 'y_fit': [3.0, 4.0, 5.0],
        'flux_fit': [500.0, 700.0, 900.0],
        'flags': MaskedColumn([4, 0, 4], mask=[True, False, False])})
    fluxes = make_tool(fluxes='catalogue')._fluxes_of(catalogue, None)
    assert_array_equal(fluxes, [500.0, 700.0])
