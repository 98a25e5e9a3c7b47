# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What LPI does for one star, beside the truth.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from method_scene import FLUX, make_scene

COLOURS = {'ignored': '0.75', 'good': '#0072B2', 'hidden': '#E69F00'}

scene = make_scene()
star = scene['result'].table[0]
prediction = scene['corrector'].predict(scene['data'], scene['catalogue'], 0)
(y, x), (ny, nx) = prediction.centre, prediction.classes.shape
stamp = (slice(y - ny // 2, y + ny // 2 + 1),
         slice(x - nx // 2, x + nx // 2 + 1))
extent = (x - nx / 2, x + nx / 2, y - ny / 2, y + ny / 2)
truth = scene['truth'][stamp]
reach = 1.1 * np.abs(truth).max()

figure, axes = plt.subplots(2, 3, figsize=(10.5, 7.2), layout='constrained')
panels = (
    ('Data', scene['data'][stamp]),
    ('Residual: data − fitted star', prediction.stamp),
    ('Classes of the pixels', None),
    ('Truth, without the star', truth),
    ('Prediction: mean', prediction.mean_stamp),
    ('Prediction: a draw', prediction.draw(rng=3)[0]),
)
limits = {'vmin': -reach, 'vmax': reach, 'cmap': 'RdBu_r'}
for plot, (title, plane) in zip(axes.flat, panels, strict=True):
    if plane is None:
        plot.imshow(prediction.classes, origin='lower', extent=extent,
                    vmin=0, vmax=2, cmap=ListedColormap(COLOURS.values()))
        plot.legend(handles=[Patch(color=colour, label=name)
                             for name, colour in COLOURS.items()],
                    loc='upper right', fontsize='small')
    else:
        image = plot.imshow(plane, origin='lower', extent=extent, **limits)
        if plane is not scene['data'][stamp]:
            plot.contour(prediction.hidden, [0.5], colors='k',
                         linewidths=0.8, extent=extent)
    plot.set_title(title)
    plot.set_xlabel('x [pixel]')
    plot.set_ylabel('y [pixel]')
figure.colorbar(image, ax=axes, label='adu', shrink=0.7, extend='max')
fluxes = [1e-3 * star[name] for name in ('flux_fit', 'flux_err', 'cflux',
                                         'dcflux')]
figure.suptitle('flux in 1000 adu: true {:.0f}; fitted {:.0f} ± {:.0f}; '
                'corrected {:.0f} ± {:.0f}'.format(1e-3 * FLUX, *fluxes))
