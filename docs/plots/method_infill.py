# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A large hole in the Horsehead, filled block by block.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

from lpiphot import LPIImputer
from lpiphot.datasets import load_horsehead
from lpiphot.lpi.holes import cut_holes

CENTRE, RADIUS, HALF = (265, 165), 30, 48

data = load_horsehead().data
imputer = LPIImputer()
result = imputer.run(data, positions=[CENTRE], radius=RADIUS, n_draws=2)
blocks, _ = cut_holes(result.mask, result.good, imputer.stamp_shape,
                      math.ceil(imputer.condition_distance))
order = np.full(data.shape, np.nan)
for block in blocks:
    order[block.rows, block.columns] = block.rank + 1

y, x = CENTRE
part = (slice(y - HALF, y + HALF + 1), slice(x - HALF, x + HALF + 1))
extent = (x - HALF - 0.5, x + HALF + 0.5, y - HALF - 0.5, y + HALF + 0.5)
figure, axes = plt.subplots(2, 3, figsize=(10.5, 6.8), layout='constrained')
low, high = np.percentile(data[part], [0.5, 99.5])
stretch = {'vmin': low, 'vmax': high, 'cmap': 'gray'}
panels = (('Truth', data, stretch),
          ('Order of filling', order, {'cmap': 'viridis'}),
          ('1 sigma', np.where(result.mask, result.std, np.nan),
           {'cmap': 'magma', 'vmin': 0}),
          ('Mean', result.mean, stretch), ('Draw 1', result.draws[0], stretch),
          ('Draw 2', result.draws[1], stretch))
for plot, (title, plane, options) in zip(axes.flat, panels, strict=True):
    image = plot.imshow(plane[part], origin='lower', extent=extent, **options)
    plot.set_title(title)
    plot.set(xlabel='x [pixel]', ylabel='y [pixel]')
    if 'gray' not in options.values():
        plot.imshow(np.where(result.mask, np.nan, data)[part], origin='lower',
                    extent=extent, alpha=0.4, **stretch)
        figure.colorbar(image, ax=plot,
                        label='block' if 'Order' in title else 'adu')
    else:
        plot.contour(result.mask[part], [0.5], colors='#E69F00',
                     linewidths=1, extent=extent)
