# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the corrector returns beside the table, with plots.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.table import QTable

from lpiphot._checks import as_count
from lpiphot.lpi.masks import GOOD, HIDDEN, IGNORED

__all__ = ['LPIResult', 'Prediction']


@dataclass(frozen=True, eq=False)
class LPIResult:
    """
    A corrected table and the images that belong to it.

    All images have the shape of the data, and its unit if it has one.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        The corrected table.

    data : 2-D `~numpy.ndarray` or `~astropy.units.Quantity`
        The data, float64.

    residual : 2-D `~numpy.ndarray` or `~astropy.units.Quantity`
        Data minus all fitted stars.

    mask : 2-D bool `~numpy.ndarray`
        `True` for the pixels that were infilled before the covariance
        was learned: bad ones, those under stars, and outliers.

    filled : 2-D `~numpy.ndarray` or `~astropy.units.Quantity`
        The residual with these pixels infilled, that the covariance was
        learned from.

    background : 2-D `~numpy.ndarray` or `~astropy.units.Quantity`
        The same with the predicted background behind each star; under
        several stars, that of the nearest.

    hidden : 2-D bool `~numpy.ndarray`
        `True` for the pixels whose background was predicted.

    pairs : `~astropy.table.QTable`
        For each pair of stars that were solved jointly the ``id_1`` and
        ``id_2`` of both, and the ``correlation`` and ``covariance`` of
        their corrected fluxes: each star has a solution of its own with
        the other, and this is the mean of the two. It is empty unless
        ``neighbours='group_id'``.
    """

    table: QTable
    data: np.ndarray
    residual: np.ndarray
    mask: np.ndarray
    filled: np.ndarray
    background: np.ndarray
    hidden: np.ndarray
    pairs: QTable

    def __repr__(self):
        return (f'{type(self).__name__}({len(self.table)} sources, image '
                f'{self.data.shape})')

    def plot(self):
        """
        Show the field, its residual and the predicted background.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure. Needs ``matplotlib``.
        """
        from lpiphot._plots import plot_result

        return plot_result(self)


@dataclass(frozen=True, eq=False)
class Prediction:
    """
    The background behind one star, as a conditional Gaussian.

    Images are stamps ``(ny, nx)`` in the unit of the data; mean and
    covariance are of the hidden pixels, in C order.

    Attributes
    ----------
    id : int or str
        The id of the star in the table, or its row if there are none.

    centre : 2-tuple of int
        The pixel ``(y, x)`` of the image at the middle of the stamp.

    stamp : 2-D `~numpy.ndarray`
        The residual, with infilled values where it has none.

    classes : 2-D `~numpy.ndarray` of uint8
        0 for ignored, 1 for good, 2 for hidden pixels.

    psf : 2-D `~numpy.ndarray`
        The absolute value of the unit-flux PSF.

    mean : (n_hidden,) `~numpy.ndarray`
        The mean of the predicted background (equation 4). Among stars too
        faint to be found, where the background is skewed, what it is
        typically off by at places without stars, given what is predicted,
        is taken out, in the shape of the PSF.

    covariance : (n_hidden, n_hidden) `~numpy.ndarray`
        Its covariance (equation 5).

    chi2 : float
        The chi-square of the good pixels.

    unit : `~astropy.units.Unit` or `None`
        The unit of the data, of which all arrays are plain numbers.
    """

    id: int | str
    centre: tuple
    stamp: np.ndarray
    classes: np.ndarray
    psf: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    chi2: float
    unit: u.Unit

    def __repr__(self):
        counts = ', '.join(f'{np.count_nonzero(getattr(self, name))} {name}'
                           for name in ('good', 'hidden', 'ignored'))
        return (f'{type(self).__name__}(id={self.id}, centre={self.centre}, '
                f'stamp {self.stamp.shape}: {counts})')

    @classmethod
    def from_solution(cls, name, solution, unit):
        """
        Make a prediction from the solution of a star.

        Parameters
        ----------
        name : int or str
            The id of the star.

        solution : ``lpiphot.lpi.solve.StarSolution``
            The solution.

        unit : `~astropy.units.Unit` or `None`
            The unit of the data.
        """
        return cls(id=name, centre=tuple(solution.centre.tolist()),
                   stamp=solution.stamp, classes=solution.classes,
                   psf=solution.psf, mean=solution.hidden_mean,
                   covariance=solution.conditional.covariance,
                   chi2=solution.conditional.chi2, unit=unit)

    @property
    def good(self):
        """
        The pixels that were conditioned on, as a mask.
        """
        return self.classes == GOOD

    @property
    def hidden(self):
        """
        The pixels that were predicted, as a mask.
        """
        return self.classes == HIDDEN

    @property
    def ignored(self):
        """
        The pixels that play no part, as a mask.
        """
        return self.classes == IGNORED

    @property
    def mean_stamp(self):
        """
        The stamp with the hidden pixels replaced by their mean.
        """
        stamp = self.stamp.copy()
        stamp[self.hidden] = self.mean
        return stamp

    def draw(self, n_draws=1, *, rng=None):
        """
        Draw backgrounds from the conditional Gaussian.

        Parameters
        ----------
        n_draws : int, optional
            The number of draws.

        rng : int or `~numpy.random.Generator`, optional
            A seed or a generator; by default each call has other draws.

        Returns
        -------
        stamps : (n_draws, ny, nx) `~numpy.ndarray`
            The stamp with the hidden pixels replaced by each draw, as
            plain numbers in ``unit``; ``stamps[:, prediction.hidden]`` are
            those alone, in the order of ``mean``.

        Raises
        ------
        TypeError, ValueError
            If the number is no integer or negative.
        """
        n_draws = as_count('n_draws', n_draws)
        rng = np.random.default_rng(rng)
        stamps = np.repeat(self.stamp[np.newaxis], n_draws, axis=0)
        stamps[:, self.hidden] = rng.multivariate_normal(
            self.mean, self.covariance, size=n_draws, method='cholesky')
        return stamps

    def plot(self, *, n_draws=2, rng=0):
        """
        Show residual, classes, mean and draws (the paper's figure 5).

        Parameters
        ----------
        n_draws : int, optional
            The number of draws to show.

        rng : int or `~numpy.random.Generator`, optional
            A seed or a generator for the draws.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure. Needs ``matplotlib``.

        Raises
        ------
        TypeError, ValueError
            If the number of draws is no integer or negative.
        """
        from lpiphot._plots import plot_prediction

        return plot_prediction(self, n_draws, rng)
