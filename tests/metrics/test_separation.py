"""Pairs within against between, by brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from phenolens.metrics import cosine_similarity, separation
from phenolens.metrics.pair_separation import _BLOCK_CELLS


def brute(x, labels):
    upper = np.triu_indices(len(x), 1)
    similarity, same = cosine_similarity(x)[upper], (labels[:, None] == labels)[upper]
    return roc_auc_score(same, similarity), similarity[same].mean() - similarity[~same].mean()


@pytest.mark.parametrize("block", [100, _BLOCK_CELLS])
def test_equals_brute_force(block, monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(6, size=80)
    x = rng.normal(size=(80, 5)) + np.eye(6, 5)[labels]
    monkeypatch.setattr("phenolens.metrics.pair_separation._BLOCK_CELLS", block)
    found = separation(x, labels)
    auroc, gap = brute(x, labels)
    assert_allclose(found.auroc, auroc, atol=1e-4)
    assert_allclose(found.gap, gap)
    assert found.n_within + found.n_between == 80 * 79 // 2


def test_a_constant_embedding_separates_nothing():
    found = separation(np.ones((10, 3)), np.arange(10) % 3)
    assert found.auroc == 0.5
    assert_allclose(found.gap, 0, atol=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="0 pairs within"):
        separation(np.eye(3), np.arange(3))
    with pytest.raises(ValueError, match="0 between"):
        separation(np.eye(3), np.zeros(3))
    with pytest.raises(ValueError, match="3 rows but 2 labels"):
        separation(np.eye(3), np.arange(2))
