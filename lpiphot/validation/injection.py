# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Stars of known flux at random positions of an image.
"""

import copy

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty
from astropy.table import QTable, Table
from astropy.utils.masked import Masked
from photutils.datasets import apply_poisson_noise, make_model_image
from photutils.utils import calc_total_error

from lpiphot._fwhm import box_shape, model_fwhm
from lpiphot._positions import first_of_close
from lpiphot._psf_names import psf_names
from lpiphot.validation.columns import plain_values
from lpiphot.validation.matching import finite_positions, nearest_distance

__all__ = ['gain_from_error', 'inject_stars', 'model_image',
           'random_positions']

# Positions drawn at once, for each one that is wanted; number of times;
# number of draws and positions without success that end the search
_OVERSAMPLE = 5
_MAX_DRAWS = 200
_IDLE_DRAWS = 20
_IDLE_POSITIONS = 1000

# Width in FWHM of the box of a model that has none, as of a Moffat function
_BOX_FWHM = 20.0

# The gain is told by the brightest pixels, as quantiles; their variance
# must exceed that of the middle ones by this much, relative
_BRIGHT = 0.99
_MIN_EXCESS = 0.1


def random_positions(shape, n, *, min_separation=0.0, avoid=None,
                     avoid_radius=0.0, border=0, mask=None, seed=None,
                     integer=False):
    """
    Draw positions uniformly over the allowed part of an image.

    Parameters
    ----------
    shape : 2-tuple of int
        The shape ``(ny, nx)`` of the image.

    n : int
        The number of positions.

    min_separation : float, optional
        The smallest distance in pixels between two of the positions.

    avoid : (m, 2) array_like, optional
        Positions ``(x, y)`` to keep away from, such as those of the
        stars already in the image. Those not finite are ignored.

    avoid_radius : float, optional
        The smallest distance in pixels to the positions to avoid.

    border : int, optional
        The width in pixels of the margin of the image that is left
        free.

    mask : (ny, nx) bool array_like, optional
        `True` for pixels on which no position may lie.

    seed : int or `~numpy.random.Generator`, optional
        The seed of the random numbers.

    integer : bool, optional
        Whether positions lie at the centres of pixels.

    Returns
    -------
    xy : (n, 2) `~numpy.ndarray`
        The positions ``(x, y)`` in pixels, in the order drawn.

    Raises
    ------
    ValueError
        If a keyword makes no sense, or if there is no room for ``n``
        positions.

    Examples
    --------
    >>> from lpiphot.validation import random_positions
    >>> random_positions((50, 80), 3, border=10, seed=1, integer=True)
    array([[38., 25.],
           [55., 38.],
           [12., 14.]])
    """
    ny, nx = shape
    for name, value in (('n', n), ('min_separation', min_separation),
                        ('avoid_radius', avoid_radius), ('border', border)):
        if not value >= 0:
            msg = f'{name} must not be negative; got {value!r}'
            raise ValueError(msg)
    if 2 * border >= min(ny, nx):
        msg = (f'border must be less than half of the image, which has the '
               f'shape {tuple(shape)}; got {border!r}')
        raise ValueError(msg)
    if mask is not None:
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != (ny, nx):
            msg = (f'mask must have the shape {(ny, nx)} of the image; got '
                   f'{mask.shape}')
            raise ValueError(msg)
    avoid = finite_positions('avoid', avoid)

    # discs of half the distance fill pi / sqrt(12) of a plane at most
    room = np.prod(np.array(shape, dtype=float) - 2 * border
                   + min_separation)
    if n * min_separation ** 2 * np.sqrt(0.75) > room:
        msg = (f'n={n!r} positions do not fit into the image: no more than '
               f'{room / (min_separation ** 2 * np.sqrt(0.75)):.0f} can be '
               f'min_separation={min_separation!r} apart')
        raise ValueError(msg)

    rng = np.random.default_rng(seed)
    low = np.full(2, border)
    high = np.array([nx, ny]) - border
    xy = np.empty((0, 2))
    idle = 0
    for _ in range(_MAX_DRAWS):
        if len(xy) >= n or (idle >= _IDLE_DRAWS and
                            idle * _OVERSAMPLE * n >= _IDLE_POSITIONS):
            break
        size = (_OVERSAMPLE * n, 2)
        new = (rng.integers(low, high, size).astype(float) if integer
               else rng.uniform(low - 0.5, high - 0.5, size))
        if mask is not None:
            column, row = np.floor(new + 0.5).astype(int).T
            new = new[~mask[row, column]]
        new = new[nearest_distance(new, avoid) >= avoid_radius]
        new = new[nearest_distance(new, xy) >= min_separation]
        idle = idle + 1 if len(new) == 0 else 0
        new = new[first_of_close(new, min_separation)]
        xy = np.concatenate((xy, new))
    if len(xy) < n:
        msg = (f'n={n!r} positions do not fit into the image: there was '
               f'room for {len(xy)}. Lower n, min_separation='
               f'{min_separation!r}, avoid_radius={avoid_radius!r} or '
               f'border={border!r}')
        raise ValueError(msg)
    return xy[:n]


def inject_stars(data, psf_model, params, *, gain=None, error=None,
                 model_shape=None, rng=None):
    """
    Add stars of known flux to an image.

    Parameters
    ----------
    data : (ny, nx) array_like, `~astropy.units.Quantity`, masked array, \
            or `~astropy.nddata.NDData`
        The image.

    psf_model : `~astropy.modeling.Model`
        The PSF: a model that `~photutils.psf.PSFPhotometry` takes.

    params : `~astropy.table.Table`
        A row for every star, with columns named as the parameters of
        the model: mostly ``x_0`` and ``y_0`` in pixels, and ``flux`` in
        the unit of ``data``.

    gain : float, optional
        Electrons per unit of ``data``. If given, then the stars bring
        the Poisson noise of their electrons; otherwise they are added
        without noise, because it is not known.

    error : (ny, nx) array_like or `~astropy.units.Quantity`, optional
        The 1-sigma error of ``data``. If given, then it is returned
        with the variance of the stars' photons added, and its mask.

    model_shape : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` in pixels within which a star is drawn.
        If `None`, then the bounding box of the model, or 20 FWHM if it
        has none.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the Poisson noise.

    Returns
    -------
    image : `~numpy.ndarray`, `~astropy.units.Quantity`, or NDData
        A new image, of the kind, unit and mask of ``data``, in float64. If
        ``data`` has an uncertainty, then that of the new image includes
        the photons of the stars, as a standard deviation.

    error : (ny, nx) `~numpy.ndarray` or `~astropy.units.Quantity`
        Only if ``error`` is given.

    Raises
    ------
    TypeError
        If ``params`` is not a table.

    ValueError
        If a column is missing, ``gain`` is not positive, or
        ``psf_model`` is no PSF.

    astropy.units.UnitsError
        If a unit cannot be converted.
    """
    if not isinstance(params, Table):
        msg = f'params must be an astropy Table; got {type(params).__name__}'
        raise TypeError(msg)
    if gain is not None and not (np.isfinite(gain) and gain > 0):
        msg = f'gain must be finite and positive; got {gain!r}'
        raise ValueError(msg)

    unit = getattr(data, 'unit', None)
    values = data.data if isinstance(data, NDData) else getattr(
        data, 'unmasked', data)
    values = np.array(getattr(values, 'value', values), dtype=float)
    expected = _star_image(values.shape, psf_model, params, unit,
                           model_shape)
    if gain is None:
        image = values + expected
    else:
        image = values + _photons(expected, gain, rng)

    if isinstance(data, NDData):
        image = _like(data, image, expected, gain)
    elif unit is not None:
        image = image << unit
    image = _with_mask(image, data)
    if error is None:
        return image
    return image, _total_error(expected, error, unit, gain)


def gain_from_error(data, error, *, mask=None):
    """
    Return the gain that the errors of an image imply.

    Where photons make the noise, the variance grows with the signal by
    one over the gain. This is the median, over the brightest hundredth
    of the pixels, of signal over variance, both in excess of those of
    the middle pixels: a sky that was subtracted does not matter.

    Parameters
    ----------
    data : (ny, nx) array_like
        The image.

    error : (ny, nx) array_like
        Its 1-sigma errors, in the same unit.

    mask : (ny, nx) bool array_like, optional
        `True` for pixels to leave out. Those not finite are left out as
        well.

    Returns
    -------
    gain : float or `None`
        Electrons per data unit; `None` if the errors do not grow with
        the signal.

    Examples
    --------
    >>> import numpy as np
    >>> from lpiphot.validation import gain_from_error
    >>> data = np.linspace(0, 900, 4000).reshape(40, 100)
    >>> gain_from_error(data, np.sqrt(25 + data / 1.7))
    1.7
    """
    data, error = plain_values(data), plain_values(error)
    variance = np.broadcast_to(error, data.shape) ** 2
    good = np.isfinite(data) & np.isfinite(variance)
    if mask is not None:
        good &= ~np.asarray(mask, dtype=bool)
    data, variance = data[good], variance[good]
    if data.size < 2:
        return None
    low, middle, high = np.quantile(data, [0.25, 0.5, _BRIGHT])
    usual = (data >= low) & (data <= middle)
    bright = data > high
    if not bright.any():
        return None
    level, floor = np.median(data[usual]), np.median(variance[usual])
    excess = variance[bright] - floor
    if not np.median(excess) > _MIN_EXCESS * floor:
        return None
    excess[excess <= 0] = np.nan
    return float(np.nanmedian((data[bright] - level) / excess))


def model_image(shape, psf_model, params, model_shape=None):
    """
    Return the image of stars, as plain numbers.

    Parameters
    ----------
    shape : 2-tuple of int
        The shape of the image.

    psf_model : `~astropy.modeling.Model`
        The PSF.

    params : `~astropy.table.Table`
        Its parameters, without units, a row for every star.

    model_shape : int or 2-tuple of int, optional
        The shape within which a star is drawn, as for `inject_stars`.

    Returns
    -------
    image : (ny, nx) `~numpy.ndarray`
        The image.
    """
    if model_shape is None and not _has_box(psf_model):
        model_shape = box_shape(_BOX_FWHM * model_fwhm(psf_model, shape))
    x_name, y_name, _ = psf_names(psf_model)
    params = QTable(params)
    for name in params.colnames:  # such as an angle
        unit = getattr(getattr(psf_model, name, None), 'unit', None)
        if unit is not None and params[name].unit is None:
            params[name] = params[name] * unit
    image = make_model_image(shape, psf_model, params, model_shape=model_shape,
                             x_name=x_name, y_name=y_name)
    return getattr(image, 'value', image)  # an angle makes it a Quantity


def _has_box(psf_model):
    """
    Return whether a model says how far it reaches.
    """
    try:
        _ = psf_model.bounding_box
    except NotImplementedError:
        return False
    return True


def _star_image(shape, psf_model, params, unit, model_shape):
    """
    Return the (ny, nx) image of the stars as plain numbers.
    """
    x_name, y_name, flux_name = psf_names(psf_model)
    missing = {x_name, y_name, flux_name} - set(params.colnames)
    if missing:
        msg = (f'params must have the columns {x_name!r}, {y_name!r} and '
               f'{flux_name!r}; got {params.colnames}')
        raise ValueError(msg)
    params = params.copy()
    for name in (x_name, y_name):
        params[name] = plain_values(params[name], u.pix)
    flux = u.Quantity(params[flux_name])
    if params[flux_name].unit is not None:
        flux = flux.to(u.dimensionless_unscaled if unit is None else unit)
    params[flux_name] = flux.value
    return model_image(shape, psf_model, params, model_shape)


def _photons(expected, gain, rng):
    """
    Return an image of stars with the Poisson noise of their electrons.

    Negative pixels of a PSF have no photons, and keep their values.
    """
    noisy = apply_poisson_noise(np.maximum(expected, 0.0) * gain,
                                seed=np.random.default_rng(rng))
    return noisy / gain + np.minimum(expected, 0.0)


def _total_error(expected, error, unit, gain):
    """
    Return an error image with the variance of the stars' photons added.
    """
    own_unit = getattr(error, 'unit', None)
    values = np.ma.getdata(getattr(error, 'unmasked', error))
    if own_unit is not None:
        values = values.to_value(unit)
    # A gain of zero means no photon noise
    total = calc_total_error(expected, np.broadcast_to(np.asarray(
        values, dtype=float), expected.shape), gain or 0.0)
    return _with_mask(total if own_unit is None else total << unit, error)


def _with_mask(image, given):
    """
    Return an image with the mask of a masked array that was given.
    """
    if isinstance(given, np.ma.MaskedArray):
        return np.ma.MaskedArray(image, given.mask.copy())
    if isinstance(given, Masked):
        return Masked(image, given.mask.copy())
    return image


def _like(data, image, expected, gain):
    """
    Return an image as an object of the class of data, with its metadata.
    """
    uncertainty = copy.deepcopy(data.uncertainty)
    if uncertainty is not None and gain is not None:
        with np.errstate(divide='ignore'):  # an inverse variance of 0
            std = uncertainty.represent_as(StdDevUncertainty)
        error = np.asarray(std.array)
        if std.unit is not None:
            error = u.Quantity(error, std.unit).to_value(data.unit)
        uncertainty = StdDevUncertainty(
            _total_error(expected, error, data.unit, gain))
    new = type(data)(image, unit=data.unit, uncertainty=uncertainty,
                     mask=copy.deepcopy(data.mask), wcs=data.wcs,
                     meta=copy.deepcopy(data.meta))
    for name in ('flags', 'psf'):  # which not every class has
        value = getattr(data, name, None)
        if value is not None:
            setattr(new, name, copy.deepcopy(value))
    return new
