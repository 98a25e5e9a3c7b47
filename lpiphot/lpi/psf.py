# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The sources of a catalogue, and their unit-flux PSFs on stamps.

The one module of `lpiphot.lpi` that knows of astropy models; it calls
their ``evaluate`` with plain numbers, so that units play no part, but for
those of angles.
"""

from typing import NamedTuple

import numpy as np
from astropy.modeling import Model
from astropy.stats import gaussian_sigma_to_fwhm

from lpiphot._psf_names import psf_names

__all__ = ['PSF', 'Sources', 'centre_pixels', 'offsets', 'psf_gradients',
           'psf_stamps', 'typical_fwhm', 'typical_source']

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
        Fitted values of further parameters of the PSF model, by name; not
        used for sources with a template.

    template : (n,) `~numpy.ndarray` of int, optional
        The number of the template of each source, from 1; 0 for those
        that have the shape of the PSF model, as all have by default.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    extra: dict
    template: np.ndarray = None

    @property
    def finite(self):
        """
        Which sources have a position, a flux and further parameters, which
        those with a template do not need.
        """
        known = np.isfinite([self.x, self.y, self.flux]).all(axis=0)
        own = self.template is not None and self.template > 0
        for values in self.extra.values():
            known &= np.isfinite(values) | own
        return known

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
        A two-dimensional model with a position and a flux (see
        `lpiphot._psf_names`).

    name : str, optional
        What messages call it.

    templates : sequence of `PSF`, optional
        The shapes of sources that have their own. Further parameters are
        those of their models.

    Raises
    ------
    TypeError
        If ``model`` is not an astropy model.

    ValueError
        If ``model`` is not two-dimensional or has no such parameters.
    """

    def __init__(self, model, name='psf_model', templates=()):
        if not isinstance(model, Model):
            msg = (f'{name} must be an astropy.modeling.Model; got '
                   f'{type(model).__name__}')
            raise TypeError(msg)
        if (model.n_inputs, model.n_outputs) != (2, 1):
            msg = (f'{name} must have two inputs and one output; '
                   f'{type(model).__name__} has {model.n_inputs} and '
                   f'{model.n_outputs}')
            raise ValueError(msg)
        self.name = name
        self.templates = templates
        self._model = model
        self._names = psf_names(model, name)
        self._values = {
            name: np.asarray(getattr(model, name).value, dtype=float).item()
            for name in model.param_names}
        # models take an angle without a unit for degrees, or for radians
        self._angles = {
            name: getattr(model, name).unit for name in model.param_names
            if getattr(model, name).unit is not None
            and getattr(model, name).unit.is_equivalent('rad')}
        self._broadcasts = self._check_broadcasting()

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
            for number, index in sources.by_template():
                psf, some = self, sources.take(index)._replace(template=None)
                if number:  # further parameters are those of its model
                    psf = self.templates[number - 1]
                    some = some._replace(extra={})
                values[index] = psf(x[index], y[index], some)
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
        {name: np.array([np.median(values[np.isfinite(values)])])
         for name, values in sources.extra.items()
         if np.isfinite(values).any()})


def typical_fwhm(psf, sources, stamp_shape, image_shape):
    """
    Return the FWHM of the Gaussian with the sum of squares of the PSF.

    Parameters
    ----------
    psf : `PSF`
        The PSF model.

    sources : `Sources`
        The sources of the image; see `typical_source`.

    stamp_shape, image_shape : 2-tuple of int
        The shapes of the stamps and of the image.

    Returns
    -------
    fwhm : float
        The FWHM in pixels.
    """
    stamp = psf_stamps(psf, typical_source(sources, image_shape),
                       stamp_shape)
    # 1 / (4 pi sigma^2) for a Gaussian
    return gaussian_sigma_to_fwhm / np.sqrt(
        4 * np.pi * max(np.sum(stamp ** 2), 1e-300))


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
    y = centres[:, :1, np.newaxis] + offsets(stamp_shape[0])[:, np.newaxis]
    x = centres[:, 1:, np.newaxis] + offsets(stamp_shape[1])
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


def offsets(size):
    """
    Return the distances of the pixels of a row from the middle one.

    Parameters
    ----------
    size : int
        The number of pixels.

    Returns
    -------
    offsets : (size,) `~numpy.ndarray` of int
        The distances.
    """
    return np.arange(size) - size // 2
