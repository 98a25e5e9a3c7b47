# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the plots and the page of an injection test show.
"""

import re
from itertools import pairwise

import numpy as np
import pytest
from astropy.table import QTable

from lpiphot.validation import RecoveryResult
from lpiphot.validation.html import recovery_page

SHAPE = (70, 110)
N = 240


def make_result(*, n=N, names=('before', 'after'), **columns):
    """
    A result of stars on all of the image, and an image with a bad column.
    """
    rng = np.random.default_rng(4)
    true = np.full(n, 500.0)
    before = true + rng.normal(0, 30, n)
    pred = rng.normal(0, 20, n)
    res = pred + before - true + rng.normal(0, 5, n)
    table = QTable({
        'x_true': np.linspace(0, SHAPE[1] - 1, n),
        'y_true': rng.permutation(np.linspace(0, SHAPE[0] - 1, n)),
        'flux_true': true, 'mag_true': np.linspace(-9, -5, n),
        'recovered': np.ones(n, dtype=bool),
        'flux_fit': before, 'flux_err': np.full(n, 30.0),
        'fdb_res': res, 'fdb_pred': pred, 'cflux': before - res + pred,
        'dcflux': np.full(n, 5.0), 'dcflux_diag': np.full(n, 4.0),
        'residual_at': rng.normal(size=n),
        'residual_around': rng.normal(size=n),
        'roughness': rng.uniform(1, 2, n), 'density': rng.uniform(0, 1, n)})
    for name, values in columns.items():
        table[name] = values
    measured = {'before': ('flux_fit', 'flux_err'),
                'after': ('cflux', 'dcflux')}
    table.meta = {
        'recovery_kind': 'injected stars', 'recovery_fwhm': 3.0,
        'recovery_shape': f'{SHAPE[0]} {SHAPE[1]}', 'recovery_seed': 1,
        'recovery_n_sources': 3, 'recovery_noise_from': 'none',
        'recovery_psf_model': '<CircularGaussianPRF(fwhm=3.0)>',
        'recovery_counts': {'n_matched': [n], 'n_false': [0]}}
    for name in names:
        flux, error = measured[name]
        table[f'z_{name}'] = (table[flux] - true) / table[error]
        table.meta[f'recovery_measured_{name}'] = f'{flux} {error}'
    residual = np.indices(SHAPE)[0] + 1000.0 * np.indices(SHAPE)[1]
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:, 20] = True
    return RecoveryResult(table, residual=residual, mask=mask)


@pytest.fixture(name='result', scope='module')
def fixture_result():
    pytest.importorskip('matplotlib')
    return make_result()


def points(axes, label):
    """
    The points with a label.
    """
    line, = (line for line in axes.lines if line.get_label() == label)
    return np.array(line.get_data())


def test_changes():
    """
    A star whose error is all corrected is on the line, and one whose error
    grows is on the other side.
    """
    pytest.importorskip('matplotlib')
    result = make_result()
    table = result.table
    table['cflux'] = table['flux_true']
    table['cflux'][::2] += 2 * (table['flux_fit'] - table['flux_true'])[::2]
    axes = result.plot('changes').axes[0]
    assert f'beyond ±{axes.get_xlim()[1]:.3g}' in axes.get_xlabel()
    wrong, change = axes.collections[-1].get_offsets().T
    inside = np.abs(wrong) < 0.99 * axes.get_xlim()[1]
    assert inside.sum() > 200
    sign = np.where(np.arange(N) % 2, 1, -1)
    np.testing.assert_allclose(change[inside], (sign * wrong)[inside],
                               rtol=1e-9)


def test_contours_of_changes():
    """
    Where errors are not corrected, contours are along the other axis.
    """
    pytest.importorskip('matplotlib')
    result = make_result(n=800)
    result.table['cflux'] = result.table['flux_fit'] - np.random.default_rng(
        1).normal(0, 5, 800)
    axes = result.plot('changes').axes[0]
    contours, outside = axes.collections[:2]
    corners = np.concatenate([path.vertices for path in contours.get_paths()])
    assert np.ptp(corners[:, 0]) > 3 * np.ptp(corners[:, 1])
    # the lowest has nine tenths of the stars in it
    assert 0.05 < len(outside.get_offsets()) / 800 < 0.2


@pytest.mark.parametrize(('axis', 'size'), [('x', 110), ('y', 70)])
def test_profile(result, axis, size):
    """
    All panels are along the same axis of the image.
    """
    strip, z, terms, errors = result.plot('profile', axis=axis).axes[:4]
    for axes in (strip, z, terms, errors):
        assert axes.get_xlim() == (-0.5, size - 0.5)
    # columns of the residual have the hundreds, rows the units
    image = strip.images[0].get_array()
    along = 1000 if axis == 'x' else 1
    assert np.all(np.diff(image[3, 30:60]) == along)
    assert errors.get_xlabel() == f'{axis} [pixel]'
    x, _ = points(z, 'photutils')
    np.testing.assert_array_equal(x, result.table[f'{axis}_true'])


def test_masked_pixels_are_not_shown(result):
    """
    Those of the residual.
    """
    image = result.plot('maps').axes[0].images[0].get_array()
    assert np.array_equal(np.ma.getmaskarray(image) | np.isnan(image.data),
                          result.mask)


def test_gaps_are_no_value(result):
    """
    The middle of the scale is nearly white, as the figure is.
    """
    for image in (result.plot('maps').axes[0].images[0],
                  result.plot('profile').axes[0].images[0]):
        gap = np.array(image.cmap(np.nan))
        assert gap[3] == 1
        scale = image.cmap(np.linspace(0, 1, 256))
        assert np.min(np.max(np.abs(scale - gap), axis=1)) > 0.1


def test_stars_of_middle_colour(result):
    """
    They have an edge, of the residual too where there is no image.
    """
    axes = RecoveryResult(result.table).plot('maps').axes
    for plot in axes[:3]:
        dots = plot.collections[0]
        assert dots.get_linewidth() > 0
        assert np.max(dots.get_edgecolor()[:, :3]) < 0.5


@pytest.mark.parametrize('n', [1, 2])
def test_few_stars(n):
    """
    What they do not tell is a dash, as in the report.
    """
    text_class = pytest.importorskip('matplotlib.text').Text
    result = make_result(n=n)
    result.table['z_after'] = np.nan
    for figure in (result.plot(), result.plot('rescaling')):
        written = ' '.join(text.get_text()
                           for text in figure.findobj(text_class))
        assert 'nan' not in written
    assert ('width -' in texts(result.plot('pdf').axes[0])[3]) == (n == 1)


def test_terms(result):
    """
    Both terms of the correction, which add up to what it takes away.
    """
    axes = result.plot('profile').axes[2]
    _, res = points(axes, '$f^b_{res}$')
    _, pred = points(axes, '$-f^b_{pred}$')
    np.testing.assert_allclose(
        res + pred, result.table['flux_fit'] - result.table['cflux'],
        rtol=0, atol=1e-9)
    np.testing.assert_allclose(res, result.table['fdb_res'])


def test_running_median():
    """
    Of what grows along the image, half way through each bin.
    """
    pytest.importorskip('matplotlib')
    result = make_result(dcflux=10.0 + np.linspace(0, SHAPE[1] - 1, N))
    axes = result.plot('profile').axes[3]
    numbers = [line.get_label() for line in axes.lines].index('dcflux')
    middle, median = axes.lines[numbers + 2].get_data()
    assert len(middle) == 20  # twelve stars each
    # the median is at the middle of the stars of a bin, to half their distance
    np.testing.assert_allclose(median, 10 + middle, rtol=0, atol=0.5)


@pytest.mark.parametrize('which', ['pdf', 'pit'])
def test_histograms(result, which):
    """
    The area is that of the unit Gaussian, or of the flat line.
    """
    axes = result.plot(which).axes[0]
    bars, = axes.containers[:1]
    area = sum(bar.get_height() * bar.get_width() for bar in bars)
    assert np.isclose(area, 1.0)


def test_outliers_are_on_top(result):
    """
    Where stars overlap, the largest z is seen.
    """
    z = np.array(result.table['z_before'])
    axes = result.plot('maps').axes[1]
    artist = axes.collections[0]
    assert abs(artist.get_array()[-1]) == np.max(np.abs(z))
    largest = result.table[np.argmax(np.abs(z))]
    np.testing.assert_allclose(artist.get_offsets()[-1],
                               [largest['x_true'], largest['y_true']])


def test_completeness():
    """
    All of the bright half and none of the other are found.

    A star of no flux is not shown.
    """
    pytest.importorskip('matplotlib')
    result = make_result(recovered=np.arange(N) < N // 2)
    result.table['mag_true'][-1] = np.inf
    axes = result.plot('completeness').axes[0]
    magnitude, part = points(axes, '> 4/3 FWHM from others')
    away = np.abs(magnitude + 7) > 0.3  # there are bins of 0.45
    assert away.sum() > 5
    np.testing.assert_array_equal(part[away], magnitude[away] < -7)
    # the half is where the halves are: across to there, and down
    x, = (line.get_xdata() for line in axes.lines
          if tuple(line.get_ydata()) == (0.5, 0.5, 0.0))
    np.testing.assert_allclose(x, [-9, -7, -7], rtol=0, atol=0.01)
    assert '50% at -7.00 mag' in axes.get_legend().get_title().get_text()


@pytest.mark.parametrize('n_found', [0.2, 0.5, 0.8, 1])
def test_legend_of_completeness(n_found):
    """
    It is not on the curve, and the magnitudes not on each other.
    """
    pytest.importorskip('matplotlib')
    result = make_result(recovered=np.arange(N) < n_found * N,
                         mag_true=np.linspace(-13.45, -11.7, N),
                         names=('before',))
    result.table.remove_columns(['fdb_res', 'fdb_pred', 'cflux', 'dcflux'])
    for figure in (result.plot('completeness'), result.plot()):
        figure.draw_without_rendering()
        axes, = (axes for axes in figure.axes
                 if axes.get_title() == 'Completeness')
        curve = points(axes, '> 4/3 FWHM from others')
        box = axes.get_legend().get_window_extent()
        assert not any(box.contains(*point) for point in
                       axes.transData.transform(curve.T))
        boxes = [label.get_window_extent() for label in
                 axes.get_xticklabels() if label.get_text()]
        assert all(one.x1 < two.x0 for one, two in pairwise(boxes))


def test_rescaling_map_is_the_right_way_up():
    """
    Errors are too small in the upper half of the image.
    """
    result = make_result()
    result.table['z_after'][result.table['y_true'] > 35] *= 4
    _, axes, *_ = result.plot('rescaling', cell=35).axes
    mesh = axes.collections[0]
    lower, upper = mesh.get_array()
    assert np.all(upper > 2 * lower)
    assert mesh.get_coordinates()[-1, 0, 1] == SHAPE[0] - 0.5


def test_errors(result):
    """
    Errors of the catalogue, of the correction, and without covariances.
    """
    axes = result.plot('profile').axes[3]
    for name in ('flux_err', 'dcflux', 'dcflux_diag'):
        _, error = points(axes, name)
        np.testing.assert_array_equal(error, result.table[name])


def test_numbers(result):
    """
    Those of the report, before and after, in their colours.
    """
    values = result.report().ways['apart']
    axes, = (axes for axes in result.plot().axes if any(
        'honest' in text.get_text() for text in axes.texts))
    for name, title in (('before', 'photutils'), ('after', 'with LPI')):
        heading, = (text for text in axes.texts if text.get_text() == title)
        column = [text.get_text() for text in axes.texts if text is not heading
                  and text.get_color() == heading.get_color()]
        assert column == [format(values[f'{key}_{name}'], form)
                          for key, form in (('scatter', '.1%'),
                                            ('width', '.2f'),
                                            ('beyond5', '.1%'),
                                            ('rho_around', '+.2f'))]


SINGLE = ['pdf', 'changes', 'completeness', 'pit']


def texts(axes):
    """
    What is written on axes.
    """
    return [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(),
            *(text.get_text() for text in axes.get_legend().get_texts())]


@pytest.mark.parametrize('which', SINGLE)
def test_given_axes(result, which):
    """
    A single panel is drawn into the axes given, and into nothing else.
    """
    figure = pytest.importorskip('matplotlib.figure').Figure()
    other, axes = figure.subplots(1, 2)
    assert result.plot(which, ax=axes) is figure
    assert figure.axes == [other, axes]
    assert not other.has_data()
    own, = result.plot(which).axes
    assert texts(axes) == texts(own)
    assert len(axes.get_children()) == len(own.get_children())
    assert axes.get_xlim() == own.get_xlim()
    assert axes.get_ylim() == own.get_ylim()
    # in the style of the user, or our own
    assert axes.get_legend().get_frame_on()
    assert not own.get_legend().get_frame_on()


def test_given_axes_of_subfigure(result):
    """
    What they belong to has them, as any figure has.
    """
    figure = pytest.importorskip('matplotlib.figure').Figure()
    part = figure.subfigures(1, 2)[1]
    axes = part.subplots()
    assert result.plot('pdf', ax=axes) is part
    assert axes.has_data()


@pytest.mark.parametrize('which', ['pdf', 'pit'])
@pytest.mark.parametrize('reverse', [False, True])
def test_shared_axis(result, which, reverse):
    """
    The higher bars stay whole where the lower ones are drawn beside them.
    """
    figure = pytest.importorskip('matplotlib.figure').Figure()
    # all of the stars in one bin are more than twice those in others
    high = make_result(cflux=np.full(N, 501.0))
    results = [result, high][::-1 if reverse else 1]
    axes = figure.subplots(1, 2, sharey=True)
    for plot, shown in zip(axes, results, strict=True):
        shown.plot(which, ax=plot)
    alone = [shown.plot(which).axes[0].get_ylim() for shown in results]
    assert axes[0].get_ylim() == axes[1].get_ylim() == max(alone)
    assert max(alone)[1] > 2 * min(alone)[1]


@pytest.mark.parametrize('which', ['summary', 'maps', 'rescaling', 'profile'])
def test_axes_for_several_panels(result, which):
    figure = pytest.importorskip('matplotlib.figure').Figure()
    with pytest.raises(ValueError, match='ax must be None for which='):
        result.plot(which, ax=figure.subplots())


def test_wrong_axes(result):
    """
    Such as all of those of subplots.
    """
    figure = pytest.importorskip('matplotlib.figure').Figure()
    with pytest.raises(TypeError, match='ax must be Axes of matplotlib; got '
                       'ndarray'):
        result.plot('pdf', ax=figure.subplots(1, 2))


def cells(page):
    """
    The texts of the cells of the rows of a page.
    """
    return [re.findall(r'<td>(.*?)</td>', row)
            for row in re.findall(r'<tr>(.*?)</tr>', page)]


def make_page(result):
    """
    The page with a small figure.
    """
    figure = pytest.importorskip('matplotlib.figure').Figure((2, 1))
    return recovery_page(result, figures={'': figure})


@pytest.mark.parametrize('names', [('before', 'after'), ('before',)])
def test_page(names):
    """
    Main numbers, counts and completeness, before and after or before alone.
    """
    recovered = np.arange(N) < N // 2  # the faint half is not
    result = make_result(names=names, recovered=recovered)
    page = make_page(result)
    values = result.report().ways['apart']
    cards = re.findall('<div class="card">(.*?)</div>', page)
    for card, (key, form) in zip(cards, (
            ('width', '.2f'), ('beyond5', '.1%'), ('scatter', '.1%'),
            ('rho_around', '+.2f')), strict=True):
        assert re.findall('<b class="(.*?)">(.*?)</b>', card) == [
            (name, format(values[f'{key}_{name}'], form)) for name in names]
    rows = {row[0]: row[1:] for row in cells(page) if row}
    counts = rows['stars recovered']
    assert '120 of 240 (50.0%)' in counts
    # under the last of the names of each way, and no ideal
    assert [i for i, text in enumerate(counts) if text] == [
        len(names) * (i + 1) - 1 for i in range(3)]
    assert len(rows['width of z (rescaling)']) == len(counts)
    # four bins of magnitude: all of two are recovered, none of two others
    by_magnitude = [row for row in cells(page) if row and '…' in row[0]][:4]
    assert [row[1:3] for row in by_magnitude] == [
        ['60', '100.0%'], ['60', '100.0%'], ['60', '0.0%'], ['60', '0.0%']]


def test_page_with_markup(result):
    """
    Values that look like tags are shown.
    """
    page = make_page(result)
    assert '&lt;CircularGaussianPRF(fwhm=3.0)&gt;' in page
    assert '<Circular' not in page
