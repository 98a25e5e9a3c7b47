# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Rows of three local covariances of one image.
"""

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from method_scene import make_scene

from lpiphot import local_covariance

STAMP, WINDOW = 33, 129
PLACES = {'edge of the cloud': (230, 160), 'haze': (120, 90),
          'smooth sky': (230, 320)}

filled = make_scene()['result'].filled
_, covariances = local_covariance(filled, list(PLACES.values()),
                                  stamp_shape=STAMP, window_shape=WINDOW)
figure, axes = plt.subplots(2, 3, figsize=(10.5, 6.8), layout='constrained')
for plots, name, (y, x), covariance in zip(
        axes.T, PLACES, PLACES.values(), covariances, strict=True):
    half = WINDOW // 2 + STAMP // 2
    part = (slice(max(y - half, 0), y + half + 1),
            slice(max(x - half, 0), x + half + 1))
    image = plots[0].imshow(
        filled[part], origin='lower', cmap='RdBu_r', vmin=-5000, vmax=5000,
        extent=(part[1].start, part[1].start + filled[part].shape[1],
                part[0].start, part[0].start + filled[part].shape[0]))
    plots[0].add_patch(Rectangle((x - STAMP / 2, y - STAMP / 2), STAMP,
                                 STAMP, fill=False, lw=1.5))
    plots[0].set_title(name)
    plots[0].set(xlabel='x [pixel]', ylabel='y [pixel]')
    middle = STAMP ** 2 // 2
    row = covariance[middle].reshape(STAMP, STAMP) / covariance[middle,
                                                                middle]
    artist = plots[1].imshow(
        row, origin='lower', cmap='viridis', vmin=0, vmax=1,
        extent=(-STAMP / 2, STAMP / 2, -STAMP / 2, STAMP / 2))
    plots[1].set_title(rf'$\sigma$ = {covariance[middle, middle] ** 0.5:.0f} '
                       'adu')
    plots[1].set(xlabel=r'$\Delta x$ [pixel]', ylabel=r'$\Delta y$ [pixel]')
figure.colorbar(image, ax=axes[0], label='residual, infilled [adu]')
figure.colorbar(artist, ax=axes[1], label='correlation with the centre')
