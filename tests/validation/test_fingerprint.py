# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the fingerprint module.
"""

import functools
import json

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable
from photutils.psf import CircularGaussianPRF, ImagePSF

from lpiphot import LPIBackgroundCorrector
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation.fingerprint import describe

ARRAY = np.arange(12.0).reshape(3, 4)
STAMP = np.outer([1.0, 2.0, 4.0, 2.0, 1.0], [1.0, 3.0, 5.0, 3.0, 1.0])


def make_function(number, name='x_fit'):
    def function(data, factor=2.0):
        return data[name] * factor + number
    return function


class Plain:
    """
    A class without a repr or parameters.
    """


@pytest.mark.parametrize(('first', 'same', 'other'), [
    (ARRAY, ARRAY.astype('>f8'), ARRAY.T),
    (ARRAY, ARRAY.copy(), ARRAY + 1e-12),
    (ARRAY * u.adu, ARRAY * u.adu, ARRAY * u.s),
    (np.ma.array(ARRAY, mask=ARRAY > 3), np.ma.array(ARRAY, mask=ARRAY > 3),
     np.ma.array(ARRAY, mask=ARRAY > 4)),
    (CCDData(ARRAY, unit='adu'), CCDData(ARRAY, unit='adu'),
     CCDData(ARRAY, unit='adu', uncertainty=StdDevUncertainty(ARRAY))),
    (QTable({'a': [1.0]}), QTable({'a': [1.0]}), QTable({'a': [2.0]})),
    (CircularGaussianPRF(fwhm=3.0), CircularGaussianPRF(fwhm=3.0),
     CircularGaussianPRF(fwhm=3.1)),
    (ImagePSF(STAMP), ImagePSF(STAMP), ImagePSF(STAMP.T)),
    (ImagePSF(STAMP), ImagePSF(STAMP), ImagePSF(STAMP, oversampling=2)),
    (PSFPipeline(fwhm=3.0), PSFPipeline(fwhm=3.0, progress_bar=True),
     PSFPipeline(fwhm=3.0, box_size=32)),
    (PSFPipeline(psf_model=ImagePSF(STAMP)),
     PSFPipeline(psf_model=ImagePSF(STAMP)),
     PSFPipeline(psf_model=ImagePSF(STAMP.T))),
    (LPIBackgroundCorrector(ImagePSF(STAMP), n_threads=2),
     LPIBackgroundCorrector(ImagePSF(STAMP)),
     LPIBackgroundCorrector(ImagePSF(STAMP), gain=2)),
    (make_function(1), make_function(1), make_function(2)),
    (make_function(1), make_function(1), make_function(1, 'y_fit')),
    (functools.partial(make_function(1), factor=3.0),
     functools.partial(make_function(1), factor=3.0),
     functools.partial(make_function(1), factor=4.0)),
    (Plain(), Plain(), PSFPipeline()),
    (PSFPipeline(fwhm=3.0)._mesh, PSFPipeline(fwhm=3.0)._mesh,
     PSFPipeline(fwhm=3.0)._find),
    ({'a': (1, None, True)}, {'a': [1, None, True]}, {'a': [1, None, 2.0]}),
    (np.float64(2.0), 2.0, 3.0), (len, len, sum), (int, int, float)])
def test_describe(first, same, other):
    description = json.loads(json.dumps(describe(first)))
    assert description == json.loads(json.dumps(describe(same)))
    assert description != json.loads(json.dumps(describe(other)))
    assert ' at 0x' not in str(description)
