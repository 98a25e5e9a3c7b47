# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The LPI prediction as the local background of a PSF fit.
"""

import warnings

import astropy.units as u
import numpy as np
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning
from photutils.background import LocalBackground, MedianBackground
from photutils.psf import PSFPhotometry

from lpiphot._fwhm import BOX, RING, box_shape, model_fwhm
from lpiphot._inputs import ImageReader
from lpiphot._psf_names import psf_names
from lpiphot._tables import parameter_values
from lpiphot.corrector import LPIBackgroundCorrector
from lpiphot.lpi.psf import PSF, Sources
from lpiphot.lpi.scene import Thresholds

__all__ = ['LPILocalBackground']


class LPILocalBackground(LocalBackground):
    r"""
    The background that LPI predicts behind a star, as one number.

    For the ``local_bkg_estimator`` of `~photutils.psf.PSFPhotometry` and
    `~photutils.psf.IterativePSFPhotometry`, in place of the median of a
    ring: what is behind the star is predicted from the pixels around
    it by their covariance. A fit that subtracts it has the flux of a
    fit to the data minus the predicted background.

    Parameters
    ----------
    corrector : `~lpiphot.LPIBackgroundCorrector`
        The corrector, with the PSF model of the fit. Its parameters are
        plain numbers in the unit of the data, which photutils takes off.

    Raises
    ------
    TypeError
        If ``corrector`` is not a corrector.

    astropy.units.UnitsError
        If a parameter of it has a unit.

    Notes
    -----
    LPI needs to know which light is that of stars. So the fluxes of all
    stars of a call are first fitted, at the given positions, with the
    median of a ring from 2 to 4 FWHM as their background. With them
    subtracted, the background :math:`X` is predicted behind each; stars
    that are not in the call are masked as outliers where they are
    bright. With the PSF :math:`p`, the flux of an unweighted fit at a
    known position to the data :math:`d` less a constant :math:`b` is
    :math:`p^T (d - b) / p^T p`; it is that of a fit to :math:`d - X`
    for

    .. math::

        b = \frac{\sum p X}{\sum p},

    the sums being over the pixels of the fit: here a box of 2.5 FWHM,
    as of `~lpiphot.pipeline.PSFPipeline`. Outside, :math:`p` is so
    small that boxes of another size make little difference.

    A slope of the background, which moves the position of a fit, stays.
    The uncertainty of the background is not in the errors of the fit:
    correct its result with the corrector.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lpiphot import LPIBackgroundCorrector, LPILocalBackground
    >>> from photutils.psf import CircularGaussianPRF, PSFPhotometry
    >>> rng = np.random.default_rng(1)
    >>> psf_model = CircularGaussianPRF(fwhm=4.0)
    >>> y, x = np.mgrid[:90, :90]
    >>> data = 20 * np.sin(x / 8) + rng.normal(0, 1, x.shape)
    >>> data += CircularGaussianPRF(flux=500, x_0=38, y_0=40, fwhm=4)(x, y)
    >>> corrector = LPIBackgroundCorrector(psf_model, stamp_shape=21,
    ...                                    window_shape=61)
    >>> photometry = PSFPhotometry(
    ...     psf_model, 11, aperture_radius=4,
    ...     local_bkg_estimator=LPILocalBackground(corrector))
    >>> phot = photometry(data, init_params=QTable({'x': [38], 'y': [40]}))
    >>> bool(abs(phot['flux_fit'][0] - 500) < 50)
    True
    """

    def __init__(self, corrector):
        if not isinstance(corrector, LPIBackgroundCorrector):
            msg = ('corrector must be an LPIBackgroundCorrector; got '
                   f'{type(corrector).__name__}')
            raise TypeError(msg)
        for name in (*Thresholds._fields, 'gain'):
            value = getattr(corrector, name)
            if isinstance(value, u.Quantity):
                msg = (f'corrector must have a plain number as its {name}, as '
                       'photutils takes the unit off the data before it asks '
                       f'for their background; got {value!r}')
                raise u.UnitsError(msg)
        fwhm = model_fwhm(corrector.psf_model, _grid_shape(
            corrector.psf_model))
        super().__init__(*(fwhm * radius for radius in RING),
                         bkg_estimator=MedianBackground())
        self.corrector = corrector
        self._fwhm = fwhm

    def __repr__(self):
        return f'{type(self).__name__}({self.corrector!r})'

    def __call__(self, data, x, y, mask=None):
        """
        Predict the local background of stars.

        Parameters
        ----------
        data : 2-D array_like or `~astropy.units.Quantity`
            The image, with its stars.

        x, y : float or (n,) array_like
            The positions of all stars in pixels.

        mask : 2-D bool array_like, optional
            `True` for pixels to leave out.

        Returns
        -------
        value : float or (n,) `~numpy.ndarray` or \
                `~astropy.units.Quantity`
            The background of each star, in the unit of the data. It is
            NaN where LPI has none: photutils then subtracts none, and
            sets its flag 2048.

        Raises
        ------
        TypeError, ValueError
            If the data or the mask cannot be used.
        """
        reader = ImageReader(data, mask=mask)
        image, _, no_data = reader.read()
        x, y = (np.atleast_1d(np.asarray(axis, dtype=float))
                for axis in (x, y))
        value = np.full(len(x), np.nan)
        some = np.isfinite(x) & np.isfinite(y)
        if some.any():
            value[some] = self._predict(image, no_data, x[some], y[some])
        if reader.unit is not None:
            value = u.Quantity(value, reader.unit, copy=False)
        return value[0] if len(value) == 1 else value

    def _predict(self, image, no_data, x, y):
        """
        Return the background of stars at finite positions.
        """
        table = self._first_fit(image, no_data, x, y)
        result = self.corrector.run(image, table, mask=no_data)

        # the pixels of the fit, as photutils takes them
        size = box_shape(BOX * self._fwhm)
        rows, columns = (
            np.ceil(axis - 0.5).astype(int)[:, np.newaxis]
            + np.arange(size) - size // 2 for axis in (y, x))
        rows, columns = np.broadcast_arrays(rows[:, :, np.newaxis],
                                            columns[:, np.newaxis, :])
        inside = ((rows >= 0) & (rows < image.shape[0])
                  & (columns >= 0) & (columns < image.shape[1]))
        pixels = np.where(inside, rows, 0), np.where(inside, columns, 0)
        sources = Sources(
            table['x_fit'], table['y_fit'], np.ones(len(table)),
            parameter_values(table, self.corrector.psf_model))
        psf = PSF(self.corrector.psf_model)
        weights = np.abs(psf(columns.astype(float), rows.astype(float),
                             sources))
        weights[~inside | no_data[pixels]] = 0.0
        with np.errstate(invalid='ignore'):
            value = (np.sum(weights * result.background[pixels], axis=(1, 2))
                     / np.sum(weights, axis=(1, 2)))
        return np.where(np.isfinite(result.table['cflux']), value, np.nan)

    def _first_fit(self, image, no_data, x, y):
        """
        Fit the fluxes with the median of a ring as their background.

        The positions stay: with a background that is far off, on a dark
        cloud, fits of them go astray.
        """
        model = self.corrector.psf_model.copy()
        for name in psf_names(model)[:2]:
            model.fixed[name] = True
        ring = LocalBackground(self.inner_radius, self.outer_radius,
                               bkg_estimator=self.bkg_estimator)
        photometry = PSFPhotometry(
            model, box_shape(BOX * self._fwhm),
            aperture_radius=self._fwhm, local_bkg_estimator=ring)
        with warnings.catch_warnings():
            # the flags of the photometry that calls tell of these
            warnings.simplefilter('ignore', AstropyUserWarning)
            fit = photometry(image, mask=no_data,
                             init_params=QTable({'x': x, 'y': y}))
        table = QTable({name: np.array(fit[name], dtype=float)
                        for name in fit.colnames if name.endswith('_fit')})
        # where no fit was possible, a faint star
        failed = np.any([~np.isfinite(table[name])
                         for name in table.colnames], axis=0)
        for name, value in (('x_fit', x), ('y_fit', y), ('flux_fit', 0.0)):
            table[name] = np.where(failed, value, table[name])
        return table


def _grid_shape(psf_model):
    """
    Return the shape of an image that has the grid of a PSF in its middle.

    The image is not known yet; of models without a grid the FWHM is the
    same anywhere.
    """
    grid = getattr(psf_model, 'grid_xypos', None)
    if grid is None:
        return 1, 1
    x, y = np.mean([np.min(grid, axis=0), np.max(grid, axis=0)], axis=0)
    return 2 * round(y), 2 * round(x)
