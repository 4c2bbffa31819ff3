"""Average precision against brute force and scikit-learn."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score

from phenolens.metrics import average_precision, chance_average_precision


def brute_force(similarity, positive, negative):
    """Average over every order of the items that agrees with the similarities."""
    items = [i for i in range(len(similarity)) if positive[i] or negative[i]]
    scores = []
    for order in permutations(items):
        if any(similarity[a] < similarity[b] for a, b in pairwise(order)):
            continue
        hits, total = 0, 0.0
        for rank, item in enumerate(order, start=1):
            if positive[item]:
                hits += 1
                total += hits / rank
        scores.append(total / hits)
    return np.mean(scores)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([-0.5, 0.0, 0.3, 0.9]), st.sampled_from("+-.")), min_size=2, max_size=7))
def test_equals_the_mean_over_all_orders_of_ties(items):
    similarity = np.array([value for value, _ in items])
    positive = np.array([kind == "+" for _, kind in items])
    negative = np.array([kind == "-" for _, kind in items])
    result = average_precision(similarity[None], positive[None], negative[None])[0]
    if positive.any() and negative.any():
        assert_allclose(result, brute_force(similarity, positive, negative), rtol=1e-12)
    else:
        assert np.isnan(result)


def test_equals_scikit_learn_without_ties_also_for_negative_cosines():
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-1, 1, (20, 50))
    positive = rng.random((20, 50)) < 0.2
    positive[:, 0] = True
    expected = [average_precision_score(p, s) for p, s in zip(positive, similarity, strict=True)]
    assert_allclose(average_precision(similarity, positive, ~positive), expected, rtol=1e-12)


@pytest.mark.parametrize(("n_positive", "n_negative"), [(1, 1), (3, 12), (5, 100)])
def test_a_constant_representation_scores_exactly_chance(n_positive, n_negative):
    positive = np.arange(n_positive + n_negative) < n_positive
    constant = average_precision(np.ones((1, len(positive))), positive[None], ~positive[None])[0]
    assert_allclose(constant, chance_average_precision(n_positive, n_negative), rtol=1e-12)


def test_chance_is_the_mean_over_random_orders():
    rng = np.random.default_rng(1)
    positive = np.broadcast_to(np.arange(10) < 3, (20_000, 10))
    ap = average_precision(rng.random((20_000, 10)), positive, ~positive)
    assert abs(ap.mean() - chance_average_precision(3, 7)) < 4 * ap.std() / np.sqrt(len(ap))


def test_what_takes_no_part_changes_nothing():
    rng = np.random.default_rng(2)
    similarity = rng.random((5, 12))
    positive, negative = np.zeros((2, 5, 12), dtype=bool)
    positive[:, :3], negative[:, 3:8] = True, True
    alone = average_precision(similarity[:, :8], positive[:, :8], negative[:, :8])
    similarity[:, 8:] = np.nan
    assert_allclose(average_precision(similarity, positive, negative), alone)


@pytest.mark.parametrize(
    ("similarity", "positive", "negative", "message"),
    [
        (np.ones((1, 2)), np.ones((1, 2), bool), np.ones((1, 2), bool), "both positive and negative"),
        (np.array([[np.nan, 1.0]]), np.array([[True, False]]), np.array([[False, True]]), "NaN"),
        (np.ones((1, 3)), np.ones((1, 2), bool), np.zeros((1, 2), bool), "three"),
    ],
)
def test_refuses_bad_input(similarity, positive, negative, message):
    with pytest.raises(ValueError, match=message):
        average_precision(similarity, positive, negative)
    with pytest.raises(ValueError, match="positives"):
        chance_average_precision(0, 3)
