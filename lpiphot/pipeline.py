# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
PSF photometry of an image that comes with nothing else.

Every step is photutils'; what is added is the order of the steps, a FWHM
measured on the image, an image in which stars on a nebula are easily
found, and an error for every pixel, so that one object takes any image to
a finished PSF-photometry table.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from astropy.modeling import Model
from astropy.stats import SigmaClip, gaussian_fwhm_to_sigma
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.background import (Background2D, BiweightScaleBackgroundRMS,
                                  LocalBackground, MADStdBackgroundRMS,
                                  MedianBackground)
from photutils.detection import find_peaks
from photutils.psf import CircularGaussianPRF, PSFPhotometry
from photutils.utils.exceptions import NoDetectionsWarning
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from lpiphot._checks import as_number, as_shape
from lpiphot._doubts import warn_of_psf_flux
from lpiphot._fwhm import BOX, RING, box_shape, image_fwhm, model_fwhm
from lpiphot._inputs import ImageReader
from lpiphot._noise import NOISE_STEP, opposite_steps
from lpiphot._outputs import with_unit
from lpiphot._positions import first_of_close
from lpiphot._psf_names import psf_names

__all__ = ['NoSourcesError', 'PSFPipeline', 'PipelineResult']

# Part of the pixels above which constant ones are taken for padding
_MAX_FLAT = 0.01

# The fits take steps of the same length in pixels and in flux, and stop too
# early, or never start, where fluxes are not numbers such as positions are. So
# they are fitted in 2 to this power times the noise, in which that of a faint
# star is some 1
_UNIT_POWER = 6

# Least part of the weights of a smoothed pixel that must not be masked
_MIN_WEIGHT = 1e-3


class NoSourcesError(ValueError):
    """
    No source was found in an image.
    """


@dataclass(frozen=True, eq=False)
class PipelineResult:
    """
    What `PSFPipeline` makes of an image.

    Arrays have the shape of the image, and its unit if it has one.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        The results of `~photutils.psf.PSFPhotometry`: a row for every
        source found, also where the fit failed (see its ``flags``), the
        highest peak first.

    psf_model : `~astropy.modeling.Model`
        The PSF model that was fitted.

    fwhm : float
        The FWHM of the PSF in pixels, as given or as measured.

    background : (ny, nx) `~numpy.ndarray`
        The background that was subtracted.

    background_rms : (ny, nx) `~numpy.ndarray`
        The noise of its pixels, without its structure.

    data_subtracted : (ny, nx) `~numpy.ndarray`
        The image less ``background``, float64. Excluded pixels keep
        their values.

    error : (ny, nx) `~numpy.ndarray`
        The 1-sigma error of the pixels as used in the fits.

    mask : (ny, nx) bool `~numpy.ndarray`
        The pixels that were excluded.

    photometry : `~photutils.psf.PSFPhotometry`
        The object that made the table, for its model and residual
        images.
    """

    table: object
    psf_model: object
    fwhm: float
    background: object
    background_rms: object
    data_subtracted: object
    error: object
    mask: object
    photometry: object

    def __repr__(self):
        return (f'<{self.__class__.__name__}: {len(self.table)} sources, '
                f'FWHM {self.fwhm:.2f} pixels>')


class PSFPipeline:
    r"""
    Subtract the background, find the stars and fit the PSF.

    The steps are those of photutils' user guide:

    1. `~photutils.background.Background2D`: the sigma-clipped (3 sigma)
       median of the boxes of a mesh.
    2. The PSF: ``psf_model``, else a circular Gaussian, integrated over
       pixels, of the given ``fwhm``, else of the measured one.
    3. `~photutils.detection.find_peaks` on the image smoothed with a
       Gaussian of that FWHM: a star is a peak that stands out in every
       direction (see the notes).
    4. `~photutils.psf.PSFPhotometry`, every pixel weighted by its error
       and every star fitted by itself: on real crowded images, groups
       did not make fluxes or errors better, and cost time and memory.
       Its local background is the sigma-clipped median of the ring from
       two to four FWHM, so that the fit of a star on a dark cloud does
       not drift to the edge. If two fits end on the same star, then it
       is fitted once.

    A pipeline holds its configuration only: calls leave no trace, the
    same image gives the same result, and a pipeline can be pickled and
    sent to other processes.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`, optional
        The PSF to fit: any model that `~photutils.psf.PSFPhotometry`
        takes. If `None`, then a
        `~photutils.psf.CircularGaussianPRF` is used: fluxes are then
        without the light that stars have in wider wings, and want an
        aperture correction.

    fwhm : float, optional
        The FWHM of the PSF in pixels. If `None`, then it is measured:
        on the rendered ``psf_model`` if there is one, else on the
        image.

    detection_threshold : float, optional
        How far a star must stand out from the smoothed image around it,
        in units of the scatter there. It must do so in eight
        directions, so that 4 is as safe as 5 in one.

    box_size : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` of the boxes of the background mesh in
        pixels. It must be several times the size of the stars.

    fit_shape : int or 2-tuple of int, optional
        The odd shape ``(ny, nx)`` of the box of pixels fitted for each
        star. If `None`, then the smallest odd number that is at least
        2.5 FWHM, and not less than 5: beyond it there is little of the
        star and more of what else is in the image.

    min_separation : float, optional
        The smallest distance of two detections in pixels; of closer
        ones the brighter is kept. If `None`, then one FWHM, below which
        two stars are not told apart. Fits that end at less than half of
        it are of the same star: the one that began on the higher peak
        is kept.

    progress_bar : bool, optional
        Whether to show the progress of the fits; needs ``tqdm``.

    Raises
    ------
    TypeError
        If a keyword is of the wrong kind.

    ValueError
        If a keyword has a value that makes no sense.

    Notes
    -----
    *Detection.* In the smoothed image :math:`g`, a source stands out by

    .. math::

        \min_{\mathbf{s}} \left[ g(\mathbf{p}) - \frac{1}{2} \left(
        g(\mathbf{p} + \mathbf{s}) + g(\mathbf{p} - \mathbf{s})
        \right) \right],

    with steps :math:`\mathbf{s}` of one FWHM in eight directions (the
    other eight are their opposites). A slope gives zero, a filament or
    the edge of a cloud next to nothing along itself, but a star is a
    peak, saturated or not: there are no cuts on its shape. The scatter
    that this is compared with is that of the same differences, a robust
    one (from the median absolute deviation) in each box of the mesh,
    in the direction that has least: it knows of correlated noise, and
    of small structures of a nebula, which would pass for stars. In a
    crowd it includes the faint stars. A peak may be half a FWHM from
    where the image stands out, as on the flat top of a saturated star.

    *Noise.* If no error is given, it is the scatter of single pixels in
    differences of the same kind, four pixels apart: their biweight
    scale in the same boxes, divided by :math:`\sqrt{3/2}`. Unlike the
    scatter of the pixels themselves, it has no part from the slopes of
    a nebula; and none from the photons of the stars, for which a gain
    would be needed. So ``flux_err`` says what is usual in PSF
    photometry: what independent noise of the sky does to a flux. It is
    right for faint stars on a flat sky, and too small where noise is
    correlated or the background has structure: that part is left to
    `~lpiphot.LPIBackgroundCorrector`.
    Without weights, photutils would scale each star's ``flux_err`` by
    the residuals of its own few pixels, which is noisier, and on
    nebulae no nearer to the truth.

    *FWHM.* That of an image is the median over up to 50 stars, fitted
    one by one with Gaussians of free width: the brightest of those that
    have no other detection within three FWHM, and at their centre no
    pixel in the upper tenth of the range between the lowest and highest
    pixel of the image (saturated, or on the bend of the response). If
    fewer than three stars are left, then all detections are used.
    Widths below one pixel are those of hot pixels and cosmic rays, and
    do not count. Search and fit are repeated with the width just found,
    from a first guess of 3 pixels, until it settles. If fewer than five
    stars, or less than half of them, then agree with it within a factor
    of 1.4, as among hot pixels or knots of a nebula, or where stars are
    much wider, then 1.5 to 17 pixels are tried. The FWHM is that of the
    stars found with the width with which most of them agree: three at
    least, or else it must be given. Of an image of more than 4 million
    pixels, nine parts with as many in all are searched.

    Examples
    --------
    >>> from lpiphot.datasets import load_horsehead
    >>> from lpiphot.pipeline import PSFPipeline
    >>> pipeline = PSFPipeline(fwhm=3.7)
    >>> result = pipeline(load_horsehead())  # doctest: +SKIP
    >>> result.table['x_fit', 'y_fit', 'flux_fit']  # doctest: +SKIP
    """

    def __init__(self, *, psf_model=None, fwhm=None, detection_threshold=4.0,
                 box_size=64, fit_shape=None, min_separation=None,
                 progress_bar=False):
        if psf_model is not None:
            psf_model = as_psf(psf_model).copy()
        self.psf_model = psf_model
        self.fwhm = None if fwhm is None else as_number('fwhm', fwhm)
        self.detection_threshold = as_number('detection_threshold',
                                             detection_threshold)
        self.box_size = as_shape('box_size', box_size, odd=False)
        self.fit_shape = (None if fit_shape is None
                          else as_shape('fit_shape', fit_shape))
        self.min_separation = (None if min_separation is None else
                               as_number('min_separation', min_separation))
        self.progress_bar = progress_bar

    def __repr__(self):
        names = ('psf_model', 'fwhm', 'detection_threshold', 'box_size',
                 'fit_shape', 'min_separation', 'progress_bar')
        args = ', '.join(f'{name}={getattr(self, name)!r}' for name in names)
        return f'{self.__class__.__name__}({args})'

    def __call__(self, data, *, error=None, mask=None):
        """
        Measure the stars of an image.

        Parameters
        ----------
        data : (ny, nx) array_like, `~astropy.units.Quantity`, or \
                `~astropy.nddata.NDData`
            The image, with its background. The mask and the uncertainty
            of an NDData are used.

        error : (ny, nx) array_like or `~astropy.units.Quantity`, optional
            The total 1-sigma error of each pixel, in the unit of
            ``data``. If `None`, then the noise of the background (see
            the notes of the class).

        mask : (ny, nx) bool array_like, optional
            `True` for pixels to exclude. Pixels that are not finite, or
            whose error is not finite and positive, are excluded as
            well.

        Returns
        -------
        result : `PipelineResult`
            The table, the PSF, and all images on the way. Fluxes have
            the unit of ``data``.

        Raises
        ------
        NoSourcesError
            If no source is found; a `ValueError`.

        TypeError
            If an input is of the wrong kind.

        ValueError
            If a shape does not fit, if ``data`` has no usable pixel, no
            box of the mesh with half of its pixels, no scatter, or too few
            stars of the same width to measure it.

        astropy.units.UnitsError
            If units do not match.
        """
        reader = ImageReader(data, error=error, mask=mask)
        data, error, mask = reader.read()
        background = self._background(data, mask)
        subtracted = data - background
        noise = self._noise(subtracted, mask)
        _warn_of_padding(data, mask)
        if error is None:
            error = noise
        mask = mask | ~(error > 0)
        scale = _scale(noise)

        fwhm = self._choose_fwhm(data, subtracted, mask, scale)
        sources = self._sources(subtracted, mask, fwhm)
        background, noise, subtracted, error = (
            with_unit(array, reader.unit)
            for array in (background, noise, subtracted, error))
        photometry = self._photometry(fwhm)
        with _flux_bounds_in(scale, photometry.psf_model):
            table = self._fit(
                partial(photometry, subtracted / scale, error=error / scale,
                        mask=mask), sources, fwhm)
        for name in table.colnames:
            if name.startswith('flux_') or name == 'local_bkg':
                table[name] *= scale
        return PipelineResult(table=table, psf_model=photometry.psf_model,
                              fwhm=float(fwhm), background=background,
                              background_rms=noise,
                              data_subtracted=subtracted, error=error,
                              mask=mask, photometry=photometry)

    def _background(self, data, mask):
        """
        Return the (ny, nx) background.
        """
        if mask.all():
            msg = ('data must have finite pixels that are not masked; none '
                   f'of its {mask.size} pixels is')
            raise ValueError(msg)
        # scipy's splines, which interpolate the mesh, do not keep a high
        # level where there are few boxes
        level = np.median(data[~mask])
        return level + self._mesh(data - level, mask).background

    def _choose_fwhm(self, data, subtracted, mask, scale):
        """
        Return the FWHM as given, or of the PSF model, or of the image.
        """
        if self.fwhm is not None:
            return self.fwhm
        if self.psf_model is not None:
            return model_fwhm(self.psf_model, data.shape)
        return image_fwhm(data / scale, subtracted / scale, mask, self._find)

    def _sources(self, subtracted, mask, fwhm):
        """
        Return a table with x and y of the sources; there must be one.
        """
        sources = self._find(subtracted, mask, fwhm)
        if len(sources) == 0:
            msg = ('data must have a source; none was found with '
                   f'detection_threshold={self.detection_threshold!r} and a '
                   f'FWHM of {fwhm:.2f} pixels. Lower the threshold, or give '
                   'fwhm if stars are narrower or wider')
            raise NoSourcesError(msg)
        return sources

    def _photometry(self, fwhm):
        """
        Return what fits the PSF to each star by itself.
        """
        psf_model = self.psf_model
        if psf_model is None:
            psf_model = CircularGaussianPRF(fwhm=fwhm)
        ring = LocalBackground(*(fwhm * radius for radius in RING),
                               bkg_estimator=MedianBackground())
        return PSFPhotometry(
            psf_model.copy(), self.fit_shape or box_shape(BOX * fwhm),
            aperture_radius=fwhm, xy_bounds=fwhm, local_bkg_estimator=ring,
            progress_bar=self.progress_bar)

    def _fit(self, fit, sources, fwhm):
        """
        Return the table of the fits, with one for each star.
        """
        table = fit(init_params=sources)
        xy = np.column_stack((table['x_fit'], table['y_fit']))
        keep = first_of_close(xy, 0.5 * (self.min_separation or fwhm))
        if not np.all(keep):
            # The others are fitted as before, each by itself
            table = fit(init_params=sources[keep])
        return table

    def _mesh(self, image, mask, **kwargs):
        """
        Return the median and scatter of an image on the mesh.
        """
        # Boxes at the edge of the image, or with a large hole, are better
        # than none: they are used if half of their pixels are
        try:
            return Background2D(image, self.box_size, mask=mask,
                                exclude_percentile=50.0,
                                sigma_clip=SigmaClip(3.0),
                                bkg_estimator=MedianBackground(), **kwargs)
        except ValueError as exc:
            if 'exclude_percentile' not in str(exc):
                raise
            ny, nx = self.box_size
            msg = (f'data must have a box of {ny} x {nx} pixels with half of '
                   'them for the background; the others are masked, not '
                   'finite or outliers. Mask fewer pixels, or give a smaller '
                   'box_size')
            raise ValueError(msg) from exc

    def _noise(self, subtracted, mask):
        """
        Return the (ny, nx) noise of single pixels.
        """
        contrasts = _contrasts(np.where(mask, 0.0, subtracted), NOISE_STEP)
        noise = np.sqrt(2.0 / 3.0) * self._least_scatter(
            contrasts, mask, BiweightScaleBackgroundRMS())
        if not np.any(noise > 0):
            msg = ('data must have noise: its background has no scatter '
                   'within any box of the mesh')
            raise ValueError(msg)
        return noise

    def _least_scatter(self, contrasts, mask, estimator):
        """
        Return the scatter in the direction that has least.
        """
        return reduce(np.minimum, (
            self._mesh(contrast, mask,
                       bkg_rms_estimator=estimator).background_rms
            for contrast in contrasts))

    def _find(self, subtracted, mask, fwhm):
        """
        Return a table with x and y of the sources, the brightest first.
        """
        smoothed = _smooth(subtracted, mask, fwhm)
        step = max(2, round(fwhm))
        needed = self.detection_threshold * self._least_scatter(
            _contrasts(smoothed, step), mask, MADStdBackgroundRMS())
        # A flat top, as of a saturated star, stands out at its rim
        standout = maximum_filter(
            reduce(np.minimum, _contrasts(smoothed, step)),
            2 * round(0.5 * fwhm) + 1)
        # The peaks of all the image, where they stand out enough
        threshold = np.where(standout > needed, -np.inf, np.inf)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', NoDetectionsWarning)
            peaks = find_peaks(smoothed - np.min(smoothed), threshold,
                               mask=mask,
                               min_separation=self.min_separation or fwhm)
        if peaks is None:
            return QTable({'x': [], 'y': []})
        order = np.argsort(-peaks['peak_value'], kind='stable')
        return QTable({name: np.array(peaks[f'{name}_peak'][order], float)
                       for name in ('x', 'y')})


def as_psf(psf_model):
    """
    Return a PSF model that photutils takes; warn of one with another flux.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        What is to be one.

    Returns
    -------
    psf_model : `~astropy.modeling.Model`
        The same model.

    Raises
    ------
    TypeError, ValueError
        If it is no model, or not one of a PSF.
    """
    if not isinstance(psf_model, Model):
        msg = ('psf_model must be an astropy model; got '
               f'{type(psf_model).__name__}')
        raise TypeError(msg)
    PSFPhotometry(psf_model, 5)  # an error if it is no PSF model
    warn_of_psf_flux(psf_model)
    return psf_model


def _scale(noise):
    """
    Return the unit of the fits, a power of 2 so that nothing is rounded.
    """
    power = np.frexp(np.median(noise[noise > 0]))[1]
    return 2.0 ** (int(power) + _UNIT_POWER)


@contextmanager
def _flux_bounds_in(scale, psf_model):
    """
    Have the bounds of the flux of a model, if any, in the unit of the fits.
    """
    flux = getattr(psf_model, psf_names(psf_model)[2])
    bounds = flux.bounds
    flux.bounds = tuple(None if bound is None else bound / scale
                        for bound in bounds)
    try:
        yield
    finally:
        flux.bounds = bounds


def _warn_of_padding(data, mask):
    """
    Warn if much of the image has the same value as all that is near.
    """
    flat = ~mask & (maximum_filter(data, 5) == minimum_filter(data, 5))
    share = np.count_nonzero(flat) / max(np.count_nonzero(~mask), 1)
    if share > _MAX_FLAT:
        msg = (f'{share:.0%} of the pixels of data are the same as all their '
               'neighbours. If they are padding, mask them or set them to '
               'NaN: false stars may be found at their edge')
        warnings.warn(msg, AstropyUserWarning)


def _smooth(image, mask, fwhm):
    """
    Return the mean of the pixels that are not masked, Gaussian weights.
    """
    sigma = fwhm * gaussian_fwhm_to_sigma
    weight = gaussian_filter(np.where(mask, 0.0, 1.0), sigma)
    total = gaussian_filter(np.where(mask, 0.0, image), sigma)
    return total / np.maximum(weight, _MIN_WEIGHT)


def _contrasts(image, step):
    """
    Yield the image less the mean of two opposite sides, 8 directions.

    One at a time: together they have eight times the size of the image.
    The sides are ``step`` pixels away, beyond the edge of the image as
    bright as there.
    """
    ny, nx = image.shape
    wide = np.pad(image, step, mode='edge')
    for dy, dx in opposite_steps(step):
        one, other = (wide[step + sign * dy:step + sign * dy + ny,
                           step + sign * dx:step + sign * dx + nx]
                      for sign in (1, -1))
        yield image - 0.5 * (one + other)
