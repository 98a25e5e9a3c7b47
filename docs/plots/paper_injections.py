# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Figures 8, right, 10 and 11 of the LPI paper, one by each function.
"""

from paper_rounds import few_rounds


def crowded_pdf():
    few_rounds('crowded').plot('pdf', way='clean')


def nebulous_maps():
    few_rounds('nebulous').plot('maps', way='clean')


def uncrowded_changes():
    few_rounds('uncrowded').plot('changes', way='clean')


def crowded_changes():
    few_rounds('crowded').plot('changes', way='clean')


def nebulous_changes():
    few_rounds('nebulous').plot('changes', way='clean')
