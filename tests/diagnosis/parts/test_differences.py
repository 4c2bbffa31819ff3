"""Differences between encoders whose truth is known, and what is said of them."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose

from phenolens.diagnosis import compare_scores
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.parts.differences import compare_encoders
from phenolens.diagnosis.records import BaselineDifference, EncoderDifference
from phenolens.evaluation import evaluate, paired_p, tabulate_units
from phenolens.tasks import Leak, Score, make_task
from phenolens.tasks.score import unit_table

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("scores_alone")]

RETRIEVAL = make_task("replicate-retrieval")
RANDOM = make_task("linear-probe", label="kind", group="movie", split="random")
GROUPED = make_task("linear-probe", label="kind", group="movie")


def score(encoder, values, task=RETRIEVAL, leak=None, p=0.5, details=None):
    units = unit_table([f"u{i}" for i in range(len(values))], values, chance=0.1, p=p)
    found = Score("mAP", "perturbation", units, leak=leak, details=details or {})
    low, high = found.interval(np.random.default_rng(0))
    return scored(encoder, found, task, low=low, high=high)


def verdicts(*scores, kind=None):
    return [v for v in compare_scores(evaluation_of(*scores)).verdicts if kind in (None, v.kind)]


def differences(*scores):
    return Evidence(compare_encoders(evaluation_of(*scores)).records).of(BaselineDifference)


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(0.3, 0.7, 60)


def test_an_encoder_is_the_mean_of_its_seeds_and_differences_are_paired(values):
    jitter = np.random.default_rng(1).normal(0, 0.02, 60)
    (found,) = differences(
        score("mine", values + 0.05),
        score("untrained/resnet18@seed=0", values + jitter),
        score("untrained/resnet18@seed=1", values - jitter),
    )
    assert (found.encoder, found.baseline) == ("mine", "untrained/resnet18")
    # Unpaired, the interval would be about 0.08 wide.
    assert_allclose((found.estimate.value, found.estimate.low, found.estimate.high), 0.05, atol=1e-9)
    assert found.estimate.n_units == 60


def test_units_that_only_one_of_two_has_are_left_out_of_their_comparison(values):
    (found,) = differences(score("mine", values[:20]), score("cell-count", values - 0.1))
    assert found.estimate.n_units == 20
    assert_allclose(found.estimate.value, 0.1)


def test_a_pair_of_baselines_is_compared_once_the_lower_score_with_the_higher(values):
    found = differences(score("cell-count", values - 0.1), score("mine", values), score("well-position", values))
    pairs = {(each.encoder, each.baseline): each for each in found}
    assert set(pairs) == {("mine", "cell-count"), ("mine", "well-position"), ("cell-count", "well-position")}
    of_baselines = pairs["cell-count", "well-position"]
    assert of_baselines.encoder_is_baseline
    assert not of_baselines.is_claimed
    assert np.isnan(of_baselines.estimate.p)
    assert pairs["mine", "well-position"].reference == "best baseline"
    assert pairs["mine", "cell-count"].reference == ""


@pytest.mark.parametrize(
    ("shift", "said"), [(0.1, "beats"), (-0.1, "falls short of"), (0.0, "is not significantly different from")]
)
def test_gain_over_the_best_baseline(values, shift, said):
    noise = np.random.default_rng(2).normal(0, 0.05, 60)
    (gain,) = verdicts(
        score("mine", values + shift + noise),
        score("cell-count", values),
        score("pixel-statistics", values - 0.2),
        kind="gain",
    )
    assert said in gain.claim
    assert gain.baseline == "cell-count"
    assert gain.low <= gain.effect <= gain.high


def test_better_than_another_below_chance_is_no_win():
    rng = np.random.default_rng(9)
    found = verdicts(
        score("mine", rng.normal(0.09, 0.01, 60)),
        score("yours", rng.normal(0.05, 0.01, 60)),
        score("cell-count", rng.normal(0.02, 0.01, 60)),
    )
    claims = [v.claim for v in found if v.kind in ("gain", "difference")]
    assert len(claims) == 3
    for claim in claims:
        assert " cannot be ranked against " in claim
        assert "neither is distinguishable from chance" in claim


def test_a_score_without_baselines_is_no_finding(values):
    (said,) = verdicts(score("mine", values), kind="no_baseline")
    assert "no baseline was scored beside mine" in said.claim


def test_baselines_alone_are_ranked_with_their_ties(values):
    noise = np.random.default_rng(4).normal(0, 0.05, 60)
    (best,) = verdicts(
        score("cell-count", values),
        score("pixel-statistics", values - 0.001 + noise),
        score("untrained/resnet18@seed=0", values - 0.2),
        kind="baselines",
    )
    assert best.claim.endswith("not distinguishable from it: pixel-statistics.")


def test_one_unit_distinguishes_no_baselines(values):
    (best,) = verdicts(score("cell-count", values[:1]), score("pixel-statistics", values[:1] - 0.01), kind="baselines")
    assert "not distinguishable from it: pixel-statistics" in best.claim


def test_few_units_support_no_claim():
    (gain,) = verdicts(score("mine", np.full(5, 0.9)), score("cell-count", np.full(5, 0.1)), kind="gain")
    assert "is not significantly different from" in gain.claim
    assert gain.p_adjusted == pytest.approx(2 / 32)


def test_the_best_untrained_network_is_held_against_an_encoder_beside_the_best_baseline(values):
    noise = np.random.default_rng(6).normal(0, 0.05, 60)
    scores = (
        score("mine", values + 0.1 + noise),
        score("cell-count", values + 0.1),
        score("untrained/resnet18@seed=0", values - 0.02),
        score("untrained/resnet18@seed=1", values + 0.02),
        score("untrained/vit_small_patch16@seed=0", values - 0.1),
    )
    (gain,) = verdicts(*scores, kind="gain")
    (untrained,) = verdicts(*scores, kind="gain_over_untrained")
    assert "is not significantly different from the best baseline, cell-count" in gain.claim
    assert "mine beats the best untrained network, untrained/resnet18: +0.1" in untrained.claim
    assert "(+0.09 to +0.13 over its seeds)" in untrained.claim  # one is 0.02 above the mean, one 0.02 below


def test_the_untrained_counterpart_stands_beside_the_best_untrained_network(values):
    name, noise = "timm/resnet18", np.random.default_rng(11).normal(0, 0.05, 60)
    scores = [score(name, values + noise), score("untrained/vit_small_patch16", values)]
    scores.append(score(f"twin/{name}", values - 0.1))
    (gain,) = [v.claim for v in verdicts(*scores, kind="gain")]
    assert "the best baseline, untrained/vit_small_patch16" in gain
    assert "; over its untrained counterpart +0.1" in gain
    scores.append(score("cell-count", values + 0.2))
    (gain,) = [v.claim for v in verdicts(*scores, kind="gain")]
    (untrained,) = [v.claim for v in verdicts(*scores, kind="gain_over_untrained")]
    assert "cell-count" in gain
    assert "counterpart" not in gain
    assert "; over its untrained counterpart +0.1" in untrained


def test_encoders_under_test_are_held_against_each_other(values):
    noise = np.random.default_rng(7).normal(0, 0.05, (2, 60))
    found = verdicts(
        score("mine", values + noise[0]),
        score("yours", values + noise[1]),
        score("theirs", values + 0.2),
        score("cell-count", values),
        kind="difference",
    )
    said = [verdict.claim for verdict in found]
    assert len(said) == 3
    assert sum("mine is not significantly different from yours" in claim for claim in said) == 1
    assert sum("mine loses to theirs: -0.2" in claim for claim in said) == 1


def test_a_leak_is_held_against_the_same_probe_alone(values):
    few = GROUPED.model_copy(update={"shots": 5})
    found = verdicts(
        score("cell-count", values, RANDOM, Leak(9, 10)),
        score("cell-count", values, GROUPED),
        score("cell-count", values - 0.3, few),
    )
    assert_allclose(found[0].effect, 0, atol=1e-12)


def test_a_leaking_split_is_named_and_supports_no_claim(values):
    found = verdicts(
        score("cell-count", values + 0.2, RANDOM, Leak(9, 10)),
        score("cell-count", values, GROUPED),
    )
    assert found[0].kind == "leak"
    assert "9 of 10 groups" in found[0].claim
    assert_allclose(found[0].effect, 0.2)
    assert {verdict.task for verdict in found if verdict.kind != "leak"} == {GROUPED.id}


def test_a_leaking_split_without_its_counterpart_asks_for_one(values):
    (leak,) = verdicts(score("cell-count", values, RANDOM, Leak(9, 10)))
    assert "Split by group" in leak.claim
    assert np.isnan(leak.effect)


def test_activity_is_said_of_what_is_under_test(values):
    p = np.where(np.arange(60) < 13, 0.001, 0.6)
    scores = score("mine", values - 0.2, p=p), score("cell-count", values, p=np.append(p[1:], 0.6))
    (said,) = verdicts(*scores, kind="activity")
    assert said.encoder == "mine"
    assert "finds 13 of 60 perturbations active" in said.claim
    assert "the best baseline, cell-count, 12." in said.claim


def test_activity_is_controlled_over_all_encoders_under_test(values):
    def active(*names):
        scores = [score(name, values, p=0.03) for name in names]
        return [v.effect for v in verdicts(*scores, score("cell-count", values), kind="activity")]

    assert active("mine") == [1.0]
    assert active("mine", "yours") == [0.0, 0.0]


def test_activity_is_not_lent_by_others(values):
    p = (np.arange(60) + 0.5) / 60  # beside so many discoveries of others, two of these would pass for some
    others = [score(name, values, p=0.0005) for name in ("cell-count", "well-position", "pixel-statistics")]
    (said,) = verdicts(score("mine", values, p=p), *others, kind="activity")
    assert "mine finds 0 of 60" in said.claim


def test_too_few_controls_are_said_instead_of_no_activity(values):
    few = {"": {"least_p_adjusted": 0.1}}
    (said,) = verdicts(score("mine", values, p=0.1, details=few), score("cell-count", values), kind="activity")
    assert said.claim.startswith("none of 60 perturbations can be called active")
    assert np.isnan(said.effect)


def test_what_tables_and_charts_show_is_what_the_verdict_counts(values):
    p = np.where(np.arange(60) < 13, 0.01, 0.6)
    (activity,) = verdicts(score("cell-count", values, p=p), kind="activity")
    assert "finds 13 of 60 perturbations active" in activity.claim
    assert tabulate_units(evaluation_of(score("cell-count", values, p=p)))["significant"].sum() == 13


def test_a_unit_is_significant_in_the_median_over_seeds(values):
    seeds = []
    for seed, found in enumerate((10, 20, 30)):
        seeds.append(score(f"untrained/resnet18@seed={seed}", values, p=np.where(np.arange(60) < found, 1e-5, 1.0)))
    table = tabulate_units(evaluation_of(*seeds))
    assert table["significant"].sum() == 3 * 20
    (activity,) = verdicts(*seeds, kind="activity")
    assert "finds 20 of 60 perturbations" in activity.claim


@pytest.mark.parametrize("group", [None, "movie"])
def test_what_other_fits_would_change_is_part_of_a_difference_between_probes(group):
    probe = make_task("ridge-probe", label="kind", group=group)
    found, narrow = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        kind = rng.integers(0, 3, 120)
        obs = pd.DataFrame({"kind": kind.astype(str), "movie": rng.integers(0, 20, 120).astype(str)}).rename(
            "r{}".format
        )
        seen = [0.7 * np.eye(3)[kind] + rng.normal(size=(120, 3)) for _ in range(2)]
        x = [truth @ rng.normal(size=(3, 16)) + 0.5 * rng.normal(size=(120, 16)) for truth in seen]
        evaluation = evaluate({"one": AnnData(x[0], obs=obs), "other": AnnData(x[1], obs=obs)}, [probe])
        (difference,) = Evidence(compare_encoders(evaluation).records).of(EncoderDifference)
        found.append(difference.estimate.p)
        (question,) = evaluation.questions.values()
        narrow.append(paired_p(question.values["one"], question.values["other"], rng))
    assert np.mean(np.array(found) <= 0.05) <= 0.05
    assert np.mean(found) > np.mean(narrow) + 0.05  # units alone tell too little
