# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The picture that ``lpiphot demo`` writes.
"""

import matplotlib.pyplot as plt

from lpiphot.demo import run_demo

plt.figure(run_demo().plot())
