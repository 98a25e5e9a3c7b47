# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The FWHM of the stars of an image, and of a PSF model, in pixels.
"""

import warnings
from functools import cache
from itertools import product

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from photutils.psf import fit_2dgaussian
from scipy.ndimage import maximum_filter
from scipy.spatial import KDTree

from lpiphot._psf_names import psf_names

__all__ = ['BOX', 'RING', 'box_shape', 'image_fwhm', 'model_fwhm']

# Of PSF fits, in FWHM: the radii of the ring with the local background of a
# star, and the width of the box of pixels that are fitted
RING = (2.0, 4.0)
BOX = 2.5

# The search for the FWHM: first guess in pixels, number of rounds, change
# between rounds that ends them, number of stars used at most, number of
# chosen stars below which all stars are used
_FIRST_FWHM = 3.0
_ROUNDS = 4
_TOLERANCE = 0.02
_MAX_STARS = 50
_MIN_STARS = 3

# Of a larger image, so many parts along each side are searched, evenly spread
# and so many pixels in all: the search takes seconds for a million, and a few
# million have stars enough
_PARTS, _MAX_PIXELS = 3, 2 ** 22

# What is found is stars' if so many of them, and this part of all, agree
# within this factor; else it is the width on which most agree that are found
# with one of these
_MIN_AGREEING, _MIN_SHARE, _AGREE = 5, 0.5, 1.4
_GUESSES = (1.5, 2.1, 3.0, 4.2, 6.0, 8.5, 12.0, 17.0)

# Fluxes, in units of their errors, that tell a width
_MIN_SIGNAL = 3.0

# The largest half width in pixels of the stamp on which a model is measured,
# and the FWHM of which three fit into it, as they are fitted
_MAX_HALF = 400
_MAX_FWHM = (2 * _MAX_HALF + 1) // 3

# Widths in pixels below which a "star" is a hot pixel or a cosmic ray
_MIN_FWHM = 1.0

# Stars whose highest pixel is above this part of the image's range are
# taken to be saturated
_SATURATION = 0.9

# Bits of photutils' flags that spoil the measured width of a star: partial
# box, outside, negative, no convergence, no covariance, near bound, no
# overlap, masked, too few pixels, not finite, outside of its box
_BAD_FIT = 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128 | 256 | 512 | 1024 | 4096


def box_shape(width):
    """
    Return the smallest odd integer that is at least a width, and 5.

    Parameters
    ----------
    width : float
        The width in pixels.

    Returns
    -------
    size : int
        The size in pixels.
    """
    return max(5, 2 * int(np.ceil((width - 1.0) / 2.0)) + 1)


def image_fwhm(data, subtracted, mask, find):
    """
    Return the median FWHM of the bright, isolated stars of an image.

    Parameters
    ----------
    data, subtracted : (ny, nx) `~numpy.ndarray`
        The image with and without its background.

    mask : (ny, nx) bool `~numpy.ndarray`
        `True` for pixels to leave out.

    find : callable
        Gives, for ``subtracted`` and ``mask`` or the same part of both, and
        a FWHM, a table of sources with columns ``x``, ``y``, which may have
        no rows.

    Returns
    -------
    fwhm : float
        The FWHM in pixels.

    Raises
    ------
    ValueError
        If too few stars agree on a FWHM.
    """
    measure = cache(_Widths(data, subtracted, mask, find))
    fwhm = _FIRST_FWHM
    for _ in range(_ROUNDS):
        previous, widths = fwhm, measure(fwhm)
        if len(widths) == 0:
            break
        fwhm = np.median(widths)
        if abs(fwhm - previous) < _TOLERANCE * previous:
            break
    if (len(_agreeing(widths, fwhm))
            >= max(_MIN_AGREEING, _MIN_SHARE * len(widths))):
        return fwhm
    # knots of a nebula, hot pixels, or stars too wide for the first guess
    best = max((_agreeing(measure(guess), guess) for guess in _GUESSES),
               key=len)
    if len(best) < _MIN_STARS:
        msg = (f'data must have {_MIN_STARS} stars of the same width, between '
               f'{_GUESSES[0]} and {_GUESSES[-1]} pixels, to measure it; they '
               'were not found. Give fwhm or psf_model, or lower '
               'detection_threshold')
        raise ValueError(msg)
    fwhm = np.median(best)
    better = _agreeing(measure(fwhm), fwhm)
    return np.median(better if len(better) >= len(best) else best)


def _agreeing(widths, fwhm):
    """
    Return the widths that agree with a FWHM.
    """
    return widths[np.abs(np.log(widths / fwhm)) < np.log(_AGREE)]


class _Widths:
    """
    The widths of the bright, isolated stars of an image.

    Parameters are those of `image_fwhm`.
    """

    def __init__(self, data, subtracted, mask, find):
        self._subtracted, self._mask, self._find = subtracted, mask, find
        self._parts = _parts(mask)
        self._clean = np.where(mask, 0.0, subtracted)
        highest = maximum_filter(np.where(mask, -np.inf, data), size=3)
        low, high = np.min(data[~mask]), np.max(data[~mask])
        self._saturated = highest > low + _SATURATION * (high - low)

    def __call__(self, fwhm):
        """
        Return the widths of stars that are found with a FWHM.
        """
        found = []
        for part in self._parts:
            sources = self._find(self._subtracted[part], self._mask[part],
                                 fwhm)
            found.append(np.column_stack((sources['x'] + part[1].start,
                                          sources['y'] + part[0].start)))
        xy = np.concatenate(found)
        if len(xy) == 0:
            return np.empty(0)
        pixel = _pixels(xy, self._mask.shape)
        alone = KDTree(xy).query(xy, k=2)[0][:, 1] > 3.0 * fwhm
        chosen = np.flatnonzero(alone & ~self._saturated[pixel])
        if len(chosen) < _MIN_STARS:
            chosen = np.arange(len(xy))
        order = np.argsort(-self._clean[pixel][chosen], kind='stable')
        chosen = chosen[order[:_MAX_STARS]]
        return _fit_widths(self._subtracted, xy[chosen], self._mask, fwhm,
                           minimum=_MIN_FWHM)


def _parts(mask):
    """
    Return the parts of an image that are searched, all of a small one.
    """
    whole = [tuple(slice(0, size) for size in mask.shape)]
    share = np.sqrt(_MAX_PIXELS / mask.size)
    if share >= 1:
        return whole
    along = []
    for size in mask.shape:
        width = int(share * size / _PARTS)
        starts = (np.arange(_PARTS) + 0.5) * size / _PARTS - width / 2
        along.append([slice(start, start + width)
                      for start in starts.astype(int).tolist()])
    # of a part with less there may be no box with a background
    return [part for part in product(*along)
            if mask[part].mean() <= 0.5] or whole


def model_fwhm(psf_model, shape):
    """
    Return the FWHM of a PSF model, as a Gaussian fits it.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        The model. It is not changed.

    shape : 2-tuple of int
        The shape of an image, at whose centre the model is placed: it
        may vary over the image.

    Returns
    -------
    fwhm : float
        The FWHM in pixels.

    Raises
    ------
    ValueError
        If it is no PSF model, has no peak, or is wider than some 270
        pixels.
    """
    centre = [size // 2 for size in shape]
    model = psf_model.copy()
    for name, value in zip(psf_names(model), (centre[1], centre[0], 1.0),
                           strict=True):
        setattr(model, name, value)
    half = 25
    while True:
        y, x = np.mgrid[-half:half + 1, -half:half + 1]
        stamp = model(x + centre[1], y + centre[0])
        above = stamp > 0.5 * np.max(stamp)
        # to twice the FWHM, or to the edge of an image of the PSF
        if half >= _MAX_HALF or np.sum(above) < 0.05 * above.size:
            break
        half *= 2
    # The area above half of the peak is a circle's of this diameter, if
    # pixels are small; the fit refines it
    guess = np.sqrt(4.0 / np.pi * np.sum(above))
    widths = _fit_widths(stamp, [(half, half)], None, max(guess, 1.0))
    if len(widths) == 0:
        msg = ('psf_model must have a peak whose width can be measured at '
               f'the centre of the image; {type(psf_model).__name__} has '
               f'none that is narrower than {_MAX_FWHM} pixels')
        raise ValueError(msg)
    return widths[0]


def _pixels(xy, shape):
    """
    Return the index of the pixels nearest to (n, 2) positions.
    """
    x, y = np.round(xy).astype(int).T
    return (np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1))


def _fit_widths(data, xy, mask, fwhm, *, minimum=0.0):
    """
    Return the FWHM of Gaussians fitted to (n, 2) positions.

    The width that comes in is the first guess; fits that fail, or end
    more than a factor of four from it, below the minimum, or with a flux
    that is hardly larger than its error are left out.
    """
    with warnings.catch_warnings():
        # A fit that fails is left out; its bits are in the flags
        warnings.simplefilter('ignore', AstropyUserWarning)
        fit = fit_2dgaussian(data, xypos=xy, fwhm=fwhm, fix_fwhm=False,
                             fit_shape=box_shape(3.0 * fwhm), mask=mask)
    table = fit.results
    widths = np.array(table['fwhm_fit'])
    good = (np.array(table['flags']) & _BAD_FIT) == 0
    good &= ((widths > max(minimum, 0.25 * fwhm)) & (widths < 4.0 * fwhm)
             & (table['flux_fit'] > _MIN_SIGNAL * table['flux_err']))
    return widths[good]
