# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The typical background, where its mean is not what is typical.

Stars too faint to be found make the background skewed: at most places
it is a little below its mean, at few far above. Equation 4 predicts the
mean; a flux corrected by it is too low at most places. It is linear in
the good pixels, too, with a slope that the few places set: where more
is predicted than usual, it is too much at most places.
"""

import math

import numpy as np

from lpiphot._core.places import filter_places
from lpiphot.lpi.covariance import VECTOR, to_vectors
from lpiphot.lpi.noise import MAD_TO_SIGMA

__all__ = ['FreePlaces', 'line_slope', 'typical_error']

# A place is free if nothing is masked where the PSF is above this part
# of its peak: nine tenths of a Gaussian.
CORE = 0.1

# A median of so many places is good to some 0.04 of the scatter. More of
# them would be next to each other, and tell the same.
N_PLACES = 1000

# The slope is that between the outer two of three parts of the places. So
# many times the scatter of their predictions away it no longer counts: the
# usual constant of Tukey's biweight.
N_PARTS, REACH = 3, 4.685

# As in ``filtered_places.h``: sums are made four at a time.
N_AT_A_TIME = 4


class FreePlaces:
    """
    The places in the windows of stars where no star was found.

    Parameters
    ----------
    training : 2-D `~numpy.ndarray`
        The pixels to learn from, about their level.

    mask : 2-D bool `~numpy.ndarray`
        `True` for those of them that are infilled.

    corners : (n, 2) `~numpy.ndarray` of int
        The first pixels ``(y, x)`` of the stars' first windows in them.

    stamp_shape, window_shape : 2-tuple of int
        The shapes of the stamp and of the window of shifts.

    dtype : `~numpy.dtype`
        The dtype of products and sums.
    """

    def __init__(self, training, mask, corners, stamp_shape, window_shape,
                 dtype):
        self._corners = corners.tolist()
        self._stamp_shape = stamp_shape
        self._window_shape = window_shape
        self._lanes = to_vectors(stamp_shape[1])
        # where the pixels of a stamp are in one of so many columns, and in
        # the mask
        y, x = np.ogrid[:stamp_shape[0], :stamp_shape[1]]
        self._in_lanes = np.ravel(y * self._lanes + x)
        height, width = training.shape
        shape = height, width + VECTOR  # no vector reaches over the end
        self._pixels = np.zeros(shape, dtype=dtype)
        self._pixels[:, :width] = training
        self._mask = np.zeros(shape, dtype=np.uint8)
        self._mask[:, :width] = mask
        self._in_mask = (y * shape[1] + x).astype(np.intc)
        self._step = max(round(math.sqrt(math.prod(window_shape)
                                         / N_PLACES)), 1)
        self._n_grid = math.prod(-(-size // self._step)
                                 for size in window_shape)

    def typical_errors(self, number, order, mean, good, psfs, weights,
                       dcflux):
        r"""
        Return by what fluxes are off at free places, typically.

        With the weights :math:`a` of the pixels in a corrected flux, a
        background :math:`b` changes it by :math:`a^T (b - \mu)`, of which
        the hidden pixels have one part and their prediction from the good
        ones the other. The backgrounds are those of the window, at the
        places of a grid where no pixel below the core of the star is
        masked: where no star was found, as no other was found at that of
        the star.

        Parameters
        ----------
        number : int
            The number of the star.

        order : (n,) `~numpy.ndarray` of int
            The pixels of the stamp that are used, each by its number, the
            good ones first.

        mean : (n,) `~numpy.ndarray`
            The mean of these pixels, about the level of the training
            pixels.

        good : (n_good,) `~numpy.ndarray`
            The values of the good pixels, about this level.

        psfs : (k, ny, nx) `~numpy.ndarray`
            The absolute values of the unit-flux PSFs of the k fluxes.

        weights : (m, n) `~numpy.ndarray`
            Their weights in what is solved for, fluxes first.

        dcflux : (m,) `~numpy.ndarray`
            The scatter of the errors, :math:`\sigma`.

        Returns
        -------
        errors : (k,) `~numpy.ndarray`
            The typical errors, 0 where there is no free place, or where
            the flux is not known at all.
        """
        n_good = len(good)
        predicted = weights[:, :n_good] @ (mean[:n_good] - good)
        of_good = weights[:, :n_good] @ mean[:n_good]
        of_all = of_good + weights[:, n_good:] @ mean[n_good:]
        errors = np.zeros(len(psfs))
        for j, psf in enumerate(psfs):
            if np.isinf(dcflux[j]):
                continue
            off, on_hidden = self._sums(number, psf, order, n_good,
                                        weights[j])
            if off.size == 0:
                continue
            # as many pixels as the PSF covers are one place
            area = psf.sum() ** 2 / np.vdot(psf, psf)
            errors[j] = typical_error(
                off - float(of_all[j]), on_hidden - off + float(of_good[j]),
                predicted[j], dcflux[j], off.size / self._n_grid,
                off.size * min(self._step ** 2 / area, 1.0))
        return errors

    def _sums(self, number, psf, order, n_good, weights):
        """
        Return the sums of weights times pixels of the stamp at the places
        that are free, of all pixels and of the hidden ones.
        """
        stamp = np.zeros((self._stamp_shape[0], self._lanes),
                         dtype=self._pixels.dtype)
        stamp.ravel()[self._in_lanes[order]] = weights
        rows, columns = np.divmod(order[n_good:], self._stamp_shape[1])
        top, left = rows.min(), columns.min()
        n_columns = columns.max() + 1 - left
        box = np.zeros((rows.max() + 1 - top, to_vectors(n_columns)),
                       dtype=stamp.dtype)
        box[rows - top, columns - left] = weights[n_good:]
        core = self._in_mask[psf > CORE * psf.max()]
        sums = np.empty((2, self._n_grid + N_AT_A_TIME), dtype=stamp.dtype)
        n = filter_places(sums, self._pixels, self._mask,
                          *self._corners[number], self._window_shape,
                          self._step, core, stamp, box, top, left)
        return sums[:, :n]


def typical_error(errors, predictions, prediction, sigma, share, n_apart):
    r"""
    Return by what a flux is off, typically, given what is predicted.

    A line through errors :math:`e` and predictions :math:`g` of places is
    found by medians (Tukey 1977): of the third of the places with the
    least :math:`g` (1), and of that with the most (3),

    .. math::

        \beta = \frac{m_3(e) - m_1(e)}{m_3(g) - m_1(g)}, \qquad
        e_0 = m(e - \beta g) ,

    and the error of the star is :math:`e_0 + \beta \psi(g_*)`. Tukey's
    biweight :math:`\psi(g) = g (1 - (g / 4.685 s)^2)^2`, with the scatter
    :math:`s` of the predictions, ends at 0: where far more than usual is
    predicted, as on a filament, the line of usual places says nothing.

    Of a Gaussian background, both are 0 but for chance: the median of
    :math:`n` independent places of :math:`N` differs from the mean of all
    with the variance :math:`\sigma^2 (\pi / 2 - n / N) / n`, and the two
    of the slope with :math:`\sigma^2 \pi / 2` over a third of
    :math:`n` each. Both are shrunk by as much (James & Stein 1961, one
    number about 0), so that nothing is left of what chance alone
    explains.

    Parameters
    ----------
    errors, predictions : (n,) `~numpy.ndarray`
        The errors of the flux at free places, and the parts of it that
        are predicted there.

    prediction : float
        The part that is predicted at the star.

    sigma : float
        The scatter of the errors, if they were Gaussian.

    share : float
        The share of the places that are free, :math:`n / N`.

    n_apart : float
        The number of those that are independent.

    Returns
    -------
    error : float
        The error.
    """
    slope = line_slope(errors, predictions, sigma, n_apart)
    error = _shrunk(_median(errors - slope * predictions),
                    sigma ** 2 * (np.pi / 2 - share) / n_apart)
    reach = REACH * MAD_TO_SIGMA * _median(np.abs(predictions))
    if abs(prediction) < reach:
        error += slope * prediction * (1 - (prediction / reach) ** 2) ** 2
    return error


def line_slope(errors, predictions, sigma, n_apart):
    """
    Return the slope of `typical_error`; 0 if chance explains it.

    Parameters
    ----------
    errors, predictions : (n,) `~numpy.ndarray`
        The errors of the flux at free places, and the parts of it that
        are predicted there.

    sigma : float
        The scatter of the errors, if they were Gaussian.

    n_apart : float
        The number of places that are independent.

    Returns
    -------
    slope : float
        The slope.
    """
    third = errors.size // N_PARTS
    if third == 0:
        return 0.0
    ordered = np.sort(predictions)
    run = _middle(ordered[-third:]) - _middle(ordered[:third])
    if run <= 0:
        return 0.0
    low, high = (_median(errors[predictions <= ordered[third - 1]]),
                 _median(errors[predictions >= ordered[-third]]))
    return _shrunk((high - low) / run,
                   N_PARTS * np.pi * sigma ** 2 / (n_apart * run ** 2))


def _shrunk(value, variance):
    """
    Return what chance does not explain of a value.
    """
    return value - variance / value if value ** 2 > variance else 0.0


def _median(values):
    """
    Return the median of numbers, much quicker than numpy does.
    """
    return _middle(np.sort(values))


def _middle(ordered):
    """
    Return the median of numbers in order.
    """
    n = ordered.size
    return 0.5 * float(ordered[(n - 1) // 2] + ordered[n // 2])
