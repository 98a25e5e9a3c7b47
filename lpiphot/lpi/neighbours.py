# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Stars whose neighbours have uncertain fluxes.

Either as terms of the covariance of a stamp, the route that Saydjari &
Finkbeiner (2022, appendix B) name for crowded fields, or solved jointly
with the star; and those too close for either.
"""

import math

import numpy as np
from scipy.linalg.blas import get_blas_funcs
from scipy.spatial import KDTree

from lpiphot.lpi.psf import centre_pixels, psf_stamps, typical_fwhm
from lpiphot.lpi.rendering import StarRenderer

__all__ = ['Groups', 'Neighbours', 'add_terms', 'close_pairs']

# In units of the noise of a pixel, as faint stars have an uncertainty of
# some 0.6 of it divided by the sigma of the PSF in their central pixel.
TERM_LIMIT = 0.02

# The largest uncertainty in the central pixel, in the same units: with it
# a flux is as good as unknown, and sums keep their digits in float64.
TERM_MAX = 1e4

# The smallest shape in which a PSF is looked for
SMALLEST = (9, 9)


class Neighbours:
    """
    The stars whose fluxes are uncertain, and how far that can be seen.

    Parameters
    ----------
    psf : `~lpiphot.lpi.psf.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.psf.Sources`
        All stars of the table.

    flux_err : (n,) `~numpy.ndarray`
        The uncertainties of their fluxes; NaN and infinity stand for
        unknown ones. Stars for which this is not positive, or whose
        position or flux is not finite, add nothing.

    image_shape : 2-tuple of int
        The shape of the image.

    noise : float
        The typical noise of a pixel.
    """

    def __init__(self, psf, sources, flux_err, image_shape, noise):
        flux_err = np.where(np.isnan(flux_err), np.inf, flux_err)
        rows = np.flatnonzero(sources.finite & (flux_err > 0))
        peak = psf_stamps(psf, sources.take(rows), SMALLEST).max(
            axis=(1, 2), initial=0)
        self._rows, peak = rows[peak > 0], peak[peak > 0]
        self._psf = psf
        self._sources = sources.take(self._rows)._replace(
            flux=np.minimum(flux_err[self._rows], TERM_MAX * noise / peak))
        self._limit = TERM_LIMIT * noise
        self._renderer = StarRenderer(psf, self._sources, image_shape,
                                      SMALLEST, self._limit)

    def terms(self, rows, centre, stamp_shape, pixels):
        r"""
        Return what the neighbours of a star add to its covariance.

        Parameters
        ----------
        rows : sequence of int
            The row of the star, which is no neighbour of itself, and
            those of the stars that are solved with it.

        centre : (2,) `~numpy.ndarray` of int
            The middle pixel ``(y, x)`` of its stamp.

        stamp_shape : 2-tuple of int
            The shape of the stamp.

        pixels : (n_pix,) `~numpy.ndarray` of int
            The pixels of the stamp that are used, in C order of the
            stamp, each by its number.

        Returns
        -------
        terms : (n_terms, n_pix) `~numpy.ndarray`
            The :math:`\sigma_f p` of each neighbour that can be seen on
            one of these pixels.
        """
        first = centre - np.array(stamp_shape) // 2
        near = self._renderer.reaching(first, first + stamp_shape)
        near = near[~np.isin(self._rows[near], rows)]
        sources = self._sources.take(near)
        stamps = psf_stamps(self._psf, sources, stamp_shape, centre)
        values = stamps.reshape(len(near), math.prod(stamp_shape))[:, pixels]
        values *= sources.flux[:, np.newaxis]
        return values[np.abs(values).max(axis=1, initial=0) > self._limit]


class Groups:
    """
    Groups of stars that are solved jointly.

    Parameters
    ----------
    sources : `~lpiphot.lpi.psf.Sources`
        All stars of the table.

    group_id : (n,) `~numpy.ndarray`
        The number of the group of each. Stars for which this, position
        or flux is not finite are in no group.
    """

    def __init__(self, sources, group_id):
        self.sources = sources
        known = sources.finite & np.isfinite(group_id)
        self._centres = np.zeros((len(known), 2), dtype=int)
        self._centres[known] = centre_pixels(sources.take(known))
        order = np.argsort(group_id[known], kind='stable')
        rows = np.flatnonzero(known)[order]
        starts = np.flatnonzero(np.diff(group_id[rows])) + 1
        self._members = {row: group for group in np.split(rows, starts)
                         if len(group) > 1 for row in group.tolist()}

    def others(self, row, stamp_shape):
        """
        Return the other stars of the group that lie on a star's stamp.

        Parameters
        ----------
        row : int
            The row of the star.

        stamp_shape : 2-tuple of int
            The shape of its stamp.

        Returns
        -------
        rows : (n,) `~numpy.ndarray` of int
            Their rows.
        """
        rows = self._members.get(int(row), np.empty(0, dtype=int))
        offsets = np.abs(self._centres[rows] - self._centres[row])
        return rows[np.all(offsets <= np.array(stamp_shape) // 2, axis=1)
                    & (rows != row)]


def add_terms(covariance, terms):
    r"""
    Add :math:`\sum t t^T` to a covariance, in place.

    Parameters
    ----------
    covariance : (n, n) `~numpy.ndarray`
        The covariance, in C order. Only its upper triangle is changed.

    terms : (n_terms, n) `~numpy.ndarray`
        The vectors :math:`t`.
    """
    if len(terms):
        syrk, = get_blas_funcs(('syrk',), (covariance,))
        syrk(1.0, terms.T.astype(covariance.dtype), beta=1.0,
             c=covariance.T, lower=1, overwrite_c=1)


def close_pairs(psf, sources, stamp_shape, image_shape, others=None):
    """
    Find the sources that have another within half the FWHM.

    Parameters
    ----------
    psf : `~lpiphot.lpi.psf.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.psf.Sources`
        The n sources.

    stamp_shape, image_shape : 2-tuple of int
        The shapes of the stamps and of the image.

    others : `~lpiphot.lpi.psf.Sources`, optional
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
    fwhm = typical_fwhm(psf, sources, stamp_shape, image_shape)
    positions, known = (np.column_stack([some.x, some.y])
                        for some in (sources, known))
    return (KDTree(known).query(positions, k=[nearest])[0][:, 0]
            < 0.5 * fwhm)
