"""AP with several labels per row, against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from phenolens.metrics import (
    average_precision,
    cosine_similarity,
    label_average_precision,
    multilabel_average_precision,
)
from phenolens.metrics import multilabel_retrieval as module


def brute(x, marks):
    similarity, n = cosine_similarity(x), len(x)
    carried = [{label for row, label in marks if row == i} for i in range(n)]
    result = []
    for row, label in marks:
        positive = np.array([label in carried[j] and j != row for j in range(n)])
        negative = np.array([not carried[row] & carried[j] and j != row for j in range(n)])
        result.append(average_precision(similarity[[row]], positive[None], negative[None])[0])
    return np.array(result)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 8), st.booleans(), st.booleans())
def test_equals_brute_force(clear_rows, seed, n, n_labels, tied, small_blocks):
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (n, 3)).astype(float) if tied else rng.normal(size=(n, 5))
    marks = [(i, label) for i in range(n) for label in range(n_labels) if rng.random() < 0.3]
    rows, labels = np.array([m[0] for m in marks], int), np.array([m[1] for m in marks], int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_CELLS", 1 if small_blocks else 10**6)
        found = multilabel_average_precision(x, rows, labels)
    kept = np.isin(rows, clear_rows(x))
    assert_allclose(found[kept], brute(x, marks)[kept], atol=1e-6)


def test_with_one_label_each_it_is_label_average_precision():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(50, 6)), rng.integers(9, size=50)
    assert_allclose(
        multilabel_average_precision(x, np.arange(50), labels), label_average_precision(x, labels), atol=1e-6
    )


def test_a_repeated_mark_is_refused():
    with pytest.raises(ValueError, match="the same label twice"):
        multilabel_average_precision(np.eye(3), np.array([0, 0, 1]), np.array(["a", "a", "a"]))
