# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the load module.
"""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData

from lpiphot.datasets import load_galactic_plane, load_horsehead, load_m67


def test_horsehead_image():
    ccd = load_horsehead()
    assert isinstance(ccd, CCDData)
    assert ccd.shape == (420, 400)
    assert ccd.unit == u.adu
    assert ccd.dtype == np.float64
    assert ccd.mask is None
    assert np.isfinite(ccd.data).all()
    # dark cloud and bright nebula
    assert np.median(ccd.data[230:280, 60:110]) < 7000
    assert np.median(ccd.data[230:280, 250:300]) > 11000


def test_horsehead_wcs():
    """
    The reference point is where it is in the original.

    There it is at pixel (446, 447), counted from 1.
    """
    ccd = load_horsehead()
    centre = SkyCoord(85.274970, -2.458265, unit='deg')
    x, y = ccd.wcs.world_to_pixel(centre)
    assert np.allclose((x, y), (445 - 476, 446 - 190), atol=1e-4)
    x, y = np.array([100.0, 101.0]), np.array([200.0, 200.0])
    east = ccd.wcs.pixel_to_world(x, y)
    assert np.isclose(east[0].separation(east[1]).arcsec, 1.009, atol=1e-3)
    assert east[0].ra > east[1].ra


def test_horsehead_provenance():
    ccd = load_horsehead()
    assert ccd.meta['PLTLABEL'] == 'OR14052'
    assert 'HorseHead.fits.gz' in str(ccd.meta['HISTORY'])
    assert 'Space Telescope Science' in str(ccd.meta['COMMENT'])


def test_horsehead_is_new_each_time():
    first = load_horsehead()
    first.data[:] = 0
    assert load_horsehead().data.min() > 0


def test_galactic_plane_image():
    ccd = load_galactic_plane()
    assert ccd.shape == (220, 240)
    assert ccd.unit == u.MJy / u.sr
    assert ccd.dtype == np.float64
    assert np.argwhere(~np.isfinite(ccd.data)).tolist() == [[92, 180],
                                                            [92, 181]]
    assert np.nanmax(ccd.data) > 100 * np.nanmedian(ccd.data)


def test_galactic_plane_wcs():
    """
    The reference point is where it is in the original.

    There l = 18, b = 0 is at pixel (1161.5, -388.5), counted from 1.
    """
    ccd = load_galactic_plane()
    x, y = ccd.wcs.world_to_pixel(SkyCoord(18, 0, unit='deg',
                                           frame='galactic'))
    assert np.allclose((x, y), (1160.5 - 560, -389.5 - 200), atol=1e-4)


def test_galactic_plane_provenance():
    meta = load_galactic_plane().meta
    assert meta['GAIN'] == 3.7
    assert 'spitzer_example_image' in str(meta['HISTORY'])
    assert 'NASA' in str(meta['COMMENT'])


def test_m67():
    ccd = load_m67()
    assert ccd.shape == (240, 240)
    assert ccd.unit == u.adu
    assert ccd.wcs is None
    # the scratch, and the sky beside it
    assert ccd.data[117, 125:130].min() > 1.2 * np.median(ccd.data)
    assert ccd.data[128, 125:130].max() < 1.2 * np.median(ccd.data)
    assert ccd.meta['PLTLABEL'] == 'E438'
    assert 'M6707HH.fits.gz' in str(ccd.meta['HISTORY'])
