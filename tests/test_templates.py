"""
Sources that are not stars, each with a model of its own.
"""

import numpy as np
import pytest
from astropy.convolution import convolve_fft
from astropy.modeling.models import Gaussian2D, Sersic2D
from astropy.nddata import NDData
from astropy.table import QTable, vstack
from astropy.utils.exceptions import AstropyUserWarning
from corrector_cases import EXACT, PSF, make, same
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import (CircularGaussianPRF, GaussianPSF, GriddedPSFModel,
                           ImagePSF, PSFPhotometry)
from psf_cases import adapted_model
from scipy.ndimage import gaussian_filter

from lpiphot import LPIBackgroundCorrector
from oracles.scenes import structured_field


@pytest.fixture(scope='module')
def scene():
    """
    Clouds, noise, and stars of every kind.
    """
    return structured_field(PSF)


@pytest.fixture(scope='module')
def shapes(scene):
    """
    A table in which each source has its own shape, and the same as models.
    """
    rng = np.random.default_rng(5)
    phot = scene.phot.copy()
    for name in ('x_fwhm', 'y_fwhm'):
        phot[f'{name}_fit'] = rng.uniform(2.0, 3.5, len(phot))
    return phot, {int(row['id']): GaussianPSF(
        x_fwhm=row['x_fwhm_fit'], y_fwhm=row['y_fwhm_fit']) for row in phot}


KEYS = [{}, {'neighbours': 'flux_err'}, {'neighbours': 'group_id',
                                         'positions': True}]


@pytest.mark.parametrize('keys', KEYS)
def test_same_as_fitted_parameters(scene, shapes, keys):
    """
    Models by id give what fitted parameters of one model give.
    """
    phot, templates = shapes
    phot = phot.copy()
    phot['group_id'][[5, 6]] = 77
    want = make(**keys)(scene.data, phot, mask=scene.mask)
    plain = phot.copy()
    plain.remove_columns(['x_fwhm_fit', 'y_fwhm_fit'])
    for table in (plain, phot):  # whose columns are those of the psf_model
        out = make(CircularGaussianPRF(fwhm=9.0), **keys)(
            scene.data, table, mask=scene.mask, templates=templates)
        # A star is rendered as far out as its own model needs, to 0.02 of
        # the noise, or as the typical one of a model does.
        same(out, want, rtol=0.02)
    stars = make(**keys)(scene.data, plain, mask=scene.mask)
    assert np.nanmax(np.abs(out['cflux'] - stars['cflux'])
                     / want['dcflux']) > 5


@pytest.mark.parametrize('keys', KEYS)
def test_mixed(scene, keys):
    """
    Templates that are the PSF change nothing; rows may be in any order.
    """
    want = make(**keys).run(scene.data, scene.phot, mask=scene.mask)
    templates = {13: PSF.copy(), 3: PSF.copy()}
    out = make(**keys).run(scene.data, scene.phot, mask=scene.mask,
                           templates=templates)
    same(out.table, want.table, rtol=EXACT)
    assert_allclose(out.residual, want.residual, rtol=0, atol=1e-8)
    turned = make(**keys, n_threads=2)(scene.data, scene.phot[::-1],
                                       mask=scene.mask, templates=templates)
    same(turned[::-1], out.table, rtol=EXACT)


@pytest.mark.parametrize('keys', KEYS)
def test_without_fitted_parameters(scene, shapes, keys):
    """
    Sources with a template need none of the parameters of the PSF model, as
    those that were fitted with another one and stacked.
    """
    phot, templates = shapes
    some = {number: templates[number] for number in (3, 6, 12)}
    tables = []
    for value in (2.5, np.nan):
        phot = phot.copy()
        phot['x_fwhm_fit'][[2, 5, 11]] = value
        tables.append(make(**keys)(scene.data, phot, mask=scene.mask,
                                   templates=some))
    same(*tables, rtol=EXACT)
    assert np.isfinite(tables[1]['cflux'][[2, 5, 11]]).all()


def test_psf_that_depends_on_position(scene):
    """
    A grid of PSFs is evaluated at each star: as templates, star by star.
    """
    y, x = np.mgrid[-40:41, -40:41] / 4
    left, right = (GaussianPSF(flux=1, x_fwhm=fwhm, y_fwhm=2.5)(x, y)
                   for fwhm in (2.0, 4.0))
    grid = GriddedPSFModel(NDData(
        np.array([left, left, right, right]), meta={
            'grid_xypos': [(0, 0), (0, 96), (112, 0), (112, 96)],
            'oversampling': 4}))
    phot = scene.phot[[0, 1, 2, 7, 13]]  # at x from 0.2 to 99
    templates = {}
    for star in phot:
        share = star['x_fit'] / 112
        templates[int(star['id'])] = ImagePSF(
            (1 - share) * left + share * right, oversampling=4)
    out = make(grid)(scene.data, phot, mask=scene.mask)
    want = make()(scene.data, phot, mask=scene.mask, templates=templates)
    # stars are rendered as far out as each needs, or the one in the middle
    same(out, want, rtol=0.02)
    wrong = make(ImagePSF(left, oversampling=4))(scene.data, phot,
                                                 mask=scene.mask)
    assert abs(out['cflux'][-1] - wrong['cflux'][-1]) > 5 * out['dcflux'][-1]
    assert_allclose(out['cflux'][2], wrong['cflux'][2], rtol=0.02)


def test_predict(scene, shapes):
    """
    The hidden pixels are those of the source's own shape.
    """
    _, templates = shapes
    one, other = (make().predict(scene.data, scene.phot, 1, mask=scene.mask,
                                 templates={number: templates[1]})
                  for number in (1, 2))
    assert one.hidden.sum() > other.hidden.sum()
    assert_allclose(one.psf.max(), 1 / (2 * np.pi) * (8 * np.log(2)) / (
        templates[1].x_fwhm * templates[1].y_fwhm), rtol=0.1)


def test_without_ids(scene):
    """
    Ids are row numbers if there is no such column.
    """
    phot = scene.phot.copy()
    wide = GaussianPSF(x_fwhm=3, y_fwhm=3)
    want = make()(scene.data, phot, mask=scene.mask, templates={3: wide})
    phot.remove_column('id')
    out = make()(scene.data, phot, mask=scene.mask, templates={2: wide})
    assert_array_equal(out['cflux'], want['cflux'])


def test_bad_input(scene):
    """
    Not a dict, unknown ids, models that cannot be used.
    """
    corrector = make()
    with pytest.raises(TypeError, match=r'templates must be a dict.*list'):
        corrector(scene.data, scene.phot, templates=[PSF])
    with pytest.raises(ValueError, match=r'templates has 99, .* 1 to 14'):
        corrector(scene.data, scene.phot, templates={99: PSF})
    with pytest.raises(TypeError, match=r'templates\[3\].*ndarray'):
        corrector(scene.data, scene.phot, templates={3: np.ones((5, 5))})
    with pytest.raises(ValueError, match=r"templates\[3\].*'flux'"):
        corrector(scene.data, scene.phot, templates={3: Sersic2D()})


def test_adapted_model(scene):
    """
    Any 2-D model of astropy, once photutils has given it a flux.
    """
    plain = Gaussian2D(1 / (2 * np.pi * 1.2 * 1.5), x_stddev=1.2,
                       y_stddev=1.5)
    galaxy = adapted_model(plain, x_name='x_mean', y_name='y_mean',
                           normalize=False)
    out = make().predict(scene.data, scene.phot, 1, mask=scene.mask,
                         templates={1: galaxy})
    want = plain(*np.meshgrid(np.arange(11) - 5.3, np.arange(13) - 5.6))
    assert_allclose(out.psf, want, rtol=1e-6, atol=1e-12)


FWHM = 3.0
STAR = CircularGaussianPRF(fwhm=FWHM)


def galaxy_model():
    """
    An inclined disk under the PSF, three times oversampled.
    """
    y, x = np.mgrid[-52:53, -52:53] / 3
    disk = Sersic2D(r_eff=3.0, n=1, ellip=0.4, theta=0.6)(x, y)
    disk[np.hypot(x, y) > 15] = 0
    image = convolve_fft(disk, CircularGaussianPRF(fwhm=3 * FWHM)(3 * x,
                                                                  3 * y))
    return ImagePSF(image / image.sum() * 9, oversampling=3)


def test_galaxies_on_clouds():
    """
    The bias by the clouds goes, and the errors are right.
    """
    rng = np.random.default_rng(12)
    model, flux, sigma, shape = galaxy_model(), 4000.0, 1.7, (280, 274)
    y, x = (grid.ravel() + rng.uniform(-0.5, 0.5, grid.size)
            for grid in np.mgrid[24:256:38, 24:256:38].astype(float))
    n = x.size
    galaxies = np.arange(n) % 4 > 0  # and stars between them
    data = gaussian_filter(rng.normal(size=shape), 6.0)
    data *= 5.0 / data.std()
    data += sigma * rng.normal(size=shape)
    yy, xx = np.mgrid[:shape[0], :shape[1]]
    for is_galaxy, x_1, y_1 in zip(galaxies, x, y, strict=True):
        data += (model if is_galaxy else STAR).evaluate(
            xx, yy, flux, x_1, y_1, *(() if is_galaxy else (FWHM,)))
    tables = []
    for chosen, shape_model, size in ((galaxies, model, 15),
                                      (~galaxies, STAR, 7)):
        fixed = shape_model.copy()
        fixed.x_0.fixed = fixed.y_0.fixed = True
        tables.append(PSFPhotometry(fixed, (size, size))(
            data, error=np.full(data.shape, sigma), init_params=QTable(
                {'x': x[chosen], 'y': y[chosen],
                 'flux': np.full(chosen.sum(), flux)})))
    phot = vstack(tables, metadata_conflicts='silent')
    phot['id'] = np.arange(1, n + 1)
    n_galaxies = np.count_nonzero(galaxies)
    out = LPIBackgroundCorrector(STAR, window_shape=101)(
        data, phot, templates=dict.fromkeys(range(1, n_galaxies + 1), model))

    before = ((phot['flux_fit'] - flux) / phot['flux_err'])[:n_galaxies]
    after = ((out['cflux'] - flux) / out['dcflux'])[:n_galaxies]
    spread = [np.std(np.asarray(table)[:n_galaxies] - flux) for table in
              (phot['flux_fit'], out['cflux'])]
    print(f'\n{n_galaxies} galaxies on clouds: scatter of flux '
          f'{spread[0]:.0f} before, {spread[1]:.0f} after; standard deviation '
          f'of z {np.std(before):.2f} and {np.std(after):.2f}, mean '
          f'{np.mean(after):+.2f}')
    assert spread[1] < 0.6 * spread[0]
    assert np.std(before) > 5
    # 1 / sqrt(2 n) = 0.12 by chance
    assert 0.7 < np.std(after) < 1.35
    assert abs(np.mean(after)) < 3.5 / np.sqrt(n_galaxies)
    # the clouds under a galaxy are no longer in its flux
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.5


def test_wide(scene):
    """
    A warning names the widest of those that hide too little.
    """
    templates = {3: CircularGaussianPRF(fwhm=12.0),
                 13: CircularGaussianPRF(fwhm=13.0), 5: PSF}
    with pytest.warns(AstropyUserWarning,
                      match=r'templates\[13\] has a peak of only 0\.0052 '):
        make(min_mask_flux=None)(scene.data, scene.phot, mask=scene.mask,
                                 templates=templates)
    # given, there is none
    make()(scene.data, scene.phot, mask=scene.mask, templates=templates)


def test_not_normalized(scene):
    """
    A warning names a template with another flux than 1, once for a model.
    """
    galaxy = ImagePSF(np.full((11, 11), 1 / 4), oversampling=2)
    words = r'templates\[3\] is not normalized.* by 7\.56\.'
    with pytest.warns(AstropyUserWarning, match=words) as caught:
        make()(scene.data, scene.phot, mask=scene.mask,
               templates=dict.fromkeys([3, 13], galaxy))
    assert len(caught) == 1
