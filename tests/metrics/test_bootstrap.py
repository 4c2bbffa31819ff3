"""The cluster bootstrap against an explicit resampling loop, and its coverage."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import balanced_accuracy_score

from phenolens.metrics import cluster_bootstrap, percentile_interval, stratified_mean


def loop(values, units, weights, strata, drawn):
    """Concatenate the rows of the drawn units and average them by hand."""
    rows = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
    means = []
    for stratum in np.unique(strata):
        members = rows[strata[rows] == stratum]
        if len(members):
            means.append(np.average(values[members], weights=weights[members], axis=0))
    return np.mean(means, axis=0)


def test_equals_an_explicit_loop():
    rng = np.random.default_rng(0)
    n = 60
    values, weights = rng.random((n, 3)), rng.random(n) + 0.1
    units, strata = rng.integers(7, size=n), rng.integers(4, size=n)
    draws = cluster_bootstrap(values, units, weights=weights, strata=strata, n_draws=30, rng=np.random.default_rng(5))
    drawn = np.random.default_rng(5).integers(7, size=(30, 7))
    expected = [loop(values, units, weights, strata, choice) for choice in drawn]
    assert_allclose(draws, expected, rtol=1e-12)


def test_blocks_do_not_change_the_draws_of_one_block():
    values, units = np.arange(10.0), np.arange(10)
    few = cluster_bootstrap(values, units, n_draws=500, rng=np.random.default_rng(1))
    many = cluster_bootstrap(values, units, n_draws=1200, rng=np.random.default_rng(1))
    assert_allclose(few, many[:500])


def test_stratified_mean_of_correctness_is_balanced_accuracy():
    rng = np.random.default_rng(2)
    truth, guess = rng.integers(3, size=200), rng.integers(3, size=200)
    expected = balanced_accuracy_score(truth, guess)
    assert_allclose(stratified_mean((truth == guess).astype(float), strata=truth)[0], expected)


def test_interval_covers_the_truth_when_rows_of_a_unit_depend():
    """Resampling rows instead of units would cover about 45 % here."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(300):
        units = np.repeat(np.arange(40), 20)
        values = rng.normal(size=40)[units] + 0.3 * rng.normal(size=len(units))
        low, high = percentile_interval(cluster_bootstrap(values, units, n_draws=400, rng=rng)[:, 0])
        covered += low <= 0 <= high
    assert 0.90 <= covered / 300 <= 0.98


@pytest.mark.parametrize(
    ("values", "keywords", "message"),
    [
        ([np.nan, 1.0], {}, "finite"),
        ([1.0, 2.0], {"weights": np.array([1.0, 0.0])}, "positive weights"),
        ([1.0, 2.0], {"strata": np.array([1])}, "strata"),
    ],
)
def test_refuses_bad_input(values, keywords, message):
    with pytest.raises(ValueError, match=message):
        cluster_bootstrap(np.array(values), np.arange(2), rng=np.random.default_rng(0), **keywords)
    with pytest.raises(ValueError, match="units"):
        cluster_bootstrap(np.ones(3), np.arange(2), rng=np.random.default_rng(0))
