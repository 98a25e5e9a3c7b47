# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Photometry of the same detections on any of photutils' backgrounds.
"""

from types import SimpleNamespace

from photutils.background import (Background2D, LocalBackground,
                                  MedianBackground)
from photutils.psf import PSFPhotometry

from lpiphot._fwhm import box_shape


class Photometry:
    """
    The same detections and fits, on another background.

    Parameters
    ----------
    pipeline : `~lpiphot.pipeline.PSFPipeline`
        What finds the stars, with a fixed PSF.

    box_size : int
        The size of the boxes of `~photutils.background.Background2D` in
        pixels.

    ring : 2-tuple of float, optional
        The radii of a `~photutils.background.LocalBackground` in FWHM.
        Without it there is none.
    """

    def __init__(self, pipeline, box_size, ring=None):
        self.pipeline = pipeline
        self.box_size = box_size
        self.ring = ring

    def __call__(self, data):
        """
        Find and fit the stars of an image.

        Parameters
        ----------
        data : (ny, nx) array_like
            The image.

        Returns
        -------
        result : `~types.SimpleNamespace`
            What `~lpiphot.validation.InjectionRecovery` asks for.
        """
        return self.fit(self.pipeline(data))

    def fit(self, found):
        """
        Fit stars that were found.

        Parameters
        ----------
        found : `~lpiphot.pipeline.PipelineResult`
            The image with its detections.

        Returns
        -------
        result : `~types.SimpleNamespace`
            As of `__call__`.
        """
        image = found.data_subtracted + found.background
        background = Background2D(
            image, self.box_size, mask=found.mask, exclude_percentile=50.0,
            bkg_estimator=MedianBackground()).background
        ring = None
        if self.ring is not None:
            ring = LocalBackground(*(found.fwhm * radius for radius in
                                     self.ring),
                                   bkg_estimator=MedianBackground())
        photometry = PSFPhotometry(
            found.psf_model, box_shape(2.5 * found.fwhm),
            aperture_radius=found.fwhm, xy_bounds=found.fwhm,
            local_bkg_estimator=ring)
        sources = found.table['x_init', 'y_init']
        table = photometry(image - background, error=found.error,
                           mask=found.mask, init_params=sources)
        return SimpleNamespace(table=table, psf_model=found.psf_model,
                               data_subtracted=image - background,
                               mask=found.mask, background=background)
