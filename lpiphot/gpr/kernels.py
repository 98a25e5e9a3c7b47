# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Covariance functions: distances between pixels -> covariance.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ['KERNELS', 'Kernel']

PERIOD = 2 * np.pi


def _squared_exponential(rho, r, period):  # noqa: ARG001
    return np.exp(-0.5 * rho ** 2)  # equations 4 and 6


def _ornstein_uhlenbeck(rho, r, period):  # noqa: ARG001
    return np.exp(-rho)  # equation 5


def _matern32(rho, r, period):  # noqa: ARG001
    s = np.sqrt(3) * rho
    return (1 + s) * np.exp(-s)


def _matern52(rho, r, period):  # noqa: ARG001
    s = np.sqrt(5) * rho
    return (1 + s + s ** 2 / 3) * np.exp(-s)


def _periodic(rho, r, period):
    # the inverse square of the scale along the line between the pixels
    per_square = np.divide(rho, r, out=np.zeros_like(rho), where=r > 0) ** 2
    return np.exp(-2 * np.sin(np.pi * r / period) ** 2 * per_square)


# The correlation from rho, the distance in length scales, r, the
# distance in pixels, and the period in pixels.
KERNELS = {
    'squared_exponential': _squared_exponential,
    'ornstein_uhlenbeck': _ornstein_uhlenbeck,
    'matern32': _matern32,
    'matern52': _matern52,
    'periodic': _periodic,
}


@dataclass(frozen=True)
class Kernel:
    r"""
    A covariance function of two pixels, in units of the noise variance.

    With :math:`u, v` the distances in pixels along two axes, turned by
    ``angle`` from x and y, and :math:`h_u, h_v` the length scales,

    .. math::

        \rho^2 = \frac{u^2}{h_u^2} + \frac{v^2}{h_v^2}, \qquad
        K = a^2 k(\rho) ,

    where :math:`k` is :math:`e^{-\rho^2/2}` (squared exponential;
    Zhang & Brandt 2021, equations 4 and 6), :math:`e^{-\rho}`
    (Ornstein-Uhlenbeck, equation 5), :math:`(1 + s) e^{-s}` with
    :math:`s = \sqrt{3} \rho` (Matern 3/2), :math:`(1 + s + s^2/3)
    e^{-s}` with :math:`s = \sqrt{5} \rho` (Matern 5/2), or
    :math:`\exp[-2 \sin^2(\pi r/p) \rho^2/r^2]` with the distance
    :math:`r` and the period :math:`p` in pixels (periodic). With equal
    length scales every kernel is its isotropic form, whatever the angle.

    Attributes
    ----------
    name : str
        One of the names of `KERNELS`.

    amplitude : float
        The amplitude :math:`a` in units of the noise.

    length_scale : 2-tuple of float
        The length scales :math:`(h_v, h_u)`, that is (y, x), in pixels.

    angle : float
        The angle in degrees from the x axis to the axis of :math:`u`,
        counter-clockwise.

    period : float
        The period of the periodic kernel in pixels.
    """

    name: str
    amplitude: float
    length_scale: tuple
    angle: float = 0.0
    period: float = PERIOD

    def __call__(self, dy, dx):
        """
        Return the covariance of pixels at some distance.

        Parameters
        ----------
        dy, dx : array_like of float
            The distances in pixels.

        Returns
        -------
        covariance : `~numpy.ndarray`
            The covariance, in units of the noise variance.
        """
        dy, dx = np.broadcast_arrays(np.asarray(dy, dtype=float),
                                     np.asarray(dx, dtype=float))
        r = np.sqrt(dx ** 2 + dy ** 2)
        h_v, h_u = self.length_scale
        if h_u == h_v:
            rho = r / h_u
        else:
            u, v = dx, dy
            if self.angle:
                cosine, sine = (np.cos(np.deg2rad(self.angle)),
                                np.sin(np.deg2rad(self.angle)))
                u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
            rho = np.sqrt((u / h_u) ** 2 + (v / h_v) ** 2)
        return self.amplitude ** 2 * KERNELS[self.name](rho, r, self.period)

    @property
    def symmetry(self):
        """
        How the kernel maps onto itself: 'all', 'axes' or 'point'.
        """
        if self.length_scale[0] == self.length_scale[1]:
            return 'all'
        return 'point' if self.angle % 90 else 'axes'
