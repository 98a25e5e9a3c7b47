# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What is around a star: structure, other stars, and what was left of both.
"""

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma, mad_std
from astropy.table import Table
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from lpiphot._noise import NOISE_STEP
from lpiphot._psf_names import psf_names
from lpiphot._tables import parameter_values
from lpiphot.validation.columns import plain_values
from lpiphot.validation.injection import model_image
from lpiphot.validation.matching import finite_positions

__all__ = ['BLEND_FWHM', 'add_environment', 'local_density',
           'local_roughness', 'residual_around', 'residual_at',
           'subtract_stars']

# Closer pairs of stars are not told apart (section 4.3), in FWHM
BLEND_FWHM = 4.0 / 3.0

# Radius in FWHM of the discs in which sources are counted
_DENSITY_FWHM = 10.0

# Least number of pixels for a scatter
_MIN_PIXELS = 16


def local_roughness(residual, xy, *, fwhm, mask=None, radius=None):
    """
    Return how much the background varies on the scale of the PSF.

    This is the robust scatter of the image smoothed with the PSF
    within a box, in units of what white noise with the scatter of the
    box's single pixels would give: 1 on white noise, where the errors
    of PSF photometry are right, and more where noise is correlated or
    the background has structure. The scatter of single pixels is that
    of differences of pixels four apart, along rows or along columns,
    whichever is less: rows of unequal level are structure, not noise.

    Parameters
    ----------
    residual : (ny, nx) array_like
        The image without stars.

    xy : (n, 2) array_like
        Positions ``(x, y)`` in pixels.

    fwhm : float
        The FWHM of the PSF in pixels.

    mask : (ny, nx) bool array_like, optional
        `True` for pixels to leave out. Those not finite are left out as
        well.

    radius : float, optional
        Half the width of the box in pixels. If `None`, then 6 FWHM.

    Returns
    -------
    roughness : (n,) `~numpy.ndarray`
        The roughness; NaN where there are too few pixels.
    """
    residual, mask = _clean(residual, mask)
    radius = 6.0 * fwhm if radius is None else radius
    sigma = fwhm * gaussian_fwhm_to_sigma
    smooth = gaussian_filter(residual, sigma)
    point = np.zeros((2 * int(5 * sigma) + 1,) * 2)
    point[point.shape[0] // 2, point.shape[0] // 2] = 1.0
    shrinks = np.sqrt(np.sum(gaussian_filter(point, sigma) ** 2))
    # a smoothed pixel is good if its core is
    good = ~mask
    good_smooth = gaussian_filter(mask.astype(float), sigma) < 0.1

    roughness = np.full(len(xy), np.nan)
    for i, box in enumerate(_boxes(xy, radius, residual.shape)):
        if box is None:
            continue
        structure = smooth[box][good_smooth[box]]
        pixels, usable = residual[box], good[box]
        scatters = [_scatter(pixels, usable), _scatter(pixels.T, usable.T)]
        if len(structure) < _MIN_PIXELS or np.isnan(scatters).all():
            continue
        noise = np.nanmin(scatters) * shrinks
        if noise > 0:
            roughness[i] = mad_std(structure) / noise
    return roughness


def _scatter(pixels, usable):
    """
    Return the noise that differences along the first axis have.
    """
    pair = usable[NOISE_STEP:] & usable[:-NOISE_STEP]
    if np.count_nonzero(pair) < _MIN_PIXELS:
        return np.nan
    steps = (pixels[NOISE_STEP:] - pixels[:-NOISE_STEP])[pair]
    return mad_std(steps) / np.sqrt(2.0)


def local_density(xy, sources, radius, shape):
    """
    Return the number of sources per pixel around positions.

    Parameters
    ----------
    xy : (n, 2) array_like
        Positions ``(x, y)`` in pixels.

    sources : (m, 2) array_like
        The positions of the sources. Those not finite are left out.

    radius : float
        The radius in pixels within which to count.

    shape : 2-tuple of int
        The shape ``(ny, nx)`` of the image: what is beyond does not
        count as area.

    Returns
    -------
    density : (n,) `~numpy.ndarray`
        Sources per pixel.
    """
    xy = np.asarray(xy, dtype=float).reshape(-1, 2)
    sources = finite_positions('sources', sources)
    counts = np.zeros(len(xy))
    if len(sources) > 0 and len(xy) > 0:
        counts = KDTree(sources).query_ball_point(xy, radius,
                                                  return_length=True)
    # the part of the disc that is on the image, by points on it
    grid = np.linspace(-radius, radius, 21)
    dx, dy = (axis.ravel() for axis in np.meshgrid(grid, grid))
    inside = np.hypot(dx, dy) <= radius
    on_image = np.zeros(len(xy))
    for x, y in zip(dx[inside], dy[inside], strict=True):
        on_image += ((xy[:, 0] + x >= -0.5) & (xy[:, 0] + x < shape[1] - 0.5)
                     & (xy[:, 1] + y >= -0.5)
                     & (xy[:, 1] + y < shape[0] - 0.5))
    with np.errstate(divide='ignore', invalid='ignore'):
        return counts / (on_image / np.count_nonzero(inside)
                         * np.pi * radius ** 2)


def residual_at(residual, xy, *, fwhm, mask=None):
    """
    Return the residual at positions, averaged with the PSF.

    Even perfect photometry is correlated with it: the noise of the
    pixels under a star is both in its flux and in the residual of the
    image without it. See `residual_around`.

    Parameters
    ----------
    residual : (ny, nx) array_like
        The image without stars.

    xy : (n, 2) array_like
        Positions ``(x, y)`` in pixels.

    fwhm : float
        The FWHM of the PSF in pixels.

    mask : (ny, nx) bool array_like, optional
        `True` for pixels to leave out.

    Returns
    -------
    values : (n,) `~numpy.ndarray`
        The means; NaN where all is masked, or outside.
    """
    return _means(residual, xy, mask, 2.0 * fwhm, lambda r: np.exp(
        -0.5 * (r / (fwhm * gaussian_fwhm_to_sigma)) ** 2))


def residual_around(residual, xy, *, fwhm, mask=None):
    """
    Return the mean residual in a ring around positions.

    The ring, from 1.5 to 4 FWHM, shares no noise with the core of the
    star, but the structure of the background: photometry whose errors
    are correlated with it did not account for that structure.

    Parameters
    ----------
    residual : (ny, nx) array_like
        The image without stars.

    xy : (n, 2) array_like
        Positions ``(x, y)`` in pixels.

    fwhm : float
        The FWHM of the PSF in pixels.

    mask : (ny, nx) bool array_like, optional
        `True` for pixels to leave out.

    Returns
    -------
    values : (n,) `~numpy.ndarray`
        The means; NaN where all is masked, or outside.
    """
    return _means(residual, xy, mask, 4.0 * fwhm,
                  lambda r: (r >= 1.5 * fwhm) & (r <= 4.0 * fwhm))


def subtract_stars(data, catalogue, psf_model, *, positions=('x_fit', 'y_fit'),
                   flux='flux_fit'):
    """
    Return an image less the stars of a catalogue.

    Parameters
    ----------
    data : (ny, nx) array_like or `~astropy.units.Quantity`
        The image, masked or not.

    catalogue : `~astropy.table.Table`
        The stars. Those with a value that is not finite are left in.
        Fluxes are converted to the unit of ``data``, if both have one.
        Columns ``<parameter>_fit`` of further parameters of the model
        are used, too, and those that are tied to them follow.

    psf_model : `~astropy.modeling.Model`
        The PSF: a model that `~photutils.psf.PSFPhotometry` takes.

    positions : 2-tuple of str, optional
        The columns of the positions in pixels.

    flux : str, optional
        The column of the fluxes.

    Returns
    -------
    residual : (ny, nx) `~numpy.ndarray`
        Data minus model, float64; NaN where the data are masked.

    Raises
    ------
    ValueError
        If ``psf_model`` is no PSF.

    astropy.units.UnitsError
        If a unit cannot be converted.
    """
    unit = getattr(data, 'unit', None)
    data = plain_values(data)
    columns = [*(plain_values(catalogue[name]) for name in positions),
               plain_values(catalogue[flux], unit)]
    values = dict(zip(psf_names(psf_model), columns, strict=True))
    values |= parameter_values(catalogue, psf_model)
    finite = np.all([np.isfinite(column) for column in values.values()],
                    axis=0)
    if not np.any(finite):
        return data
    params = Table({name: column[finite] for name, column in values.items()})
    return data - model_image(data.shape, psf_model, params)


def add_environment(table, residual, mask, sources, *, fwhm, blend_radius,
                    zero_point=0.0):
    """
    Add columns that say where the stars of a table are.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The stars, changed in place.

    residual : (ny, nx) `~numpy.ndarray`
        The image without injected stars, less its own stars.

    mask : (ny, nx) bool `~numpy.ndarray`
        `True` for pixels to leave out.

    sources : (m, 2) `~numpy.ndarray`
        The positions ``(x, y)`` of the sources of the image.

    fwhm : float
        The FWHM of the PSF in pixels.

    blend_radius : float
        The distance in pixels within which a star is blended.

    zero_point : float, optional
        The magnitude of flux 1.
    """
    xy = np.transpose((table['x_true'], table['y_true']))
    flux = plain_values(table['flux_true'])
    with np.errstate(divide='ignore', invalid='ignore'):
        magnitude = zero_point - 2.5 * np.log10(flux)
    columns = {
        'mag_true': (magnitude, 'magnitude of flux_true'),
        'blended': (np.minimum(table['existing_distance'],
                               table['injected_distance']) < blend_radius,
                    'nearer than 4/3 FWHM to another star'),
        'roughness': (local_roughness(residual, xy, fwhm=fwhm, mask=mask),
                      ('scatter of the background on the scale of the PSF, 1 '
                      'for white noise')),
        'density': (local_density(xy, sources, _DENSITY_FWHM * fwhm,
                                  residual.shape),
                    'sources per pixel within 10 FWHM'),
        'residual_at': (residual_at(residual, xy, fwhm=fwhm, mask=mask),
                        'residual at the place, averaged with the PSF'),
        'residual_around': (
            residual_around(residual, xy, fwhm=fwhm, mask=mask),
            'mean residual in the ring from 1.5 to 4 FWHM'),
    }
    for name, (values, description) in columns.items():
        table[name] = values
        table[name].info.description = description


def _clean(residual, mask):
    """
    Return an image with its median where it is masked, and the mask.
    """
    residual = plain_values(residual)
    bad = ~np.isfinite(residual)
    if mask is not None:
        bad |= np.asarray(mask, dtype=bool)
    residual[bad] = np.median(residual[~bad]) if not bad.all() else 0.0
    return residual, bad


def _boxes(xy, radius, shape):
    """
    Yield the slices of the boxes about positions; `None` if outside.
    """
    half = max(1, round(radius))
    for x, y in np.asarray(xy, dtype=float).reshape(-1, 2):
        if not (np.isfinite(x) and np.isfinite(y)):
            yield None
            continue
        rows, columns = (
            slice(max(0, round(centre) - half),
                  max(0, min(size, round(centre) + half + 1)))
            for centre, size in zip((y, x), shape, strict=True))
        empty = (rows.stop <= rows.start) or (columns.stop <= columns.start)
        yield None if empty else (rows, columns)


def _means(residual, xy, mask, radius, weight):
    """
    Return weighted means about positions; weights depend on distance.
    """
    residual, mask = _clean(residual, mask)
    values = np.full(len(xy), np.nan)
    boxes = _boxes(xy, radius, residual.shape)
    for i, ((x, y), box) in enumerate(zip(np.asarray(xy, dtype=float), boxes,
                                          strict=True)):
        if box is None:
            continue
        rows, columns = np.mgrid[box]
        weights = np.where(mask[box], 0.0,
                           weight(np.hypot(columns - x, rows - y)))
        if weights.sum() > 0:
            values[i] = np.sum(weights * residual[box]) / weights.sum()
    return values
