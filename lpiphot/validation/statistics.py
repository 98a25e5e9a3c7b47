# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Robust statistics of z-scores, (measured - true) / error.

Values that are not finite, or masked, are left out everywhere.
"""

import numpy as np
from scipy.stats import iqr, spearmanr

from lpiphot.validation.columns import plain_values

__all__ = ['change_ratio', 'finite_values', 'outlier_fraction',
           'rank_correlation', 'robust_width', 'zscore_summary']


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
        The width; NaN for less than two values.
    """
    z = finite_values(z)
    return float(iqr(z, scale='normal')) if z.size > 1 else np.nan


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
    z = finite_values(z)
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
    z = finite_values(z)
    return {
        'n': int(z.size),
        'median': float(np.median(z)) if z.size > 0 else np.nan,
        'width': robust_width(z),
        'beyond3': outlier_fraction(z, 3.0),
        'beyond5': outlier_fraction(z, 5.0),
    }


def rank_correlation(first, second):
    """
    Return the rank correlation of two quantities (Spearman).

    Parameters
    ----------
    first, second : (n,) array_like
        The values, such as z-scores and the residual at their places.
        Pairs with one that is not finite, or masked, are left out.

    Returns
    -------
    rho : float
        From -1 to 1; without any correlation it scatters about 0 by
        1 / sqrt(n - 1). NaN for less than three pairs, or if all values
        are the same.
    """
    first, second = (plain_values(values).ravel()
                     for values in (first, second))
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan
    return float(spearmanr(first, second).statistic)


def change_ratio(before, after, true, error, *, robust=False):
    r"""
    Return the changes of fluxes in units of the errors they had.

    This is equation 11 of `Saydjari & Finkbeiner 2022
    <https://ui.adsabs.harvard.edu/abs/2022ApJ...933..155S>`_,

    .. math::

        \sigma\left(\frac{\hat f - \hat f_{after}}{\sigma_f}\right)
        \Big/ \sigma\left(\frac{\hat f - f}{\sigma_f}\right) ,

    which is small if the changes are small beside what was wrong, and
    near 1 if they take most of it away: 0.23, 0.76 and 0.95 in the
    paper for an uncrowded, a crowded and a nebulous field.

    Parameters
    ----------
    before, after, true, error : (n,) array_like
        The fluxes before and after, the true ones, and the errors after
        (``dcflux``). Stars with one that is not finite are left out.

    robust : bool, optional
        Whether the sigmas are those of `robust_width`, and not the
        standard deviations that the paper has: a few stars with great
        errors then do not matter.

    Returns
    -------
    ratio : float
        The ratio; NaN for less than two stars.
    """
    before, after, true, error = (
        plain_values(values) for values in (before, after, true, error))
    with np.errstate(divide='ignore', invalid='ignore'):
        change, wrong = (before - after) / error, (before - true) / error
        both = np.isfinite(change) & np.isfinite(wrong)
        if np.count_nonzero(both) < 2:
            return np.nan
        sigma = robust_width if robust else np.std
        return float(sigma(change[both]) / np.float64(sigma(wrong[both])))


def finite_values(z):
    """
    Return the finite values that are not masked.

    Parameters
    ----------
    z : array_like
        The values.

    Returns
    -------
    values : (n,) `~numpy.ndarray`
        A 1-D array, float64.
    """
    z = plain_values(z).ravel()
    return z[np.isfinite(z)]
