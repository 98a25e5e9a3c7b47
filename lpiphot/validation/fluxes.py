# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Fluxes of stars to inject.
"""

import numpy as np

from lpiphot.validation.columns import plain_values

__all__ = ['draw_fluxes', 'draw_magnitudes']


def draw_fluxes(n, fluxes, *, quantiles=(0.0, 1.0), rng=None):
    """
    Draw fluxes from the distribution that given ones have.

    A draw is a quantile of the given fluxes, linear between them: so
    few given fluxes do not make stars of few fluxes.

    Parameters
    ----------
    n : int
        The number of fluxes to draw.

    fluxes : float or (m,) array_like or `~astropy.units.Quantity`
        The given fluxes, as of a catalogue. Those that are masked, or
        not finite and positive, are left out. If one number, then all
        stars have this flux.

    quantiles : 2-tuple of float, optional
        The quantiles between which to draw. Less than all leaves out
        the brightest, such as saturated stars, or the faintest.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the random numbers.

    Returns
    -------
    drawn : (n,) `~numpy.ndarray` or `~astropy.units.Quantity`
        The fluxes, in the unit of ``fluxes``.

    Raises
    ------
    ValueError
        If none of the fluxes is finite and positive, or the quantiles
        make no sense.

    Examples
    --------
    >>> from lpiphot.validation import draw_fluxes
    >>> draw_fluxes(3, [100.0, 200.0, 400.0], rng=1)
    array([204.72864988, 380.18547853, 128.83192254])
    """
    low, high = quantiles
    if not 0 <= low <= high <= 1:
        msg = ('quantiles must be two numbers from 0 to 1 in order; got '
               f'{quantiles!r}')
        raise ValueError(msg)
    unit = getattr(fluxes, 'unit', None)
    values = np.atleast_1d(plain_values(fluxes))
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        msg = 'fluxes must have finite positive values; none of them is'
        raise ValueError(msg)
    rng = np.random.default_rng(rng)
    drawn = np.quantile(values, rng.uniform(low, high, n))
    return drawn if unit is None else drawn << unit


def draw_magnitudes(n, bright, faint, *, zero_point=0.0, rng=None):
    """
    Draw fluxes whose magnitudes are uniform in a range.

    This is the choice for completeness, which needs as many stars above
    the limit as below it.

    Parameters
    ----------
    n : int
        The number of fluxes to draw.

    bright, faint : float
        The range of the magnitudes.

    zero_point : float, optional
        The magnitude of flux 1; with 0, magnitudes are instrumental.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the random numbers.

    Returns
    -------
    drawn : (n,) `~numpy.ndarray`
        The fluxes.

    Raises
    ------
    ValueError
        If the magnitudes are not in order.

    Examples
    --------
    >>> from lpiphot.validation import draw_magnitudes
    >>> draw_magnitudes(2, -5.0, -5.0)
    array([100., 100.])
    """
    if not bright <= faint:
        msg = ('bright must not be a larger magnitude than faint; got '
               f'{bright!r} and {faint!r}')
        raise ValueError(msg)
    magnitude = np.random.default_rng(rng).uniform(bright, faint, n)
    return 10.0 ** (-0.4 * (magnitude - zero_point))
