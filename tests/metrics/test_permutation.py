"""Permutation p values: exactness, calibration on noise, and Benjamini-Hochberg against scipy."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import false_discovery_control, kstest

from phenolens.metrics import (
    average_precision,
    benjamini_hochberg,
    cosine_similarity,
    replicate_average_precision,
    replicate_retrieval_p,
)


def test_statistic_equals_a_loop_over_queries():
    rng = np.random.default_rng(0)
    similarity = cosine_similarity(rng.normal(size=(9, 4)))
    plates = np.array([0, 0, 0, 1, 1, 1, 1, 0, 1])
    replicate = np.zeros(9, bool)
    replicate[[0, 3, 4]] = True
    expected = []
    for query in np.flatnonzero(replicate):
        positive = replicate & (np.arange(9) != query)
        negative = ~replicate & (plates == plates[query])
        expected.append(average_precision(similarity[[query]], positive[None], negative[None])[0])
    assert_allclose(replicate_average_precision(similarity, replicate[None], plates), [np.mean(expected)])


def test_enumeration_equals_a_count_over_combinations():
    rng = np.random.default_rng(1)
    similarity = cosine_similarity(rng.normal(size=(8, 3)))
    plates = np.zeros(8)
    replicate = np.arange(8) < 3

    def statistic(members):
        labels = np.isin(np.arange(8), members)
        return replicate_average_precision(similarity, labels[None], plates)[0]

    observed = statistic([0, 1, 2])
    expected = np.mean([statistic(c) >= observed - 1e-12 for c in combinations(range(8), 3)])
    p = replicate_retrieval_p(similarity, replicate, plates, rng=np.random.default_rng(0))
    assert_allclose(p, expected)


@pytest.mark.parametrize("controls_per_plate", [(12, 12), (5, 20)])
def test_p_is_uniform_on_noise_whatever_the_number_of_controls(controls_per_plate):
    rng = np.random.default_rng(2)
    plates = np.concatenate([[0, 0, 1, 1], np.repeat([0, 1], controls_per_plate)])
    replicate = np.arange(len(plates)) < 4
    p = []
    for _ in range(300):
        similarity = cosine_similarity(rng.normal(size=(len(plates), 8)))
        p.append(replicate_retrieval_p(similarity, replicate, plates, n_permutations=199, rng=rng))
    assert kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09


def test_p_is_small_for_an_effect_and_never_zero():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 6))
    replicate = np.arange(20) < 4
    x[replicate] += 10
    p = replicate_retrieval_p(
        cosine_similarity(x), replicate, np.zeros(20), n_permutations=200, rng=np.random.default_rng(0)
    )
    assert 0 < p <= 2 / 201


def test_a_constant_representation_has_p_one():
    p = replicate_retrieval_p(np.ones((10, 10)), np.arange(10) < 3, np.zeros(10), rng=np.random.default_rng(0))
    assert p == 1.0


def test_without_controls_on_its_plates_there_is_no_p():
    plates = np.array([0, 0, 1, 1, 1])
    p = replicate_retrieval_p(np.ones((5, 5)), np.array([1, 1, 0, 0, 0], bool), plates, rng=np.random.default_rng(0))
    assert np.isnan(p)


def test_benjamini_hochberg_equals_scipy_and_skips_nan():
    p = np.random.default_rng(4).random(50)
    assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    with_nan = np.concatenate([p, [np.nan]])
    assert_allclose(benjamini_hochberg(with_nan)[:-1], false_discovery_control(p))
    assert np.isnan(benjamini_hochberg(with_nan)[-1])
