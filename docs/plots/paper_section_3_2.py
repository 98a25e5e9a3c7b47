# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Figure 4 of the LPI paper.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd().parents[1] / 'paper'))

from section_3_2 import plot

plot(0)
