# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Photometry on structured backgrounds, for photutils and ccdproc.

`LPIBackgroundCorrector` takes a finished photutils PSF-photometry
table, learns the local pixel covariance of the residual image,
predicts the background behind each star, and appends a corrected flux
with an honest uncertainty.
"""

from importlib.metadata import version

from lpiphot.corrector import LPIBackgroundCorrector
from lpiphot.covariance import local_covariance
from lpiphot.flags import decode_dnt_flags

__version__ = version('lpiphot')

__all__ = [
    'LPIBackgroundCorrector',
    '__version__',
    'decode_dnt_flags',
    'local_covariance',
]
