# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
PSF models that photutils has no class for.
"""

import warnings

from photutils.psf import make_psf_model

__all__ = ['adapted_model']


def adapted_model(model, **keys):
    """
    Return what ``make_psf_model`` makes of a model of astropy.

    photutils 3.1 asks not to, but models so made are about.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'make_psf_model was deprecated')
        return make_psf_model(model, **keys)
