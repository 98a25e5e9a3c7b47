# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The noise of the sky, and the parts that estimates of noise share.

There are several estimates, as there are several questions:

- *What stands out in a block of 16 x 16 pixels?* The scatter of its
  pixels, structure and all: `lpiphot.lpi.noise.block_moments`. Masks of
  the correction are in units of it, and infilled pixels get it.
- *How much do pixels differ from what is next to them?* Less the mean
  of the four neighbours: `lpiphot.lpi.noise.local_noise` by blocks with
  holes, for the holes of `lpiphot.LPIImputer`; and
  `lpiphot.lpi.noise.image_noise` where there are none, as a mean, for
  every group of stars: it tells which digits count, no more.
- *What is left of a pixel when the kernel has seen all its neighbours?*
  Second differences of 3 x 3 pixels, the fainter ones:
  `lpiphot.gpr.plane.noise_of`, the unit of kernels.
- *What is the error of a measured pixel?* Resampling correlates
  neighbours, which have too little scatter then. So users are told what
  pixels four apart have: `sky_noise` here, one number for an image, from
  a sample of its fainter pixels; `lpiphot.pipeline.PSFPipeline`, a map
  of all pixels; `lpiphot.validation.local_roughness`, in boxes of so few
  pixels that they are compared in pairs.
"""

import numpy as np

__all__ = ['MAD_TO_SIGMA', 'NOISE_STEP', 'opposite_steps', 'robust_sigma',
           'sky_noise']

# Distance in pixels of those whose differences tell the noise: so far that
# resampling and film do not correlate them, so near that nebulae are smooth
NOISE_STEP = 4

# A Gaussian's sigma over its median absolute deviation; `lpiphot.lpi.noise`
# has more digits of it, as the covariance is compared to as many
MAD_TO_SIGMA = 1.4826

# Pixels that the noise of the sky is measured at
N_SAMPLE = 2 ** 15


def opposite_steps(step):
    """
    Return the steps to one of two opposite pixels, in eight directions.

    Parameters
    ----------
    step : float
        The length of the steps in pixels.

    Returns
    -------
    steps : list of 2-tuple of int
        The steps ``(dy, dx)``; those to the other pixel are ``(-dy,
        -dx)``.
    """
    return [(round(step * np.sin(angle)), round(step * np.cos(angle)))
            for angle in np.pi / 8.0 * np.arange(8)]


def robust_sigma(some, sizes):
    """
    Return a robust standard deviation from some of the absolute values.

    Parameters
    ----------
    some : (k,) `~numpy.ndarray`
        The absolute values whose median tells it.

    sizes : (n,) `~numpy.ndarray`
        All absolute values. If the median is 0, as for counts of few
        photons, then the mean of these does.

    Returns
    -------
    sigma : float
        That of a Gaussian with this median or mean.
    """
    return (MAD_TO_SIGMA * float(np.median(some))
            or 1.2533 * float(np.mean(sizes)))


def sky_noise(image, bad):
    """
    Return the noise of the fainter 60 % of an image.

    A pixel less the mean of two on opposite sides has no part from the
    slopes of structure, and least from the rest of it in one of eight
    directions. It is not correlated with the mean of the three, which
    says what is faint.

    Parameters
    ----------
    image : (ny, nx) `~numpy.ndarray`
        The image.

    bad : (ny, nx) bool `~numpy.ndarray`
        `True` for the pixels to leave out; others are left.

    Returns
    -------
    noise : float
        The 1-sigma noise of a pixel. If there are no three pixels to
        compare, that of the values about their median; 0 if all are the
        same.
    """
    step = max(1, image.size // N_SAMPLE) | 1
    y, x = np.divmod(np.arange(0, image.size, step), image.shape[1])
    inside = np.all([(place >= NOISE_STEP) & (place < size - NOISE_STEP)
                     for place, size in zip((y, x), image.shape,
                                            strict=True)], axis=0)
    y, x = y[inside], x[inside]
    # margins of zeros have no noise
    near = image[y[:, np.newaxis] + np.repeat([-1, 0, 1], 3),
                 x[:, np.newaxis] + np.tile([-1, 0, 1], 3)]
    known = ~bad[y, x] & np.any(near != near[:, :1], axis=1)
    y, x = y[known], x[known]
    noises = []
    for dy, dx in opposite_steps(NOISE_STEP):
        places = [(y + sign * dy, x + sign * dx) for sign in (-1, 0, 1)]
        known = ~np.any([bad[place] for place in places], axis=0)
        if known.any():
            before, middle, after = (image[place][known].astype(float)
                                     for place in places)
            total = before + middle + after
            sizes = np.abs(middle - 0.5 * (before + after))
            faint = total <= np.quantile(total, 0.6)
            noises.append(np.sqrt(2 / 3) * robust_sigma(sizes[faint], sizes))
    if not noises:
        good = image[~bad].astype(float)
        sizes = np.abs(good - np.median(good))
        return robust_sigma(sizes, sizes)
    return min(noises)
