# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Which kernel a class of neighbourhoods takes.
"""

import numpy as np
import pytest

from lpiphot.gpr.classes import _choose


@pytest.mark.parametrize(('n_pixels', 'best'), [(30, 1), (3000, 0)])
def test_votes(n_pixels, best):
    """
    A step of few pixels, whose residuals are known to 0.6 / sqrt(30) =
    11 %, has not the kernel that is 2 % better in it, but the one that is
    10 % better beside it; a step of many pixels has its own.
    """
    cost = np.array([[1.1, 1.0], [0.98, 1.0], [1.1, 1.0]])
    assert _choose(cost, [3000, n_pixels, 3000]) == [1, best, 1]


def test_votes_of_the_nearest():
    """
    The nearest step counts most, and a kernel that is far worse there no
    more than one that is worse by 15 %.
    """
    # all three are nearly as good in the first step
    cost = np.array([[1.0, 1.001, 1.002], [1.1, 1.0, 1.1], [1.1, 1.1, 1.0]])
    assert _choose(cost, [30, 3000, 3000])[0] == 1
    cost = np.array([[1.0, 1.25], [50.0, 1.0]])
    assert _choose(cost, [100, 100]) == [0, 1]
