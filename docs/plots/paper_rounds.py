# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A few rounds of injected stars in each field, for the page on the paper.
"""

import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path.cwd().parents[1] / 'paper'))

from fields import load_field
from injections import inject
from photometry import Photometry

ROUNDS = {'uncrowded': 4, 'crowded': 4, 'nebulous': 6}


@cache
def few_rounds(kind):
    """
    Inject stars into a field; each is asked for by several figures.
    """
    field = load_field(kind, seed=1)
    return inject(field, Photometry(field.pipeline, 64), ROUNDS[kind], 1, 1)
