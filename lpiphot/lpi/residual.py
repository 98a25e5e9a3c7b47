# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Star model and unit-flux PSF stamps, from a catalogue and a PSF model.

The one module of `lpiphot.lpi` that knows of astropy models; it calls
their ``evaluate`` with plain numbers, so that units play no part, but for
those of angles.
"""

import copy
from typing import NamedTuple

import numpy as np
from astropy.modeling import Model
from astropy.stats import gaussian_sigma_to_fwhm
from scipy.spatial import KDTree

__all__ = ['PSF', 'Sources', 'StarRenderer', 'centre_pixels', 'close_pairs',
           'psf_gradients', 'psf_stamps', 'typical_source']

# Number of PSF values evaluated at once: 2 MB of float64
BLOCK_SIZE = 2 ** 18

# Half the difference of positions for the derivatives of PSFs, in pixels:
# of a Gaussian with a sigma of 0.5 they are good to 1e-4.
STEP = 0.01


class Sources(NamedTuple):
    """
    The fitted stars, as plain arrays.

    Attributes
    ----------
    x, y, flux : (n,) `~numpy.ndarray`
        Position and flux as fitted; not finite where masked.

    extra : dict of (n,) `~numpy.ndarray`
        Fitted values of further parameters of the PSF model, by name.

    template : (n,) `~numpy.ndarray` of int, optional
        The number of the template of each source, from 1; 0 for those
        that have the shape of the PSF model, as all have by default.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    extra: dict
    template: np.ndarray = None

    def take(self, index):
        """
        Return some of the sources.

        Parameters
        ----------
        index : int, slice or `~numpy.ndarray`
            The index or mask of the sources.

        Returns
        -------
        sources : `Sources`
            These sources.
        """
        return Sources(self.x[index], self.y[index], self.flux[index],
                       {key: val[index] for key, val in self.extra.items()},
                       None if self.template is None
                       else self.template[index])

    def by_template(self):
        """
        Return the numbers of the templates, and the index of the sources
        that have each.
        """
        if self.template is None:
            return [(0, slice(None))]
        return [(number, np.flatnonzero(self.template == number))
                for number in np.unique(self.template).tolist()]


class PSF:
    """
    A photutils-compatible PSF model, evaluated for many stars at once.

    Parameters
    ----------
    model : `~astropy.modeling.Model`
        A two-dimensional model with the parameters ``x_0``, ``y_0``
        and ``flux``, or with attributes ``x_name``, ``y_name`` and
        ``flux_name`` that name them, as photutils wants.

    name : str, optional
        What messages call it.

    Raises
    ------
    TypeError
        If ``model`` is not an astropy model.

    ValueError
        If ``model`` is not two-dimensional or has no such parameters.
    """

    def __init__(self, model, name='psf_model'):
        if not isinstance(model, Model):
            msg = (f'{name} must be an astropy.modeling.Model; got '
                   f'{type(model).__name__}')
            raise TypeError(msg)
        if (model.n_inputs, model.n_outputs) != (2, 1):
            msg = (f'{name} must have two inputs and one output; '
                   f'{type(model).__name__} has {model.n_inputs} and '
                   f'{model.n_outputs}')
            raise ValueError(msg)
        names = ('x_0', 'y_0', 'flux')
        if not set(names) <= set(model.param_names):
            names = tuple(getattr(model, attribute, None)
                          for attribute in ('x_name', 'y_name', 'flux_name'))
        if not set(names) <= set(model.param_names):
            msg = (f"{name} must have the parameters 'x_0', 'y_0' and "
                   "'flux', or the attributes 'x_name', 'y_name' and "
                   f"'flux_name' that name them; {type(model).__name__} has "
                   f'the parameters {model.param_names}')
            raise ValueError(msg)
        self.templates = ()
        self._model = model
        self._names = names
        self._values = {
            name: np.asarray(getattr(model, name).value, dtype=float).item()
            for name in model.param_names}
        # models take an angle without a unit for degrees, or for radians
        self._angles = {
            name: getattr(model, name).unit for name in model.param_names
            if getattr(model, name).unit is not None
            and getattr(model, name).unit.is_equivalent('rad')}
        self._broadcasts = self._check_broadcasting()

    def with_templates(self, templates):
        """
        Return this PSF, with the shapes of sources that have their own.

        Parameters
        ----------
        templates : list of `PSF`
            The shapes. Further parameters are those of their models.

        Returns
        -------
        psf : `PSF`
            The PSF.
        """
        psf = copy.copy(self)
        psf.templates = templates
        return psf

    @property
    def extra_names(self):
        """
        The names of the parameters beside position and flux.
        """
        return [name for name in self._values if name not in self._names]

    def _call(self, x, y, sources):
        shape = (-1, 1, 1) if np.ndim(sources.x) else ()
        values = dict(self._values)
        values.update(sources.extra)
        values.update(zip(self._names, (sources.x, sources.y, sources.flux),
                          strict=True))
        values = {name: np.reshape(value, shape if np.ndim(value) else ())
                  for name, value in values.items()}
        for name, unit in self._angles.items():
            values[name] = values[name] * unit
        result = self._model.evaluate(
            x, y, *(values[name] for name in self._model.param_names))
        return getattr(result, 'value', result)

    def _check_broadcasting(self):
        """
        Find out whether the model takes a stack of stars in one call.
        """
        pair = Sources(np.array([0.1, 3.3]), np.array([2.2, 0.7]),
                       np.array([1.0, 2.0]), {})
        y, x = np.mgrid[:3, :4].astype(float)
        x, y = np.stack([x, x + 1]), np.stack([y, y + 1])
        try:
            both = self._call(x, y, pair)
        except (ValueError, TypeError, IndexError):
            return False
        each = [self._call(x[i], y[i], pair.take(i)) for i in (0, 1)]
        return np.shape(both) == np.shape(each) and np.array_equal(both, each)

    def __call__(self, x, y, sources):
        """
        Evaluate the model for stars on a grid of pixels each.

        Parameters
        ----------
        x, y : (n, ny, nx) `~numpy.ndarray`
            The pixel coordinates.

        sources : `Sources`
            The n stars.

        Returns
        -------
        values : (n, ny, nx) `~numpy.ndarray`
            The model values; 0 where the model is not finite.
        """
        if sources.template is not None and sources.template.any():
            values = np.empty(np.shape(x))
            for number, some in sources.by_template():
                shape = self.templates[number - 1] if number else self
                values[some] = shape(x[some], y[some], sources.take(
                    some)._replace(template=None, **(
                        {'extra': {}} if number else {})))
            return values
        with np.errstate(all='ignore'):
            if self._broadcasts:
                values = self._call(x, y, sources)
            else:
                values = np.stack([self._call(x[i], y[i], sources.take(i))
                                   for i in range(len(x))])
        # a model may be undefined outside its image, or for a failed fit
        return np.nan_to_num(values.astype(float, copy=False), nan=0.0,
                             posinf=0.0, neginf=0.0)


def centre_pixels(sources):
    """
    Return the pixels that hold the positions of the sources.

    Parameters
    ----------
    sources : `Sources`
        The n sources.

    Returns
    -------
    centres : (n, 2) `~numpy.ndarray` of int
        The pixels ``(y, x)``.
    """
    # integers cannot hold what a failed fit may give
    positions = np.column_stack([sources.y, sources.x]).clip(-1e9, 1e9)
    return np.floor(positions + 0.5).astype(int)


def typical_source(sources, image_shape):
    """
    Return a source in the middle of the image.

    Parameters
    ----------
    sources : `Sources`
        The sources of the image, whose medians further parameters of
        the PSF get.

    image_shape : 2-tuple of int
        The shape of the image.

    Returns
    -------
    source : `Sources`
        One source, on the middle of a pixel.
    """
    return Sources(
        np.array([float(image_shape[1] // 2)]),
        np.array([float(image_shape[0] // 2)]), np.array([1.0]),
        {name: np.array([np.median(values)])
         for name, values in sources.extra.items() if len(values)})


def close_pairs(psf, sources, stamp_shape, image_shape, others=None):
    """
    Find the sources that have another within half the FWHM.

    Parameters
    ----------
    psf : `PSF`
        The PSF model.

    sources : `Sources`
        The n sources.

    stamp_shape, image_shape : 2-tuple of int
        The shapes of the stamps and of the image.

    others : `Sources`, optional
        Sources, none of the n, that alone are looked for, in place of
        the n themselves.

    Returns
    -------
    close : (n,) bool `~numpy.ndarray`
        `True` for sources with another so close. The FWHM is that of
        the Gaussian with the sum of squares of the PSF.
    """
    known, nearest = (sources, 2) if others is None else (others, 1)
    if len(sources.x) == 0 or len(known.x) < nearest:
        return np.zeros(len(sources.x), dtype=bool)
    # 1 / (4 pi sigma^2) for a Gaussian
    stamp = psf_stamps(psf, typical_source(sources, image_shape),
                       stamp_shape)
    fwhm = gaussian_sigma_to_fwhm / np.sqrt(
        4 * np.pi * max(np.sum(stamp ** 2), 1e-300))
    positions, known = (np.column_stack([some.x, some.y])
                        for some in (sources, known))
    return (KDTree(known).query(positions, k=[nearest])[0][:, 0]
            < 0.5 * fwhm)


def psf_stamps(psf, sources, stamp_shape, centres=None):
    """
    Evaluate the unit-flux PSF of stars on stamps.

    Parameters
    ----------
    psf : `PSF`
        The PSF model.

    sources : `Sources`
        The n stars; their fluxes are not used.

    stamp_shape : 2-tuple of int
        The shape of the stamps.

    centres : (n, 2) or (2,) `~numpy.ndarray` of int, optional
        The middle pixels ``(y, x)`` of the stamps, or of all of them. By
        default those that hold the positions of the stars.

    Returns
    -------
    stamps : (n, ny, nx) `~numpy.ndarray`
        The PSF values.
    """
    if centres is None:
        centres = centre_pixels(sources)
    centres = np.broadcast_to(centres, (len(sources.x), 2))
    y = centres[:, :1, np.newaxis] + _offsets(stamp_shape[0])[:, np.newaxis]
    x = centres[:, 1:, np.newaxis] + _offsets(stamp_shape[1])
    y, x = np.broadcast_arrays(y.astype(float), x.astype(float))
    unit = sources._replace(flux=np.ones(len(centres)))
    if len(centres) == 0:
        return np.empty((0, *stamp_shape))
    return psf(x, y, unit)


def psf_gradients(psf, sources, stamp_shape, centres):
    """
    Differentiate the unit-flux PSF of stars by their positions.

    Parameters
    ----------
    psf : `PSF`
        The PSF model.

    sources : `Sources`
        The n stars; their fluxes are not used.

    stamp_shape : 2-tuple of int
        The shape of the stamps.

    centres : (n, 2) or (2,) `~numpy.ndarray` of int
        The middle pixels ``(y, x)`` of the stamps, or of all of them.

    Returns
    -------
    gradients : (2, n, ny, nx) `~numpy.ndarray`
        The derivatives with respect to x and y, as differences over a
        fiftieth of a pixel.
    """
    steps = []
    for name in ('x', 'y'):
        ahead, behind = (
            psf_stamps(psf, sources._replace(
                **{name: getattr(sources, name) + step}),
                stamp_shape, centres)
            for step in (STEP, -STEP))
        steps.append((ahead - behind) / (2 * STEP))
    return np.stack(steps)


def _offsets(size):
    return np.arange(size) - size // 2


class StarRenderer:
    """
    Renders each star as far out as it rises above a faintest value.

    A stamp is enough for most stars; the wings of bright ones reach
    much farther. The shape is doubled for a star until the model at
    its border is below the faintest value.

    Parameters
    ----------
    psf : `PSF`
        The PSF model.

    sources : `Sources`
        The stars, all finite.

    image_shape, stamp_shape : 2-tuple of int
        The shapes of the image and of the stamps.

    faintest : float
        The value of the model below which it may be cut, in data units.
    """

    def __init__(self, psf, sources, image_shape, stamp_shape, faintest):
        self._psf = psf
        self._sources = sources
        self._shapes = np.empty((len(sources.x), 2), dtype=int)
        for number, some in sources.by_template():
            brightness = np.abs(sources.flux[some])
            if sources.extra:  # each has its own PSF
                like = sources.take(some)._replace(
                    flux=np.ones(brightness.size))
            else:
                like = typical_source(sources, image_shape)._replace(
                    template=np.array([number]))
            self._shapes[some] = _render_shapes(
                psf, like, brightness, image_shape, stamp_shape, faintest)
        self._corners = centre_pixels(sources) - self._shapes // 2

    def reaching(self, first, last):
        """
        Return the stars that reach into a rectangle of pixels.

        Parameters
        ----------
        first, last : (2,) array_like of int
            The first pixel ``(y, x)``, and the one after the last.

        Returns
        -------
        stars : `~numpy.ndarray` of int
            The indices of the stars.
        """
        return np.flatnonzero(np.all((self._corners < last) & (
            self._corners + self._shapes > first), axis=1))

    def render(self, region):
        """
        Render the stars that reach into a region of the image.

        Parameters
        ----------
        region : `~lpiphot.lpi.tiles.Region`
            The region.

        Yields
        ------
        part : 2-tuple of slice
            The part of the region that a star covers.

        values : 2-D `~numpy.ndarray`
            The values of the star on these pixels.
        """
        first = np.maximum(self._corners, region.first)
        last = np.minimum(self._corners + self._shapes, region.last)
        inside = self.reaching(*region)
        for shape in np.unique(self._shapes[inside], axis=0):
            members = inside[np.all(self._shapes[inside] == shape, axis=1)]
            step = BLOCK_SIZE // int(shape.prod())
            if step == 0:  # large: only what is inside the region
                for star in members:
                    yield (_slices(first[star], last[star], region.first),
                           self._values(star, first[star], last[star]))
                continue
            for begin in range(0, len(members), step):
                some = members[begin:begin + step]
                stamps = psf_stamps(self._psf, self._sources.take(some),
                                    shape)
                for star, stamp in zip(some, stamps, strict=True):
                    yield (_slices(first[star], last[star], region.first),
                           self._sources.flux[star] * stamp[_slices(
                               first[star], last[star],
                               self._corners[star])])

    def _values(self, star, first, last):
        """
        Return the values of a star on a rectangle of pixels.
        """
        y, x = np.mgrid[first[0]:last[0], first[1]:last[1]].astype(float)
        source = self._sources.take(np.array([star]))
        return self._psf(x[np.newaxis], y[np.newaxis], source)[0]


def _slices(first, last, origin):
    return tuple(slice(*pair) for pair in
                 zip(first - origin, last - origin, strict=True))


def _render_shapes(psf, like, brightness, image_shape, stamp_shape,
                   faintest):
    """
    Return the shapes beyond whose borders stars are below a value.

    ``like`` are sources of flux 1 with the PSF of each star, or one for
    all.
    """
    shape = np.array(stamp_shape)
    shapes = np.tile(shape, (len(brightness), 1))
    left = np.arange(len(brightness))
    while left.size:
        shapes[left] = shape
        if len(like.x) == 1:
            border = _largest_on_border(psf, like, shape)
        else:
            step = max(1, BLOCK_SIZE // int(2 * shape.sum()))
            border = np.concatenate([
                _largest_on_border(psf, like.take(left[i:i + step]), shape)
                for i in range(0, len(left), step)])
        left = left[(brightness[left] * border >= faintest) & (border > 0)]
        if min(shape) > 2 * max(image_shape):
            break
        shape = 2 * shape + 1
    return shapes


def _largest_on_border(psf, sources, shape):
    """
    Return the largest absolute value of each PSF on the border of a stamp.
    """
    y, x = (_offsets(size) for size in shape)
    border = np.column_stack([
        [np.repeat(y[[0, -1]], len(x)), np.tile(x, 2)],
        [np.tile(y, 2), np.repeat(x[[0, -1]], len(y))]])
    places = centre_pixels(sources)[:, :, np.newaxis] + border
    y, x = np.swapaxes(places, 0, 1).astype(float)[:, :, np.newaxis]
    return np.abs(psf(x, y, sources)).max(axis=(1, 2))
