# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests of photometry by stars of known flux: put them into an image, find
them again, and compare.

`InjectionRecovery` does all of it, and knows of LPI; its parts score any
photometry: positions and fluxes, injection (`inject_stars`), matching
(`match_positions`, `pair_stars`), and statistics.
"""

from lpiphot.validation.bins import (bin_statistics, cell_statistics,
                                     quantile_edges, star_statistics)
from lpiphot.validation.blank import check_blank_positions
from lpiphot.validation.calibration import Calibration
from lpiphot.validation.completeness import (completeness_curve,
                                             completeness_limits,
                                             count_detections)
from lpiphot.validation.environment import (local_density, local_roughness,
                                            residual_around, residual_at,
                                            subtract_stars)
from lpiphot.validation.fluxes import draw_fluxes, draw_magnitudes
from lpiphot.validation.injection import (gain_from_error, inject_stars,
                                          random_positions)
from lpiphot.validation.matching import match_positions
from lpiphot.validation.pairs import pair_stars
from lpiphot.validation.pit import coverage, pit_deviation, pit_values
from lpiphot.validation.recovery import InjectionRecovery
from lpiphot.validation.recovery_result import RecoveryResult
from lpiphot.validation.report import RecoveryReport, make_report
from lpiphot.validation.statistics import (change_ratio, outlier_fraction,
                                           rank_correlation, robust_width,
                                           zscore_summary)

__all__ = [
    'Calibration',
    'InjectionRecovery',
    'RecoveryReport',
    'RecoveryResult',
    'bin_statistics',
    'cell_statistics',
    'change_ratio',
    'check_blank_positions',
    'completeness_curve',
    'completeness_limits',
    'count_detections',
    'coverage',
    'draw_fluxes',
    'draw_magnitudes',
    'gain_from_error',
    'inject_stars',
    'local_density',
    'local_roughness',
    'make_report',
    'match_positions',
    'outlier_fraction',
    'pair_stars',
    'pit_deviation',
    'pit_values',
    'quantile_edges',
    'random_positions',
    'rank_correlation',
    'residual_around',
    'residual_at',
    'robust_width',
    'star_statistics',
    'subtract_stars',
    'zscore_summary',
]
