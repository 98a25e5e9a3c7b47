# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Figure 8, left, of the LPI paper.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd().parents[1] / 'paper'))

from crowded_flat import run
from paper_helpers import FLUX, plot_z, z_scores

# As dense as the paper's stars, borders left out
tables, _ = run((700, 350), 564, seed=1, n_threads=1)
plot_z({f'Fitted {name}': z_scores(table, FLUX)
        for name, table in tables.items() if 'groups' not in name})
