# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the background of a crowd and of a nebula does to the flux of a star.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import maximum_filter
from scipy.signal import correlate

from lpiphot import LPIBackgroundCorrector, local_covariance
from lpiphot.datasets import load_galactic_plane, load_horsehead
from lpiphot.pipeline import PSFPipeline

STAMP, WINDOW = 33, 129
HALF = STAMP // 2 + WINDOW // 2


def errors_at_places(ccd):
    """
    Return the errors of the flux of a star in the middle, over its dcflux.
    """
    fit = PSFPipeline()(ccd)
    corrector = LPIBackgroundCorrector(fit.psf_model)
    images = corrector.run(fit.data_subtracted, fit.table)
    table, shape = images.table, images.filled.shape
    distance = np.hypot(table['x_fit'] - shape[1] / 2,
                        table['y_fit'] - shape[0] / 2)
    distance[table['dnt'] != 0] = np.inf
    star = np.argmin(distance)
    prediction = corrector.predict(fit.data_subtracted, fit.table,
                                   table['id'][star])

    # the weights of good and hidden pixels in its corrected flux
    filled = np.array(getattr(images.filled, 'value', images.filled))
    mean, covariance = (moment[0] for moment in local_covariance(
        filled, [prediction.centre], stamp_shape=STAMP, window_shape=WINDOW))
    good = np.flatnonzero(prediction.good)
    hidden = np.flatnonzero(prediction.hidden)
    p = prediction.psf.ravel()[hidden]
    on_hidden = np.linalg.solve(prediction.covariance, p)
    dcflux = (p @ on_hidden) ** -0.5
    weights = np.zeros(STAMP ** 2)
    weights[hidden] = dcflux ** 2 * on_hidden
    weights[good] = -np.linalg.solve(
        covariance[np.ix_(good, good)],
        covariance[np.ix_(good, hidden)] @ weights[hidden])
    weights = weights.reshape(STAMP, STAMP)

    # at all places of the window where the core of the star is free
    y, x = prediction.centre
    part = (slice(y, y + 2 * HALF + 1), slice(x, x + 2 * HALF + 1))
    errors = correlate(np.pad(filled - filled.mean(), HALF, 'reflect')[part],
                       weights, 'valid')
    core = prediction.psf > 0.1 * prediction.psf.max()
    free = ~maximum_filter(np.pad(images.mask, HALF, 'reflect')[part],
                           footprint=core)
    inner = slice(STAMP // 2, -(STAMP // 2))
    return (errors - errors.mean())[free[inner, inner]] / dcflux


figure, plots = plt.subplots(1, 2, figsize=(9, 3.6), layout='constrained',
                             sharey=True)
z = np.linspace(-4, 6, 401)
for axes, title, load in zip(plots, ('Horsehead', 'Galactic plane'),
                             (load_horsehead, load_galactic_plane),
                             strict=True):
    errors = errors_at_places(load())
    median = np.median(errors)
    axes.hist(errors, bins=np.arange(-4, 6.1, 0.2), density=True,
              color='#56B4E9', label='errors at free places')
    axes.plot(z, np.exp(-0.5 * z ** 2) / np.sqrt(2 * np.pi), 'k',
              label='Gaussian of dcflux')
    axes.axvline(median, color='#D55E00', ls='--',
                 label=f'median, {median:+.2f}')
    axes.set(title=title, xlabel='error of the flux / dcflux', xlim=(-4, 6))
    axes.legend(frameon=False)
plots[0].set_ylabel('density')
