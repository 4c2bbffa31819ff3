"""The groups of nearest candidates and the rows that are kept apart, against loops over pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from phenolens.metrics import apart_by, cosine_similarity, nearest_groups
from phenolens.metrics import nearest_group as module


def by_loops(x, groups, values):
    similarity = cosine_similarity(x)
    nearest, candidates = np.zeros((2, len(x), groups.max() + 1))
    for row in range(len(x)):
        allowed = [o for o in range(len(x)) if groups[o] != groups[row] and not values[o] & values[row]]
        if allowed:
            best = max(similarity[row, o] for o in allowed)
            tied = [o for o in allowed if similarity[row, o] > best - 5e-7]
            for other in tied:
                nearest[row, groups[other]] += 1 / len(tied)
            for other in allowed:
                candidates[row, groups[other]] += 1 / len(allowed)
    return nearest, candidates


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 6), st.booleans())
def test_equals_loops(seed, n, n_batches, tied):
    rng = np.random.default_rng(seed)
    # Integers of one dimension tie exactly; with small angles between random vectors, none does.
    x = rng.integers(-1, 2, (n, 1)).astype(float) if tied else rng.normal(size=(n, 4))
    groups = np.unique(rng.integers(5, size=n), return_inverse=True)[1]
    values = [frozenset(rng.integers(n_batches, size=rng.integers(1, 3)).tolist()) for _ in range(n)]
    for found, expected in zip(nearest_groups(x, groups, apart_by(values)), by_loops(x, groups, values), strict=True):
        assert_allclose(found, expected, atol=1e-9)
    nothing = [frozenset()] * n
    for found, expected in zip(nearest_groups(x, groups), by_loops(x, groups, nothing), strict=True):
        assert_allclose(found, expected, atol=1e-9)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    x, groups = rng.normal(size=(40, 3)), rng.integers(6, size=40)
    whole = nearest_groups(x, groups)
    monkeypatch.setattr(module, "_BLOCK_CELLS", 1)
    assert_array_equal(nearest_groups(x, groups), whole)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 rows but 2 groups"):
        nearest_groups(np.eye(3), np.array([0, 1]))


def test_rows_without_values_share_nothing():
    apart = apart_by([frozenset(), frozenset(), frozenset("a")])
    assert_array_equal(apart.together(np.arange(3)), np.diag([False, False, True]))
    assert_array_equal(apart.pairs_together(np.array([[2, 2], [0, 1]])), [True, False])
    assert_array_equal(apart.among(np.array([2, 0])).together(np.array([0])), [[True, False]])
