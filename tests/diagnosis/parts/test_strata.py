"""Strata of scores whose truth is known: where one encoder wins, and where a trend would be an artefact."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts.strata import compare_strata
from phenolens.evaluation import Skipped, evaluate, tabulate_scores
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


def find(*answers, embeddings=NOWHERE):
    return compare_strata(evaluation_of(*answers, embeddings=embeddings))


def strata(*answers, embeddings=NOWHERE, by="strength"):
    """Return stratum -> record of the strata of one kind."""
    found = find(*answers, embeddings=embeddings)
    return {record.stratum: record for record in found.records if record.by == by}


def skip(by, reason):
    return Skipped("strata", reason, by, RETRIEVAL.id, "raw", "mine")


def n_units(found):
    return {stratum: record.gain.n_units for stratum, record in found.items()}


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
    assert list(found) == ["weak", "middle", "strong"]
    for record in found.values():
        assert (record.encoder, record.baseline) == ("mine", "cell-count")
        assert (record.task, record.profiling) == (RETRIEVAL.id, "raw")
        assert record.gain.n_units == 20
    strong, weak = found["strong"].gain, found["weak"].gain
    assert strong.low > 0.1
    assert strong.p < 0.001
    assert weak.low < 0 < weak.high
    assert weak.p > 0.05


def test_values_are_those_of_the_stratum(truth):
    mine, count, third = noisy(truth, 0), noisy(truth, 1), noisy(truth - 0.1, 2)
    found = strata(answer("mine", mine), answer("cell-count", count), answer("pixel-statistics", third))
    strong = np.argsort(third)[-20:]
    assert_allclose(found["strong"].value, mine[strong].mean())
    assert_allclose(found["strong"].baseline_value, count[strong].mean())
    assert_allclose(found["strong"].gain.value, (mine - count)[strong].mean())
    assert_allclose([record.chance for record in found.values()], 0.1)


def test_equal_encoders_show_no_trend_though_their_own_values_would(truth):
    ours, naive, p = [], [], []
    for seed in range(40):
        mine, count, third = (noisy(truth, 3 * seed + part, sd=0.15) for part in range(3))
        # The baseline is lifted by a constant, so that it is the best one and the third tells strength.
        found = strata(answer("mine", mine + 1), answer("cell-count", count + 1), answer("pixel-statistics", third))
        ours.append(found["strong"].gain.value - found["weak"].gain.value)
        p += [record.gain.p for record in found.values()]
        order, difference = np.argsort(mine), mine - count
        naive.append(difference[order[-20:]].mean() - difference[order[:20]].mean())
    error = np.std(ours) / np.sqrt(len(ours))
    assert abs(np.mean(ours)) < 3 * error
    assert np.mean(naive) > 0.05 > 3 * error
    assert np.mean(np.array(p) <= 0.05) < 0.12


def test_strength_is_not_measured_by_an_encoder_at_chance(truth):
    answers = [answer("mine", noisy(truth, 0)), answer("cell-count", noisy(truth, 1))]
    useful = strata(*answers, answer("pixel-statistics", noisy(truth, 2) - 0.1))
    idle = noisy(0 * truth, 3)
    idle += 0.101 - idle.mean()  # above chance by luck
    diluted = strata(*answers, answer("pixel-statistics", noisy(truth, 2) - 0.1), answer("file-size", idle))
    assert len(useful) == 3
    assert diluted == useful
    reason = "strength is measured by other encoders, of which none is distinguishable from chance"
    assert find(*answers, answer("file-size", idle)) == Found(skipped=(skip("strength", reason),))


def test_few_units_are_not_split_and_it_is_said():
    few = np.linspace(0.2, 0.9, 11)
    found = find(answer("mine", few), answer("cell-count", few), answer("pixel-statistics", few - 0.1))
    assert found == Found(skipped=(skip("strength", "thirds by strength need at least 12 units, found 11"),))


def test_units_of_equal_strength_stay_together():
    third = np.repeat([0.4, 0.6, 0.9], [10, 8, 12])
    found = strata(answer("mine", third), answer("cell-count", third), answer("pixel-statistics", third - 0.1))
    assert n_units(found) == {"weak": 10, "middle": 8, "strong": 12}


def test_strengths_that_tie_have_no_thirds():
    third = np.repeat([0.4, 0.9], [10, 20])
    found = find(answer("mine", third), answer("cell-count", third), answer("pixel-statistics", third - 0.1))
    reason = "too many of 30 units are found equally well for thirds by strength"
    assert found == Found(skipped=(skip("strength", reason),))


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
    assert n_units(found) == dict.fromkeys(expected, 30)
    *lower, highest = found.values()
    assert highest.gain.low > 0.1
    assert all(record.gain.p > 0.05 for record in lower)


def test_doses_in_several_units_are_not_compared():
    dose, names = np.array([1.0, 2.0] * 10), [f"c{i} {1 + i % 2:g} {'nM' if i < 10 else 'uM'}" for i in range(20)]
    found = find(
        answer("mine", noisy(dose, 0), names=names),
        answer("cell-count", noisy(dose, 1), names=names),
        embeddings=wells(dose, unit=["nM"] * 10 + ["uM"] * 10),
    )
    assert not found.records
    assert skip("dose", "doses are in several units: nM, uM") in found.skipped


def test_strata_of_few_units_have_no_limits_and_those_of_one_are_skipped(truth):
    kind = np.repeat(["many", "few", "one"], [54, 5, 1])
    found = find(answer("mine", truth + 0.1), answer("cell-count", truth), embeddings=wells(kind=kind))
    few, many = found.records
    assert (few.stratum, few.gain.n_units, many.stratum, many.gain.n_units) == ("few", 5, "many", 54)
    assert_allclose([few.gain.value, many.gain.value], 0.1)
    assert np.isnan([few.gain.low, few.gain.high, few.gain.p]).all()
    assert np.isfinite([many.gain.low, many.gain.high, many.gain.p]).all()
    assert skip("perturbation_type", "fewer than 2 independent units in one") in found.skipped


def test_more_classes_than_can_be_described_are_skipped(truth):
    kind = [f"kind {i}" for i in range(51)]
    found = find(answer("mine", truth), answer("cell-count", truth), embeddings=wells(kind=kind))
    assert not found.records
    assert skip("perturbation_type", "at most 50 are described one by one, found 51") in found.skipped


def test_kinds_of_perturbation_are_strata_where_there_are_several(truth):
    kind = np.where(np.arange(60) % 2, "crispr", "compound")
    answers = [answer("mine", truth + 0.1 * (kind == "crispr")), answer("cell-count", truth)]
    found = strata(*answers, embeddings=wells(kind=kind), by="perturbation_type")
    assert n_units(found) == {"compound": 30, "crispr": 30}
    assert_allclose([record.gain.value for record in found.values()], [0, 0.1], atol=1e-12)
    assert not strata(*answers, embeddings=wells(kind=["crispr"] * 60), by="perturbation_type")


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
    found = compare_strata(evaluation)
    assert not found.skipped
    assert {record.by for record in found.records} == {"class"}
    assert [record.stratum for record in found.records] == ["a", "b", "c"]
    of_a, of_b, _ = found.records
    assert of_a.gain.low > 0.3
    assert of_b.gain.high < -0.3
    scores = tabulate_scores(evaluation).set_index("encoder")["value"]
    mean = np.mean([record.value for record in found.records])
    assert_allclose(mean, scores["mine"])  # balanced accuracy is the mean over classes
    units = evaluation.scores[0].score.units.query("stratum == 'a'")
    assert_allclose(of_a.value, stratified_mean(units["value"], units["weight"])[0])


def test_baselines_alone_and_leaking_splits_have_no_strata(truth):
    assert find(answer("cell-count", truth), answer("pixel-statistics", truth)) == Found()
    leaking = make_task("ridge-probe", label="kind", group="movie", split="random")
    leak = Leak(9, 10)
    mine, count = (answer(name, truth, task=leaking, leak=leak) for name in ("mine", "cell-count"))
    assert find(mine, count) == Found()
