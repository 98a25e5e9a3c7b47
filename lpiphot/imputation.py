# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What imputers return beside the image: uncertainty, flags, plots.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import NDData

from lpiphot._noise import sky_noise
from lpiphot._outputs import replace_pixels, with_unit

__all__ = ['GPRImputation', 'LPIImputation', 'noise_of_measured']


@dataclass(frozen=True, eq=False, repr=False)
class _Imputation:
    """
    What all imputers return.
    """

    image: object
    mask: np.ndarray
    flags: np.ndarray
    unit: u.Unit
    # of the pixels filled, a plain number
    _std: np.ndarray

    def __repr__(self):
        return (f'{type(self).__name__}({np.count_nonzero(self.mask)} of '
                f'{self.mask.size} pixels filled)')

    @property
    def std(self):
        """
        The 1-sigma uncertainty of the filled pixels, 0 for others.
        """
        std = np.zeros(self.mask.shape)
        std[self.mask] = self._std
        return with_unit(std, self.unit)


@dataclass(frozen=True, eq=False, repr=False)
class LPIImputation(_Imputation):
    """
    An image with its holes filled, and how well they are known.

    Attributes
    ----------
    image : same type as the data
        The image with the holes filled by the mean prediction.

    mask : 2-D bool `~numpy.ndarray`
        `True` for the pixels that were filled.

    good : 2-D bool `~numpy.ndarray`
        `True` for the pixels that are known. Others that were not
        filled play no part.

    flags : 2-D `~numpy.ndarray` of uint16
        The bits of each pixel, see `lpiphot.decode_fill_flags`; 0 for
        pixels that were not filled.

    n_draws : int
        The number of draws.

    condition_distance : float
        The distance in pixels within which pixels were predicted from
        known ones.

    unit : `~astropy.units.Unit` or `None`
        The unit of the data.
    """

    good: np.ndarray
    n_draws: int
    condition_distance: float
    # of all pixels, and of those filled: plain numbers
    _mean: np.ndarray
    _deviations: np.ndarray

    @property
    def mean(self):
        """
        The image with the mean prediction, as float64 or a Quantity.
        """
        return with_unit(self._mean.copy(), self.unit)

    @property
    def draws(self):
        """
        The images with the draws, ``(n_draws, ny, nx)``, as float64 or
        a Quantity.
        """
        draws = np.repeat(self._mean[np.newaxis], self.n_draws, axis=0)
        draws[:, self.mask] += self._deviations
        return with_unit(draws, self.unit)

    def draw(self, index):
        """
        Return the image with a draw, of the type of the data.

        Parameters
        ----------
        index : int
            The number of the draw, from 0.

        Returns
        -------
        image : same type as the data
            As ``image``, but for the values of the filled pixels.

        Raises
        ------
        IndexError
            If there are not so many draws.
        """
        if not -self.n_draws <= index < self.n_draws:
            msg = (f'index must be that of one of the {self.n_draws} draws; '
                   f'got {index}')
            raise IndexError(msg)
        none = np.zeros(self.mask.shape, dtype=bool)
        # no noise: the image has its uncertainty already
        return replace_pixels(
            self.image, self.mask,
            self._mean[self.mask] + self._deviations[index], self._std,
            unmask=none, mask=none, flags=self.flags, noise=0.0)

    def plot(self, position=None, *, size=None, truth=None, n_draws=4):
        """
        Show a hole: mask, mean, uncertainty and draws (figure 4).

        Parameters
        ----------
        position : 2-tuple of float, optional
            The position ``(y, x)`` of the hole. By default the deepest
            one: its pixel that is farthest from known ones.

        size : int, optional
            The width of the part of the image in pixels. By default, so
            that the hole and as much about it are seen.

        truth : 2-D array_like or `~astropy.units.Quantity`, optional
            The true image, if it is known.

        n_draws : int, optional
            The largest number of draws to show.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure. Needs ``matplotlib``.

        Raises
        ------
        ValueError
            If no pixel was filled, or the truth has another shape.

        astropy.units.UnitsError
            If the units of truth and data do not match.
        """
        from lpiphot._imputation_plots import plot_imputation

        if not self.mask.any():
            msg = 'there is no hole to plot: no pixel was filled'
            raise ValueError(msg)
        return plot_imputation(self, position, size, truth, n_draws)


@dataclass(frozen=True, eq=False, repr=False)
class GPRImputation(_Imputation):
    """
    An image with its bad pixels filled, and how well they are known.

    Attributes
    ----------
    image : same type as the data
        The image or cube with the bad pixels filled.

    mask : bool `~numpy.ndarray`
        `True` for the pixels that were filled.

    flags : `~numpy.ndarray` of uint16
        The bits of each pixel, see `lpiphot.decode_fill_flags`; 0 for
        pixels that were not filled.

    models : tuple of object
        The kernels used for each image.

    unit : `~astropy.units.Unit` or `None`
        The unit of the data.

    Notes
    -----
    The uncertainties ``std`` are those of the filled values as
    measurements of the pixels: the noise that a measurement would have
    is part of them.
    """

    models: tuple

    def plot(self, position=None, *, size=40, plane=0):
        """
        Show the image before and after, a part of it, and the errors.

        Parameters
        ----------
        position : 2-tuple of float, optional
            The position ``(y, x)`` of the middle of the part. By
            default where most pixels were filled among good ones, above
            all uncertain ones.

        size : int, optional
            The width of the part in pixels.

        plane : int, optional
            Which image of a cube.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure. Needs ``matplotlib``.
        """
        from lpiphot._imputation_plots import plot_imputed

        return plot_imputed(self, plane, position, size)


def noise_of_measured(data, values, bad):
    """
    Return the noise of the sky, for who gave no uncertainty.

    Parameters
    ----------
    data : object
        The image or cube as it came in.

    values : (..., ny, nx) `~numpy.ndarray`
        Its pixels.

    bad : (..., ny, nx) bool `~numpy.ndarray`
        `True` for the pixels to leave out; in each image others are
        left.

    Returns
    -------
    noise : (..., 1, 1) `~numpy.ndarray` or float
        The 1-sigma noise of each image, in the unit of the data; 0 if
        the data take no uncertainty, or have one.
    """
    if not isinstance(data, NDData) or getattr(data.uncertainty, 'array',
                                               None) is not None:
        return 0.0
    shape = values.shape[-2:]
    noise = [sky_noise(*planes) for planes in
             zip(values.reshape(-1, *shape), bad.reshape(-1, *shape),
                 strict=True)]
    return np.reshape(noise, (*values.shape[:-2], 1, 1))
