"""Units that are not independent are resampled together, in scores, differences and p values."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from phenolens.evaluation import joint_draws, mean_by_unit, paired_difference, paired_p, values_by_unit
from phenolens.metrics import sign_flip_p, small_sample_widening
from phenolens.tasks import Score, unit_table

N_CLUSTERS, N_DOSES = 6, 8


def score_of(values, clusters=None, *, bounds=(0, 1)):
    units = [f"u{i:03d}" for i in range(len(values))]
    return Score("mAP", "perturbation", unit_table(units, values, chance=0.1, clusters=clusters), bounds=bounds)


def of_compounds(rng, n_clusters=N_CLUSTERS, n_doses=N_DOSES):
    """Return values of units, of which those of a compound have half of their variance in common."""
    common = np.repeat(rng.normal(0, 0.05, n_clusters), n_doses)
    return 0.5 + common + rng.normal(0, 0.05, n_clusters * n_doses)


def names(n_clusters=N_CLUSTERS, n_doses=N_DOSES):
    return np.repeat([f"c{c}" for c in range(n_clusters)], n_doses)


@pytest.mark.parametrize("n", [8, 40])
def test_where_every_unit_is_a_cluster_no_digit_depends_on_it(n):
    one, other = np.random.default_rng(0).uniform(size=(2, n))
    called_otherwise = [f"z{n - i}" for i in range(n)]
    plain, named = (
        [values_by_unit(score_of(values, clusters)) for values in (one, other)] for clusters in (None, called_otherwise)
    )
    without = [table[["value", "weight"]] for table in plain]
    found = [paired_difference(*pair, np.random.default_rng(1)) for pair in (plain, named, without)]
    assert found[0] == found[1] == found[2]
    p = [paired_p(*pair, np.random.default_rng(1)) for pair in (plain, named, without)]
    assert p[0] == p[1] == p[2]
    limits = [score_of(one, clusters).interval(np.random.default_rng(2)) for clusters in (None, called_otherwise)]
    assert limits[0] == limits[1]


def test_from_thirty_clusters_on_draws_are_those_of_the_bootstrap():
    values = np.random.default_rng(0).uniform(size=30)
    drawn = np.random.default_rng(3).integers(30, size=(500, 30))
    means = values[drawn].mean(axis=1)
    draws = score_of(values).draws(np.random.default_rng(3), n_draws=500)
    assert_allclose(draws, values.mean() + means - means.mean(), rtol=1e-12)
    fewer = score_of(values[:8]).draws(np.random.default_rng(3), n_draws=500)
    assert_allclose(fewer.std() / (values[:8].std() / np.sqrt(8)), small_sample_widening(8), rtol=0.1)


def test_the_p_value_changes_the_sign_of_all_doses_of_a_compound():
    rng = np.random.default_rng(4)
    one, other = of_compounds(rng), of_compounds(rng)
    pair = [values_by_unit(score_of(values, names())) for values in (one, other)]
    by_compound = (one - other).reshape(N_CLUSTERS, N_DOSES).mean(axis=1)
    assert paired_p(*pair, rng) == sign_flip_p(by_compound, np.arange(N_CLUSTERS), rng=rng)


def test_seeds_keep_clusters_and_one_cluster_has_no_limits():
    scores = [score_of(values, names()) for values in np.random.default_rng(5).uniform(size=(2, 48))]
    averaged = mean_by_unit([each.units for each in scores])
    assert averaged["cluster"].nunique() == N_CLUSTERS
    joint = joint_draws({"a": averaged}, np.random.default_rng(0))
    assert (joint.n_units, joint.n_clusters) == (48, 6)
    alone = score_of(np.full(5, 0.5), ["c"] * 5)
    assert (alone.n_units, alone.n_clusters) == (5, 1)
    assert np.isnan(alone.interval(np.random.default_rng(0))).all()
    pair = [values_by_unit(alone)] * 2
    assert np.isnan(paired_difference(*pair, np.random.default_rng(0)).estimate.low)
    assert np.isnan(paired_p(*pair, np.random.default_rng(0)))


def test_limits_lie_within_the_range_of_the_metric():
    values = np.array([0.0, 0.0, 0.0, 1.0, 0.05])
    low, high = score_of(values).interval(np.random.default_rng(0))
    assert 0 <= low < values.mean() < high <= 1
    assert score_of(values, bounds=(-np.inf, np.inf)).interval(np.random.default_rng(0))[0] < 0


def test_two_equal_encoders_with_doses_differ_as_often_as_the_level_says():
    """Doses by themselves would make two equal encoders differ in more than a quarter of the experiments."""
    rng = np.random.default_rng(6)
    found = {clusters: [] for clusters in ("compounds", "doses")}
    for _ in range(150):
        one, other = of_compounds(rng), of_compounds(rng)
        for kind, clusters in (("compounds", names()), ("doses", None)):
            pair = [values_by_unit(score_of(values, clusters)) for values in (one, other)]
            found[kind].append(sign_flips(*pair, rng) <= 0.05)
    assert np.mean(found["doses"]) > 0.25
    assert np.mean(found["compounds"]) < 0.11


def sign_flips(one, other, rng):
    """Return `paired_p` from fewer choices of signs, which are quick."""
    table = one.assign(value=one["value"] - other["value"])
    clusters = table["cluster"].to_numpy()
    return sign_flip_p(table["value"].to_numpy(), clusters, n_draws=500, rng=rng)


@pytest.mark.parametrize(("n_clusters", "n_doses"), [(8, 1), (6, 8), (24, 3), (96, 1)])
def test_limits_hold_the_truth_as_often_as_they_say(n_clusters, n_doses):
    rng = np.random.default_rng(7)
    held = []
    for _ in range(400):
        score = score_of(of_compounds(rng, n_clusters, n_doses), names(n_clusters, n_doses))
        low, high = score.interval(rng, n_draws=400)
        held.append(low <= 0.5 <= high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_a_table_without_clusters_has_units_as_clusters():
    units = pd.DataFrame({"unit": ["a", "b"], "stratum": "", "value": [0.2, 0.4], "weight": 1.0, "chance": 0.1})
    score = Score("mAP", "perturbation", units)
    assert score.n_clusters == 2
    assert_array_equal(values_by_unit(score)["cluster"], ["a", "b"])
