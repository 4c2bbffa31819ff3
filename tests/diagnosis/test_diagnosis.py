"""Comparisons and verdicts on answers whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from phenolens.diagnosis import compare_families, judge
from phenolens.tasks import Answer, Evaluation, Score, make_task

RETRIEVAL = make_task("replicate-retrieval")
RANDOM = make_task("linear-probe", label="kind", group="movie", split="random")
GROUPED = make_task("linear-probe", label="kind", group="movie")


def answer(encoder, values, task=RETRIEVAL, caveat="", p=0.5):
    units = pd.DataFrame({"unit": [f"u{i}" for i in range(len(values))], "stratum": "", "value": values})
    units = units.assign(weight=1.0, chance=0.1, p=p, p_adjusted=p)
    score = Score("mAP", "perturbation", units, caveat)
    low, high = score.interval(np.random.default_rng(0))
    return Answer(encoder, "raw", task, score, low, high)


def verdicts(*answers):
    evaluation = Evaluation(list(answers), [])
    return judge(evaluation, compare_families(evaluation))


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(0.3, 0.7, 60)


def test_a_family_is_the_mean_of_its_seeds_and_differences_are_paired(values):
    rng = np.random.default_rng(1)
    jitter = rng.normal(0, 0.02, 60)
    evaluation = Evaluation(
        [
            answer("mine", values + 0.05),
            answer("untrained/resnet18@seed=0", values + jitter),
            answer("untrained/resnet18@seed=1", values - jitter),
        ],
        [],
    )
    table = compare_families(evaluation)
    assert table[["encoder", "baseline"]].values.tolist() == [["mine", "untrained/resnet18"]]
    row = table.iloc[0]
    assert_allclose(row["difference"], 0.05)
    # Unpaired, the interval would be about 0.08 wide.
    assert_allclose([row["low"], row["high"]], 0.05, atol=1e-9)
    assert row["n_units"] == 60


def test_units_that_only_one_of_two_has_are_left_out_of_their_comparison(values):
    table = compare_families(Evaluation([answer("mine", values[:20]), answer("cell-count", values - 0.1)], []))
    row = table.iloc[0]
    assert row["n_units"] == 20
    assert_allclose(row["difference"], 0.1)


@pytest.mark.parametrize(("shift", "said"), [(0.1, "beats"), (-0.1, "falls short of"), (0.0, "cannot be told from")])
def test_gain_over_the_best_baseline(values, shift, said):
    noise = np.random.default_rng(2).normal(0, 0.05, 60)
    found = verdicts(
        answer("mine", values + shift + noise),
        answer("cell-count", values),
        answer("pixel-statistics", values - 0.2),
    )
    (gain,) = [verdict for verdict in found if verdict.kind == "gain"]
    assert said in gain.claim
    assert gain.baseline == "cell-count"
    assert gain.low <= gain.effect <= gain.high


def test_two_equal_encoders_are_rarely_called_different():
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(200):
        truth = rng.uniform(0.3, 0.7, 40)
        one, other = (truth + rng.normal(0, 0.1, 40) for _ in range(2))
        row = compare_families(Evaluation([answer("mine", one), answer("cell-count", other)], [])).iloc[0]
        called += not row["low"] <= 0 <= row["high"]
    assert called / 200 <= 0.09


def test_a_score_without_baselines_is_no_finding(values):
    claims = [verdict.claim for verdict in verdicts(answer("mine", values))]
    assert any("no baseline was scored beside mine" in claim for claim in claims)


def test_baselines_alone_are_ranked_with_their_ties(values):
    noise = np.random.default_rng(4).normal(0, 0.05, 60)
    found = verdicts(
        answer("cell-count", values),
        answer("pixel-statistics", values - 0.001 + noise),
        answer("untrained/resnet18@seed=0", values - 0.2),
    )
    (claim,) = [verdict.claim for verdict in found if verdict.kind == "baselines"]
    assert "not to be told from it" in claim
    assert "resnet18" not in claim


def test_a_leaking_split_is_named_and_supports_no_claim(values):
    caveat = "leaking: 9 of 10 groups stand on both sides of the split"
    found = verdicts(
        answer("cell-count", values + 0.2, RANDOM, caveat),
        answer("cell-count", values, GROUPED),
    )
    assert found[0].kind == "leak"
    assert "9 of 10 groups" in found[0].claim
    assert_allclose(found[0].effect, 0.2)
    assert {verdict.task for verdict in found if verdict.kind != "leak"} == {GROUPED.id}


def test_a_leaking_split_without_its_counterpart_asks_for_one(values):
    caveat = "leaking: 9 of 10 groups stand on both sides of the split"
    (leak,) = verdicts(answer("cell-count", values, RANDOM, caveat))
    assert "Split by group" in leak.claim
    assert np.isnan(leak.effect)


def test_activity_counts_discoveries(values):
    p = np.where(np.arange(60) < 13, 0.01, 0.6)
    (activity,) = [v for v in verdicts(answer("cell-count", values, p=p)) if v.kind == "activity"]
    assert "tells 13 of 60 perturbations from controls" in activity.claim
