"""Comparisons and verdicts on answers whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose

from phenolens.diagnosis import compare_families
from phenolens.diagnosis.claims import control_claims
from phenolens.diagnosis.comparison import PAIR_COLUMNS, compare_tested
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.knowledge.ask import PAIR_COLUMNS as LEVEL_PAIR_COLUMNS
from phenolens.diagnosis.knowledge.ask import VARIANCE_COLUMNS
from phenolens.diagnosis.nuisance import COLUMNS as NUISANCE_COLUMNS
from phenolens.diagnosis.retention import COLUMNS
from phenolens.diagnosis.sensitivity.describe import COLUMNS as METRIC_COLUMNS
from phenolens.diagnosis.verdicts.judge import judge
from phenolens.diagnosis.where.selection import COLUMNS as SWEEP_COLUMNS
from phenolens.diagnosis.where.strata import COLUMNS as STRATA_COLUMNS
from phenolens.evaluation import evaluate, paired_p, tabulate_units
from phenolens.tasks import Leak, Score, make_task
from phenolens.tasks.score import unit_table

pytestmark = pytest.mark.integration

RETRIEVAL = make_task("replicate-retrieval")
RANDOM = make_task("linear-probe", label="kind", group="movie", split="random")
GROUPED = make_task("linear-probe", label="kind", group="movie")


def answer(encoder, values, task=RETRIEVAL, leak=None, p=0.5, details=None):
    units = unit_table([f"u{i}" for i in range(len(values))], values, chance=0.1, p=p)
    score = Score("mAP", "perturbation", units, leak=leak, details=details or {})
    low, high = score.interval(np.random.default_rng(0))
    return scored(encoder, score, task, low=low, high=high)


EMPTY = {
    "pairs": list(PAIR_COLUMNS),
    "ranks": [],
    "metrics": list(METRIC_COLUMNS),
    "shortcuts": ["shortcut", "way", "fit", *COLUMNS],
    "similarities": [],
    "nuisances": list(NUISANCE_COLUMNS),
    "interventions": ["intervention", *COLUMNS, "shift"],
    "levels": ["family", "level", "r", "p"],
    "level_pairs": list(LEVEL_PAIR_COLUMNS),
    "factors": [],
    "variance": list(VARIANCE_COLUMNS),
    "strata": list(STRATA_COLUMNS),
    "efficiency": [],
    "sweep": list(SWEEP_COLUMNS),
    "degeneracy": ["encoder", "finding"],
}
CLAIMED = ("comparisons", "pairs", "shortcuts", "interventions", "levels", "level_pairs")


def verdicts(*answers, **found):
    evaluation = evaluation_of(*answers)
    tables = {name: pd.DataFrame(columns=columns) for name, columns in EMPTY.items()}
    tables |= {"comparisons": compare_families(evaluation), "pairs": compare_tested(evaluation.claiming)} | found
    tables |= control_claims(evaluation, {name: tables[name] for name in CLAIMED})
    tables["comparisons"] = tables["comparisons"].assign(scaled=np.nan)
    return judge(evaluation, Evidence(**tables, truth=False, not_asked={}))


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(0.3, 0.7, 60)


def test_a_family_is_the_mean_of_its_seeds_and_differences_are_paired(values):
    rng = np.random.default_rng(1)
    jitter = rng.normal(0, 0.02, 60)
    evaluation = evaluation_of(
        answer("mine", values + 0.05),
        answer("untrained/resnet18@seed=0", values + jitter),
        answer("untrained/resnet18@seed=1", values - jitter),
    )
    table = compare_families(evaluation)
    assert table[["encoder", "baseline"]].values.tolist() == [["mine", "untrained/resnet18"]]
    row = table.iloc[0]
    assert_allclose(row["difference"], 0.05)
    # Unpaired, the interval would be about 0.08 wide.
    assert_allclose([row["low"], row["high"]], 0.05, atol=1e-9)
    assert row["n_units"] == 60


def test_units_that_only_one_of_two_has_are_left_out_of_their_comparison(values):
    table = compare_families(evaluation_of(answer("mine", values[:20]), answer("cell-count", values - 0.1)))
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
        (gain,) = [v for v in verdicts(answer("mine", one), answer("cell-count", other)) if v.kind == "gain"]
        called += "cannot be told" not in gain.claim
    assert called / 200 <= 0.08


def test_an_equal_of_many_baselines_rarely_falls_short_of_the_best_of_them():
    rng = np.random.default_rng(8)
    said = []
    for _ in range(60):
        truth = rng.uniform(0.3, 0.7, 40)
        own = [truth + rng.normal(0, 0.1, 40) for _ in range(13)]
        names = ["mine", *(f"untrained/net{number}" for number in range(12))]
        said += [v for v in verdicts(*map(answer, names, own)) if v.kind == "gain"]
    assert sum("falls short" in v.claim for v in said) <= 4
    assert np.mean([v.effect < 0 for v in said]) > 0.8  # the best of many looks better than its equals


def test_better_than_another_below_chance_is_no_win():
    rng = np.random.default_rng(9)
    found = verdicts(
        answer("mine", rng.normal(0.09, 0.01, 60)),
        answer("yours", rng.normal(0.05, 0.01, 60)),
        answer("cell-count", rng.normal(0.02, 0.01, 60)),
    )
    claims = [v.claim for v in found if v.kind in ("gain", "pair")]
    assert len(claims) == 3
    for claim in claims:
        assert " cannot be ranked with " in claim
        assert "neither can be told from chance" in claim


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
    leak = Leak(9, 10)
    few = GROUPED.model_copy(update={"shots": 5})
    found = verdicts(
        answer("cell-count", values, RANDOM, leak),
        answer("cell-count", values, GROUPED),
        answer("cell-count", values - 0.3, few),
    )
    assert_allclose(found[0].effect, 0, atol=1e-12)


def test_a_leaking_split_is_named_and_supports_no_claim(values):
    leak = Leak(9, 10)
    found = verdicts(
        answer("cell-count", values + 0.2, RANDOM, leak),
        answer("cell-count", values, GROUPED),
    )
    assert found[0].kind == "leak"
    assert "9 of 10 groups" in found[0].claim
    assert_allclose(found[0].effect, 0.2)
    assert {verdict.task for verdict in found if verdict.kind != "leak"} == {GROUPED.id}


def test_a_leaking_split_without_its_counterpart_asks_for_one(values):
    leak = Leak(9, 10)
    (leak,) = verdicts(answer("cell-count", values, RANDOM, leak))
    assert "Split by group" in leak.claim
    assert np.isnan(leak.effect)


def test_activity_is_said_of_what_is_under_test(values):
    p = np.where(np.arange(60) < 13, 0.001, 0.6)
    found = verdicts(answer("mine", values - 0.2, p=p), answer("cell-count", values, p=np.append(p[1:], 0.6)))
    (said,) = [v for v in found if v.kind == "activity"]
    assert said.encoder == "mine"
    assert "tells 13 of 60 perturbations from controls" in said.claim
    assert "the best baseline, cell-count, 12." in said.claim


def test_activity_is_controlled_over_all_encoders_under_test(values):
    def active(*names):
        answers = [answer(name, values, p=0.03) for name in names]
        return [v.effect for v in verdicts(*answers, answer("cell-count", values)) if v.kind == "activity"]

    assert active("mine") == [1.0]
    assert active("mine", "yours") == [0.0, 0.0]


def test_activity_is_not_lent_by_others(values):
    own = (np.arange(60) + 0.5) / 60  # beside so many discoveries of others, two of these would pass for some
    others = [answer(name, values, p=0.0005) for name in ("cell-count", "well-position", "pixel-statistics")]
    (said,) = [v for v in verdicts(answer("mine", values, p=own), *others) if v.kind == "activity"]
    assert "mine tells 0 of 60" in said.claim


def test_too_few_controls_are_said_instead_of_no_activity(values):
    few = {"": {"least_p_adjusted": 0.1}}
    found = verdicts(answer("mine", values, p=0.1, details=few), answer("cell-count", values))
    (said,) = [v for v in found if v.kind == "activity"]
    assert "none of 60 perturbations can be told from controls" in said.claim
    assert "no adjusted p value falls below 0.1" in said.claim


def test_activity_counts_discoveries(values):
    p = np.where(np.arange(60) < 13, 0.01, 0.6)
    (activity,) = [v for v in verdicts(answer("cell-count", values, p=p)) if v.kind == "activity"]
    assert "tells 13 of 60 perturbations from controls" in activity.claim
    table = tabulate_units(evaluation_of(answer("cell-count", values, p=p)))
    assert table["significant"].sum() == 13  # what tables and charts show is what the verdict counts


def test_a_unit_is_significant_in_the_median_over_seeds(values):
    p = [np.where(np.arange(60) < found, 1e-5, 1.0) for found in (10, 20, 30)]
    seeds = [answer(f"untrained/resnet18@seed={seed}", values, p=own) for seed, own in enumerate(p)]
    table = tabulate_units(evaluation_of(*seeds))
    assert table.groupby("encoder")["significant"].sum().tolist() == [20, 20, 20]
    (activity,) = [v for v in verdicts(*seeds) if v.kind == "activity"]
    assert "tells 20 of 60 perturbations" in activity.claim


def test_false_claims_are_controlled_over_the_whole_card():
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.3, 0.7, 40)
    questions = [make_task("linear-probe", label=f"kind{number}", group="movie") for number in range(20)]
    called = 0
    for _ in range(5):
        answers = [
            answer(name, truth + rng.normal(0, 0.1, 40), task) for task in questions for name in ("mine", "cell-count")
        ]
        called += any("cannot be told" not in verdict.claim for verdict in verdicts(*answers) if verdict.kind == "gain")
    assert called <= 1  # 20 questions each: without the adjustment nearly every card would claim something


def test_few_units_support_no_claim():
    found = verdicts(answer("mine", np.full(5, 0.9)), answer("cell-count", np.full(5, 0.1)))
    (gain,) = [verdict for verdict in found if verdict.kind == "gain"]
    assert "cannot be told from" in gain.claim
    assert gain.p_adjusted == pytest.approx(2 / 32)


def levels_of(**known):
    row = {"family": "mine", "best": "mesh", "r": 0.5, "p": 0.001, "mean_r": 0.4, "low": 0.3, "high": 0.5}
    nothing = dict.fromkeys(("twin", "gain", "gain_low", "gain_high"), np.nan)
    return pd.DataFrame([row | nothing | {"level": level} | own for level, own in known.items()])


def test_levels_are_known_by_effect_and_adjusted_p(values):
    levels = levels_of(
        texture={"twin": 0.1, "gain": 0.3, "gain_low": 0.2, "gain_high": 0.4},
        shape={"p": 0.2},
        density={"r": 0.15},
        intensity={"twin": 0.39, "gain": 0.01, "gain_low": -0.02, "gain_high": 0.04},
    )
    found = {v.claim for v in verdicts(answer("mine", values), answer("cell-count", values), levels=levels)}
    assert (
        "mine knows texture, beyond shape, density, intensity: best mesh, r 0.50; better than its untrained twin: "
        "+0.30 [0.20, 0.40] on average; adjusted p 0.002." in found
    )
    assert any("intensity" in claim and "not for certain better than its untrained twin" in claim for claim in found)
    assert "mine hardly reads density (r 0.15); it knows nothing measurable about shape." in found


def test_a_baseline_is_not_judged_by_levels(values):
    levels = levels_of(texture={"family": "cell-count"})
    assert not [v for v in verdicts(answer("cell-count", values), levels=levels) if v.kind in ("level", "unknown")]


def test_a_collapsed_embedding_comes_first(values):
    degeneracy = pd.DataFrame({"encoder": ["mine", "cell-count"], "finding": ["collapsed: all rows are alike", ""]})
    found = verdicts(answer("mine", values), answer("cell-count", values), degeneracy=degeneracy)
    assert found[0].claim == "mine is no embedding to be scored: collapsed: all rows are alike."
    assert [v.kind for v in found].count("degenerate") == 1


def test_what_a_score_needs_and_does_not(values):
    row = {"family": "mine", "task": RETRIEVAL.id, "profiling": "raw", "value": 0.2, "before": 0.5, "chance": 0.1}
    changed = [
        ("no-nuclei", 0.1, 0.05, 0.2, 0.0001),
        ("turn", 0.98, 0.9, 1.05, 0.4),
        ("blur:1", 0.8, 0.4, 1.3, 0.3),
        ("flip", np.nan, np.nan, np.nan, np.nan),
    ]
    rows = [row | dict(zip(("intervention", "retention", "low", "high", "p"), one, strict=True)) for one in changed]
    table = pd.DataFrame(rows).assign(shift=0.1)
    found = verdicts(answer("mine", values), answer("cell-count", values), interventions=table)
    (use,) = [verdict.claim for verdict in found if verdict.kind == "use"]
    assert use == "the score of mine falls after no-nuclei (10% [5%, 20%]); is kept after turn (98% [90%, 105%])."


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


def test_a_shortcut_is_said_once_in_all_its_ways(values):
    row = {"shortcut": "cell count", "family": "mine", "task": RETRIEVAL.id, "profiling": "raw", "n_units": 60}
    row |= {"before": 0.5, "chance": 0.1, "p": 0.0001}
    ways = [
        {"way": "matched", "fit": "", "value": 0.3, "retention": 0.5, "low": 0.4, "high": 0.6},
        {"way": "regressed out", "fit": "all", "value": 0.2, "retention": 0.25, "low": 0.2, "high": 0.3},
        {"way": "left out", "fit": "", "value": 0.5, "retention": 1.0, "low": 0.9, "high": 1.1, "p": 0.9},
    ]
    table = pd.DataFrame([row | way for way in ways])
    found = verdicts(answer("mine", values), answer("cell-count", values), shortcuts=table)
    (said,) = [v for v in found if v.kind == "shortcut"]
    assert said.claim.startswith(
        "cell count explains 75% [70%, 80%] when regressed out, with all that goes with it (0.50 becomes 0.20) and "
        "50% [40%, 60%] when matched (0.50 among as many candidates becomes 0.30) of what mine scores above chance, "
        "and 0% [-10%, 10%] when left out (0.50 among as many candidates becomes 0.50); adjusted p "
    )
    assert_allclose((said.effect, said.low, said.high), (0.75, 0.7, 0.8))


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


def test_what_the_largest_component_follows_is_said(values):
    variance = pd.DataFrame(
        [("mine", "density", 0.3, 0.1, 0.61, 0.4), ("mine", "batch", 0.1, 0.1, 0.2, 0.4)], columns=VARIANCE_COLUMNS
    )
    found = verdicts(answer("mine", values), answer("cell-count", values), variance=variance)
    (said,) = [v.claim for v in found if v.kind == "component"]
    assert said == "the first component of mine, 40% of its variance, follows density: 61% of it."


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
        x = [own @ rng.normal(size=(3, 16)) + 0.5 * rng.normal(size=(120, 16)) for own in seen]
        evaluation = evaluate({"one": AnnData(x[0], obs=obs), "other": AnnData(x[1], obs=obs)}, [probe])
        found.append(compare_tested(evaluation.claiming)["p"].iloc[0])
        (question,) = evaluation.questions.values()
        values = question.values
        narrow.append(paired_p(values["one"], values["other"], rng))
    assert np.mean(np.array(found) <= 0.05) <= 0.05
    assert np.mean(found) > np.mean(narrow) + 0.05  # units alone tell too little
