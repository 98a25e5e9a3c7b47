# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Figure 7 of the LPI paper.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd().parents[1] / 'paper'))

from filament_height import SNR, WINDOWS, plot, run

plot(run(SNR, WINDOWS, infilled=False, seed=1, n_positions=8))
