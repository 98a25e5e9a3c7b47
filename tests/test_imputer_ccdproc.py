"""
GPRImputer as a step of ccdproc.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, StdDevUncertainty
from numpy.testing import assert_array_equal
from scipy.ndimage import gaussian_filter

from lpiphot import GPRImputer, flags

ccdproc = pytest.importorskip('ccdproc')

SIGMA = 5.0


@pytest.fixture(scope='module')
def truth():
    rng = np.random.default_rng(61)
    stars = np.zeros((100, 110))
    stars[rng.integers(100, size=30), rng.integers(110, size=30)] = 20000
    return 300 + gaussian_filter(stars, 1.5)


@pytest.fixture(scope='module')
def ccd(truth):
    """
    An image with cosmic rays, unmasked, and a bad column, masked.
    """
    rng = np.random.default_rng(62)
    data = truth + SIGMA * rng.normal(size=truth.shape)
    for y, x in ((20, 30), (55, 80), (71, 12)):
        data[y, x:x + 3] += 4000
    mask = np.zeros(truth.shape, dtype=bool)
    mask[:, 60] = True
    data[mask] = -1e4
    return CCDData(data, unit='electron', mask=mask, meta={'EXPTIME': 30.0},
                   uncertainty=StdDevUncertainty(
                       np.full(truth.shape, SIGMA)))


def test_after_cosmicray_lacosmic(ccd, truth):
    """
    What it masks is filled, from pixels that it left as they are.
    """
    found = ccdproc.cosmicray_lacosmic(ccd, sigclip=5, readnoise=SIGMA,
                                       gain_apply=False)
    rays = np.zeros(truth.shape, dtype=bool)
    for y, x in ((20, 30), (55, 80), (71, 12)):
        rays[y, x:x + 3] = True
    assert found.mask[rays].all()
    clean = GPRImputer(clear_mask=True)(found)
    assert not clean.mask.any()
    assert np.abs(clean.data - truth)[rays].max() < 6 * SIGMA
    sky = found.mask & (truth < 310)
    assert np.abs(clean.data - truth)[sky].mean() < SIGMA
    assert_array_equal(clean.data[~found.mask], found.data[~found.mask])
    assert clean.unit == u.electron
    assert clean.meta['EXPTIME'] == 30.0
    assert np.all(clean.uncertainty.array[rays] > 0)
    assert np.all(clean.flags[rays] & flags.FILLED)


def test_unit_left_behind(ccd):
    """
    It changes the unit of the image, but not of its uncertainty.
    """
    ccd = ccd.copy()
    ccd.unit = ccd.uncertainty.unit = u.adu
    found = ccdproc.cosmicray_lacosmic(ccd, sigclip=5, readnoise=SIGMA)
    assert found.unit == u.electron
    with pytest.raises(u.UnitsError, match='gain_correct first'):
        GPRImputer(amplitude=3, length_scale=1)(found)


def test_keyword(ccd):
    """
    As every function of ccdproc logs itself.
    """
    imputer = GPRImputer(amplitude=3, length_scale=1)
    keyword = ccdproc.Keyword('cleaned', value='yes')
    assert imputer(ccd, add_keyword=keyword).meta['cleaned'] == 'yes'
    with ccdproc.conf.set_temp('auto_logging', False):
        assert 'GPRIMPUT' not in imputer(ccd).meta
    assert 'GPRIMPUT' in imputer(ccd).meta


def test_image_file_collection(ccd, tmp_path):
    """
    Trained on some files of a folder, applied to all of them.
    """
    for name, kind in (('a', 'flat'), ('b', 'light'), ('c', 'light')):
        one = ccd.copy()
        one.meta['IMAGETYP'] = kind
        one.write(tmp_path / f'{name}.fits')
    files = ccdproc.ImageFileCollection(tmp_path)
    lights = files.filter(imagetyp='light')
    imputer = GPRImputer().fit(list(lights.ccds()))
    wanted = imputer(ccd).data
    n_done = 0
    for one, name in lights.ccds(return_fname=True):
        clean = imputer(one)
        clean.flags = None  # which FITS files of CCDData cannot hold
        clean.write(tmp_path / f'clean_{name}')
        n_done += 1
    assert n_done == 2
    again = CCDData.read(tmp_path / 'clean_b.fits')
    assert_array_equal(again.data, wanted)
    assert_array_equal(again.mask, ccd.mask)
    assert 'trained=before' in again.meta['GPRIMPUT']
