"""The blockwise kernel against the dense one, which is itself held against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from phenolens.metrics import average_precision, cosine_similarity, label_average_precision
from phenolens.metrics import label_retrieval as module


def dense(x, labels, candidate):
    """Score each candidate on the full matrix of similarities."""
    similarity = cosine_similarity(x)
    both = candidate[:, None] & candidate[None, :]
    positive = (labels[:, None] == labels) & ~np.eye(len(x), dtype=bool) & both
    return average_precision(similarity, positive, (labels[:, None] != labels) & both)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 12), st.booleans())
def test_equals_the_dense_kernel_with_and_without_ties(clear_rows, seed, n, n_labels, tied):
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (n, 3)).astype(float) if tied else rng.normal(size=(n, 5))
    labels = rng.integers(n_labels, size=n)
    candidate = rng.random(n) < 0.8
    found = label_average_precision(x, labels, candidate=candidate)
    kept = clear_rows(x)
    assert_allclose(found[kept], dense(x, labels, candidate)[kept], atol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(300, 8)), rng.integers(60, size=300)
    whole = label_average_precision(x, labels)
    monkeypatch.setattr(module, "_LEAST_ROWS", 7)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1)
    assert_allclose(label_average_precision(x, labels), whole, atol=1e-6)


def test_a_constant_embedding_scores_exactly_chance():
    labels = np.repeat(np.arange(20), 5)
    found = label_average_precision(np.ones((100, 4)), labels)
    rank = np.arange(1, 100)
    assert_allclose(found, np.mean((1 + (rank - 1) * 3 / 98) / rank))


def test_labels_alone_and_labels_of_all_have_no_score():
    x = np.random.default_rng(1).normal(size=(6, 3))
    assert np.isnan(label_average_precision(x, np.arange(6))).all()
    assert np.isnan(label_average_precision(x, np.zeros(6))).all()


def test_refuses_bad_input():
    with pytest.raises(ValueError, match="3 rows but 2 labels"):
        label_average_precision(np.ones((3, 2)), np.arange(2))
    with pytest.raises(ValueError, match="row 1 holds NaN"):
        label_average_precision(np.array([[1.0], [np.nan]]), np.arange(2))


def test_many_positives_are_counted_by_sorting():
    """Large labels take another way than small ones, and the same tied values come out."""
    rng = np.random.default_rng(3)
    x, labels = rng.integers(-1, 2, (200, 3)).astype(float), rng.integers(3, size=200)
    assert_allclose(label_average_precision(x, labels), dense(x, labels, np.ones(200, bool)), atol=1e-6)
