"""Strata of answers whose truth is known: where one encoder wins, and where a trend would be an artefact."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose

from phenolens.diagnosis.where.strata import compare_strata
from phenolens.evaluation import evaluate, tabulate_scores
from phenolens.metrics import stratified_mean
from phenolens.tasks import Leak, Score, make_task

RETRIEVAL = make_task("replicate-retrieval")
PROBE = make_task("ridge-probe", label="kind", group="movie")
NOWHERE = {"mine": AnnData(np.zeros((1, 1)), obs=pd.DataFrame({"site": ["1"]}, index=["s"]))}


def answer(encoder, values, *, names=None, strata="", task=RETRIEVAL, chance=0.1, **score):
    names = [f"c{i}" for i in range(len(values))] if names is None else names
    units = pd.DataFrame({"unit": names, "stratum": strata, "value": values, "weight": 1.0, "chance": chance})
    score = Score("mAP", "perturbation", units.assign(p=0.5, p_adjusted=0.5), **score)
    low, high = score.interval(np.random.default_rng(0))
    return scored(encoder, score, task, low=low, high=high)


def strata(*answers, embeddings=NOWHERE, by="strength"):
    table = compare_strata(evaluation_of(*answers, embeddings=embeddings))
    return table[table["by"] == by].set_index("stratum")


def wells(dose=None, kind=None, unit="uM"):
    """Return a well of each condition; perturbations are called c0, c1, ..."""
    n = len(dose if dose is not None else kind)
    obs = pd.DataFrame({"perturbation": [f"c{i}" for i in range(n)]}, index=[f"s{i}" for i in range(n)])
    if dose is not None:
        obs = obs.assign(dose=dose, dose_unit=unit)
    if kind is not None:
        obs["perturbation_type"] = kind
    return {"mine": AnnData(np.zeros((n, 1)), obs=obs)}


@pytest.fixture
def truth():
    return np.linspace(0.2, 0.9, 60)


def noisy(truth, seed, sd=0.05):
    return truth + np.random.default_rng(seed).normal(0, sd, len(truth))


def test_an_encoder_that_wins_among_strong_phenotypes_is_said_to_win_there(truth):
    better = truth + np.where(truth > np.quantile(truth, 2 / 3), 0.2, 0.0)
    found = strata(
        answer("mine", noisy(better, 0)),
        answer("cell-count", noisy(truth, 1)),
        answer("pixel-statistics", noisy(truth - 0.1, 2)),
    )
    assert found.index.tolist() == ["weak", "middle", "strong"]
    assert set(found["baseline"]) == {"cell-count"}
    assert found["n_units"].tolist() == [20, 20, 20]
    assert found.loc["strong", "low"] > 0.1
    assert found.loc["strong", "p"] < 0.001
    assert found.loc["weak", "low"] < 0 < found.loc["weak", "high"]
    assert found.loc["weak", "p"] > 0.05


def test_values_are_those_of_the_stratum(truth):
    mine, count, third = noisy(truth, 0), noisy(truth, 1), noisy(truth - 0.1, 2)
    found = strata(answer("mine", mine), answer("cell-count", count), answer("pixel-statistics", third))
    strong = np.argsort(third)[-20:]
    assert_allclose(found.loc["strong", "value"], mine[strong].mean())
    assert_allclose(found.loc["strong", "baseline_value"], count[strong].mean())
    assert_allclose(found.loc["strong", "difference"], (mine - count)[strong].mean())
    assert_allclose(found["chance"].astype(float), 0.1)


def test_equal_encoders_show_no_trend_though_their_own_values_would(truth):
    ours, naive, p = [], [], []
    for seed in range(40):
        mine, count, third = (noisy(truth, 3 * seed + part, sd=0.15) for part in range(3))
        # The baseline is lifted by a constant, so that it is the best one and the third tells strength.
        found = strata(answer("mine", mine + 1), answer("cell-count", count + 1), answer("pixel-statistics", third))
        ours.append(found.loc["strong", "difference"] - found.loc["weak", "difference"])
        p += found["p"].tolist()
        order, difference = np.argsort(mine), mine - count
        naive.append(difference[order[-20:]].mean() - difference[order[:20]].mean())
    error = np.std(ours) / np.sqrt(len(ours))
    assert abs(np.mean(ours)) < 3 * error
    assert np.mean(naive) > 0.05 > 3 * error
    assert np.mean(np.array(p) <= 0.05) < 0.12


def test_strength_is_not_told_by_a_family_that_knows_nothing(truth):
    answers = [answer("mine", noisy(truth, 0)), answer("cell-count", noisy(truth, 1))]
    useful = strata(*answers, answer("pixel-statistics", noisy(truth, 2) - 0.1))
    idle = noisy(0 * truth, 3)
    idle += 0.101 - idle.mean()  # above chance by luck
    diluted = strata(*answers, answer("pixel-statistics", noisy(truth, 2) - 0.1), answer("file-size", idle))
    assert_allclose(diluted["value"].astype(float), useful["value"].astype(float))
    alone = strata(*answers, answer("file-size", idle))
    assert alone["caveat"].tolist() == ["no other family is above chance for certain, by which strength could be told"]
    assert alone["value"].isna().all()


def test_few_units_are_not_parted_and_it_is_said():
    few = np.linspace(0.2, 0.9, 11)
    found = strata(answer("mine", few), answer("cell-count", few), answer("pixel-statistics", few - 0.1))
    assert found["caveat"].tolist() == ["11 units are too few to be parted by strength; 12 are not"]


def test_units_of_equal_strength_stay_together():
    third = np.repeat([0.4, 0.6, 0.9], [10, 8, 12])
    found = strata(answer("mine", third), answer("cell-count", third), answer("pixel-statistics", third - 0.1))
    assert found["n_units"].to_dict() == {"weak": 10, "middle": 8, "strong": 12}


def test_strengths_that_tie_have_no_thirds():
    third = np.repeat([0.4, 0.9], [10, 20])
    found = strata(answer("mine", third), answer("cell-count", third), answer("pixel-statistics", third - 0.1))
    assert found["caveat"].tolist() == ["of 30 units so many are found equally well that strength has no thirds"]
    assert found["value"].isna().all()


@pytest.mark.parametrize(
    ("doses", "expected"),
    [
        ([1, 3, 10], ["1 uM", "3 uM", "10 uM"]),
        ([0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000], ["low", "middle", "high"]),
    ],
)
def test_an_encoder_that_wins_at_high_doses_is_said_to_win_there(doses, expected):
    dose = np.tile(doses, 90 // len(doses)).astype(float)
    base = np.full(90, 0.4)
    names = [f"c{i} {value:g} uM" for i, value in enumerate(dose)]
    found = strata(
        answer("mine", noisy(base + 0.2 * (dose > np.quantile(dose, 0.6)), 0), names=names),
        answer("cell-count", noisy(base, 1), names=names),
        embeddings=wells(dose),
        by="dose",
    )
    assert found.index.tolist() == expected
    assert found["n_units"].tolist() == [30, 30, 30]
    assert found["low"].iloc[-1] > 0.1
    assert (found["p"].iloc[:-1] > 0.05).all()


def test_doses_in_several_units_are_not_compared():
    dose, names = np.array([1.0, 2.0] * 10), [f"c{i} {1 + i % 2:g} {'nM' if i < 10 else 'uM'}" for i in range(20)]
    found = strata(
        answer("mine", noisy(dose, 0), names=names),
        answer("cell-count", noisy(dose, 1), names=names),
        embeddings=wells(dose, unit=["nM"] * 10 + ["uM"] * 10),
        by="dose",
    )
    assert found["caveat"].tolist() == ["doses are in several units: nM, uM"]


def test_kinds_of_perturbation_are_strata_where_there_are_several(truth):
    kind = np.where(np.arange(60) % 2, "crispr", "compound")
    answers = [answer("mine", truth + 0.1 * (kind == "crispr")), answer("cell-count", truth)]
    found = strata(*answers, embeddings=wells(kind=kind), by="perturbation_type")
    assert found["n_units"].to_dict() == {"compound": 30, "crispr": 30}
    assert_allclose(found["difference"].astype(float), [0, 0.1], atol=1e-12)
    assert strata(*answers, embeddings=wells(kind=["crispr"] * 60), by="perturbation_type").empty


def test_classes_of_a_probe_are_strata_and_its_groups_have_no_strength():
    rng = np.random.default_rng(0)
    kind = np.tile(["a", "b", "c"], 100)
    obs = pd.DataFrame({"kind": kind, "movie": np.repeat([f"m{i}" for i in range(30)], 10)})
    obs.index = obs.index.astype(str)

    def reader(*classes):
        """Return vectors that tell these classes from all others, and not from one another."""
        x = rng.normal(size=(300, 6))
        x[:, 0] += 6 * np.isin(kind, classes)
        return AnnData(x, obs=obs)

    vectors = {"mine": reader("a"), "pixel-statistics": reader("b"), "power-spectrum": reader()}
    evaluation = evaluate(vectors, [PROBE])
    table = compare_strata(evaluation)
    assert set(table["by"]) == {"class"}
    table = table.set_index("stratum")
    assert table.index.tolist() == ["a", "b", "c"]
    assert table.loc["a", "low"] > 0.3
    assert table.loc["b", "high"] < -0.3
    scores = tabulate_scores(evaluation).set_index("encoder")["value"]
    assert_allclose(table["value"].mean(), scores["mine"])  # balanced accuracy is the mean over classes
    units = evaluation.scores[0].score.units.query("stratum == 'a'")
    assert_allclose(table.loc["a", "value"], stratified_mean(units["value"], units["weight"])[0])


def test_baselines_alone_and_leaking_splits_have_no_strata(truth):
    assert strata(answer("cell-count", truth), answer("pixel-statistics", truth)).empty
    leaking = make_task("ridge-probe", label="kind", group="movie", split="random")
    leak = Leak(9, 10)
    assert strata(
        answer("mine", truth, task=leaking, leak=leak), answer("cell-count", truth, task=leaking, leak=leak)
    ).empty
