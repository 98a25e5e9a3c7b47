# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The shapes whose amplitudes are solved for on the stamp of a star.
"""

from typing import NamedTuple

import numpy as np

from lpiphot.lpi.psf import Sources, psf_gradients, psf_stamps

__all__ = ['Templates', 'star_templates']


class Templates(NamedTuple):
    """
    What is solved for together with the flux of a star.

    Attributes
    ----------
    rows : (k,) `~numpy.ndarray` of int
        The row of the star, and those of the stars solved with it.

    flux : (k,) `~numpy.ndarray`
        Their fitted fluxes.

    stamps : (k, ny, nx) `~numpy.ndarray`
        The absolute values of their unit-flux PSFs on the stamp.

    gradients : (2, k, ny, nx) `~numpy.ndarray` or `None`
        The derivatives of their PSFs with respect to x and y, if
        positions are solved for.

    sources : `~lpiphot.lpi.psf.Sources`
        These stars.
    """

    rows: np.ndarray
    flux: np.ndarray
    stamps: np.ndarray
    gradients: np.ndarray
    sources: Sources

    def values(self, pixels):
        """
        Return the templates on some pixels.

        Parameters
        ----------
        pixels : (n_pix,) `~numpy.ndarray` of int
            The pixels of the stamp, each by its number in C order.

        Returns
        -------
        values : (m, n_pix) `~numpy.ndarray`
            First the k PSFs, then, if positions are solved for, the k
            derivatives by x and the k derivatives by y.
        """
        shapes = self.stamps if self.gradients is None else np.concatenate(
            [self.stamps, *self.gradients])
        return shapes.reshape(len(shapes), -1).take(pixels, axis=1)

    def shifts(self, changes, errors):
        """
        Return how far to move the stars from where they were fitted.

        That is less by its error than the distance found: fluxes would be
        too high if each star were moved to where its flux is largest, and
        this takes it off. Faint stars stay, for which it matters most and
        helps least.

        Parameters
        ----------
        changes, errors : (3 k,) `~numpy.ndarray`
            What the amplitudes change by, and their errors.

        Returns
        -------
        shifts : (2, k) `~numpy.ndarray`
            By x and by y, in pixels; not more than the sigma of the PSF, and
            0 if the error is more than half of it.
        """
        # of a Gaussian, its sigma; 0 without derivatives, which tell nothing
        slopes = np.sum(self.gradients ** 2, axis=(0, 2, 3))
        sigma = np.sqrt(np.divide(
            np.sum(self.stamps ** 2, axis=(1, 2)), slopes,
            out=np.zeros(slopes.shape), where=slopes > 0))
        change, *moments = changes.reshape(3, -1)
        flux = self.flux + change
        # times flux
        distance = np.hypot(*moments)
        error = np.hypot(*errors.reshape(3, -1)[1:])
        shifts = np.zeros((2, len(flux)))
        for i in np.flatnonzero((error < distance)
                                & (error < sigma / 2 * flux)):
            length = min((distance[i] - error[i]) / flux[i], sigma[i])
            shifts[:, i] = [length * moment[i] / distance[i]
                            for moment in moments]
        return shifts

    def moved(self, psf, shifts, centre):
        """
        Return the templates with the stars moved.

        Parameters
        ----------
        psf : `~lpiphot.lpi.psf.PSF`
            The PSF model.

        shifts : (2, k) `~numpy.ndarray`
            By how much, in pixels by x and by y.

        centre : (2,) `~numpy.ndarray` of int
            The middle pixel ``(y, x)`` of the stamp.

        Returns
        -------
        templates : `Templates`
            The templates.

        change : (ny, nx) `~numpy.ndarray`
            What this adds to the residual.
        """
        shape = self.stamps.shape[1:]
        sources = self.sources._replace(x=self.sources.x + shifts[0],
                                        y=self.sources.y + shifts[1])
        before, after = (psf_stamps(psf, some, shape, centre)
                         for some in (self.sources, sources))
        gradients = psf_gradients(psf, sources, shape, centre)
        change = np.tensordot(self.flux, before - after, 1)
        return self._replace(stamps=np.abs(after), gradients=gradients,
                             sources=sources), change


def star_templates(psf, sources, centres, stamps, rows, *, groups=None,
                   positions=False):
    """
    Return the templates of stars.

    Parameters
    ----------
    psf : `~lpiphot.lpi.psf.PSF`
        The PSF model.

    sources : `~lpiphot.lpi.psf.Sources`
        The n stars.

    centres : (n, 2) `~numpy.ndarray` of int
        The middle pixels ``(y, x)`` of their stamps.

    stamps : (n, ny, nx) `~numpy.ndarray`
        The absolute values of their unit-flux PSFs.

    rows : (n,) `~numpy.ndarray` of int
        Their rows in the table.

    groups : `~lpiphot.lpi.neighbours.Groups`, optional
        The stars that are solved jointly.

    positions : bool, optional
        Whether positions are solved for.

    Returns
    -------
    templates : list of `Templates`
        Those of each star.
    """
    shape = stamps.shape[1:]
    templates = []
    for i, (row, centre) in enumerate(zip(rows, centres, strict=True)):
        others = (np.empty(0, dtype=int) if groups is None
                  else groups.others(row, shape))
        together, here = sources.take(slice(i, i + 1)), stamps[i:i + 1]
        if others.size:
            together = groups.sources.take(np.append(row, others))
            here = np.abs(psf_stamps(psf, together, shape, centre))
        gradients = None
        if positions:
            gradients = psf_gradients(psf, together, shape, centre)
        templates.append(Templates(np.append(row, others), together.flux,
                                   here, gradients, together))
    return templates
