"""
The map of the flux uncertainty: nodes, what is between them, statistics.
"""

import itertools
from contextlib import nullcontext
from io import BytesIO

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from corrector_cases import EXACT, KEYS, LIMITS, PSF, make, with_unit
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF, PSFPhotometry
from scipy.ndimage import gaussian_filter

from lpiphot import LPIBackgroundCorrector, flags
from lpiphot.depth import DepthMap, grid_nodes, interpolate_nodes
from oracles import dense_lpi
from oracles.matched_filter import flux_error
from oracles.scenes import catalogue, star_image, structured_field

ROUND = CircularGaussianPRF(fwhm=3.0)


def test_nodes():
    """
    ``dcflux`` of a source of no flux, from the oracle, at every node.
    """
    scene = structured_field(PSF)
    keys = {'mask': scene.mask}
    depth = make(gain=1.7).depth(scene.data, scene.phot, step=40, n_sigma=3,
                                 **keys)
    assert_array_equal(depth.x, [0, 37, 75, 112])
    assert_array_equal(depth.y, [0, 32, 64, 96])
    filled = np.array(make(gain=1.7).run(scene.data, scene.phot,
                                         **keys).filled)
    mask, no_data = dense_lpi.image_mask(
        scene.residual, scene.star_images, scene.phot['flux_fit'],
        LIMITS['mask_threshold'], KEYS['residual_threshold'], scene.mask)
    ny, nx = KEYS['stamp_shape']
    psf = star_image(PSF, nx // 2, ny // 2, (ny, nx))
    for i, y in enumerate(depth.y):
        for j, x in enumerate(depth.x):
            want, _ = dense_lpi.correct_star(
                x, y, 0.0, psf, scene.residual, filled, mask, no_data,
                window_shape=KEYS['window_shape'], gain=1.7,
                star_model=scene.star_model, **LIMITS)
            for image, name in ((depth.image, 'dcflux'),
                                (depth.image_diag, 'dcflux_diag')):
                assert_allclose(image[y, x], 3 * want[name],
                                rtol=EXACT, err_msg=f'{name} at {y, x}')
            assert depth.dnt[i, j] & 127 == want['dnt']


@pytest.mark.parametrize(('shape', 'step'), [((11, 31), 10), ((11, 31), 7),
                                             ((1, 2), 1), ((5, 9), 100)])
def test_grid(shape, step):
    """
    All edges are nodes, and no two are farther apart than the step.
    """
    for nodes, size in zip(grid_nodes(shape, step), shape[::-1],
                           strict=True):
        assert (nodes[0], nodes[-1]) == (0, size - 1)
        assert np.all(np.diff(nodes) > 0)
        assert np.all(np.diff(nodes) <= step)


def test_interpolation():
    """
    What is linear in rows and columns comes back; lost nodes stay small.
    """
    shape = 13, 22
    y, x = np.indices(shape)
    image = 3.0 + 0.5 * x - 0.7 * y + 0.1 * x * y
    at_x, at_y = grid_nodes(shape, 5)
    values = image[np.ix_(at_y, at_x)]
    assert_allclose(interpolate_nodes(values, at_x, at_y, shape), image,
                    rtol=0, atol=1e-12)

    values[1, 2] = np.nan  # at row 4, column 8
    got = interpolate_nodes(values, at_x, at_y, shape)
    assert np.isnan(got[4, 8])
    assert_allclose(got[4, 4], image[4, 4])  # the next node
    # half way and nearer, others have no more weight: the next columns of
    # nodes are 4 and 13
    weight = (1 - abs(y - 4) / 4) * (1 - abs(x - 8) / np.where(x < 8, 4, 5))
    near = (abs(y - 4) < 4) & (x > 4) & (x < 13)
    assert_array_equal(np.isnan(got), near & (weight >= 0.5))
    far = np.maximum(abs(y - 4) / 4, abs(x - 8) / 4) >= 1.25
    assert_allclose(got[far], image[far], rtol=0, atol=1e-12)
    # its neighbours stand for it: within the range of their values
    near = np.isfinite(got) & ~far
    assert np.all((got[near] > image.min()) & (got[near] < image.max()))
    flat = interpolate_nodes(np.where(np.isnan(values), np.nan, 3.0), at_x,
                             at_y, shape)
    assert_allclose(flat[np.isfinite(got)], 3.0)


def test_white_noise():
    """
    The error of the matched filter, and more where the image ends.
    """
    sigma, shape = 1.7, (180, 200)
    corrector = LPIBackgroundCorrector(ROUND, stamp_shape=21,
                                       window_shape=91)
    depths = [corrector.depth(
        np.random.default_rng(seed).normal(3e4, sigma, shape),
        catalogue([], [], [], 1.0), step=20).image for seed in range(4)]
    # The flux of a star, of some 20 pixels, has 400 samples in a window:
    # its error is learned to 1 / sqrt(800), and there are a few windows
    # side by side in each of four images.
    psf = star_image(ROUND, 15, 15, (31, 31))
    want = 5 * flux_error(sigma, psf)
    inner = [depth[20:-20, 20:-20] for depth in depths]
    assert_allclose(np.median(inner), want, rtol=0.03)
    assert_allclose(inner, want, rtol=0.2)
    # on the first column, the right half is left
    half = 5 * flux_error(sigma, psf[:, 15:])
    assert_allclose(np.median([depth[20:-20, 0] for depth in depths]), half,
                    rtol=0.06)


def test_scatter_of_faint_stars():
    """
    Stars at twice the noise scatter by what the map says, where it is
    deep and where it is not.
    """
    rng = np.random.default_rng(8)
    shape = 181, 229
    # rough on the right, smooth on the left
    clouds = gaussian_filter(rng.normal(size=shape), 3.0)
    clouds *= np.where(np.arange(shape[1]) > 114, 9.0, 1.0) / clouds.std()
    data = clouds + 1.7 * rng.normal(size=shape)
    corrector = LPIBackgroundCorrector(ROUND, stamp_shape=17,
                                       window_shape=65)
    depth = corrector.depth(data, catalogue([], [], [], 1.0), n_sigma=2)
    y, x = (axis.ravel() for axis in np.mgrid[8:shape[0] - 8:12,
                                              8:shape[1] - 8:12])
    x, y = (axis + rng.uniform(-0.5, 0.5, axis.shape) for axis in (x, y))
    pixel = np.round(y).astype(int), np.round(x).astype(int)
    flux = depth.image[pixel]
    for star in zip(x, y, flux, strict=True):
        data = data + star_image(ROUND, *star[:2], shape, star[2])
    table = corrector(data, catalogue(x, y, flux, 1.0))
    z = np.asarray(table['cflux'] - flux) / (flux / 2)
    rough = x > 114
    assert np.median(flux[rough]) > 1.4 * np.median(flux[~rough])
    for part in (rough, ~rough):
        # a width from 120 stars is good to 1 / sqrt(240), 6 %, and what
        # is learned from both halves is not quite right at their border
        assert abs(np.std(z[part]) - 1) < 0.2
        assert abs(np.mean(z[part])) < 0.2


def test_units_and_threads():
    """
    In the unit of the fluxes; the same for any number of threads.
    """
    scene = structured_field(PSF)
    limits = {name: KEYS[name] * u.mJy for name in
              ('mask_threshold', 'min_mask_flux', 'residual_threshold')}
    plain = make().depth(scene.data, scene.phot, mask=scene.mask, step=30)
    phot = with_unit(scene.phot, u.mJy)
    phot['flux_fit'] = phot['flux_fit'].to(u.Jy)
    units = make(n_threads=3, **limits).depth(
        scene.data * u.mJy, phot[::-1], mask=scene.mask, step=30)
    assert units.image.unit == units.image_diag.unit == u.Jy
    assert units.data.unit == u.mJy
    assert_allclose(units.image.to_value(u.mJy), plain.image, rtol=1e-12)
    assert_array_equal(units.dnt, plain.dnt)


def test_no_data():
    """
    NaN where a star would have no pixel with data.
    """
    rng = np.random.default_rng(1)
    data = rng.normal(0, 1.7, (120, 130))
    data[:60, :70] = np.nan
    corrector = LPIBackgroundCorrector(ROUND, stamp_shape=13,
                                       window_shape=41)
    depth = corrector.depth(data, catalogue([100], [100], [500], 9), step=10)
    assert np.isnan(depth.image[:45, :55]).all()
    assert np.isfinite(depth.image[70:, :]).all()
    assert np.isfinite(depth.image[:, 80:]).all()


def test_parameters_of_the_psf():
    """
    Nodes have the median of what was fitted beside position and flux.
    """
    rng = np.random.default_rng(2)
    shape = 91, 97
    phot = catalogue([20, 50, 70, 70], [30, 60, 20, 75],
                     [900, 800, 700, 700], 9)
    phot['fwhm_fit'] = [2.5, 3.0, np.nan, 5.0]
    data = rng.normal(0, 1.7, shape)
    corrector = LPIBackgroundCorrector(ROUND, stamp_shape=15,
                                       window_shape=51)
    got = corrector.depth(data, phot, step=30)
    wide = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=3.0),
                                  stamp_shape=15, window_shape=51)
    phot['fwhm_fit'] = [2.5, 3.0, 3.0, 5.0]
    want = wide.depth(data, phot, step=30)
    away = 45, 0
    assert_allclose(got.image[away], want.image[away], rtol=1e-2)
    without = wide.depth(data, phot['x_fit', 'y_fit', 'flux_fit'], step=30)
    assert_allclose(got.image[away], without.image[away], rtol=1e-2)
    # a FWHM of 3, not the 3.7 of another model
    other = LPIBackgroundCorrector(CircularGaussianPRF(fwhm=3.7),
                                   stamp_shape=15, window_shape=51)
    assert_allclose(other.depth(data, phot, step=30).image,
                    want.image, rtol=1e-12)
    # of no stars, it is the model's
    assert_array_equal(
        wide.depth(data, phot[:0], step=30).image,
        wide.depth(data, catalogue([], [], [], 9), step=30).image)


@pytest.mark.parametrize(('keys', 'error', 'text'), [
    ({'step': 0}, ValueError, 'step must be at least 1; got 0'),
    ({'step': 2.5}, TypeError, 'step must be an integer; got 2.5'),
    ({'n_sigma': -1}, ValueError, 'n_sigma must be positive'),
    ({'error': np.ones((3, 3))}, ValueError, 'error must have the shape'),
])
def test_bad_input(keys, error, text):
    """
    The argument, its value, and what was expected.
    """
    data = np.random.default_rng(1).normal(size=(99, 99))
    with pytest.raises(error, match=text):
        make().depth(data, catalogue([], [], [], 1.0), **keys)


@pytest.mark.parametrize('neighbours', ['flux_err', 'group_id'])
def test_neighbours(neighbours):
    """
    Errors of neighbours reach nodes; a node is in no group.
    """
    scene = structured_field(PSF)
    scene.phot['flux_err'] = 300.0
    # numbers of groups may be negative, like those of the nearest nodes
    x, y = grid_nodes(scene.data.shape, 6)
    column, row = (np.abs(np.subtract.outer(scene.phot[name], nodes))
                   .argmin(axis=1) for name, nodes in (('x_fit', x),
                                                       ('y_fit', y)))
    scene.phot['group_id'] = -1 - (row * len(x) + column)
    keys = {'mask': scene.mask, 'step': 6}  # nodes on the stamps of others
    depth = make(neighbours=neighbours).depth(scene.data, scene.phot, **keys)
    want = make().depth(scene.data, scene.phot, **keys)
    if neighbours == 'group_id':
        assert_array_equal(depth.image, want.image)
    else:
        assert np.nanmax(depth.image / want.image) > 1.05
    # nodes are no neighbours of each other
    part = slice(48), slice(48)
    depth, want = (corrector.depth(scene.data[part], scene.phot[:0], step=5,
                                   mask=scene.mask[part])
                   for corrector in (make(neighbours=neighbours), make()))
    assert_array_equal(depth.image, want.image)


def test_columns_not_read():
    """
    What a column holds that no option names does not matter, as in a call.
    """
    data = np.random.default_rng(1).normal(size=(99, 99))
    phot = catalogue([20, 60], [30, 70], [50, 50], 1.0)
    want = make().depth(data, phot, step=60)
    for name in ('group_id', 'flux_err'):
        phot[name] = ['one', 'other']
    assert_array_equal(make().depth(data, phot, step=60).image, want.image)


def test_templates():
    """
    Sources with shapes of their own are known by id.
    """
    scene = structured_field(PSF)
    keys = {'mask': scene.mask, 'step': 40}
    phot = scene.phot[::-1].copy()
    want = make().depth(scene.data, phot, **keys)
    same = make().depth(scene.data, phot, templates={1: PSF.copy()}, **keys)
    assert_allclose(same.image, want.image, rtol=EXACT)
    wide = CircularGaussianPRF(fwhm=6.0)
    other = make().depth(scene.data, phot, templates={1: wide}, **keys)
    phot = phot.copy()
    phot.remove_column('id')  # the first is the last row
    rows = make().depth(scene.data, phot, templates={len(phot) - 1: wide},
                        **keys)
    assert_array_equal(rows.image, other.image)
    assert np.any(other.image != want.image)
    with pytest.raises(TypeError, match=r'templates must be a dict'):
        make().depth(scene.data, phot, templates=[wide], **keys)


def test_inputs_are_not_changed():
    """
    Neither the data nor the catalogue.
    """
    scene = structured_field(PSF)
    data, phot = scene.data.copy(), QTable(scene.phot, copy=True)
    make().depth(data, phot, mask=scene.mask, step=50)
    assert_array_equal(data, scene.data)
    assert phot.colnames == scene.phot.colnames
    assert all(np.array_equal(phot[name], scene.phot[name])
               for name in phot.colnames)


def test_close_pairs():
    """
    Nodes are close to stars, not to each other, however near they are.
    """
    psf = CircularGaussianPRF(fwhm=5.0)
    data = np.random.default_rng(1).normal(size=(41, 45))
    corrector = LPIBackgroundCorrector(psf, stamp_shape=11, window_shape=31)
    phot = catalogue([22.0, 22.4, np.nan], [20.0, 20.3, 9.0], 3 * [500.0],
                     9.0)
    depth = corrector.depth(data, phot, step=2)
    close = (depth.dnt & flags.CLOSE_PAIR) != 0
    distance = np.min([np.hypot(depth.x - x, depth.y[:, np.newaxis] - y)
                       for x, y in ((22.0, 20.0), (22.4, 20.3))], axis=0)
    # the FWHM of this Gaussian, integrated over pixels, is 5.05
    assert_array_equal(close, distance < 2.53)
    assert np.count_nonzero(close) > 4
    depth = corrector.depth(data, phot[2:], step=2)
    assert not np.any(depth.dnt & flags.CLOSE_PAIR)


def test_other_psf():
    """
    Of a photometry that was fitted with another one, as in a call.
    """
    data = np.random.default_rng(1).normal(size=(41, 45))
    data += star_image(ROUND, 20.0, 21.0, data.shape, 900.0)
    for fwhm, warns in ((3.0, nullcontext()), (3.7, pytest.warns(
            AstropyUserWarning, match='not the PSF that phot was'))):
        phot = PSFPhotometry(CircularGaussianPRF(fwhm=fwhm), 5,
                             aperture_radius=3)
        phot(data, init_params=QTable({'x': [20.0], 'y': [21.0]}))
        corrector = LPIBackgroundCorrector(ROUND, stamp_shape=11,
                                           window_shape=31)
        with warns:
            corrector.depth(data, phot, step=30)


def test_plot():
    """
    Field, depth and area, with units on what has one.
    """
    pytest.importorskip('matplotlib')
    scene = structured_field(PSF)
    depth = make(mask_threshold=None, min_mask_flux=None,
                 residual_threshold=None).depth(
        scene.data * u.mJy, with_unit(scene.phot, u.mJy), mask=scene.mask,
        step=40)
    nodes = len(depth.y), len(depth.x)
    assert repr(depth) == (f'DepthMap(5 sigma, image {scene.data.shape}, '
                           f'nodes {nodes})')
    figure = depth.plot()
    field, image, area = figure.axes[:3]
    assert_array_equal(image.images[0].get_array(), depth.image.value)
    assert '5 sigma' in image.get_title()
    assert 'mJy' in area.get_xlabel()
    assert field.get_xlabel() == 'x [pixel]'
    x, part = area.lines[0].get_data()
    middle = np.interp(50, part, x)
    assert_allclose(middle, np.median(depth.image.value), rtol=1e-3)
    x, part = area.lines[1].get_data()
    assert_allclose(np.interp(50, part, x), np.median(depth.image_diag.value),
                    rtol=1e-3)
    assert np.any(depth.image_diag < 0.9 * depth.image)


def map_of(errors):
    """
    A map of 5 x 7 nodes.
    """
    table = QTable({'dcflux': errors, 'dcflux_diag': np.full(35, 0.5),
                    'dnt': np.zeros(35, dtype=int)})
    return DepthMap.from_nodes(
        table, np.arange(0, 70, 10), np.arange(0, 50, 10), 1,
        np.random.default_rng(1).normal(size=(41, 61)))


def test_plot_of_outliers():
    """
    One node on a bright star leaves the others to be seen.
    """
    pytest.importorskip('matplotlib')
    errors = np.linspace(0.5, 2, 35)
    errors[3], errors[16] = np.nan, 25
    image = map_of(errors).plot().axes[1].images[0]
    low, high = image.get_clim()
    # of 34 nodes two are below and above
    assert errors[1] < low < errors[2]
    assert errors[-2] < high < errors[-1]
    assert image.colorbar.extend == 'both'


@pytest.mark.parametrize('error', [1.5, np.nan])
def test_plot_of_one_value(error):
    pytest.importorskip('matplotlib')
    map_of(np.full(35, error)).plot().savefig(BytesIO())


@pytest.mark.parametrize('high', [0.53, 0.8, 2.2, 3.5, 6])
def test_plot_of_few_decades(high):
    """
    Labels of the fluxes do not lie on each other.
    """
    pytest.importorskip('matplotlib')
    figure = map_of(np.linspace(0.5, high, 35)).plot()
    figure.draw_without_rendering()
    axis = figure.axes[2].xaxis
    limits = axis.get_view_interval()
    boxes = [label.get_window_extent() for label in (
        *axis.get_ticklabels(), *axis.get_ticklabels(minor=True))
        if label.get_text()
        and limits[0] <= label.get_position()[0] <= limits[1]]
    boxes.sort(key=lambda box: box.x0)
    assert len(boxes) > 1
    assert all(one.x1 < two.x0 for one, two in itertools.pairwise(boxes))
