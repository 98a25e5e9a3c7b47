# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Tests for the matching module.
"""

import numpy as np
import pytest

from lpiphot.validation import match_positions


def brute_force(true, found, radius):
    """
    Mutually nearest pairs from the full table of distances.
    """
    distance = np.hypot(*(true[:, np.newaxis] - found).T).T
    index = np.full(len(true), -1)
    for i, row in enumerate(distance):
        j = np.argmin(row)
        if np.argmin(distance[:, j]) == i and row[j] <= radius:
            index[i] = j
    return index


def test_brute_force():
    rng = np.random.default_rng(1)
    true = rng.uniform(0, 60, (150, 2))
    found = np.concatenate((true[::2] + rng.normal(0, 0.7, (75, 2)),
                            rng.uniform(0, 60, (60, 2))))
    index = match_positions(true, found, 1.5)
    assert np.array_equal(index, brute_force(true, found, 1.5))
    matched = index[index >= 0]
    assert 30 < len(matched) < 150
    assert len(np.unique(matched)) == len(matched)


def test_used_once():
    true = [(10, 10), (11, 10)]
    assert list(match_positions(true, [(10.8, 10)], 2.0)) == [-1, 0]


def test_radius():
    assert match_positions([(0, 0)], [(3, 4)], 5.0)[0] == 0
    assert match_positions([(0, 0)], [(3, 4)], 4.99)[0] == -1


def test_existing():
    """
    A star found again where it was is not the one injected beside it.
    """
    true = [(10, 10), (30, 30)]
    found = [(12, 10), (30.2, 30)]
    existing = [(12.1, 10), (np.nan, 3), (33, 30)]
    assert list(match_positions(true, found, 4.0)) == [0, 1]
    index = match_positions(true, found, 4.0, existing=existing)
    assert list(index) == [-1, 1]


def test_not_finite():
    true = [(5, 5), (np.nan, 5), (20, 20)]
    found = [(np.nan, np.nan), (20, 20), (np.inf, 5), (5, 5)]
    assert list(match_positions(true, found, 1.0)) == [3, -1, 1]


def test_empty():
    assert list(match_positions([(1, 2)], [], 1.0)) == [-1]
    assert len(match_positions([], [(1, 2)], 1.0)) == 0
    assert list(match_positions([(1, 2)], [(1, 2)], 1.0, existing=[])) == [0]
    assert list(match_positions([(1, 2)], [(np.nan, 2)], 1.0)) == [-1]


def test_bad_input():
    with pytest.raises(ValueError, match='xy_found must have the shape'):
        match_positions([(1, 2)], [1, 2], 1.0)
    with pytest.raises(ValueError, match='radius must not be negative'):
        match_positions([(1, 2)], [(1, 2)], np.nan)
