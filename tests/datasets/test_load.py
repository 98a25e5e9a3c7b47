# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the load module.
"""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData

from lpiphot.datasets import load_horsehead


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
