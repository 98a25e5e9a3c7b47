# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The bits of the ``dnt`` column and of the plane of filled pixels, defined
once.
"""

from typing import NamedTuple

import numpy as np

__all__ = ['DNT_FLAGS', 'FILL_FLAGS', 'decode_dnt_flags', 'decode_fill_flags']


class Flag(NamedTuple):
    """
    One bit.
    """

    bit: int
    name: str
    description: str


RADIUS_LIFTED = 1
RING_FORCED = 2
PSF_NEGATIVE = 8
PSF_NEGATIVE_1E3 = 16
PSF_NEGATIVE_1E1 = 32
NOT_POSITIVE_DEFINITE = 128
NO_POSITION = 256
NO_HIDDEN_PIXELS = 512
INFILL_MEDIAN = 1024
PIXELS_LOST = 2048
CLOSE_PAIR = 4096
PSF_INVALID = 8192
FEW_SHIFTS = 16384
MISFIT = 32768

# Bits 1 to 32 are those of the published code (Saydjari & Finkbeiner
# 2022, section 5.1), which leaves 4 and 64 unused; ours start at 128.
DNT_FLAGS = (
    Flag(RADIUS_LIFTED, 'radius_lifted',
         'few good pixels: the radius limit was lifted'),
    Flag(RING_FORCED, 'ring_forced',
         'still few good pixels: the outer ring of the stamp was '
         'forced good'),
    Flag(PSF_NEGATIVE, 'psf_negative',
         'the PSF has a negative pixel; its absolute value was used'),
    Flag(PSF_NEGATIVE_1E3, 'psf_negative_1e-3',
         'the ratio of the smallest to the largest PSF pixel is below '
         '-1e-3'),
    Flag(PSF_NEGATIVE_1E1, 'psf_negative_1e-1',
         'the ratio of the smallest to the largest PSF pixel is below '
         '-1e-1'),
    Flag(NOT_POSITIVE_DEFINITE, 'not_positive_definite',
         'the covariance is not positive definite in float64; no result'),
    Flag(NO_POSITION, 'no_position',
         'the position or flux is not finite or the source is outside '
         'the image; no result'),
    Flag(NO_HIDDEN_PIXELS, 'no_hidden_pixels',
         'no pixel with data lies under the star; no result'),
    Flag(INFILL_MEDIAN, 'infill_median',
         'some training pixels near the star had no good pixel in reach '
         'and were infilled with the image median'),
    Flag(PIXELS_LOST, 'pixels_lost',
         'pixels under the star have no data: masked, not finite or '
         'outside the image'),
    Flag(CLOSE_PAIR, 'close_pair',
         'another source lies within half the FWHM of the PSF; their '
         'fluxes cannot be told apart'),
    Flag(PSF_INVALID, 'psf_invalid',
         'the PSF model has no finite positive pixel for this source; '
         'no result'),
    Flag(FEW_SHIFTS, 'few_shifts',
         'the window has fewer than ten times as many pixels as were used of '
         'the stamp: too few to learn their covariance from, and dcflux is '
         'too small by 5 % or more'),
    Flag(MISFIT, 'misfit',
         'the flux changes by more than 5 %, and the pixels under the star '
         'are not those of the PSF on the predicted background: a blend, '
         'saturation, another PSF, or photon noise that neither gain nor '
         'error tells'),
)

# Bits that leave the result as good as it is without
HARMLESS = PSF_NEGATIVE

FILLED = 1
NOT_FINITE = 2
FEW_GOOD = 4
WINDOW_GROWN = 8
SPIKE_NEAR = 16
NOT_TRAINED = 32
FAR_MEDIAN = 64
FROM_NOTHING = 128
RIDGE = 256
LOCAL_MEAN = 512

# Bits 2 to 32 are those of GPRImputer, from 64 on those of LPIImputer; 128 is
# of both.
FILL_FLAGS = (
    Flag(FILLED, 'filled', 'the value was imputed; all others are as given'),
    Flag(NOT_FINITE, 'not_finite',
         'the pixel was filled because it was not finite'),
    Flag(FEW_GOOD, 'few_good',
         'less than half of the neighbours in the window were good'),
    Flag(WINDOW_GROWN, 'window_grown',
         'hardly a neighbour in the window was good: the nearest good '
         'pixels beyond it were used, if any were near'),
    Flag(SPIKE_NEAR, 'spike_near',
         'a neighbour that was not masked stands out alone, as hot pixels '
         'do, and was left out'),
    Flag(NOT_TRAINED, 'not_trained',
         'there were too few pixels to train on: a general kernel was used'),
    Flag(FAR_MEDIAN, 'far_median',
         'some training pixels near it had no good pixel in reach and were '
         'infilled with the image median'),
    Flag(FROM_NOTHING, 'from_nothing',
         'no known pixel was near enough to predict it from: it has the '
         'local mean and covariance, or, from GPRImputer, the median and '
         'scatter of the image'),
    Flag(RIDGE, 'ridge',
         'the local covariance is singular; a little was added to its '
         'diagonal'),
    Flag(LOCAL_MEAN, 'local_mean',
         'the local covariance could not be used at all: the pixel has the '
         'mean and scatter of the good pixels about it, and draws are white '
         'noise'),
)


def decode_dnt_flags(flags, *, return_bit_values=False):
    """
    Decode the bits of the ``dnt`` column.

    Parameters
    ----------
    flags : int or array_like of int
        One value or an array of values; those that are masked, as in
        tables that were joined, have no flags.

    return_bit_values : bool, optional
        If `True`, return the bit values instead of their names.

    Returns
    -------
    decoded : list of str or int, or list of lists
        The names (or values) of the bits that are set, in the order
        of the bits; a list of such lists if ``flags`` is an array. The
        names are given below.

    Raises
    ------
    TypeError
        If ``flags`` is not of an integer type.

    ValueError
        If a value has a bit that is not defined.

    Notes
    -----
    The names, in the order of the bits:

    <flag table>

    Examples
    --------
    >>> from lpiphot import decode_dnt_flags
    >>> decode_dnt_flags(3)
    ['radius_lifted', 'ring_forced']
    >>> decode_dnt_flags([0, 128])
    [[], ['not_positive_definite']]
    """
    return _decode(flags, DNT_FLAGS, return_bit_values)


def decode_fill_flags(flags, *, return_bit_values=False):
    """
    Decode the bits of filled pixels.

    Parameters
    ----------
    flags : int or array_like of int
        One value or an array of values; those that are masked, as in
        tables that were joined, have no flags.

    return_bit_values : bool, optional
        If `True`, return the bit values instead of their names.

    Returns
    -------
    decoded : list of str or int, or list of lists
        The names (or values) of the bits that are set, in the order
        of the bits; a list of such lists if ``flags`` is an array. The
        names are given below.

    Raises
    ------
    TypeError
        If ``flags`` is not of an integer type.

    ValueError
        If a value has a bit that is not defined.

    Notes
    -----
    The names, in the order of the bits:

    <flag table>

    Examples
    --------
    >>> from lpiphot import decode_fill_flags
    >>> decode_fill_flags(257)
    ['filled', 'ridge']
    """
    return _decode(flags, FILL_FLAGS, return_bit_values)


def _decode(flags, registry, return_bit_values):
    """
    Decode the bits of a registry.
    """
    values = np.asarray(np.ma.filled(flags, 0))
    if values.size == 0:
        return []
    if not np.issubdtype(values.dtype, np.integer):
        msg = f'flags must be integers; got an array of dtype {values.dtype}'
        raise TypeError(msg)
    known = sum(flag.bit for flag in registry)
    # as int64: ~known has no place in unsigned integers
    unknown = values[(values.astype(np.int64) & ~known) != 0]
    if unknown.size:
        msg = (f'flags has the value {int(unknown.flat[0])}, in which a bit '
               f'is set that is not defined; the defined bits are '
               f'{[flag.bit for flag in registry]}')
        raise ValueError(msg)

    def decode(value):
        return [flag.bit if return_bit_values else flag.name
                for flag in registry if value & flag.bit]

    if values.ndim == 0:
        return decode(int(values))
    return [decode(int(value)) for value in values.ravel()]


for _function, _registry in ((decode_dnt_flags, DNT_FLAGS),
                             (decode_fill_flags, FILL_FLAGS)):
    if _function.__doc__ is not None:  # python -OO has none
        _function.__doc__ = _function.__doc__.replace(
            '<flag table>', '\n    '.join(
                f'* ``{flag.name}`` ({flag.bit}): {flag.description}'
                for flag in _registry))
