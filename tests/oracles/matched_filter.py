"""
What PSF photometry gives on white noise.
"""

import numpy as np

__all__ = ['flux_error']


def flux_error(sigma, psf):
    """
    Error of the flux of one star fitted by its PSF to noise ``sigma``.

    ``sigma`` may be a scalar or an image of the shape of ``psf``.
    """
    return 1.0 / np.sqrt(np.sum((np.asarray(psf) / sigma) ** 2))
