"""
PSF photometry as users of photutils do it, each after a page of its guide.

They differ in what LPI must cope with: which stars are known, from where
their fits begin, and what has been subtracted of the background.
"""

from types import SimpleNamespace

import numpy as np
from astropy.stats import mad_std
from photutils.background import Background2D, LocalBackground
from photutils.detection import DAOStarFinder
from photutils.psf import (CircularGaussianPRF, IterativePSFPhotometry,
                           PSFPhotometry)

from lpiphot.pipeline import PSFPipeline

KINDS = {
    'pipeline': 'PSFPipeline: errors for all pixels, bounded positions',
    'guide': 'DAOStarFinder at 5 sigma, PSFPhotometry less Background2D',
    'shallow': 'the same, with stars found at 10 sigma',
    'iterative': 'the same as guide, with IterativePSFPhotometry',
    'local': 'the same as guide, with LocalBackground, not Background2D',
}


class GuidePhotometry:
    """
    Photometry of one of the kinds, but for 'pipeline'.

    Parameters
    ----------
    kind : str
        A key of ``KINDS``.

    psf_model : `~astropy.modeling.Model`
        The PSF.

    fwhm : float
        Its FWHM in pixels.
    """

    def __init__(self, kind, psf_model, fwhm):
        self.kind = kind
        self.psf_model = psf_model
        self.fwhm = fwhm

    def __call__(self, data):
        """
        Return what `PSFPipeline` does, as far as LPI needs it.
        """
        mask = ~np.isfinite(data)
        # In crowds more than a tenth of most boxes is clipped as stars
        flat = data - Background2D(data, 50, mask=mask,
                                   exclude_percentile=50).background
        subtracted = data if self.kind == 'local' else flat
        finder = DAOStarFinder(
            (10 if self.kind == 'shallow' else 5) * mad_std(flat[~mask]),
            self.fwhm)
        # the odd number next to 2.5 FWHM
        size = max(5, 2 * round(1.25 * self.fwhm - 0.5) + 1)
        keys = {'finder': finder, 'aperture_radius': self.fwhm}
        if self.kind == 'local':
            keys['local_bkg_estimator'] = LocalBackground(2 * self.fwhm,
                                                          4 * self.fwhm)
        photometry = (IterativePSFPhotometry if self.kind == 'iterative'
                      else PSFPhotometry)(self.psf_model, size, **keys)
        table = photometry(subtracted, mask=mask)
        return SimpleNamespace(table=table, data_subtracted=subtracted,
                               mask=mask)


def make_photometry(kind, psf_model, fwhm):
    """
    Return photometry of a kind: a callable, image -> result.
    """
    if kind == 'pipeline':
        return PSFPipeline(psf_model=psf_model, fwhm=fwhm)
    if psf_model is None:
        psf_model = CircularGaussianPRF(fwhm=fwhm)
    return GuidePhotometry(kind, psf_model, fwhm)
