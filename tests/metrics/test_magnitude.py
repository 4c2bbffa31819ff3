"""Distances of groups: brute force, unbiasedness, and scikit-learn for shrinkage."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf, ledoit_wolf_shrinkage

from phenolens.metrics import (
    distances,
    gaussian_dissimilarities,
    ledoit_wolf,
    mahalanobis,
    mean_pairwise_cosine,
    set_consistency,
    two_sample_statistic,
)


def pair_mean(d):
    n = len(d)
    return d[~np.eye(n, dtype=bool)].sum() / (n * (n - 1))


def test_energy_distance_equals_averages_over_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(1, size=(9, 3))
    expected = 2 * cdist(x, y).mean() - pair_mean(cdist(x, x)) - pair_mean(cdist(y, y))
    d = distances(np.vstack([x, y]))
    assert_allclose(two_sample_statistic(d, np.arange(5)[None], np.arange(5, 14))[0], expected)
    assert_allclose(two_sample_statistic(d, np.arange(5)[None], np.arange(14))[0], expected)


@pytest.mark.parametrize("block", [1, 4_000_000])
def test_members_of_a_set_leave_the_rows_that_it_is_compared_with(monkeypatch, block):
    monkeypatch.setattr("phenolens.metrics.magnitude._BLOCK_CELLS", block)
    rng = np.random.default_rng(7)
    d = distances(rng.normal(size=(20, 3)))
    others = rng.permutation(20)[:11]
    sets = np.stack([rng.permutation(20)[:4] for _ in range(30)])
    for chosen, found in zip(sets, two_sample_statistic(d, sets, others), strict=True):
        rest = np.setdiff1d(others, chosen)
        between = d[np.ix_(chosen, rest)].mean()
        expected = 2 * between - pair_mean(d[np.ix_(chosen, chosen)]) - pair_mean(d[np.ix_(rest, rest)])
        assert found == pytest.approx(expected)


def test_mmd_equals_averages_over_pairs():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 3)), rng.normal(1, size=(9, 3))
    kx, ky, kxy = (np.exp(-(cdist(a, b) ** 2) / 2 / 1.3**2) for a, b in ((x, x), (y, y), (x, y)))
    kernel = gaussian_dissimilarities(distances(np.vstack([x, y])), 1.3)
    found = two_sample_statistic(kernel, np.arange(5)[None], np.arange(14))
    assert_allclose(found[0], pair_mean(kx) + pair_mean(ky) - 2 * kxy.mean())


@pytest.mark.parametrize("dissimilarity", [distances, lambda x: gaussian_dissimilarities(distances(x))])
def test_statistics_average_zero_over_random_splits(dissimilarity):
    rng = np.random.default_rng(2)
    sets = rng.random((20000, 12)).argsort(axis=1)[:, :4]
    found = two_sample_statistic(dissimilarity(rng.normal(size=(12, 3))), sets, np.arange(12))
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))


def test_a_side_of_one_row_has_no_statistic_and_constant_rows_have_zero():
    assert np.isnan(two_sample_statistic(np.zeros((4, 4)), np.array([[0]]), np.arange(4))).all()
    kernel = gaussian_dissimilarities(distances(np.ones((4, 2))))
    assert two_sample_statistic(kernel, np.array([[0, 1]]), np.arange(4))[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(50, 4), (6, 40)])
def test_mahalanobis_uses_the_covariance_of_scikit_learn(shape):
    rng = np.random.default_rng(3)
    reference, x = rng.normal(size=shape) * np.arange(1, shape[1] + 1), rng.normal(2, size=(5, shape[1]))
    centred = reference - reference.mean(axis=0)
    assert_allclose(ledoit_wolf(centred), ledoit_wolf_shrinkage(centred, assume_centered=True))
    gap = x.mean(axis=0) - reference.mean(axis=0)
    expected = np.sqrt(gap @ np.linalg.inv(LedoitWolf().fit(reference).covariance_) @ gap)
    assert_allclose(mahalanobis(x, reference), expected)


def test_mahalanobis_of_a_reference_that_does_not_vary():
    assert np.isnan(mahalanobis(np.eye(2), np.ones((4, 2))))


def test_mean_pairwise_cosine_equals_brute_force():
    x = np.random.default_rng(4).normal(size=(7, 3))
    x[2] = 0
    unit = np.divide(x, length := np.linalg.norm(x, axis=1, keepdims=True), out=np.zeros_like(x), where=length > 0)
    assert_allclose(mean_pairwise_cosine(x), pair_mean(unit @ unit.T))
    assert_allclose(set_consistency(x, np.array([[0, 1], [4, 6]])), [unit[0] @ unit[1], unit[4] @ unit[6]])
    assert np.isnan(mean_pairwise_cosine(x[:1]))
