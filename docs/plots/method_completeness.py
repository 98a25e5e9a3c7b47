# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Completeness of made stars, in bins and without them.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import isotonic_regression

from lpiphot.validation import completeness_curve, completeness_limits

rng = np.random.default_rng(5)
magnitude = rng.uniform(16, 22, 800)
truth = 0.98 / (1 + np.exp((magnitude - 20) / 0.35))
recovered = rng.random(magnitude.size) < truth

figure, plot = plt.subplots(figsize=(6.5, 4), layout='constrained')
order = np.argsort(magnitude)
plot.plot(magnitude[order], truth[order], 'k--', lw=1, label='truth')
fit = isotonic_regression(recovered[order].astype(float), increasing=False).x
plot.step(magnitude[order], fit, color='#D55E00', where='mid',
          label='best fit that never rises')
curve = completeness_curve(magnitude, recovered, np.arange(16, 22.1, 0.5))
middle, part = 0.5 * (curve['low'] + curve['high']), curve['completeness']
plot.errorbar(middle, part, [part - curve['lower'], curve['upper'] - part],
              fmt='o', ms=4, color='#0072B2', label='in bins, 1 sigma')
for level, limit in completeness_limits(magnitude, recovered).items():
    plot.plot([16, limit, limit], [level, level, 0], color='#D55E00', lw=0.8,
              ls=':')
    plot.text(limit - 0.05, 0.02, f'{limit:.2f}', rotation=90, ha='right',
              fontsize='small')
plot.set(xlabel='magnitude', ylabel='completeness', xlim=(16, 22),
         ylim=(0, 1.02))
plot.legend(loc='upper right')
