# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Robust statistics of z-scores, (measured - true) / error.

Values that are not finite, or masked, are left out everywhere.
"""

import numpy as np
from scipy.stats import iqr

__all__ = ['outlier_fraction', 'robust_width', 'zscore_summary']


def robust_width(z):
    """
    Return the interquartile range in units of that of a unit Gaussian.

    For Gaussian values this is their standard deviation; a quarter of
    them may lie anywhere without much effect. The range is divided by
    :math:`2 \\Phi^{-1}(3/4) = 1.34898`.

    Parameters
    ----------
    z : array_like
        The values.

    Returns
    -------
    width : float
        The width; NaN without any value.
    """
    z = _finite(z)
    return float(iqr(z, scale='normal')) if z.size > 0 else np.nan


def outlier_fraction(z, limit):
    """
    Return the fraction of values further from zero than a limit.

    Parameters
    ----------
    z : array_like
        The values.

    limit : float
        The limit; values at the limit are not beyond it.

    Returns
    -------
    fraction : float
        The fraction; NaN without any value.
    """
    z = _finite(z)
    return float(np.mean(np.abs(z) > limit)) if z.size > 0 else np.nan


def zscore_summary(z):
    """
    Summarize z-scores.

    Parameters
    ----------
    z : array_like
        The values.

    Returns
    -------
    summary : dict
        ``n``, the number of values; their ``median`` and ``width``
        (see `robust_width`); ``beyond3`` and ``beyond5``, the fractions
        further from zero than 3 and 5. For unit Gaussian values they
        are 0, 1, 0.0027 and 6e-7.
    """
    z = _finite(z)
    return {
        'n': int(z.size),
        'median': float(np.median(z)) if z.size > 0 else np.nan,
        'width': robust_width(z),
        'beyond3': outlier_fraction(z, 3.0),
        'beyond5': outlier_fraction(z, 5.0),
    }


def _finite(z):
    """
    Return the finite values that are not masked, as a 1-D array.
    """
    z = np.ma.filled(np.ma.asanyarray(z, dtype=float), np.nan).ravel()
    return z[np.isfinite(z)]
