# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The shapes whose amplitudes are solved for on the stamp of a star.
"""

from typing import NamedTuple

import numpy as np

from lpiphot.lpi.psf import psf_gradients, psf_stamps

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
    """

    rows: np.ndarray
    flux: np.ndarray
    stamps: np.ndarray
    gradients: np.ndarray

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
                                   here, gradients))
    return templates
