"""Average precision with candidates of each query's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenolens.metrics import average_precision, average_precision_among, cosine_similarity


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), ties=st.booleans())
def test_equals_the_dense_kernel_on_any_masks(seed, ties):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(6, 30)), int(rng.integers(1, 5))
    # Of a few directions along axes, cosines tie exactly.
    x = np.eye(3)[rng.integers(3, size=n)] if ties else rng.normal(size=(n, 8))
    queries = rng.integers(n, size=int(rng.integers(1, n)))
    positives = np.array([rng.permutation(np.delete(np.arange(n), query))[:k] for query in queries])
    counted = rng.random(positives.shape) < 0.7
    negative = rng.random((len(queries), n)) < 0.5
    np.put_along_axis(negative, positives, values=False, axis=1)
    negative[np.arange(len(queries)), queries] = False
    positive = np.zeros_like(negative)
    np.put_along_axis(positive, positives, counted, axis=1)
    expected = average_precision(np.round(cosine_similarity(x), 9)[queries], positive, negative)
    found = average_precision_among(x, queries, positives, negative, counted=counted)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_refuses_an_item_that_is_both():
    with pytest.raises(ValueError, match="both positive and negative"):
        average_precision_among(np.eye(3), np.array([0]), np.array([[1]]), np.ones((1, 3), dtype=bool))
