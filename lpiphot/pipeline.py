# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
PSF photometry of an image that comes with nothing else.

Every step is photutils'; what is added is the order of the steps, a PSF
measured on the image, and an error for every pixel, so that one object
takes any image to a finished PSF-photometry table.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from astropy.modeling import Model
from astropy.stats import SigmaClip
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.background import (
    Background2D,
    MedianBackground,
    StdBackgroundRMS,
)
from photutils.detection import DAOStarFinder
from photutils.psf import CircularGaussianPRF, PSFPhotometry, fit_2dgaussian
from photutils.utils.exceptions import NoDetectionsWarning
from scipy.ndimage import maximum_filter
from scipy.spatial import KDTree

from lpiphot._inputs import as_number, as_shape, parse_image

__all__ = ['PSFPipeline', 'PipelineResult']

# The search for the FWHM: first guess in pixels, number of rounds, change
# between rounds that ends them, number of stars used at most, number of
# chosen stars below which all stars are used
_FIRST_FWHM = 3.0
_FWHM_ROUNDS = 4
_FWHM_TOLERANCE = 0.02
_MAX_STARS = 50
_MIN_STARS = 3

# Widths in pixels below which a "star" is a hot pixel or a cosmic ray
_MIN_FWHM = 1.0

# Stars whose highest pixel is above this part of the image's range are
# taken to be saturated
_SATURATION = 0.9

# Bits of photutils' flags that spoil the measured width of a star: partial
# box, outside, negative, no convergence, no covariance, near bound, no
# overlap, masked, too few pixels, not finite
_BAD_FIT = 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512 | 1024


@dataclass(frozen=True, eq=False)
class PipelineResult:
    """
    What `PSFPipeline` makes of an image.

    Arrays have the shape of the image, and its unit if it has one.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        The results of `~photutils.psf.PSFPhotometry`: a row for every
        source found, also where the fit failed (see its ``flags``).

    psf_model : `~astropy.modeling.Model`
        The PSF model that was fitted.

    fwhm : float
        The FWHM of the PSF in pixels, as given or as measured.

    background, background_rms : (ny, nx) `~numpy.ndarray`
        The background that was subtracted, and its scatter on the scale
        of the mesh.

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


class PSFPipeline:
    r"""
    Subtract the background, find the stars and fit the PSF.

    The steps are those of photutils' user guide:

    1. `~photutils.background.Background2D`: the sigma-clipped (3 sigma)
       median and standard deviation of the boxes of a mesh.
    2. The PSF: ``psf_model``, else a circular Gaussian, integrated over
       pixels, of the given ``fwhm``, else of the measured one.
    3. `~photutils.detection.DAOStarFinder`, with a threshold that
       follows the background's scatter.
    4. `~photutils.psf.PSFPhotometry`, every pixel weighted by its error
       and every star fitted by itself: on real crowded images, groups
       did not make fluxes or errors better, and cost time and memory.

    A pipeline holds its configuration only: calls leave no trace, the
    same image gives the same result, and a pipeline can be pickled and
    sent to other processes.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`, optional
        The PSF to fit: any model that `~photutils.psf.PSFPhotometry`
        takes. If `None`, then a
        `~photutils.psf.CircularGaussianPRF` is used.

    fwhm : float, optional
        The FWHM of the PSF in pixels. If `None`, then it is measured:
        on the rendered ``psf_model`` if there is one, else on the
        image.

    detection_threshold : float, optional
        The lowest peak of a star in units of the background's scatter.

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
        two stars are not told apart.

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
    The FWHM of an image is the median over up to 50 stars, fitted one
    by one with Gaussians of free width: the brightest of those that
    have no other detection within three FWHM, and at their centre no
    pixel in the upper tenth of the range between the lowest and highest
    pixel of the image (saturated, or on the bend of the response). If
    fewer than three stars are left, then all detections are used.
    Widths below one pixel are those of hot pixels and cosmic rays, and
    do not count. Search and fit are repeated with the width just found,
    from a first guess of 3 pixels, until it settles. On a frame with
    more hot pixels than stars, give ``fwhm``.

    If no error is given, it is the scatter of the background on the
    scale of the mesh, `Background2D.background_rms
    <photutils.background.Background2D.background_rms>`. It has no part
    from the photons of the stars, for which a gain would be needed; so
    ``flux_err`` is right for faint stars on a flat sky with independent
    pixels, and too small elsewhere. Without weights, photutils would
    scale each star's ``flux_err`` by the residuals of its own few
    pixels, which is noisier, and on nebulae no nearer to the truth.

    Examples
    --------
    >>> from lpiphot.datasets import load_horsehead
    >>> from lpiphot.pipeline import PSFPipeline
    >>> pipeline = PSFPipeline(fwhm=3.7)
    >>> result = pipeline(load_horsehead())  # doctest: +SKIP
    >>> result.table['x_fit', 'y_fit', 'flux_fit']  # doctest: +SKIP
    """

    def __init__(self, *, psf_model=None, fwhm=None, detection_threshold=5.0,
                 box_size=64, fit_shape=None, min_separation=None,
                 progress_bar=False):
        if psf_model is not None:
            if not isinstance(psf_model, Model):
                msg = ('psf_model must be an astropy model, got '
                       f'{type(psf_model).__name__}.')
                raise TypeError(msg)
            PSFPhotometry(psf_model, 5)  # an error if it is no PSF model
            psf_model = psf_model.copy()
        self.psf_model = psf_model
        self.fwhm = None if fwhm is None else as_number('fwhm', fwhm)
        self.detection_threshold = as_number('detection_threshold',
                                             detection_threshold)
        self.box_size = _as_box_size(box_size)
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
            ``data``. If `None`, then the scatter of the background (see
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
        ValueError
            If a shape does not fit, if ``data`` has no usable pixel or
            no scatter, or if no source is found.
        """
        data, error, mask, unit = parse_image(data, error=error, mask=mask)
        if mask.all():
            msg = ('data must have finite pixels that are not masked; none '
                   f'of its {mask.size} pixels is.')
            raise ValueError(msg)
        background, rms = self._background(data, mask)
        if error is None:
            error = rms
        mask = mask | ~(error > 0)
        subtracted = data - background

        threshold = self.detection_threshold * rms
        fwhm = self.fwhm
        if fwhm is None and self.psf_model is not None:
            fwhm = _model_fwhm(self.psf_model, data.shape)
        if fwhm is None:
            fwhm = self._image_fwhm(data, subtracted, mask, threshold)

        psf_model = self.psf_model
        if psf_model is None:
            psf_model = CircularGaussianPRF(fwhm=fwhm)
        sources = self._find(subtracted, mask, threshold, fwhm)
        photometry = PSFPhotometry(
            psf_model.copy(), self.fit_shape or _box_shape(2.5 * fwhm),
            aperture_radius=fwhm, xy_bounds=fwhm,
            progress_bar=self.progress_bar)

        if unit is not None:
            background, rms, subtracted, error = (
                array << unit
                for array in (background, rms, subtracted, error))
        table = photometry(subtracted, error=error, mask=mask,
                           init_params=sources)
        return PipelineResult(table=table, psf_model=photometry.psf_model,
                              fwhm=float(fwhm), background=background,
                              background_rms=rms, data_subtracted=subtracted,
                              error=error, mask=mask, photometry=photometry)

    def _background(self, data, mask):
        """
        Return the background and its scatter, (ny, nx) each.
        """
        # Boxes at the edge of the image, or with a large hole, are better
        # than none: they are used if half of their pixels are
        mesh = Background2D(data, self.box_size, mask=mask,
                            exclude_percentile=50.0,
                            sigma_clip=SigmaClip(3.0),
                            bkg_estimator=MedianBackground(),
                            bkg_rms_estimator=StdBackgroundRMS())
        rms = mesh.background_rms
        if not np.any(rms > 0):
            msg = ('data must have noise: its background has no scatter '
                   'within any box of the mesh.')
            raise ValueError(msg)
        return mesh.background, rms

    def _find(self, data, mask, threshold, fwhm):
        """
        Return the positions of the sources as a table with x and y.
        """
        finder = DAOStarFinder(threshold, fwhm,
                               min_separation=self.min_separation or fwhm)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', NoDetectionsWarning)
            sources = finder(np.where(mask, 0.0, data), mask=mask)
        if sources is None:
            msg = ('no source was found in data at detection_threshold='
                   f'{self.detection_threshold!r} with a FWHM of '
                   f'{fwhm:.2f} pixels; lower the threshold, or give fwhm '
                   'or psf_model.')
            raise ValueError(msg)
        return QTable({'x': np.array(sources['x_centroid']),
                       'y': np.array(sources['y_centroid'])})

    def _image_fwhm(self, data, subtracted, mask, threshold):
        """
        Return the FWHM of the stars of an image.
        """
        clean = np.where(mask, 0.0, subtracted)
        highest = maximum_filter(np.where(mask, -np.inf, data), size=3)
        low, high = np.min(data[~mask]), np.max(data[~mask])
        saturated = highest > low + _SATURATION * (high - low)

        fwhm = _FIRST_FWHM
        for _ in range(_FWHM_ROUNDS):
            sources = self._find(subtracted, mask, threshold, fwhm)
            xy = np.column_stack((sources['x'], sources['y']))
            pixel = _pixels(xy, data.shape)
            isolated = KDTree(xy).query(xy, k=2)[0][:, 1] > 3.0 * fwhm
            chosen = np.flatnonzero(isolated & ~saturated[pixel])
            if len(chosen) < _MIN_STARS:
                chosen = np.arange(len(xy))
            order = np.argsort(-clean[pixel][chosen], kind='stable')
            chosen = chosen[order[:_MAX_STARS]]
            previous = fwhm
            fwhm = _median_fwhm(subtracted, xy[chosen], mask, fwhm,
                                minimum=_MIN_FWHM)
            if abs(fwhm - previous) < _FWHM_TOLERANCE * previous:
                break
        return fwhm


def _as_box_size(box_size):
    """
    Return the size of the boxes of the background as a pair (ny, nx).
    """
    pair = np.asarray(box_size)
    if pair.dtype.kind not in 'iu' or pair.shape not in ((), (2,)):
        msg = ('box_size must be one or two integers (ny, nx), got '
               f'{box_size!r}.')
        raise TypeError(msg)
    if np.any(pair < 1):
        msg = f'box_size must be positive, got {box_size!r}.'
        raise ValueError(msg)
    return tuple(int(size) for size in np.broadcast_to(pair, 2))


def _box_shape(width):
    """
    Return the smallest odd integer that is at least a width, and 5.
    """
    return max(5, 2 * int(np.ceil((width - 1.0) / 2.0)) + 1)


def _pixels(xy, shape):
    """
    Return the index of the pixels nearest to (n, 2) positions.
    """
    x, y = np.round(xy).astype(int).T
    return (np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1))


def _median_fwhm(data, xy, mask, fwhm, *, minimum=0.0):
    """
    Return the median FWHM of Gaussians fitted to (n, 2) positions.

    The width that comes in is the first guess; fits that fail, or end
    more than a factor of four from it or below the minimum, are left
    out.
    """
    with warnings.catch_warnings():
        # A fit that fails is left out; its bits are in the flags
        warnings.simplefilter('ignore', AstropyUserWarning)
        fit = fit_2dgaussian(data, xypos=xy, fwhm=fwhm, fix_fwhm=False,
                             fit_shape=_box_shape(3.0 * fwhm), mask=mask)
    widths = np.array(fit.results['fwhm_fit'])
    good = (np.array(fit.results['flags']) & _BAD_FIT) == 0
    good &= ((widths > max(minimum, 0.25 * fwhm)) & (widths < 4.0 * fwhm))
    if not np.any(good):
        msg = (f'fwhm must be given: none of the {len(xy)} stars chosen to '
               'measure it in data could be fitted.')
        raise ValueError(msg)
    return np.median(widths[good])


def _model_fwhm(psf_model, shape):
    """
    Return the FWHM in pixels of a PSF model, as a Gaussian fits it.

    The model is placed at the centre of an image of the given shape,
    for models that vary over the image.
    """
    centre = [size // 2 for size in shape]
    model = psf_model.copy()
    names = [getattr(model, f'{key}_name', name) for key, name in
             (('x', 'x_0'), ('y', 'y_0'), ('flux', 'flux'))]
    for name, value in zip(names, (centre[1], centre[0], 1.0), strict=True):
        setattr(model, name, value)
    half = 25
    y, x = np.mgrid[-half:half + 1, -half:half + 1]
    stamp = model(x + centre[1], y + centre[0])
    # The area above half of the peak is a circle's of this diameter, if
    # pixels are small; the fit refines it
    guess = np.sqrt(4.0 / np.pi * np.sum(stamp > 0.5 * np.max(stamp)))
    return _median_fwhm(stamp, [(half, half)], None, max(guess, 1.0))
