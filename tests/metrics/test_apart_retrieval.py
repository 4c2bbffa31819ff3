"""Retrieval and relations where some rows are kept apart, against the dense kernel and loops over pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from phenolens.metrics import (
    PairNull,
    apart_by,
    average_precision,
    cosine_similarity,
    multilabel_average_precision,
    replicate_retrieval_p,
    set_average_precision,
)


def random_values(rng, n, n_batches):
    return [frozenset(rng.integers(n_batches, size=rng.integers(1, 3)).tolist()) for _ in range(n)]


def dense(x, sets, negative, plates, values):
    """Negatives are those of the plate that share no value, or of other plates where there are none."""
    similarity = cosine_similarity(x)
    result = np.full(sets.shape, np.nan)
    for row, members in enumerate(sets):
        for place, query in enumerate(members):
            free = np.array([not values[query] & other for other in values])
            open_here = free & (plates == plates[query])
            if not (negative & open_here).any():
                open_here = free
            is_member = np.isin(np.arange(len(x)), members)
            against = negative & open_here & ~is_member
            positive = is_member & free
            result[row, place] = average_precision(similarity[[query]], positive[None], against[None])[0]
    return result


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.integers(2, 5), st.integers(1, 3), st.integers(2, 5))
def test_sets_equal_the_dense_kernel(clear_rows, seed, n, k, n_plates, n_batches):
    rng = np.random.default_rng(seed)
    x, values = rng.normal(size=(n, 5)), random_values(rng, n, n_batches)
    sets = np.array([rng.choice(n, k, replace=False) for _ in range(6)])
    negative, plates = rng.random(n) < 0.7, rng.integers(n_plates, size=n)
    found = set_average_precision(x, sets, negative=negative, plates=plates, apart=apart_by(values))
    kept = np.isin(sets, clear_rows(x))
    assert_allclose(found[kept], dense(x, sets, negative, plates, values)[kept], atol=1e-6)


def test_further_negatives_are_kept_apart_too():
    rng = np.random.default_rng(0)
    x, batch = rng.normal(size=(20, 4)), np.arange(20) % 4
    apart = apart_by([frozenset([b]) for b in batch.tolist()])
    sets, negative = np.array([[0, 1, 2], [4, 9, 3]]), np.arange(20) >= 10
    also = np.array([[3, 4], [5, 0]])
    found = set_average_precision(x, sets, negative=negative, also=also, apart=apart)
    for row in range(2):
        expected = dense(
            x, sets[[row]], negative | np.isin(np.arange(20), also[row]), np.zeros(20), [{b} for b in batch]
        )
        assert_allclose(found[row], expected[0], atol=1e-6)


def test_where_nothing_is_shared_nothing_changes():
    rng = np.random.default_rng(1)
    x, sets, plates = rng.normal(size=(30, 4)), rng.permutation(30).reshape(10, 3), np.arange(30) % 3
    alone = apart_by([frozenset([row]) for row in range(30)])
    assert_allclose(set_average_precision(x, sets, apart=alone), set_average_precision(x, sets))
    rows, labels = np.arange(30), np.arange(30) // 5
    found = multilabel_average_precision(x, rows, labels, apart=alone)
    assert_allclose(found, multilabel_average_precision(x, rows, labels))
    pairs = np.arange(30).reshape(15, 2)
    assert_allclose(PairNull(x, apart=alone).place(pairs).percentile, PairNull(x).place(pairs).percentile)
    control = np.arange(30) < 18
    with_apart, without = (
        replicate_retrieval_p(
            x, [np.arange(18, 22)], control, plates, apart=apart, n_permutations=99, rng=np.random.default_rng(0)
        )
        for apart in (
            apart_by([frozenset([0])] * 18 + [frozenset([row]) for row in range(1, 13)]).among(np.arange(30)),
            None,
        )
    )
    assert_allclose(with_apart[0], without[0])


def test_the_value_beside_the_p_is_that_of_the_set():
    rng = np.random.default_rng(2)
    x, plates = rng.normal(size=(40, 4)), np.arange(40) % 4
    apart = apart_by([frozenset([plate // 2]) for plate in plates.tolist()])
    control, units = np.arange(40) < 24, [np.arange(24, 28), np.arange(28, 34)]
    value, p, _ = replicate_retrieval_p(x, units, control, plates, apart=apart, n_permutations=50, rng=rng)
    for unit, found in zip(units, value, strict=True):
        expected = set_average_precision(x, unit[None], negative=control, plates=plates, apart=apart)[0]
        assert_allclose(found, np.nanmean(expected))
    assert ((p > 0) & (p <= 1)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 25), st.integers(2, 5))
def test_several_labels_equal_the_dense_kernel(clear_rows, seed, n, n_batches):
    rng = np.random.default_rng(seed)
    x, values = rng.normal(size=(n, 5)), random_values(rng, n, n_batches)
    carries = rng.random((n, 4)) < 0.4
    rows, labels = np.nonzero(carries)
    found = multilabel_average_precision(x, rows, labels, apart=apart_by(values))
    similarity, clear = cosine_similarity(x), clear_rows(x)
    for row, label, ap in zip(rows, labels, found, strict=True):
        free = np.array([not values[row] & other for other in values])
        positive = free & carries[:, label]
        negative = free & ~(carries & carries[row]).any(axis=1)
        if row in clear:
            assert_allclose(ap, average_precision(similarity[[row]], positive[None], negative[None])[0], atol=1e-6)


def test_all_pairs_are_those_that_share_nothing():
    rng = np.random.default_rng(3)
    x, values = rng.normal(size=(60, 6)), random_values(rng, 60, 6)
    left = np.array([(i, j) for i in range(60) for j in range(i) if not values[i] & values[j]])
    cosines = np.einsum(
        "md,md->m", *(x[left[:, end]] / np.linalg.norm(x[left[:, end]], axis=1)[:, None] for end in (0, 1))
    )
    placed = PairNull(x, tail=0.1, apart=apart_by(values)).place(left)
    in_tail = int(0.1 * len(left))
    assert (placed.upper.sum(), placed.lower.sum()) == (in_tail, in_tail)
    assert cosines[placed.upper == 1].min() > cosines[placed.upper == 0].max()
    assert_allclose(placed.percentile, (np.argsort(np.argsort(cosines)) + 0.5) / len(left), atol=2e-3)
    with pytest.raises(ValueError, match="no pair of 60 rows is left"):
        PairNull(x, apart=apart_by([frozenset([0])] * 60))


def test_labels_are_exchanged_within_patterns():
    apart = apart_by([frozenset("a"), frozenset("b"), frozenset("a"), frozenset("b"), frozenset("ab")])
    for _ in range(5):
        source = apart.permute(np.random.default_rng())
        assert (apart.pattern[source] == apart.pattern).all()
        assert sorted(source) == list(range(5))
    assert apart.within(np.array(list("xxyxx"))).tolist() == [0, 1, 3, 1, 2]
