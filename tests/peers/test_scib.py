"""Neighbour statistics against scib-metrics."""

import numpy as np
import pytest
import scib_metrics
from numpy.testing import assert_allclose
from scib_metrics.nearest_neighbors import NeighborsResults

from phenolens.metrics import batch_silhouette, kbet, lisi, nearest_neighbours


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    labels, batch = rng.integers(3, size=150), rng.integers(4, size=150)
    return rng.normal(size=(150, 6)) + np.eye(3, 6)[labels] + 0.5 * np.eye(4, 6)[batch], labels, batch


def test_lisi_is_equal(cells):
    x, _, batch = cells
    index, distance = nearest_neighbours(x, 30)
    expected = scib_metrics.lisi_knn(NeighborsResults(index, distance), batch, perplexity=10)
    assert_allclose(lisi(index, distance, batch), expected, rtol=1e-3)


def test_kbet_is_equal(cells):
    x, _, batch = cells
    index, distance = nearest_neighbours(x, 30)
    rate, _, p = scib_metrics.kbet(NeighborsResults(index, distance), batch)
    found = kbet(index, batch)
    assert_allclose(found, p, atol=1e-5)
    assert_allclose((found >= 0.05).mean(), rate)


def test_batch_silhouette_is_equal(cells):
    x, labels, batch = cells
    expected = scib_metrics.bras(x, labels, batch)
    assert_allclose(np.mean(list(batch_silhouette(x, labels, batch).values())), expected, atol=1e-5)
