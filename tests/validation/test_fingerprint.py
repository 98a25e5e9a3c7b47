# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the fingerprint module.
"""

import functools
import json
import logging
import subprocess
import sys
import threading
from runpy import run_path

import astropy.units as u
import numpy as np
import pytest
from astropy.modeling.models import Const2D, Gaussian2D
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable
from photutils.psf import CircularGaussianPRF, GaussianPRF, ImagePSF

from lpiphot import LPIBackgroundCorrector
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation.fingerprint import describe

ARRAY = np.arange(12.0).reshape(3, 4)
STAMP = np.outer([1.0, 2.0, 4.0, 2.0, 1.0], [1.0, 3.0, 5.0, 3.0, 1.0]) / 130


def make_function(number, name='x_fit'):
    def function(data, factor=2.0):
        return data[name] * factor + number
    return function


MODULE = """
import logging
import numpy as np
from photutils.psf import CircularGaussianPRF
from lpiphot.validation.fingerprint import describe
THRESHOLD = 5.0
UNUSED = 1
PSF = CircularGaussianPRF(fwhm=3.0)
LOG = logging.getLogger(__name__)
class Plain:
    pass
def helper(x, depth=0):
    return pipeline(x) if depth else x * 2
def make():
    def recur(x):
        return recur(x - 1) if x > 9 else x
    def pipeline(x, *, level=5):
        peaks = [value > 3 for value in recur(x)]
        nearest = lambda y: y < 7
        if helper(x) in {'a', 'b', 'c', 'd'} or Plain() or LOG:
            return sorted(peaks, key=nearest), np.median(x), x.UNUSED
        return PSF, THRESHOLD
    return pipeline
pipeline = make()
described = describe(pipeline)
"""


class TestFunction:
    """
    A function of a module, in which a text is changed.
    """

    def described(self, folder, old='', new=''):
        path = folder / 'a_module.py'
        path.write_text(MODULE.replace(old, new))
        return json.dumps(run_path(path, run_name='a_module')['described'])

    @pytest.mark.parametrize(('old', 'new'), [
        ('level=5', 'level=4'), ('value > 3', 'value > 2'),
        ('y < 7', 'y < 8'), ('THRESHOLD = 5', 'THRESHOLD = 4'),
        ('fwhm=3', 'fwhm=4'), ('x * 2', 'x * 3'), ('depth=0', 'depth=1'),
        ('x > 9', 'x > 8'), ("'c'", "'e'"), ('np.median', 'np.mean')])
    def test_change(self, tmp_path, old, new):
        assert old in MODULE
        assert self.described(tmp_path, old, new) != self.described(tmp_path)

    @pytest.mark.parametrize(('old', 'new'), [
        ('UNUSED = 1', 'UNUSED = 2'), ('import numpy', '\nimport numpy')])
    def test_no_change(self, tmp_path, old, new):
        """
        Of what the function does not use, and where it stands.
        """
        assert old in MODULE
        assert self.described(tmp_path, old, new) == self.described(tmp_path)

    def test_other_process(self, tmp_path):
        """
        Where addresses, and the order of sets of text, are others.
        """
        here = self.described(tmp_path)
        code = ('import json, a_module\n'
                'print(json.dumps(a_module.described))')
        there = subprocess.run([sys.executable, '-c', code], cwd=tmp_path,
                               capture_output=True, text=True, check=True)
        assert there.stdout.strip() == here
        assert ' at 0x' not in here


class Plain:
    """
    A class without a repr or parameters.
    """


class Own:
    """
    A pipeline of a user, whose options have names of their own.
    """

    def __init__(self, fwhm, threshold=5.0, n_threads=1):
        self.fwhm = fwhm
        self._threshold = threshold
        self._n_threads = n_threads
        self.lock = threading.Lock()
        self.log = logging.getLogger(__name__)
        self.steps = [self, {'self': self, 'find': lambda: self}]

    def __call__(self, data):
        return data

    @functools.cached_property
    def kept(self):
        return object()


class OwnModel(CircularGaussianPRF):
    """
    A model with a setting that is no parameter.
    """

    def __init__(self, power, **kwargs):
        super().__init__(**kwargs)
        self._power = power


def used(own):
    """
    An object after its property was asked for.
    """
    assert own.kept is own.kept
    return own


def fixed(model):
    model.x_0.fixed = True
    return model


def of_itself(model):
    """
    A model that holds a method of its own.
    """
    model.function = model.evaluate
    return model


@pytest.mark.parametrize(('first', 'same', 'other'), [
    (Own(3.0), Own(3.0, n_threads=2), Own(3.0, 50.0)),
    (Own(3.0), used(Own(3.0)), Own(4.0)),
    (Own(3.0).__call__, Own(3.0).__call__, Own(3.0, 50.0).__call__),
    (OwnModel(2.0), OwnModel(2.0), OwnModel(3.0)),
    (of_itself(OwnModel(2.0)), of_itself(OwnModel(2.0)),
     of_itself(OwnModel(3.0))),
    (Gaussian2D() + Const2D(), Gaussian2D() + Const2D(),
     Gaussian2D() * Const2D()),
    (ImagePSF(STAMP) + Const2D(), ImagePSF(STAMP) + Const2D(),
     ImagePSF(STAMP.T) + Const2D()),
    (ImagePSF(STAMP), ImagePSF(STAMP), ImagePSF(STAMP, fill_value=1.0)),
    (ImagePSF(STAMP), ImagePSF(STAMP), fixed(ImagePSF(STAMP))),
    (ARRAY, ARRAY.astype('>f8'), ARRAY.T),
    (ARRAY, ARRAY.copy(), ARRAY + 1e-12),
    (ARRAY * u.adu, ARRAY * u.adu, ARRAY * u.s),
    # equal objects at other addresses, as in another process
    *((np.array([1e3, None], dtype=object),
       np.array([float('1e3'), None], dtype=object), other)
      for other in (np.array([1e3, 2.0], dtype=object),
                    np.array([[1e3, None]], dtype=object))),
    (np.ma.array(ARRAY, mask=ARRAY > 3), np.ma.array(ARRAY, mask=ARRAY > 3),
     np.ma.array(ARRAY, mask=ARRAY > 4)),
    (CCDData(ARRAY, unit='adu'), CCDData(ARRAY, unit='adu'),
     CCDData(ARRAY, unit='adu', uncertainty=StdDevUncertainty(ARRAY))),
    (QTable({'a': [1.0]}), QTable({'a': [1.0]}), QTable({'a': [2.0]})),
    (GaussianPRF(theta=0.5 * u.rad), GaussianPRF(theta=0.5 * u.rad),
     GaussianPRF(theta=0.5)),
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
