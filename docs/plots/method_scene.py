# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A star of known flux on the edge of the Horsehead, for the method pages.
"""

import warnings
from functools import cache

import numpy as np
from astropy.table import QTable, vstack
from astropy.utils.exceptions import AstropyUserWarning
from photutils.background import LocalBackground, MedianBackground
from photutils.psf import CircularGaussianPRF, PSFPhotometry

from lpiphot import LPIBackgroundCorrector
from lpiphot.datasets import load_horsehead
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import inject_stars

FWHM = 3.5
POSITION = (165.3, 228.6)  # (x, y)
FLUX = 3e5


@cache
def make_scene():
    """
    The Horsehead less its smooth sky, the same with a star, and what LPI
    makes of both.
    """
    psf_model = CircularGaussianPRF(fwhm=FWHM)
    with warnings.catch_warnings():
        # of fits that did not converge; their flags tell
        warnings.simplefilter('ignore', AstropyUserWarning)
        field = PSFPipeline(psf_model=psf_model)(load_horsehead())
    sky_free = field.data_subtracted.value
    true = QTable({'x_0': [POSITION[0]], 'y_0': [POSITION[1]],
                   'flux': [FLUX]})
    data = inject_stars(sky_free, psf_model, true)
    photometry = PSFPhotometry(
        psf_model, 9, aperture_radius=FWHM, xy_bounds=FWHM,
        local_bkg_estimator=LocalBackground(
            2 * FWHM, 4 * FWHM, bkg_estimator=MedianBackground()))
    star = photometry(data, error=np.full(data.shape, 560.0),
                      init_params=QTable({'x': [POSITION[0]],
                                          'y': [POSITION[1]]}))
    names = ['x_fit', 'y_fit', 'flux_fit']
    known = QTable({name: np.asarray(getattr(field.table[name], 'value',
                                             field.table[name]))
                    for name in names})
    catalogue = vstack([QTable(star)[[*names, 'flux_err']], known])
    corrector = LPIBackgroundCorrector(psf_model)
    return {'data': data, 'truth': corrector.run(sky_free, known).residual,
            'catalogue': catalogue, 'corrector': corrector,
            'result': corrector.run(data, catalogue)}
