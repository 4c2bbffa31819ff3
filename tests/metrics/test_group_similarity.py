"""Similarity within groups, against loops over pairs and Brunner and Munzel's probability."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import mannwhitneyu

from phenolens.metrics import PairNull, cosine_similarity, group_similarity


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.integers(1, 4))
def test_equals_loops_over_pairs(seed, n, n_groups):
    rng = np.random.default_rng(seed)
    x, groups = rng.normal(size=(n, 4)), rng.integers(-1, n_groups, size=n)
    groups[0] = n_groups  # a group of one row
    cosines = cosine_similarity(x)
    everything = [cosines[i, j] for i in range(n) for j in range(i)]
    found = group_similarity(PairNull(x), groups)
    for group in range(n_groups + 1):
        rows = np.flatnonzero(groups == group)
        within = [cosines[i, j] for i in rows for j in rows if i > j]
        if not within:
            assert np.isnan(found[group])
            continue
        superior = mannwhitneyu(within, everything).statistic / (len(within) * len(everything))
        assert_allclose(found[group], superior, atol=2e-3)  # cosines in the same of 65,536 bins are ties


def test_constant_vectors_are_at_one_half():
    assert group_similarity(PairNull(np.ones((9, 3))), np.arange(9) % 2) == pytest.approx([0.5, 0.5])
