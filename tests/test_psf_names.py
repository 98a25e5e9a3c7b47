# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The names of position and flux in PSF models of any make.
"""

import numpy as np
import pytest
from astropy.modeling.models import Gaussian2D
from photutils.psf import CircularGaussianPRF, ImagePSF
from psf_cases import adapted_model

from lpiphot._psf_names import extra_names, psf_names


@pytest.mark.parametrize('model', [CircularGaussianPRF(),
                                   ImagePSF(np.ones((5, 5)))])
def test_photutils(model):
    """
    The names of the models of photutils.
    """
    assert psf_names(model) == ('x_0', 'y_0', 'flux')
    assert sorted([*psf_names(model), *extra_names(model)]) == sorted(
        model.param_names)


def test_named_by_attributes():
    """
    What ``make_psf_model`` says, which knows the model inside.
    """
    model = adapted_model(Gaussian2D(), x_name='x_mean', y_name='y_mean',
                          flux_name='amplitude', normalize=False)
    names = psf_names(model)
    assert names == (model.x_name, model.y_name, model.flux_name)
    assert set(names) <= set(model.param_names)


@pytest.mark.parametrize('attributes', [
    {}, {'x_name': 'x_mean', 'y_name': 'y_mean'},
    {'x_name': 'x_mean', 'y_name': 'y_mean', 'flux_name': 'flux'}])
def test_no_psf(attributes):
    """
    A model without them, or with attributes that name none of them all.
    """
    model = Gaussian2D()
    for name, value in attributes.items():
        setattr(model, name, value)
    with pytest.raises(ValueError, match=r"templates\[3\] must have the para"
                       r".*Gaussian2D has the parameters \('amplitude'"):
        psf_names(model, 'templates[3]')
