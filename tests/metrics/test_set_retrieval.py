"""The set kernel against the dense one, which is itself held against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from phenolens.metrics import (
    average_precision,
    chance_average_precision,
    control_average_precision,
    cosine_similarity,
    rows_by_label,
    set_average_precision,
)
from phenolens.metrics import set_retrieval as module


def dense(x, sets, negative, plates):
    similarity = cosine_similarity(x)
    result = np.full(sets.shape, np.nan)
    for row, members in enumerate(sets):
        for place, query in enumerate(members):
            positive = np.isin(np.arange(len(x)), members)
            against = negative & (plates == plates[query]) & ~positive
            positive[query] = False
            result[row, place] = average_precision(similarity[[query]], positive[None], against[None])[0]
    return result


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 40), st.integers(2, 4), st.integers(1, 3), st.booleans())
def test_equals_the_dense_kernel(clear_rows, seed, n, k, n_plates, tied):
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (n, 3)).astype(float) if tied else rng.normal(size=(n, 5))
    sets = np.array([rng.choice(n, k, replace=False) for _ in range(6)])
    negative, plates = rng.random(n) < 0.7, rng.integers(n_plates, size=n)
    found = set_average_precision(x, sets, negative=negative, plates=plates)
    kept = np.isin(sets, clear_rows(x))
    assert_allclose(found[kept], dense(x, sets, negative, plates)[kept], atol=1e-6)


@pytest.mark.parametrize("held", [True, False])
def test_blocks_change_nothing(monkeypatch, held):
    rng = np.random.default_rng(0)
    x, sets = rng.normal(size=(60, 8)), np.array([rng.choice(60, 4, replace=False) for _ in range(50)])
    whole = set_average_precision(x, sets)
    monkeypatch.setattr(module, "_BLOCK_CELLS", 1)
    monkeypatch.setattr(module, "_GRAM_CELLS", module._GRAM_CELLS if held else 0)
    assert_allclose(set_average_precision(x, sets), whole, atol=1e-6)


def test_a_constant_embedding_scores_exactly_chance():
    found = set_average_precision(np.ones((20, 4)), np.array([[0, 3, 7]]))
    assert_allclose(found, chance_average_precision(2, 17))


def test_a_set_of_one_and_rows_without_negatives_have_no_score():
    x = np.random.default_rng(1).normal(size=(4, 3))
    assert np.isnan(set_average_precision(x, np.array([[0], [1]]))).all()
    assert np.isnan(set_average_precision(x, np.array([[0, 1, 2, 3]]))).all()
    found = set_average_precision(x, np.array([[0, 1]]), plates=np.array(["a", "b", "b", "b"]))
    assert np.isnan(found[0, 0])
    assert np.isfinite(found[0, 1])


def test_control_design_is_the_set_kernel_by_label():
    rng = np.random.default_rng(2)
    x, labels, plates = rng.normal(size=(60, 4)), rng.integers(12, size=60), rng.integers(3, size=60)
    control = labels < 4
    found = control_average_precision(x, labels, plates, control)
    assert np.isnan(found[control]).all()
    for label in range(4, 12):
        own = np.flatnonzero(labels == label)
        assert_allclose(found[own], dense(x, own[None], control, plates)[0], atol=1e-6)
    with pytest.raises(ValueError, match="60 rows, 59 labels"):
        control_average_precision(x, labels[1:], plates, control)


def test_rows_by_label_groups_labels_of_one_size():
    found = rows_by_label(np.array(list("abbacdc")), np.array([1, 1, 1, 1, 1, 1, 0], bool))
    assert [part.tolist() for part in found] == [[[4], [5]], [[0, 3], [1, 2]]]
