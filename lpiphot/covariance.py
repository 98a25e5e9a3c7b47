# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The local covariance of an image, for its own sake.
"""

import numpy as np

from lpiphot._checks import as_pixels, as_shapes
from lpiphot._inputs import as_image
from lpiphot._outputs import with_unit
from lpiphot.lpi.covariance import joint_covariances, training_region
from lpiphot.lpi.tiles import Region

__all__ = ['local_covariance']


def local_covariance(image, positions, *, stamp_shape=33, window_shape=129):
    r"""
    Estimate the mean and covariance of the pixels of a stamp.

    The stamp is shifted over all positions of a window; each shift
    gives one sample of its pixels, one row of :math:`V`. About their
    mean :math:`\mu`, with :math:`N` shifts,

    .. math::

        \hat C = \frac{(V - \mu)^T (V - \mu)}{N - 1} .

    No :math:`V` is ever built: its products are sums over windows of
    the image times the shifted image (equation 6 of Saydjari &
    Finkbeiner 2022).

    Parameters
    ----------
    image : (ny, nx) array_like, Quantity or `~astropy.nddata.NDData`
        The image to learn from, without holes: all values finite, none
        masked.

    positions : (n, 2) array_like
        The positions ``(y, x)`` of the stamps, as the indices of an
        array, rounded to the nearest pixel.

    stamp_shape : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` of the stamp in pixels, odd.

    window_shape : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` of the window of shifts in pixels, odd,
        not larger than the image.

    Returns
    -------
    mean : (n, n_pix) `~numpy.ndarray` or `~astropy.units.Quantity`
        The mean of each pixel of the stamp, ``n_pix = ny * nx``, in C
        order; with the unit of the image, if it has one.

    covariance : (n, n_pix, n_pix) `~numpy.ndarray` or Quantity
        The covariance of the pixels of the stamp, float64; with the
        square of this unit.

    Raises
    ------
    TypeError
        If ``image`` or ``positions`` is not numeric, or a shape not
        integer.

    ValueError
        If ``image`` is not two-dimensional, not finite or has masked
        pixels, a shape is not odd or larger than the image, or a position
        outside it.

    astropy.units.UnitsError
        If ``positions`` have a unit: they are pixels.

    Notes
    -----
    Beyond its edges the image is mirrored, without repeating the pixel
    at the edge. The result takes ``8 * n * n_pix**2`` bytes: 9.5 MB
    for each stamp of 33 x 33 pixels.
    """
    image, unit = as_image('image', image)
    stamp_shape, window_shape = as_shapes(
        stamp_shape, window_shape, image.shape)
    centres = as_pixels('positions', positions, image.shape)

    n_pix = stamp_shape[0] * stamp_shape[1]
    means = np.empty((len(centres), n_pix))
    covariances = np.empty((len(centres), n_pix, n_pix))
    whole = Region((0, 0), image.shape)
    all_pixels = np.arange(n_pix)[np.newaxis]
    for i, centre in enumerate(centres):
        training, level, corners = training_region(
            image, whole, centre[np.newaxis], stamp_shape, window_shape,
            image.shape)
        mean, (upper,) = joint_covariances(
            training, corners, all_pixels, stamp_shape, window_shape,
            np.dtype(float))
        means[i] = mean[0] + level
        covariances[i] = np.triu(upper) + np.triu(upper, 1).T
    return (with_unit(means, unit),
            with_unit(covariances, None if unit is None else unit ** 2))
