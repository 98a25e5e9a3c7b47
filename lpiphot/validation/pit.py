# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Are errors honest at every level: the probability integral transform.

Values that are not finite, or masked, are left out everywhere.
"""

import numpy as np
from scipy.stats import kstest, norm

from lpiphot.validation.statistics import finite_values

__all__ = ['LEVELS', 'coverage', 'pit_deviation', 'pit_values']

# Of 1, 2 and 3 sigma, and two round ones
LEVELS = (0.5, 0.6827, 0.9, 0.9545, 0.9973)


def pit_values(z):
    r"""
    Return the probability integral transform of z-scores.

    The PIT is :math:`\Phi(z)`, the probability that a unit Gaussian is
    below ``z``. For honest Gaussian errors it is uniform from 0 to 1: a
    histogram that is high at both ends tells of errors that are too
    small, one that is high in the middle of errors too large, a slope
    of bias.

    Parameters
    ----------
    z : array_like
        The z-scores, (measured - true) / error.

    Returns
    -------
    pit : (n,) `~numpy.ndarray`
        The values, from 0 to 1.
    """
    return norm.cdf(finite_values(z))


def pit_deviation(z):
    """
    Return how far the PIT is from uniform at most.

    This is the statistic of Kolmogorov and Smirnov: the largest
    difference between the fraction of stars below any z, and what it
    should be.

    Parameters
    ----------
    z : array_like
        The z-scores.

    Returns
    -------
    deviation : float
        The deviation, 0 to 1; of n honest stars about 0.87 / sqrt(n).
        NaN without any value.
    """
    pit = pit_values(z)
    return float(kstest(pit, 'uniform').statistic) if pit.size else np.nan


def coverage(z, levels=LEVELS):
    """
    Return how often the truth is within central intervals.

    Parameters
    ----------
    z : array_like
        The z-scores.

    levels : array_like of float, optional
        The nominal probabilities of the intervals.

    Returns
    -------
    fractions : `~numpy.ndarray`
        For each level the fraction of stars whose truth lies in the
        interval of this probability about the measured value; equal to
        the levels for honest Gaussian errors. NaN without any value.

    Raises
    ------
    ValueError
        If a level is not between 0 and 1.

    Examples
    --------
    >>> from lpiphot.validation import coverage
    >>> coverage([-2.0, -0.5, 0.1, 0.9], levels=(0.5, 0.6827))
    array([0.5 , 0.75])
    """
    levels = np.asarray(levels, dtype=float)
    if not np.all((levels > 0) & (levels < 1)):
        msg = f'levels must be between 0 and 1; got {levels}'
        raise ValueError(msg)
    z = finite_values(z)
    if z.size == 0:
        return np.full(levels.shape, np.nan)
    limits = norm.ppf(0.5 + 0.5 * levels)
    return np.mean(np.abs(z)[:, np.newaxis] <= limits.ravel(),
                   axis=0).reshape(levels.shape)
