# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Figures 5 and 6 of the LPI paper.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd().parents[1] / 'paper'))

from filaments import plot, run

plot(run((1336, 513), seed=1, n_threads=1))
