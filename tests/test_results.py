"""
The images that come with a table, and the stamp of a prediction.
"""

import itertools

import numpy as np
import pytest
from corrector_cases import EXACT, make
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF, GaussianPSF

from oracles.scenes import catalogue, star_image, structured_field

ROUND = CircularGaussianPRF(fwhm=3.0)


def test_stamp():
    """
    The residual on the stamp; infilled where there are no data.
    """
    psf = GaussianPSF(x_fwhm=2.0, y_fwhm=2.5)
    scene = structured_field(psf)
    ids = [1, 6, 12, 13]  # ordinary; a pair; beside a bad column; NaN
    predictions = make(psf).predict(scene.data, scene.phot, ids,
                                    mask=scene.mask)
    result = make(psf).run(scene.data, scene.phot, mask=scene.mask)
    no_data = scene.mask | ~np.isfinite(scene.data)
    want = np.where(no_data, result.filled, result.residual)
    n_filled = 0
    for name, got in zip(ids, predictions, strict=True):
        y, x = got.centre
        assert_allclose([x, y], [scene.phot['x_fit'][name - 1],
                                 scene.phot['y_fit'][name - 1]],
                        rtol=0, atol=0.5)
        stamp = slice(y - 6, y + 7), slice(x - 5, x + 6)
        n_filled += np.count_nonzero(no_data[stamp])
        # a level is taken off and put back: rounding of some 1e2
        assert_allclose(got.stamp, want[stamp], rtol=0, atol=1e-9)
        # the PSF of the star, too
        assert_allclose(got.psf, star_image(
            psf, scene.phot['x_fit'][name - 1], scene.phot['y_fit'][name - 1],
            scene.data.shape)[stamp], rtol=1e-12, atol=1e-300)
        assert_array_equal(got.mean_stamp[~got.hidden],
                           got.stamp[~got.hidden])
        assert_array_equal(got.mean_stamp[got.hidden], got.mean)
    assert n_filled > 10


@pytest.mark.parametrize('order', [[0, 1, 2], [2, 1, 0]])
def test_background(order):
    """
    Under two stars the prediction for the nearest, whichever comes first.
    """
    rng = np.random.default_rng(5)
    shape = 91, 103
    phot = catalogue([40.2, 44.9, 75.3], [44.8, 46.1, 30.1],
                     [9000, 1500, 3000], 5)[order]
    data = 4 * np.sin(np.indices(shape)[1] / 5) + 1.7 * rng.normal(size=shape)
    for x, y, flux in phot.iterrows('x_fit', 'y_fit', 'flux_fit'):
        data += star_image(ROUND, x, y, shape, flux)
    result = make(ROUND).run(data, phot)
    predictions = make(ROUND).predict(data, phot, phot['id'].tolist())

    want = np.array(result.filled)
    nearest = np.full(shape, np.inf)
    n_shared = 0
    yy, xx = np.indices(shape)
    for row, got in zip(phot, predictions, strict=True):
        y, x = got.centre
        stamp = slice(y - 6, y + 7), slice(x - 5, x + 6)
        distance = np.hypot(xx - row['x_fit'], yy - row['y_fit'])
        closer = np.zeros(shape, dtype=bool)
        closer[stamp] = got.hidden
        n_shared += np.count_nonzero(closer & np.isfinite(nearest))
        closer &= distance < nearest
        want[closer] = got.mean_stamp[closer[stamp]]
        nearest[closer] = distance[closer]
    assert n_shared > 5
    # two float64 computations; the predictions differ by some 1
    assert_allclose(result.background, want, rtol=0, atol=EXACT)
    assert repr(result) == 'LPIResult(3 sources, image (91, 103))'


@pytest.mark.parametrize(('low', 'high'), [
    (2.1e5, 2.4e5), (9.1e4, 1.4e5), (2.1e4, 4.9e4), (2.2e4, 1.7e5),
    (2.2e4, 4.5e5), (3e-3, 0.2), (3.0, 9e5)])
def test_flux_axis(low, high):
    """
    Labels upright and of one size, on as few or many decades as there are,
    and none on another.
    """
    pytest.importorskip('matplotlib')
    rng = np.random.default_rng(5)
    shape = 91, 103
    data = 1.7 * rng.normal(size=shape)
    phot = catalogue([40.2, 75.3], [44.8, 30.1], [low, high], 5)
    figure = make(ROUND).run(data, phot).plot()
    figure.draw_without_rendering()
    plot = next(axes for axes in figure.axes
                if 'Corrections' in axes.get_title())
    limits = plot.get_xlim()
    labels = [label for label in plot.get_xticklabels()
              if limits[0] <= label.get_position()[0] <= limits[1]]
    assert 2 <= len(labels) <= 9
    assert all(label.get_text() for label in labels)
    assert all(label.get_rotation() == 0 for label in labels)
    boxes = [label.get_window_extent() for label in labels]
    assert all(one.x1 < two.x0 for one, two in itertools.pairwise(boxes))
    assert not any(label.get_text()
                   for label in plot.get_xticklabels(minor=True))


def test_plot_of_corrections():
    """
    By how many errors each flux of the catalogue is changed.
    """
    pytest.importorskip('matplotlib')
    data = 1.7 * np.random.default_rng(5).normal(size=(91, 103))
    phot = catalogue([40.2, 75.3], [44.8, 30.1], [300, 900], 5)
    result = make(ROUND).run(data, phot)
    axes = next(axes for axes in result.plot().axes
                if 'Corrections' in axes.get_title())
    flux, change = axes.lines[1].get_data()
    assert_allclose(flux, phot['flux_fit'])
    # the stars are in the catalogue only
    assert np.all(change < -10)
    assert_allclose(flux + change * result.table['dcflux'],
                    result.table['cflux'])


def test_plot_of_noisy_image():
    """
    Large images are averaged: their scale is that of what is seen.
    """
    pytest.importorskip('matplotlib')
    data = np.random.default_rng(5).normal(0.0, 10.0, (300, 1500))
    phot = catalogue([700.2], [144.8], [900.0], 5)
    figure = make(ROUND).run(data, phot).plot()
    figure.draw_without_rendering()
    panels = {axes.get_title(): axes for axes in figure.axes}
    for name in ('Field', 'Residual: data − stars'):
        low, high = panels[name].images[0].get_clim()
        assert -12 < low < high < 12  # four by four pixels
    last = panels['Corrections of 1 of 1 sources'].get_window_extent()
    assert last.height < 0.6 * last.width


def test_plot_of_gaps():
    """
    Pixels without a value have no colour of the scale, and stars that are
    not shown are not counted.
    """
    pytest.importorskip('matplotlib')
    data = 1.7 * np.random.default_rng(5).normal(size=(91, 103))
    data[:, 60:70] = np.nan
    phot = catalogue([40.2, 20.3, 5.5, np.nan], [44.8, 30.1, 62.2, 50.0],
                     [300, 900, -500, 300], 5)
    figure = make(ROUND).run(data, phot).plot()
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert 'Corrections of 2 of 4 sources' in panels
    image = panels['Residual: data − stars'].images[0]
    assert np.ma.getmaskarray(image.get_array())[:, 60:70].all()
    scale = image.cmap(np.linspace(0, 1, 256))
    gap = np.array(image.cmap(np.nan))
    assert gap[3] == 1  # else the white of the figure is seen
    assert np.min(np.max(np.abs(scale - gap), axis=1)) > 0.1


@pytest.mark.parametrize('shape', [(45, 200), (200, 45)])
def test_scale_of_long_images(shape):
    """
    Colour bars are as high as the image, and can be seen.
    """
    pytest.importorskip('matplotlib')
    data = 1.7 * np.random.default_rng(5).normal(size=shape)
    figure = make(ROUND).run(data, catalogue([22], [22], [300], 5)).plot()
    figure.draw_without_rendering()
    for axes in figure.axes[:3]:
        image = axes.get_window_extent()
        bar = axes.images[0].colorbar.ax.get_window_extent()
        assert 0.85 < bar.height / image.height < 1.01  # arrows beyond it
        assert bar.x0 > image.x1
        assert bar.width > 5
