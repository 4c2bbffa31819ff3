"""Neighbour statistics, against scikit-learn and brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chisquare
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import NearestNeighbors

from phenolens.metrics import (
    batch_silhouette,
    cosine_silhouette,
    kbet,
    lisi,
    nearest_neighbours,
    neighbour_purity,
    robustness_index,
)


def test_neighbours_equal_scikit_learn():
    x = np.random.default_rng(0).normal(size=(50, 4))
    index, distance = nearest_neighbours(x, 5)
    expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(x).kneighbors()
    assert (index == expected[1]).all()
    assert_allclose(distance, expected[0], atol=1e-12)
    with pytest.raises(ValueError, match="50 nearest neighbours need more than 50 rows, found 50"):
        nearest_neighbours(x, 50)


def test_of_rows_that_are_equally_near_any_may_be_the_nearest():
    """A collapsed encoder, or one of few values, finds neither biology nor plates, however its rows are ordered."""
    plate = np.repeat(np.arange(10), 20)
    index, distance = nearest_neighbours(np.ones((200, 3)), 5)
    assert (distance == 0).all()
    assert all(len(set(row)) == 5 for row in index)
    assert (index != np.arange(200)[:, None]).all()
    assert neighbour_purity(index, plate).mean() == pytest.approx(19 / 199, abs=0.04)
    assert np.bincount(index.ravel(), minlength=200).max() < 20
    assert (nearest_neighbours(np.ones((200, 3)), 5)[0] == index).all()


def test_purity_and_robustness_by_hand():
    neighbours = np.array([[1, 2], [0, 3], [3, 0], [2, 1]])
    labels, batch = np.array(list("aabb")), np.array(list("xyxy"))
    assert neighbour_purity(neighbours, labels).tolist() == [0.5] * 4
    # Each row has one neighbour of its label in another batch and one of its batch with another label.
    assert robustness_index(neighbours, labels, batch) == 0.5
    assert robustness_index(neighbours[:, :1], labels, batch) == 1.0
    assert np.isnan(robustness_index(neighbours[:, :1], labels, labels))


def test_kbet_is_a_chi_square_test_of_each_row():
    rng = np.random.default_rng(5)
    neighbours, labels = rng.integers(60, size=(60, 12)), rng.integers(3, size=60)
    expected = np.bincount(labels) / 60 * 12
    for row, p in enumerate(kbet(neighbours, labels)):
        assert_allclose(p, chisquare(np.bincount(labels[neighbours[row]], minlength=3), expected).pvalue)
    with pytest.raises(ValueError, match="two labels"):
        kbet(neighbours, np.zeros(60))


def test_kbet_accepts_neighbours_that_are_drawn_at_random():
    rng = np.random.default_rng(6)
    x, labels = rng.normal(size=(600, 5)), rng.integers(2, size=600)
    assert (kbet(nearest_neighbours(x, 20)[0], labels) >= 0.05).mean() > 0.9
    x[:, 0] += 5 * labels
    assert (kbet(nearest_neighbours(x, 20)[0], labels) >= 0.05).mean() < 0.1


def test_lisi_counts_the_labels_around():
    x = np.random.default_rng(1).normal(size=(400, 8))
    index, distance = nearest_neighbours(x, 60)
    assert_allclose(lisi(index, distance, np.zeros(400)), 1)
    mixed = lisi(index, distance, np.arange(400) % 2)
    assert 1.8 < np.median(mixed) <= 2


@pytest.mark.parametrize("scale", [1e-9, 1.0])
def test_lisi_does_not_depend_on_the_scale_of_distances(scale):
    x = np.random.default_rng(2).normal(size=(100, 4))
    index, distance = nearest_neighbours(x, 30)
    labels = np.arange(100) % 3
    assert_allclose(lisi(index, distance * scale, labels), lisi(index, distance, labels), rtol=1e-6)


def test_silhouette_equals_scikit_learn():
    rng = np.random.default_rng(3)
    labels = np.r_[rng.integers(4, size=60), 9]
    x = rng.normal(size=(61, 5)) + np.eye(10, 5)[labels]
    assert_allclose(cosine_silhouette(x, labels), silhouette_samples(x, labels, metric="cosine"), atol=1e-12)
    with pytest.raises(ValueError, match="two labels"):
        cosine_silhouette(x, np.zeros(61))


def test_batches_that_mix_score_higher_than_batches_that_do_not():
    rng = np.random.default_rng(4)
    x, labels, batch = rng.normal(size=(90, 5)), np.repeat([0, 1, 2], 30), np.tile([0, 1], 45)
    x[labels == 1] += 5 * np.eye(2, 5)[batch[labels == 1]]
    batch[labels == 2] = 0
    found = batch_silhouette(x, labels, batch)
    assert set(found) == {0, 1}
    assert found[0] > 0.75
    assert found[1] < 0.5
