"""Vectors with a large common part, or one large component, lose nothing to float32; others are as they were."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from phenolens.metrics import (
    PairNull,
    average_precision,
    average_precision_among,
    chance_average_precision,
    cosine_similarity,
    label_average_precision,
    multilabel_average_precision,
    nearest_neighbours,
    separation,
    set_average_precision,
)
from phenolens.metrics.directions import directions

N_LABELS, REPLICATES, DIM = 48, 4, 12
LABELS = np.repeat(np.arange(N_LABELS), REPLICATES)
SAME = (LABELS[:, None] == LABELS) & ~np.eye(len(LABELS), dtype=bool)
OTHERS = LABELS[:, None] != LABELS
SETS = np.arange(len(LABELS)).reshape(N_LABELS, REPLICATES)


def vectors(seed=0):
    """Vectors whose replicates are alike, and a direction to add to them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N_LABELS, DIM))[LABELS] + 0.4 * rng.normal(size=(len(LABELS), DIM))
    common = rng.normal(size=DIM)
    return x, common / np.linalg.norm(common)


def with_common_part(differs, dtype=np.float32):
    """Vectors that differ by a share `differs` of their length."""
    x, common = vectors()
    return (x + common * np.sqrt(x.var(axis=0).sum()) / differs).astype(dtype)


def under_a_dominant_component(apart):
    """Vectors in two groups that lie far apart, as where a component tells two plates."""
    x, common = vectors()
    return (x + np.where(np.arange(len(x)) % 2, apart, -apart)[:, None] * common).astype(np.float32)


def exact_similarity(x):
    """Minus half the squared distances of unit rows, pair by pair, in extended precision: cosines, but for 1."""
    unit = x.astype(np.longdouble)
    unit /= np.sqrt((unit**2).sum(axis=1, keepdims=True))
    similarity = np.empty((len(x), len(x)))
    for row in range(len(x)):
        similarity[row] = -((unit - unit[row]) ** 2).sum(axis=1) / 2
    return similarity


def slack(differs, dtype):
    """What rounding of the vectors themselves may change: pairs whose cosines it moves are ties."""
    return float(0.002 + 0.5 * np.finfo(dtype).eps / differs + 1e-14 / differs**2)


SCALES = [10.0**-power for power in range(1, 7)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("differs", SCALES)
def test_average_precision_equals_brute_force_however_little_differs(differs, dtype):
    x = with_common_part(differs, dtype)
    expected = average_precision(exact_similarity(x), SAME, OTHERS)
    assert expected.mean() > 0.85
    positives = np.nonzero(SAME)[1].reshape(len(x), -1)
    every = np.arange(len(x))
    kernels = {
        "label": label_average_precision(x, LABELS),
        "set": set_average_precision(x, SETS).ravel(),
        "multilabel": multilabel_average_precision(x, every, LABELS),
        "among": average_precision_among(x, every, positives, OTHERS),
        "cosine_similarity": average_precision(cosine_similarity(x), SAME, OTHERS),
    }
    off = {name: float(np.abs(found - expected).mean()) for name, found in kernels.items()}
    assert max(off.values()) <= slack(differs, dtype), off


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("differs", SCALES)
def test_pairs_and_neighbours_equal_brute_force_however_little_differs(differs, dtype):
    x = with_common_part(differs, dtype)
    similarity = exact_similarity(x)
    upper = np.triu_indices(len(x), 1)
    null = similarity[upper]
    pairs = np.argwhere(np.triu(SAME))
    placed, chosen = PairNull(x).place(pairs), similarity[tuple(pairs.T)]
    off = slack(differs, dtype)
    assert abs(placed.upper.mean() - (chosen > np.quantile(null, 0.95)).mean()) <= off
    assert_allclose(placed.percentile, [(null < each).mean() for each in chosen], atol=off)
    assert separation(x, LABELS).auroc == pytest.approx(roc_auc_score(SAME[upper], null), abs=off)
    nearest = np.argsort(-np.where(np.eye(len(x)), -np.inf, similarity), axis=1)[:, :3]
    found = nearest_neighbours(x, 3)[0]
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found, nearest, strict=True)]) >= 3 * (1 - 4 * off)


@pytest.mark.parametrize("apart", [1e2, 3e3, 1e5])
def test_what_lies_under_a_dominant_component_is_found(apart):
    x = under_a_dominant_component(apart)
    similarity = exact_similarity(x)
    expected = average_precision(similarity, SAME, OTHERS)
    off = slack(1 / apart, np.float32)
    for found in (label_average_precision(x, LABELS), set_average_precision(x, SETS).ravel()):
        assert np.abs(found - expected).mean() <= off
    upper = np.triu_indices(len(x), 1)
    assert separation(x, LABELS).auroc == pytest.approx(roc_auc_score(SAME[upper], similarity[upper]), abs=off)


def test_a_few_rows_close_together_are_told_apart_among_many_that_are_not():
    x = np.random.default_rng(1).normal(size=(len(LABELS), DIM)).astype(np.float32)
    close = LABELS < N_LABELS // 8
    x[close] = with_common_part(1e-4)[close]
    expected = average_precision(exact_similarity(x), SAME, OTHERS)
    assert_allclose(label_average_precision(x, LABELS)[close], expected[close], atol=0.02)


def test_rounding_of_vectors_still_ties():
    """Copies of a row at another length are equal but for rounding, with and without a common part."""
    for differs in (1.0, 1e-3):
        x = with_common_part(differs)[::REPLICATES]
        twice = np.concatenate([x, np.float32(3.3) * x])
        found = directions(twice)
        cosines = (found.unit @ found.unit.T).double()
        gap = (cosines[:, : len(x)] - cosines[:, len(x) :]).abs()
        assert bool((gap <= found.tolerance.at(cosines[:, : len(x)])).all())


@pytest.mark.parametrize("noise", [0.0, 3e-8])
def test_a_constant_embedding_scores_chance(noise):
    rng = np.random.default_rng(0)
    length = rng.uniform(1, 2, size=(len(LABELS), 1))
    x = (length * (1 + noise * rng.normal(size=(len(LABELS), DIM)))).astype(np.float32)
    chance = chance_average_precision(REPLICATES - 1, len(LABELS) - REPLICATES)
    assert label_average_precision(x, LABELS).mean() == pytest.approx(chance, abs=0.01)


def test_ordinary_vectors_are_compared_in_float32_as_before():
    rng = np.random.default_rng(0)
    for d in (2, 8, 64, 384):
        found = directions(rng.normal(size=(300, d)) + 1)
        assert found.tolerance.is_fixed
        assert found.unit.numpy().dtype == np.float32
    count = directions(rng.poisson(40, size=(300, 1)))
    assert count.tolerance.is_fixed
    assert_array_equal(count.unit.numpy(), 1)
