# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Made backgrounds without noise, of known truth.
"""

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma

__all__ = ['make_cloud_image', 'make_filament_image']


def make_filament_image(shape=(257, 385), *, amplitude=100.0, fwhm=6.7,
                        separation=118.0, angle=90.0):
    """
    Make an image of a bright and a dark filament on an empty sky.

    Both are straight, parallel, and Gaussian across: emission and
    extinction, as in section 4.1 of `Saydjari & Finkbeiner 2022
    <https://ui.adsabs.harvard.edu/abs/2022ApJ...933..155S>`_, from
    which the default ``fwhm`` and ``separation`` are. They lie at equal
    distances from the centre of the image.

    Parameters
    ----------
    shape : 2-tuple of int, optional
        The shape ``(ny, nx)`` of the image.

    amplitude : float, optional
        The height of the bright filament, and depth of the dark one.

    fwhm : float, optional
        The full width at half maximum across a filament in pixels.

    separation : float, optional
        The distance between the two ridges in pixels.

    angle : float, optional
        The direction of the filaments in degrees, counter-clockwise
        from the x axis. With the default, upright, the bright filament
        is on the left.

    Returns
    -------
    image : (ny, nx) `~numpy.ndarray`
        The image, float64.

    Raises
    ------
    ValueError
        If ``fwhm`` is not positive.

    Examples
    --------
    .. plot::
        :include-source:

        import matplotlib.pyplot as plt
        from lpiphot.datasets import make_filament_image

        plt.imshow(make_filament_image(angle=70), origin='lower')
    """
    if not fwhm > 0:
        msg = f'fwhm must be positive; got {fwhm!r}'
        raise ValueError(msg)
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx]
    angle = np.deg2rad(angle)
    across = ((x - (nx - 1) / 2) * np.sin(angle)
              - (y - (ny - 1) / 2) * np.cos(angle))
    sigma = fwhm * gaussian_fwhm_to_sigma
    bright = np.exp(-0.5 * ((across + separation / 2) / sigma) ** 2)
    dark = np.exp(-0.5 * ((across - separation / 2) / sigma) ** 2)
    return amplitude * (bright - dark)


def make_cloud_image(shape, *, power=-3.0, rms=1.0, seed=None):
    """
    Make an image of random clouds: a Gaussian field with a power law.

    The expected power of a wave of :math:`k` cycles per pixel, in any
    direction, is proportional to :math:`k^p`, and zero at :math:`k =
    0`. Interstellar clouds have :math:`p \\approx -3`.

    Parameters
    ----------
    shape : 2-tuple of int
        The shape ``(ny, nx)`` of the image.

    power : float, optional
        The exponent :math:`p`; 0 gives white noise.

    rms : float, optional
        The standard deviation of the pixels of this image.

    seed : int or `~numpy.random.Generator`, optional
        The seed of the random numbers.

    Returns
    -------
    image : (ny, nx) `~numpy.ndarray`
        The image, float64, of mean zero. It is periodic: opposite edges
        fit together.

    Raises
    ------
    ValueError
        If ``shape`` has fewer than two pixels, or ``rms`` is negative.

    Examples
    --------
    .. plot::
        :include-source:

        import matplotlib.pyplot as plt
        from lpiphot.datasets import make_cloud_image

        plt.imshow(make_cloud_image((200, 300), seed=1), origin='lower')
    """
    ny, nx = shape
    if ny * nx < 2:
        msg = f'shape must have two pixels or more; got {tuple(shape)}'
        raise ValueError(msg)
    if not rms >= 0:
        msg = f'rms must not be negative; got {rms!r}'
        raise ValueError(msg)
    k = np.hypot(np.fft.fftfreq(ny)[:, np.newaxis], np.fft.rfftfreq(nx))
    k[0, 0] = np.inf if power < 0 else 1.0
    filtered = np.fft.rfft2(np.random.default_rng(seed).normal(size=shape))
    filtered *= k ** (power / 2)
    filtered[0, 0] = 0.0
    image = np.fft.irfft2(filtered, s=(ny, nx))
    return image * (rms / np.std(image))
