"""Vectors with a large common part, or one large component, lose nothing to float32; others are as they were."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from phenolens.metrics import (
    PairNull,
    average_precision,
    average_precision_among,
    chance_average_precision,
    cosine_similarity,
    label_average_precision,
    multilabel_average_precision,
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


def under_a_dominant_component():
    """Vectors in two groups that lie far apart, as where a component tells two plates."""
    x, common = vectors()
    return (x + np.where(np.arange(len(x)) % 2, 3000, -3000)[:, None] * common).astype(np.float32)


def in_float64(x):
    """Mean AP of replicates before all others, by the dense kernel on cosines in float64."""
    return average_precision(cosine_similarity(x), SAME, OTHERS)


@pytest.mark.parametrize("differs", [1e-1, 1e-2, 1e-3, 1e-4])
def test_a_common_part_changes_no_average_precision(differs):
    x = with_common_part(differs)
    expected = in_float64(x)
    assert expected.mean() > 0.9
    positives = np.nonzero(SAME)[1].reshape(len(x), -1)
    for found in (
        label_average_precision(x, LABELS),
        set_average_precision(x, SETS).ravel(),
        multilabel_average_precision(x, np.arange(len(x)), LABELS),
        average_precision_among(x, np.arange(len(x)), positives, OTHERS),
    ):
        assert found.mean() == pytest.approx(expected.mean(), abs=0.005)


def test_what_lies_under_a_dominant_component_is_found():
    x = under_a_dominant_component()
    expected = in_float64(x)
    assert not directions(x).tolerance.is_fixed
    assert_allclose(label_average_precision(x, LABELS), expected, atol=0.02)
    assert_allclose(set_average_precision(x, SETS).ravel(), expected, atol=0.02)


def test_float64_vectors_keep_differences_that_float32_has_not():
    x = with_common_part(1e-6, np.float64)
    exact = label_average_precision(x, LABELS).mean()
    assert exact > 0.9
    assert label_average_precision(x.astype(np.float32), LABELS).mean() < exact - 0.1  # rounded away with the file


def test_pairs_are_placed_in_the_range_of_their_cosines():
    x = with_common_part(1e-3)
    pairs = np.argwhere(np.triu(SAME))
    cosines = cosine_similarity(x)[np.triu_indices(len(x), 1)]
    placed = PairNull(x).place(pairs)
    chosen = cosine_similarity(x)[tuple(pairs.T)]
    assert_allclose(placed.upper, chosen > np.quantile(cosines, 0.95), atol=0)
    assert_allclose(placed.percentile, [(cosines < each).mean() for each in chosen], atol=0.01)
    centred = x.astype(float) - x.mean(axis=0, dtype=float)
    assert separation(x, LABELS).auroc == pytest.approx(separation(centred, LABELS).auroc, abs=0.05)


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
