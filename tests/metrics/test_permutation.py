"""Permutation p values: exactness, calibration on noise, and Benjamini-Hochberg against scipy."""

from itertools import combinations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chisquare, kstest

from phenolens.metrics import (
    benjamini_hochberg,
    draw_sets,
    least_sign_flip_p,
    maximum_p,
    mean_defined,
    permutation_p,
    replicate_retrieval_p,
    set_average_precision,
    sign_flip_p,
    stratified_mean,
)


def one_p(x, replicate, plates, **options):
    """Return value and p of one perturbation, where all other wells are controls."""
    found = replicate_retrieval_p(x, [np.flatnonzero(replicate)], ~replicate, plates, **options)
    return found.value[0], found.p[0]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("sets_at_once", [1, 100_000])
def test_perturbations_that_are_asked_together_are_asked_as_each_by_itself(monkeypatch, tied, sets_at_once):
    monkeypatch.setattr("phenolens.metrics.replicate_retrieval._SETS_AT_ONCE", sets_at_once)
    rng = np.random.default_rng(8)
    plates = rng.permutation(np.repeat([2, 0, 1, 3], [14, 12, 10, 3]))
    x = rng.normal(size=(len(plates), 4))
    x = np.sign(x) if tied else x
    control = rng.random(len(plates)) < 0.4
    control[plates == 3] = False  # nobody to be ranked before
    treated = rng.permutation(np.flatnonzero(~control))
    units = [treated[:2], treated[2:4], treated[4:7], treated[7:10], np.flatnonzero(plates == 3)[:2]]
    together = replicate_retrieval_p(x, units, control, plates, n_permutations=10**6, rng=rng)
    for number, own in enumerate(units):
        pool = np.concatenate([own, np.flatnonzero(control & np.isin(plates, plates[own]))])
        replicate = np.arange(len(pool)) < len(own)
        drawn, exact = draw_sets(
            [np.flatnonzero(plates[pool] == name) for name in np.unique(plates[own])],
            [(plates[own] == name).sum() for name in np.unique(plates[own])],
            10**6,
            rng,
        )
        assert exact
        null = mean_defined(set_average_precision(x[pool], drawn, plates=plates[pool]))
        value = mean_defined(set_average_precision(x[pool], np.flatnonzero(replicate)[None], plates=plates[pool]))[0]
        expected = value, permutation_p(value, null, exact=True), null.mean()
        assert_allclose((together.value[number], together.p[number], together.chance[number]), expected)


def test_enumeration_equals_a_count_over_combinations():
    x, plates = np.random.default_rng(1).normal(size=(8, 3)), np.zeros(8)

    def statistic(members):
        return set_average_precision(x, np.array([members]))[0].mean()

    observed = statistic([0, 1, 2])
    expected = np.mean([statistic(c) >= observed - 1e-9 for c in combinations(range(8), 3)])
    value, p = one_p(x, np.arange(8) < 3, plates, rng=np.random.default_rng(0))
    assert_allclose((value, p), (observed, expected))


@pytest.mark.parametrize("controls_per_plate", [(12, 12), (5, 20)])
def test_p_is_uniform_on_noise_whatever_the_number_of_controls(controls_per_plate):
    rng = np.random.default_rng(2)
    plates = np.concatenate([[0, 0, 1, 1], np.repeat([0, 1], controls_per_plate)])
    replicate = np.arange(len(plates)) < 4
    p = []
    for _ in range(300):
        x = rng.normal(size=(len(plates), 8))
        p.append(one_p(x, replicate, plates, n_permutations=199, rng=rng)[1])
    assert kstest(p, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09


def test_p_is_small_for_an_effect_and_never_zero():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 6))
    replicate = np.arange(20) < 4
    x[replicate] += 10
    p = one_p(x, replicate, np.zeros(20), n_permutations=200, rng=np.random.default_rng(0))[1]
    assert 0 < p <= 2 / 201


def test_a_constant_representation_has_p_one():
    p = one_p(np.ones((10, 3)), np.arange(10) < 3, np.zeros(10), rng=np.random.default_rng(0))[1]
    assert p == 1.0


def test_without_controls_on_its_plates_there_is_no_p():
    plates, replicate = np.array([0, 0, 1, 1, 1]), np.array([1, 1, 0, 0, 0], bool)
    assert np.isnan(one_p(np.eye(5), replicate, plates, rng=np.random.default_rng(0))).all()


@pytest.mark.parametrize(("size", "k"), [(6, 2), (6, 4)])
def test_every_set_is_drawn_equally_often(size, k):
    rng = np.random.default_rng(5)
    parts = [draw_sets([np.arange(size)], [k], 14, rng) for _ in range(300)]
    assert not any(exact for _, exact in parts)
    sets = np.concatenate([drawn for drawn, _ in parts])
    counts = np.unique(np.sort(sets, axis=1), axis=0, return_counts=True)[1]
    assert len(counts) == 15
    assert chisquare(counts).pvalue > 0.001


def test_few_sets_are_enumerated_and_too_many_members_refused():
    rng = np.random.default_rng(6)
    sets, exact = draw_sets([np.array([3, 4, 5]), np.array([7, 8])], [2, 1], 6, rng)
    assert exact
    assert sorted(map(tuple, sets.tolist())) == [(a, b, c) for a, b in ((3, 4), (3, 5), (4, 5)) for c in (7, 8)]
    with pytest.raises(ValueError, match="3 distinct rows cannot be drawn from 2"):
        draw_sets([np.arange(2)], [3], 10, rng)


def test_p_counts_the_observed_statistic_and_drops_nan():
    null = np.array([0.1, 0.2, np.nan, 0.3])
    assert permutation_p(0.25, null) == 2 / 4
    assert permutation_p(0.3, null, exact=True) == 1 / 3
    assert permutation_p(9.0, null) == 1 / 4
    assert np.isnan(permutation_p(float("nan"), null))
    assert np.isnan(permutation_p(0.2, np.array([np.nan])))


def test_mean_defined():
    assert_allclose(mean_defined(np.array([[1, 3], [np.nan, 5], [np.nan, np.nan]])), [2, 5, np.nan])


def brute_adjusted(p):
    """The least rate at which a test is still rejected: over all thresholds, the share of false ones expected below."""
    return [min([1.0, *(q * len(p) / (p <= q).sum() for q in p if q >= each)]) for each in p]


@pytest.mark.parametrize("decimals", [16, 2], ids=["distinct", "tied"])
@pytest.mark.parametrize("n", [0, 1, 50])
def test_benjamini_hochberg_equals_brute_force_and_skips_nan(n, decimals):
    p = np.random.default_rng(4).random(n).round(decimals)
    assert_allclose(benjamini_hochberg(p), brute_adjusted(p))
    places = np.arange(n) + np.arange(n) // 2  # a gap after every second p value
    with_nan = np.full(2 * n + 1, np.nan)
    with_nan[places] = p
    expected = np.full(2 * n + 1, np.nan)
    expected[places] = brute_adjusted(p)
    assert_allclose(benjamini_hochberg(with_nan), expected)


@pytest.mark.parametrize("se_inflation", [1, 2])
def test_sign_flips_equal_a_count_over_all_signs(se_inflation):
    rng = np.random.default_rng(4)
    units, strata = np.repeat(np.arange(7), 3), np.tile([0, 1, 1], 7)
    differences, weights = rng.normal(0.3, 1, 21), rng.random(21) + 0.5
    observed = abs(stratified_mean(differences, weights, strata)[0])
    null = [
        se_inflation * abs(stratified_mean(differences * np.array(signs)[units], weights, strata)[0])
        for signs in product([1, -1], repeat=7)
    ]
    found = sign_flip_p(differences, units, weights=weights, strata=strata, se_inflation=se_inflation, rng=rng)
    assert_allclose(found, np.mean(np.array(null) >= observed - 1e-9))


@pytest.mark.parametrize("se_inflation", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("n_units", [1, 3, 6, 9, 12])
def test_the_clearest_difference_that_there_can_be(n_units, se_inflation):
    rng = np.random.default_rng(0)
    equal = sign_flip_p(np.ones(n_units), np.arange(n_units), se_inflation=se_inflation, rng=rng)
    assert_allclose(least_sign_flip_p(n_units, se_inflation=se_inflation), equal)
    if se_inflation == 1:
        uneven = [sign_flip_p(rng.gamma(1, size=n_units), np.arange(n_units), rng=rng) for _ in range(5)]
        assert min(uneven) == equal


def test_sign_flips_that_are_drawn_agree_with_those_that_are_counted():
    differences = np.random.default_rng(5).normal(0.4, 1, 13)
    exact = sign_flip_p(differences, np.arange(13), rng=np.random.default_rng(0))
    drawn = sign_flip_p(differences, np.arange(13), n_draws=8000, rng=np.random.default_rng(0))
    assert exact != drawn
    assert_allclose(drawn, exact, atol=0.02)


def test_sign_flips_are_calibrated_for_models_that_are_alike():
    rng = np.random.default_rng(6)
    shared = rng.exponential(size=(400, 20))  # what a unit does to both, of any shape
    one, other = (shared + rng.exponential(size=shared.shape) for _ in range(2))
    p = [sign_flip_p(row, np.arange(20), n_draws=999, rng=rng) for row in one - other]
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.025)


def test_few_units_cannot_be_told_apart_however_large_the_difference():
    assert sign_flip_p(np.full(4, 9.0), np.arange(4), rng=np.random.default_rng(0)) == 2 / 16


@pytest.mark.parametrize("k", [1, 4])
def test_the_tail_of_a_maximum_holds_its_level(k):
    rng = np.random.default_rng(3)
    p = [
        maximum_p(float(observed), null)
        for null in rng.normal(size=(40, 200, k)).max(axis=2)
        for observed in rng.normal(size=(2000, k)).max(axis=1)
    ]
    p = np.array(p)
    for level in (0.05, 0.01, 0.001):
        assert (p <= level).mean() <= 1.25 * level
    far = [maximum_p(x, np.random.default_rng(4).normal(size=(200, k)).max(axis=1)) for x in (8.0, 12.0)]
    assert 1 / 201 > far[0] > far[1] > 0


def test_a_maximum_that_is_reached_is_counted():
    null = np.arange(99.0)
    assert maximum_p(90.0, null) == permutation_p(90.0, null)
    assert np.isnan(maximum_p(float("nan"), null))
    assert maximum_p(5.0, np.zeros(99)) == 0.01
