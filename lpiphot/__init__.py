# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Photometry on structured backgrounds, for photutils and ccdproc.

`LPIBackgroundCorrector` takes a finished photutils PSF-photometry
table, learns the local pixel covariance of the residual image,
predicts the background behind each star, and appends a corrected flux
with an honest uncertainty. `LPIImputer` fills holes of any image in the
same way, by a mean or by random draws; `GPRImputer` replaces bad pixels
by Gaussian process regression, trained on the image itself.
"""

from importlib import import_module
from importlib.metadata import version

from lpiphot.corrector import LPIBackgroundCorrector
from lpiphot.covariance import local_covariance
from lpiphot.flags import decode_dnt_flags, decode_fill_flags
from lpiphot.imputer import GPRImputer
from lpiphot.lpi_imputer import LPIImputer

__version__ = version('lpiphot')

__all__ = [
    'GPRImputer',
    'LPIBackgroundCorrector',
    'LPIImputer',
    'LPILocalBackground',
    '__version__',
    'decode_dnt_flags',
    'decode_fill_flags',
    'local_covariance',
    'lpi_photometry',
]

# Loaded when first asked for: photutils' photometry takes its time to load,
# and matplotlib and tqdm with it.
_LATE = {'LPILocalBackground': 'local_background',
         'lpi_photometry': 'iteration'}


def __getattr__(name):
    if name in _LATE:
        return getattr(import_module(f'lpiphot.{_LATE[name]}'), name)
    msg = f'module {__name__!r} has no attribute {name!r}'
    raise AttributeError(msg)


def __dir__():
    return sorted({*globals(), *_LATE})
