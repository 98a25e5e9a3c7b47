# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What training finds: kernels, and which of them a pixel takes.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from lpiphot.gpr.kernels import KERNELS, Kernel

__all__ = ['MAX_WIDTH', 'MIN_CONTRAST', 'Model', 'Steps', 'describe',
           'height']

# The format of saved models
FORMAT = 1

# Contrasts below this are mostly noise, below that all the same
NOISE_CONTRAST = 2.0
MIN_CONTRAST = 0.05

# The largest window that GPRImputer takes
MAX_WIDTH = 31


class Steps(NamedTuple):
    """
    Kernels by the contrast of the neighbours.

    Attributes
    ----------
    contrast : tuple of float
        The contrasts, in units of the noise, from which on each kernel
        is used; the first is used below as well.

    kernel : tuple of int
        The kernels, as numbers in the list of the model.

    variance : tuple of float
        For each of these kernels the variance of a pixel all of whose
        neighbours are good, or all but the nearest, where many are
        lost: that of the training pixels.

    nodes : tuple of float
        Contrasts at which the error is known.

    error : tuple of float
        The error there: the width of residuals of training pixels, in
        units of the noise.
    """

    contrast: tuple
    kernel: tuple
    variance: tuple
    nodes: tuple
    error: tuple

    def choose(self, contrast):
        """
        Return the kernel and the error for contrasts.

        Kernels go by steps. Errors are interpolated between the nodes,
        in logarithms. Below the first one they are the same, as a pixel
        has its noise however smooth its neighbours; beyond the last one
        they go on as between the last two, up to in proportion to the
        contrast, as errors of the shape of stars do.
        Kernels of neighbouring steps may have very different variances,
        but their errors are alike.

        Parameters
        ----------
        contrast : (n,) `~numpy.ndarray`
            The contrasts.

        Returns
        -------
        kernel : (n,) `~numpy.ndarray` of int
            The kernels.

        error : (n,) `~numpy.ndarray`
            The errors over the square root of the variance of the
            kernels.
        """
        step = np.searchsorted(self.contrast[1:], contrast, side='right')
        nodes, errors = np.log(self.nodes), np.log(self.error)
        logs = np.log(np.maximum(contrast, MIN_CONTRAST))
        found = np.interp(logs, nodes, errors)
        if len(nodes) > 1 and nodes[-1] != nodes[-2]:
            slope = (errors[-1] - errors[-2]) / (nodes[-1] - nodes[-2])
            found += np.clip(slope, 0, 1) * np.maximum(logs - nodes[-1], 0)
        return (np.take(self.kernel, step),
                np.exp(found) / np.sqrt(np.take(self.variance, step)))


@dataclass(frozen=True)
class Model:
    """
    Trained kernels.

    Attributes
    ----------
    width : int
        The width of the window in pixels.

    kernels : tuple of ``lpiphot.gpr.kernels.Kernel``
        The kernels.

    noise : float
        The noise of the training images in data units.

    lost_edges, shape_edges : tuple of float
        The shares of lost neighbours, and the shapes, that divide the
        classes.

    steps : tuple of `Steps`
        The kernels of each class, those of shape running fastest.

    heights, factors : tuple of float
        Heights, and what errors are multiplied by there: above the
        level of the image pixels are less certain than their neighbours
        tell.

    n_training : int
        The number of training pixels; 0 if there were none and the
        kernel is a general one.
    """

    width: int
    kernels: tuple
    noise: float
    lost_edges: tuple
    shape_edges: tuple
    steps: tuple
    heights: tuple
    factors: tuple
    n_training: int

    def parameters(self):
        """
        Return what the kernels are, by the names of `~lpiphot.GPRImputer`.

        Returns
        -------
        values : dict
            The parameters; of those that differ between several kernels
            only the covariance functions, joined by ``+``.
        """
        first = self.kernels[0]
        names = {kernel.name for kernel in self.kernels}
        values = {'kernel': '+'.join(name for name in KERNELS
                                     if name in names),
                  'width': self.width,
                  'method': 'local' if self.shape_edges else 'single'}
        if len(self.kernels) == 1:
            values |= {'amplitude': first.amplitude,
                       'length_scale': first.length_scale}
            if first.symmetry != 'all':
                values['angle'] = first.angle
        elif first.symmetry != 'all':
            values['stretch'] = ('axes' if first.symmetry == 'axes'
                                 else 'angle')
        if first.name == 'periodic':
            values['period'] = first.period
        return values

    def classify(self, moments, noise):
        """
        Choose the kernel of each pixel from its neighbours.

        Parameters
        ----------
        moments : ``lpiphot.gpr.window.Moments``
            How the neighbours scatter.

        noise : float
            The noise of this image in data units.

        Returns
        -------
        kernel : (n,) `~numpy.ndarray` of int
            The number of the kernel.

        error : (n,) `~numpy.ndarray`
            The error in data units, to be multiplied by the square root
            of the variance of the weights.
        """
        contrast, shape = describe(moments, noise)
        kind = (np.searchsorted(self.lost_edges, moments.lost)
                * (len(self.shape_edges) + 1)
                + np.searchsorted(self.shape_edges, shape))
        kernel = np.zeros(len(contrast), dtype=np.intc)
        error = np.zeros(len(contrast))
        for number, steps in enumerate(self.steps):
            chosen = kind == number
            kernel[chosen], error[chosen] = steps.choose(contrast[chosen])
        return kernel, error * noise

    def factor(self, value, scatter, noise):
        """
        Return by what the errors of filled pixels are multiplied.

        Parameters
        ----------
        value : (n,) `~numpy.ndarray`
            The values, counted from the level of the image.

        scatter : (n,) `~numpy.ndarray`
            How their neighbours scatter.

        noise : float
            The noise of this image, in data units like the others.

        Returns
        -------
        factor : (n,) `~numpy.ndarray`
            The factors.
        """
        return np.interp(height(value / noise, scatter / noise), self.heights,
                         self.factors)

    def checked(self):
        """
        Return the model itself, if it can be used.

        Returns
        -------
        model : `Model`
            The model.

        Raises
        ------
        ValueError
            If it cannot be used, as after changes to a file.
        """
        n_classes = (len(self.lost_edges) + 1) * (len(self.shape_edges) + 1)
        for name, good in (
                ('width', type(self.width) is int and self.width % 2
                 and 3 <= self.width <= MAX_WIDTH),
                ('noise', _all_positive([self.noise])),
                ('n_training', type(self.n_training) is int
                 and self.n_training >= 0),
                ('heights', np.isfinite(self.heights).all()),
                ('factors', 0 < len(self.heights) == len(self.factors)
                 and _all_positive(self.factors)),
                ('kernels', self.kernels and all(
                    kernel.name in KERNELS
                    and len(kernel.length_scale) == 2
                    and _all_positive([kernel.amplitude, kernel.period,
                                       *kernel.length_scale])
                    and np.isfinite(kernel.angle)
                    for kernel in self.kernels)),
                ('steps', len(self.steps) == n_classes
                 and all(self._is_good(steps) for steps in self.steps))):
            if not good:
                msg = f'{name} cannot be {getattr(self, name)!r}'
                raise ValueError(msg)
        return self

    def _is_good(self, steps):
        return (0 < len(steps.contrast) == len(steps.kernel)
                == len(steps.variance)
                and 0 < len(steps.nodes) == len(steps.error)
                and all(type(number) is int
                        and 0 <= number < len(self.kernels)
                        for number in steps.kernel)
                and np.isfinite(steps.contrast).all()
                and _all_positive([*steps.variance, *steps.nodes,
                                   *steps.error]))

    def to_dict(self):
        """
        Return the model as numbers, texts and lists of them.

        Returns
        -------
        values : dict
            The model.
        """
        return {'format': FORMAT} | asdict(self) | {
            'steps': [steps._asdict() for steps in self.steps]}

    @classmethod
    def from_dict(cls, values):
        """
        Return the model that `to_dict` wrote.

        Parameters
        ----------
        values : dict
            The model.

        Returns
        -------
        model : `Model`
            The model.

        Raises
        ------
        ValueError
            If the values are not those of a model.
        """
        try:
            values = dict(values)
            if values.pop('format') != FORMAT:
                msg = f'format must be {FORMAT}'
                raise ValueError(msg)
            kernels = tuple(Kernel(**kernel | {
                'length_scale': tuple(kernel['length_scale'])})
                for kernel in values.pop('kernels'))
            steps = tuple(Steps(**{name: tuple(values) for name, values
                                   in step.items()})
                          for step in values.pop('steps'))
            edges = {name: tuple(values.pop(name))
                     for name in ('lost_edges', 'shape_edges', 'heights',
                                  'factors')}
            return cls(kernels=kernels, steps=steps, **edges,
                       **values).checked()
        except (KeyError, TypeError, AttributeError) as exc:
            msg = f'not a trained model of lpiphot: {exc!r}'
            raise ValueError(msg) from exc


def _all_positive(values):
    return bool(np.all(np.isfinite(values) & np.greater(values, 0)))


def describe(moments, noise):
    """
    Return contrast and shape of the neighbourhood of pixels.

    Parameters
    ----------
    moments : ``lpiphot.gpr.window.Moments``
        How the neighbours scatter.

    noise : float
        The noise of the image in data units.

    Returns
    -------
    contrast : (n,) `~numpy.ndarray`
        The scatter in units of the noise.

    shape : (n,) `~numpy.ndarray`
        The peak in units of the scatter, or of twice the noise if that
        is more: positive on stars, negative between them.
    """
    contrast = moments.scatter / noise
    return contrast, (moments.peak / noise
                      / np.maximum(contrast, NOISE_CONTRAST))


def height(value, contrast):
    """
    Return how high pixels are, in units of their contrast.

    Parameters
    ----------
    value : (n,) `~numpy.ndarray`
        The filled values, counted from the level of the image, in units
        of the noise.

    contrast : (n,) `~numpy.ndarray`
        The contrast of the neighbours.

    Returns
    -------
    height : (n,) `~numpy.ndarray`
        The heights.
    """
    return value / np.maximum(contrast, MIN_CONTRAST)
