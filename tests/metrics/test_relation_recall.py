"""Recall of known pairs: brute force, ties, blocks, and nulls that keep what they claim to keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from phenolens.metrics import PairNull, cosine_similarity, distinct_pairs, rewire
from phenolens.metrics import relation_recall as module


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 70), st.booleans())
def test_tails_equal_counting_on_all_pairs(seed, n, small_blocks):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    pairs = distinct_pairs(rng.integers(n, size=(40, 2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_CELLS", 50 if small_blocks else 2**21)
        found = PairNull(x).place(pairs)
    similarity = cosine_similarity(x)
    null = similarity[np.triu_indices(n, 1)]
    asked = similarity[tuple(pairs.T)]
    as_low = (null[None] <= asked[:, None] + 1e-6).mean(axis=1)
    as_high = (null[None] >= asked[:, None] - 1e-6).mean(axis=1)
    assert_allclose(found.lower, as_low <= 0.05)
    assert_allclose(found.upper, as_high <= 0.05 + 1e-12)


def test_percentile_is_the_auc_of_related_against_all_pairs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 10))
    pairs = distinct_pairs(rng.integers(300, size=(500, 2)))
    similarity = cosine_similarity(x)
    null, asked = similarity[np.triu_indices(300, 1)], similarity[tuple(pairs.T)]
    auc = np.mean([(null < value).mean() + (null == value).mean() / 2 for value in asked])
    assert_allclose(PairNull(x).place(pairs).percentile.mean(), auc, atol=2e-5)


@pytest.mark.parametrize("x", [np.ones((40, 5)), np.zeros((40, 5)), np.repeat(np.eye(4), 10, axis=0)])
def test_all_pairs_have_recall_of_exactly_chance_even_if_they_tie(x):
    pairs = np.stack(np.triu_indices(40, 1), axis=1)
    found = PairNull(x).place(pairs)
    assert_allclose([found.lower.mean(), found.upper.mean(), found.percentile.mean()], [0.05, 0.05, 0.5], atol=1e-6)


def test_a_constant_embedding_recalls_what_chance_does():
    found = PairNull(np.full((50, 3), 0.7)).place(np.array([[0, 1], [2, 9]]))
    assert_allclose(found.lower + found.upper, 0.1)


def test_related_rows_are_recalled():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 10))
    x[1::2] = x[::2] + 0.1 * rng.normal(size=(100, 10))
    pairs = np.arange(200).reshape(100, 2)
    found = PairNull(x).place(pairs)
    assert found.upper.mean() == 1.0
    assert found.lower.mean() == 0.0


def test_too_few_rows_and_bad_rows_are_refused():
    with pytest.raises(ValueError, match="needs at least 3 rows, found 2"):
        PairNull(np.eye(2))
    with pytest.raises(ValueError, match="row 0 holds NaN"):
        PairNull(np.array([[np.nan], [1.0], [2.0]]))


def test_distinct_pairs():
    assert distinct_pairs(np.array([[2, 1], [1, 2], [3, 3], [0, 1]])).tolist() == [[0, 1], [1, 2]]
    assert len(distinct_pairs(np.empty((0, 2), int))) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 40))
def test_rewiring_keeps_how_many_pairs_each_row_has(seed, n):
    rng = np.random.default_rng(seed)
    pairs = distinct_pairs(rng.integers(n, size=(2 * n, 2)))
    found = rewire(pairs, rng)
    assert len(distinct_pairs(found)) == len(pairs)
    assert_allclose(np.bincount(found.ravel(), minlength=n), np.bincount(pairs.ravel(), minlength=n))


def test_rewiring_mixes():
    rng = np.random.default_rng(2)
    pairs = distinct_pairs(rng.integers(300, size=(900, 2)))
    kept = {*map(tuple, rewire(pairs, rng).tolist())} & {*map(tuple, pairs.tolist())}
    assert len(kept) < 0.06 * len(pairs)
