# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the PIT tells of errors.
"""

import matplotlib.pyplot as plt
import numpy as np

from lpiphot.validation import pit_deviation, pit_values, robust_width

normal = np.random.default_rng(1).normal(size=2000)
cases = {
    'honest': normal,
    'errors too small by 2': 2.0 * normal,
    'errors too large by 2': 0.5 * normal,
    'biased by 1 sigma': normal + 1.0,
}
figure, axes = plt.subplots(1, 4, figsize=(11, 2.9), sharey=True,
                            layout='constrained')
for plot, (title, z) in zip(axes, cases.items(), strict=True):
    plot.hist(pit_values(z), np.linspace(0, 1, 21), density=True,
              color='#0072B2')
    plot.axhline(1.0, color='k', ls='--', lw=1)
    plot.set_title(f'{title}\nmedian z {np.median(z):+.2f}, width '
                   f'{robust_width(z):.2f},\ndeviation '
                   f'{pit_deviation(z):.2f}', fontsize=9.5)
    plot.set_xlabel(r'PIT, $\Phi(z)$')
    plot.set_ylim(0, 3.4)
axes[0].set_ylabel('density of stars')
