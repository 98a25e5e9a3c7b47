# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests of photometry by stars of known flux: put them into an image, find
them again, and compare.
"""

from lpiphot.validation.injection import inject_stars, random_positions
from lpiphot.validation.matching import match_positions
from lpiphot.validation.statistics import (outlier_fraction, robust_width,
                                           zscore_summary)

__all__ = [
    'inject_stars',
    'match_positions',
    'outlier_fraction',
    'random_positions',
    'robust_width',
    'zscore_summary',
]
