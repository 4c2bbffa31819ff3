"""Clusters of related entities: components, sparse cuts, and networks without either."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from phenolens.metrics import CROSSED, network_clusters


def pairs_within(complexes):
    return np.array(sorted({pair for members in complexes for pair in combinations(members, 2)}))


def test_disjoint_complexes_are_clusters():
    complexes = [range(8 * c, 8 * c + 8) for c in range(12)]
    clusters, order = network_clusters(pairs_within(complexes), 100)
    assert_array_equal(clusters[:96], np.repeat(np.arange(12), 8))
    assert len(set(clusters[96:])) == 4  # related to nothing
    assert order == 1


def test_complexes_that_share_a_gene_with_the_next_are_parted_where_few_pairs_are_cut():
    pairs = pairs_within([range(7 * c, 7 * c + 8) for c in range(24)])
    clusters, order = network_clusters(pairs, 169)
    parted = clusters[pairs[:, 0]] != clusters[pairs[:, 1]]
    assert len(set(clusters)) >= 6
    assert 1 < order == 1 + parted.mean() < 1.15


def test_a_large_network_is_divided_too():
    members = [(np.arange(9) + 8 * c) % 2400 for c in range(300)]
    pairs = pairs_within([sorted(each.tolist()) for each in members])
    clusters, order = network_clusters(pairs, 2400)
    assert len(set(clusters)) >= 12
    assert order < 1.05


@pytest.mark.parametrize("n_complexes", [1, 3])
def test_of_fewer_than_six_clusters_every_entity_is_one(n_complexes):
    pairs = pairs_within([range(20 * c, 20 * c + 20) for c in range(n_complexes)])
    clusters, order = network_clusters(pairs, 20 * n_complexes)
    assert_array_equal(clusters, np.arange(20 * n_complexes))
    assert order == CROSSED


def test_random_pairs_have_no_clusters():
    pairs = np.unique(np.sort(np.random.default_rng(0).integers(300, size=(1500, 2)), axis=1), axis=0)
    assert network_clusters(pairs[pairs[:, 0] != pairs[:, 1]], 300)[1] == CROSSED
