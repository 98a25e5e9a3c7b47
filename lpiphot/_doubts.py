# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Warnings of inputs that do not belong together.
"""

import warnings

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

from lpiphot.lpi.psf import Sources, centre_pixels, psf_stamps
from lpiphot.lpi.scene import MIN_MASK_FLUX
from lpiphot.lpi.tiles import Region

__all__ = ['psf_flux', 'warn_of_low_peak', 'warn_of_other_fluxes',
           'warn_of_other_psf', 'warn_of_psf_flux', 'warn_of_shift',
           'warn_of_sources_outside']

# Two PSFs are the same if they differ by less of the peak, as those do
# whose FWHM differ by a twentieth
MAX_APART = 0.1

# A stamp may cut off a third of the light of wide wings, or be normalized
# without them. One that is oversampled twice and sums to 1 has a quarter of
# its flux, and one with a peak of 1 has 1.13 times the square of its FWHM
MAX_PSF_FLUX = 1.6

# A star of the default min_mask_flux rises to 27 times mask_threshold with
# a FWHM of 4 pixels. With one of more than 11 it does to less than 3.5, and
# hides so little that what is left of it spoils the prediction
HIGH_PEAK, LOW_PEAK = 27.0, 3.5

# Fewer sources than this outside the image are no reason to warn
N_OUTSIDE = 10

# If so many sources and this part of all those of so many errors have another
# flux, by this factor, then the table is hardly that of the image
N_OTHER, OTHER_SHARE, BRIGHT, OTHER = 5, 0.75, 10.0, 2.0

# The median shift of so many of the brightest sources is none by chance if it
# is so many of its errors. Ways to count pixels differ by a half or by one;
# positions that are whole numbers are off by less. It is found in a few steps,
# of a pixel at most: of a star farther away, only the direction is known.
N_BRIGHTEST, SHIFT, SHIFT_SIGMA, N_STEPS = 30, 0.45, 7.0, 5

# Where a PSF is above this part of its peak: a Gaussian within one FWHM
CORE = 0.05


def psf_flux(psf_model):
    """
    Return the flux of the image of a PSF model, which should be near 1.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        The PSF model.

    Returns
    -------
    flux : float
        The sum of its ``data`` over the product of its ``oversampling``;
        of a grid of PSFs that which is farthest from 1. It is 1 of a model
        that has no image.
    """
    images = getattr(psf_model, 'data', None)
    oversampling = getattr(psf_model, 'oversampling', None)
    if not isinstance(images, np.ndarray) or oversampling is None:
        return 1.0
    fluxes = np.ravel(np.sum(images, axis=(-2, -1), dtype=float))
    fluxes /= np.prod(np.broadcast_to(oversampling, 2))
    apart = np.abs(np.log(np.maximum(fluxes, 1e-300)))
    return fluxes[np.argmax(apart)].item()


def warn_of_psf_flux(psf_model, name='psf_model'):
    """
    Warn if the image of a PSF model has another flux than 1.
    """
    flux = psf_flux(psf_model)
    if not 1 / MAX_PSF_FLUX < flux < MAX_PSF_FLUX:
        n_pixels = np.prod(np.broadcast_to(psf_model.oversampling, 2))
        msg = (f'{name} is not normalized: the sum of a PSF in its data is '
               f'{flux * n_pixels:.3g}, not about {n_pixels}, the product of '
               'its oversampling. Fluxes fitted with it are the true ones '
               f'divided by {flux:.3g}. Divide its data by this, and fit '
               'again')
        warnings.warn(msg, AstropyUserWarning)


def warn_of_other_psf(psf, fitted, source, stamp_shape):
    """
    Warn if the PSF is not the one that was fitted.
    """
    if source.extra:
        return  # each star has its own
    one, other = (psf_stamps(some, source, stamp_shape)
                  for some in (psf, fitted))
    apart = np.max(np.abs(one - other)) / np.max(np.abs(other))
    if apart > MAX_APART:
        msg = ('psf_model is not the PSF that phot was fitted with: they are '
               f'apart by {apart:.0%} of its peak. cflux is right only with '
               'the model that was fitted')
        warnings.warn(msg, AstropyUserWarning)


def warn_of_sources_outside(n_finite, n_inside, image_shape):
    """
    Warn if most sources are outside the image.
    """
    if n_finite - n_inside > max(n_inside, N_OUTSIDE):
        msg = (f'{n_finite - n_inside} of the {n_finite} sources of phot are '
               f'outside the image of {image_shape} pixels. Of a cutout, '
               'positions are counted from its own first pixel')
        warnings.warn(msg, AstropyUserWarning)


def warn_of_other_fluxes(flux, cflux, dcflux):
    """
    Warn if most bright stars of the table are not so in the image.
    """
    # those of flux 0 were not measured: it is LPI that does
    bright = (np.fmax(flux, cflux) > BRIGHT * dcflux) & (flux != 0)
    other = bright & ~((cflux * OTHER > flux) & (cflux < flux * OTHER))
    n_bright, n_other = np.count_nonzero(bright), np.count_nonzero(other)
    if n_other >= max(N_OTHER, OTHER_SHARE * n_bright):
        msg = (f'{n_other} of the {n_bright} sources of phot above '
               f'{BRIGHT:g} sigma have fluxes in data that are less than a '
               'half of those of phot, or more than twice. Is data the image '
               'that was fitted, and are psf_model, positions and unit those '
               'of the fit?')
        warnings.warn(msg, AstropyUserWarning)


def warn_of_shift(image, psf, sources, stamp_shape):
    """
    Warn if all sources are shifted, as if pixels were counted from 1.
    """
    order = np.argsort(-sources.flux, kind='stable')[:N_BRIGHTEST]
    bright = sources.take(order[sources.flux[order] > 0])
    shift = np.zeros(2)
    for i in range(N_STEPS):
        steps = _steps_to_stars(image, psf, bright._replace(
            x=bright.x + shift[0], y=bright.y + shift[1]), stamp_shape)
        if len(steps) < N_OTHER:
            break
        steps = np.clip(steps, -1, 1)
        step = np.median(steps, axis=0)
        error = steps.std(axis=0) / len(steps) ** 0.5
        if i == 0 and not np.any(np.abs(step) > np.fmax(
                SHIFT, SHIFT_SIGMA * error)):
            return
        shift += step
    if np.any(np.abs(shift) > SHIFT):
        x, y = shift
        msg = ('the brightest sources of phot are at other places in data, '
               f'by about {x:+.1f} pixels in x and {y:+.1f} in y. Positions '
               'are counted from 0 at the middle of the first pixel: of '
               'catalogues that count from 1, take off 1')
        warnings.warn(msg, AstropyUserWarning)


def _steps_to_stars(image, psf, sources, stamp_shape):
    """
    Return how far the stars in an image are from some sources.

    To the pixels about each, its PSF, the derivatives of that by x and y,
    and a constant are fitted; sources without light are left out.
    """
    stamps = psf_stamps(psf, sources, stamp_shape)
    # Differences of pixels are less than derivatives, and steps too long: the
    # next ones go back. More stamps of a grid of PSFs would take their time.
    by_y, by_x = np.gradient(stamps, axis=(1, 2))
    shapes = np.stack([stamps, np.ones_like(stamps), -by_x, -by_y], axis=1)
    firsts = centre_pixels(sources) - np.array(stamp_shape) // 2
    steps = []
    for first, shape in zip(firsts, shapes, strict=True):
        low = np.clip(first, 0, image.shape)
        high = np.clip(first + stamp_shape, 0, image.shape)
        part = image.read(Region(tuple(low), tuple(high)))
        inside = Region(tuple(low - first), tuple(high - first)).slices
        core = (shape[0] > CORE * shape[0].max())[inside] & ~part.mask
        if np.count_nonzero(core) < 2 * len(shape):
            continue
        values = np.array([one[inside][core] for one in shape])
        flux, _, *moments = np.linalg.lstsq(values.T, part.data[core])[0]
        if flux > 0:
            steps.append(moments / flux)
    return np.array(steps)


def warn_of_low_peak(psfs, stamp_shape):
    """
    Warn if faint sources would hide too few of the pixels they have.

    The one of the PSFs with the lowest peak is told.
    """
    one = Sources(np.zeros(1), np.zeros(1), np.ones(1), {})
    peaks = {psf.name: np.max(np.abs(psf_stamps(psf, one, stamp_shape)))
             for psf in psfs}
    low = {name: peak for name, peak in peaks.items()
           if 0 < peak < LOW_PEAK / MIN_MASK_FLUX}
    if low:
        name = min(low, key=low.get)
        msg = (f'{name} has a peak of only {low[name]:.2g} for a flux of 1: '
               'it is wide, or not normalized. Faint sources hide too few '
               'pixels, and their dcflux may be too small. Give '
               f'min_mask_flux, about {HIGH_PEAK / low[name]:.2g} times '
               'mask_threshold')
        warnings.warn(msg, AstropyUserWarning)
