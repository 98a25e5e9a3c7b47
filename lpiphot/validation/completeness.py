# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
How many stars are found, and how many of those found are real.
"""

import numpy as np
from astropy.stats import binom_conf_interval
from astropy.table import QTable
from scipy.optimize import isotonic_regression

from lpiphot.validation.columns import plain_flags, plain_values
from lpiphot.validation.matching import (finite_positions, match_positions,
                                         nearest_distance)

__all__ = ['completeness_curve', 'completeness_limits', 'count_detections']

# Stars that there must be on either side of a limit: single ones, lost or
# found by chance at the ends of the range, do not make a limit
_MIN_STARS = 10


def completeness_curve(magnitude, recovered, edges):
    """
    Return the fraction of stars recovered, in bins of magnitude.

    Parameters
    ----------
    magnitude : (n,) array_like
        The true magnitudes.

    recovered : (n,) bool array_like
        Whether a star was recovered.

    edges : (m + 1,) array_like
        The edges of the bins, in order; the last bin includes its upper
        edge.

    Returns
    -------
    curve : `~astropy.table.QTable`
        A row for each bin: ``low`` and ``high`` edge, ``n`` stars,
        ``completeness``, and its 1-sigma interval ``lower`` to
        ``upper`` (Wilson); NaN in empty bins.

    Examples
    --------
    >>> from lpiphot.validation import completeness_curve
    >>> curve = completeness_curve([1, 1, 2, 2], [True, True, True, False],
    ...                            [0.5, 1.5, 2.5])
    >>> curve['completeness'].tolist()
    [1.0, 0.5]
    """
    magnitude = plain_values(magnitude)
    recovered = plain_flags(recovered).astype(bool)
    n, edges = np.histogram(magnitude, edges)
    k, _ = np.histogram(magnitude[recovered], edges)
    lower, upper = np.full((2, len(n)), np.nan)
    some = n > 0
    if some.any():
        lower[some], upper[some] = binom_conf_interval(k[some], n[some])
    with np.errstate(invalid='ignore'):
        fraction = k / n
    return QTable({'low': edges[:-1], 'high': edges[1:], 'n': n,
                   'completeness': fraction, 'lower': lower, 'upper': upper})


def completeness_limits(magnitude, recovered, levels=(0.9, 0.7, 0.5)):
    """
    Return the magnitudes at which completeness falls to given levels.

    Completeness is the best fit to the stars, one by one, that never
    rises with magnitude (isotonic regression), so that there are no
    bins to choose. Stars of the same magnitude count together, in
    whatever order they are.

    Parameters
    ----------
    magnitude : (n,) array_like
        The true magnitudes. Those not finite are left out.

    recovered : (n,) bool array_like
        Whether a star was recovered.

    levels : sequence of float, optional
        The levels.

    Returns
    -------
    limits : dict
        The magnitude for each level: half way from the faintest star at
        which completeness is at least that to the next. NaN if fewer
        than ten stars are brighter, or fainter, than that: the range of
        the stars does not contain the limit.

    Examples
    --------
    >>> import numpy as np
    >>> from lpiphot.validation import completeness_limits
    >>> magnitude = np.arange(40)
    >>> completeness_limits(magnitude, magnitude < 22, [0.5])
    {0.5: 21.5}
    """
    magnitude = plain_values(magnitude)
    recovered = plain_flags(recovered).astype(float)
    finite = np.isfinite(magnitude)
    magnitude, place, n = np.unique(magnitude[finite], return_inverse=True,
                                    return_counts=True)
    limits = dict.fromkeys(levels, np.nan)
    if len(magnitude) == 0:
        return limits
    fit = isotonic_regression(np.bincount(place, recovered[finite]) / n,
                              weights=n, increasing=False).x
    magnitude, fit = np.repeat(magnitude, n), np.repeat(fit, n)
    for level in levels:
        n_above = np.count_nonzero(fit >= level - 1e-12)
        if _MIN_STARS <= n_above <= len(fit) - _MIN_STARS:
            limits[level] = float(np.mean(magnitude[n_above - 1:n_above + 1]))
    return limits


def count_detections(xy_true, xy_found, radius, *, existing=None):
    """
    Count what was found of true stars, and what else was found.

    Parameters
    ----------
    xy_true : (n, 2) array_like
        The true positions ``(x, y)`` in pixels, as of injected stars.

    xy_found : (m, 2) array_like
        The positions of a catalogue.

    radius : float
        The largest distance of a match in pixels.

    existing : (k, 2) array_like, optional
        Positions of sources that were in the image before, whose truth
        is not known: found again, they count neither as true nor as
        false.

    Returns
    -------
    counts : dict
        ``n_true``, ``n_found`` (finite positions), ``n_matched``,
        ``n_existing`` and ``n_false``, sources that are neither; and
        ``completeness`` = n_matched / n_true and ``purity`` = n_matched
        / (n_matched + n_false), NaN where they are not defined.

    Examples
    --------
    >>> from lpiphot.validation import count_detections
    >>> counts = count_detections([(5, 5), (20, 9)], [(5, 6), (40, 7)], 2.0)
    >>> counts['completeness'], counts['purity']
    (0.5, 0.5)
    """
    xy_found = np.asarray(xy_found, dtype=float).reshape(-1, 2)
    index = match_positions(xy_true, xy_found, radius, existing=existing)
    other = np.isfinite(xy_found).all(axis=1)
    n_found = int(np.count_nonzero(other))
    other[index[index >= 0]] = False
    n_other = int(np.count_nonzero(other))
    n_existing = int(np.count_nonzero(nearest_distance(
        xy_found[other], finite_positions('existing', existing)) <= radius))
    n_matched = int(np.count_nonzero(index >= 0))
    n_false = n_other - n_existing
    n_true = len(index)
    return {'n_true': n_true, 'n_found': n_found, 'n_matched': n_matched,
            'n_existing': n_existing, 'n_false': n_false,
            'completeness': n_matched / n_true if n_true else np.nan,
            'purity': (n_matched / (n_matched + n_false)
                       if n_matched + n_false else np.nan)}
