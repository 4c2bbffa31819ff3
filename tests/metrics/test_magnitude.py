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
    split = np.arange(14) < 5
    assert_allclose(two_sample_statistic(distances(np.vstack([x, y])), split[None])[0], expected)


def test_mmd_equals_averages_over_pairs():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 3)), rng.normal(1, size=(9, 3))
    kx, ky, kxy = (np.exp(-(cdist(a, b) ** 2) / 2 / 1.3**2) for a, b in ((x, x), (y, y), (x, y)))
    found = two_sample_statistic(gaussian_dissimilarities(distances(np.vstack([x, y])), 1.3), (np.arange(14) < 5)[None])
    assert_allclose(found[0], pair_mean(kx) + pair_mean(ky) - 2 * kxy.mean())


@pytest.mark.parametrize("dissimilarity", [distances, lambda x: gaussian_dissimilarities(distances(x))])
def test_statistics_average_zero_over_random_splits(dissimilarity):
    rng = np.random.default_rng(2)
    splits = rng.random((20000, 12)).argsort(axis=1) < 4
    found = two_sample_statistic(dissimilarity(rng.normal(size=(12, 3))), splits)
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))


def test_a_side_of_one_row_has_no_statistic_and_constant_rows_have_zero():
    assert np.isnan(two_sample_statistic(np.zeros((4, 4)), np.array([[True, False, False, False]]))).all()
    split = np.array([[True, True, False, False]])
    assert two_sample_statistic(gaussian_dissimilarities(distances(np.ones((4, 2)))), split)[0] == 0


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
