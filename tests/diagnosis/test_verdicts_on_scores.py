"""Against whom an encoder is said to win, and whether the score can be believed."""

import numpy as np
import pandas as pd
import pytest
from judged import GROUPED, RANDOM, RETRIEVAL, answer, verdicts
from numpy.testing import assert_allclose

from phenolens.diagnosis.knowledge.ask import PAIR_COLUMNS as LEVEL_PAIR_COLUMNS


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


def test_one_unit_tells_no_baselines_apart(values):
    found = verdicts(answer("cell-count", values[:1]), answer("pixel-statistics", values[:1] - 0.01))
    (claim,) = [verdict.claim for verdict in found if verdict.kind == "baselines"]
    assert "not to be told from it: pixel-statistics" in claim


def test_a_leak_is_held_against_the_same_probe_alone(values):
    caveat = "leaking: 9 of 10 groups stand on both sides of the split"
    few = GROUPED.model_copy(update={"shots": 5})
    found = verdicts(
        answer("cell-count", values, RANDOM, caveat),
        answer("cell-count", values, GROUPED),
        answer("cell-count", values - 0.3, few),
    )
    assert_allclose(found[0].effect, 0, atol=1e-12)


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


def test_a_collapsed_embedding_comes_first(values):
    degeneracy = pd.DataFrame({"encoder": ["mine", "cell-count"], "finding": ["collapsed: all rows are alike", ""]})
    found = verdicts(answer("mine", values), answer("cell-count", values), degeneracy=degeneracy)
    assert found[0].claim == "mine is no embedding to be scored: collapsed: all rows are alike."
    assert [v.kind for v in found].count("degenerate") == 1


def test_the_best_untrained_network_is_held_against_an_encoder_beside_the_best_baseline(values):
    noise = np.random.default_rng(6).normal(0, 0.05, 60)
    found = verdicts(
        answer("mine", values + 0.1 + noise),
        answer("cell-count", values + 0.1),
        answer("untrained/resnet18@seed=0", values - 0.02),
        answer("untrained/resnet18@seed=1", values + 0.02),
        answer("untrained/vit_small_patch16@seed=0", values - 0.1),
    )
    (gain,) = [v for v in found if v.kind == "gain"]
    (twins,) = [v for v in found if v.kind == "twins"]
    assert "cannot be told from the best baseline, cell-count" in gain.claim
    assert "mine beats the best untrained network, untrained/resnet18: +0.1" in twins.claim
    assert "(+0.09 to +0.13 over its seeds)" in twins.claim  # one of which is 0.02 above the mean, one 0.02 below


def test_the_own_twin_is_told_beside_the_best_untrained_network(values):
    name, noise = "timm/resnet18", np.random.default_rng(11).normal(0, 0.05, 60)
    answers = [answer(name, values + noise), answer("untrained/vit_small_patch16", values)]
    answers.append(answer(f"twin/{name}", values - 0.1))
    (gain,) = [v.claim for v in verdicts(*answers) if v.kind == "gain"]
    assert "the best baseline, untrained/vit_small_patch16" in gain
    assert "; over its own twin +0.1" in gain
    gain, twins = [v.claim for v in verdicts(*answers, answer("cell-count", values + 0.2)) if v.encoder == name][:2]
    assert "cell-count" in gain
    assert "own twin" not in gain
    assert "; over its own twin +0.1" in twins


def test_two_models_are_held_against_each_other(values):
    noise = np.random.default_rng(7).normal(0, 0.05, (2, 60))
    found = verdicts(
        answer("mine", values + noise[0]),
        answer("yours", values + noise[1]),
        answer("theirs", values + 0.2),
        answer("cell-count", values),
        levels=levels_of(texture={"family": "yours"}, shape={"family": "yours", "r": 0.1}),
        level_pairs=pd.DataFrame(
            [
                ("texture", "mine", "yours", -0.2, -0.3, -0.1, 0.001),
                ("shape", "mine", "yours", -0.2, -0.3, -0.1, 0.001),
            ],
            columns=LEVEL_PAIR_COLUMNS,
        ),
    )
    said = [v.claim for v in found if v.kind == "pair"]
    assert sum("mine cannot be told from yours" in claim for claim in said) == 1
    assert sum("mine loses to theirs: -0.2" in claim for claim in said) == 1
    assert not any("shape" in claim for claim in said)  # of which neither knows anything
    assert any(
        claim.startswith("yours reads texture better than mine: +0.20 [0.10, 0.30] on average") for claim in said
    )


def test_a_gain_on_strong_phenotypes_alone_is_said(values):
    row = {"family": "mine", "baseline": "cell-count", "task": RETRIEVAL.id, "profiling": "raw", "by": "strength"}
    strata = pd.DataFrame(
        [
            row | {"stratum": "weak", "difference": 0.0, "low": -0.1, "high": 0.1},
            row | {"stratum": "strong", "difference": 0.3, "low": 0.2, "high": 0.4},
        ]
    )
    found = verdicts(answer("mine", values), answer("cell-count", values), strata=strata)
    no_less = strata.assign(difference=0.3, high=0.6)  # only less is known of the weak ones
    assert not [
        v for v in verdicts(answer("mine", values), answer("cell-count", values), strata=no_less) if v.kind == "where"
    ]
    (said,) = [v.claim for v in found if v.kind == "where"]
    assert "strongest, +0.30 [0.20, 0.40], and not for certain on the weakest, +0.00 [-0.10, 0.10]" in said


def test_a_metric_that_cannot_tell_is_marked(values):
    row = dict.fromkeys(METRIC_COLUMNS, np.nan)
    row |= {
        "task": RETRIEVAL.id,
        "profiling": "raw",
        "best_baseline": "cell-count",
        "grade": "cannot tell",
        "why": "so",
    }
    told = row | {"profiling": "tvn", "grade": "tells"}
    found = verdicts(answer("mine", values), answer("cell-count", values), metrics=pd.DataFrame([row, told]))
    (said,) = [v for v in found if v.kind == "metric"]
    assert (said.claim, said.profiling) == ("the metric cannot tell: so.", "raw")
