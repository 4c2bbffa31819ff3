"""Trends, detectable effects, noise ceilings and tied ranks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

from phenolens.metrics import minimum_detectable_effect, rank_trend, replicate_ceiling, tie_groups


def test_trend_equals_spearman_and_its_p_is_one_sided():
    rng = np.random.default_rng(0)
    dose = np.repeat([1.0, 2, 3, 4], 3)
    response = dose + rng.normal(size=12)
    value, p = rank_trend(dose, response, n_permutations=4999, rng=rng)
    expected = spearmanr(dose, response, alternative="greater")
    assert_allclose(value, expected.statistic)
    assert abs(p - expected.pvalue) < 0.01
    assert rank_trend(dose, -response, rng=rng)[1] > 0.9
    assert np.isnan(rank_trend(dose, np.ones(12), rng=rng)).all()


def test_an_effect_of_the_detectable_size_is_found_four_times_in_five():
    rng = np.random.default_rng(1)
    effect = minimum_detectable_effect(0.3)
    found = np.abs(rng.normal(effect, 0.3, 20000)) / 0.3 > 1.959964
    assert abs(found.mean() - 0.8) < 0.01


@pytest.mark.parametrize(("noise", "low", "high"), [(0.1, 0.95, 1.0), (1.0, 0.4, 0.8), (30.0, -0.3, 0.2)])
def test_ceiling_falls_with_noise(noise, low, high):
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(40), 4)
    x = rng.normal(size=(40, 20))[labels] + noise * rng.normal(size=(160, 20))
    assert low < replicate_ceiling(x, labels, rng=rng) <= high


def test_ceiling_is_the_correlation_with_new_replicates():
    """The reliability is what the similarities of two experiments of full size would correlate."""
    rng = np.random.default_rng(3)
    centre, labels = rng.normal(size=(60, 10)), np.repeat(np.arange(60), 6)
    means, claimed = [], []
    for _ in range(2):
        x = centre[labels] + 1.5 * rng.normal(size=(360, 10))
        claimed.append(replicate_ceiling(x, labels, rng=rng))
        mean = x.reshape(60, 6, 10).mean(axis=1)
        unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        means.append((unit @ unit.T)[np.triu_indices(60, 1)])
    assert abs(np.corrcoef(*means)[0, 1] - np.mean(claimed)) < 0.05


def test_no_ceiling_without_replicates():
    rng = np.random.default_rng(4)
    assert np.isnan(replicate_ceiling(rng.normal(size=(5, 3)), np.arange(5), rng=rng))
    assert np.isnan(replicate_ceiling(np.ones((6, 3)), np.repeat(np.arange(3), 2), rng=rng))


def test_models_that_cannot_be_told_apart_share_a_rank():
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(2000, 1))
    draws = np.array([0.5, 0.9, 0.88, 0.1]) + 0.2 * shared + 0.02 * rng.normal(size=(2000, 4))
    assert tie_groups(draws, np.array([0.5, 0.9, 0.88, 0.1])).tolist() == [2, 1, 1, 3]
