"""Scores with less data, of vectors whose truth is known."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose, assert_equal

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts import less_data
from phenolens.diagnosis.parts.less_data import compare_with_less_data
from phenolens.diagnosis.records import LessDataScore
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

PROBE = make_task("ridge-probe", label="kind", group="movie")
CONTROLS = make_task("replicate-retrieval", measures="activity", n_permutations=20)
OTHERS = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
N_CONDITIONS, N_REPLICATES = 16, 6


@pytest.fixture(scope="module")
def cells() -> dict[str, AnnData]:
    """Return cells of two kinds: an encoder that sees them in noise, one that sees nothing, a baseline between."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"kind": np.tile(["a", "b"], 200), "movie": np.repeat([f"m{i}" for i in range(40)], 10)},
        index=[f"c{i}" for i in range(400)],
    )

    def reader(signal):
        x = rng.normal(size=(400, 10))
        x[:, :4] += signal * (obs["kind"] == "a").to_numpy()[:, None]
        return AnnData(x, obs=obs)

    return {"mine": reader(1.5), "nothing": reader(0.0), "pixel-statistics": reader(0.7)}


@pytest.fixture(scope="module")
def wells() -> dict[str, AnnData]:
    """Return wells of conditions on three plates, and as many of controls."""
    rng = np.random.default_rng(0)
    treated = np.repeat(np.arange(N_CONDITIONS), N_REPLICATES)
    n = len(treated) + 60
    obs = pd.DataFrame(
        {
            "plate": [f"p{i % 3}" for i in range(n)],
            "well": [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)][:n],
            "perturbation": [*(f"c{i}" for i in treated), *["dmso"] * 60],
            "role": ["treatment"] * len(treated) + ["negative_control"] * 60,
        },
        index=[f"s{i}" for i in range(n)],
    )
    effect = np.vstack([rng.normal(size=(N_CONDITIONS, 8))[treated], np.zeros((60, 8))])

    def reader(signal):
        return AnnData(signal * effect + rng.normal(size=(n, 8)), obs=obs)

    return {"mine": reader(1.2), "nothing": reader(0.0), "untrained/resnet18@seed=0": reader(0.5)}


def found(vectors, task):
    return compare_with_less_data(evaluate(vectors, [task]))


def curves(vectors, task) -> dict[str, list[LessDataScore]]:
    """Return encoder -> its scores with rising amounts of data; nothing is skipped."""
    result = found(vectors, task)
    assert result.skipped == ()
    by_encoder: dict[str, list[LessDataScore]] = {}
    for record in result.records:
        by_encoder.setdefault(record.encoder, []).append(record)
    return by_encoder


def scores_of(vectors, task):
    return {each.encoder: each.score for each in evaluate(vectors, [task]).scores}


def test_a_probe_rises_with_shots_where_there_is_something_to_learn(cells):
    by_encoder = curves(cells, PROBE)
    mine = by_encoder["mine"]
    assert {record.data for record in mine} == {"shots"}
    assert [record.amount for record in mine] == [1, 5, 20, 100, 160]  # 200 of each, four folds of five
    assert mine[-1].estimate.value > mine[0].estimate.value + 0.1
    assert all(record.estimate.low > record.chance for record in mine[1:])
    assert mine[-1].gain.low > 0
    for record in by_encoder["nothing"]:
        assert record.estimate.low <= record.chance + 0.02
        assert record.estimate.high >= record.chance - 0.02


def test_the_baseline_is_on_the_curve_and_is_compared_with_nothing(cells):
    by_encoder = curves(cells, PROBE)
    assert list(by_encoder) == ["pixel-statistics", "mine", "nothing"]
    baseline = by_encoder["pixel-statistics"]
    assert all(np.isnan(record.gain.value) for record in baseline)
    for record, best in zip(by_encoder["mine"], baseline, strict=True):
        assert (record.baseline, record.amount) == ("pixel-statistics", best.amount)
        assert_allclose(record.gain.value, record.estimate.value - best.estimate.value)


def test_few_shots_are_those_of_the_option_of_that_name(cells):
    few = PROBE.model_copy(update={"shots": 5})
    expected = scores_of(cells, few)
    by_encoder = curves(cells, PROBE)
    assert set(by_encoder) == set(expected)
    for encoder, records in by_encoder.items():
        (five,) = [record for record in records if record.amount == 5]
        assert_allclose(five.estimate.value, expected[encoder].value)
    assert found(cells, few).records == ()  # the recipe makes such a curve itself


@pytest.mark.parametrize("task", [CONTROLS, OTHERS], ids=lambda task: task.measures)
def test_retrieval_rises_with_replicates_and_ends_with_the_evaluation(wells, task):
    by_encoder = curves(wells, task)
    whole = scores_of(wells, task)
    assert set(by_encoder) == set(whole)
    for encoder, records in by_encoder.items():
        assert {record.data for record in records} == {"replicates"}
        assert [record.amount for record in records] == [2, 3, 4, N_REPLICATES]
        assert_allclose(records[-1].estimate.value, whole[encoder].value)
        assert_allclose(records[-1].chance, whole[encoder].chance)
        assert {record.estimate.n_units for record in records} == {N_CONDITIONS}
    mine = by_encoder["mine"]
    assert all(record.estimate.low > record.chance for record in mine)
    assert all(abs(record.estimate.value - record.chance) < 0.1 for record in by_encoder["nothing"])
    if task is CONTROLS:  # against others, what should not be found grows with what should
        values = [record.estimate.value for record in mine]
        assert values == sorted(values)


def test_replicates_are_taken_from_as_many_plates_as_possible_and_controls_stay(wells, monkeypatch):
    scored = []
    rescore = less_data.rescore

    def record_rows(task, rows, *rest, **named):
        scored.append(rows.obs)
        return rescore(task, rows, *rest, **named)

    monkeypatch.setattr(less_data, "rescore", record_rows)
    curves({"mine": wells["mine"]}, CONTROLS)
    assert len(scored) == 3 * 3 + 1
    draws = set()
    for obs in scored:
        treatments = obs[obs["role"] == "treatment"]
        per_plate = treatments.groupby("perturbation")["plate"].agg(["nunique", "size"])
        assert (per_plate["nunique"] == per_plate["size"].clip(upper=3)).all()
        assert (obs["role"] == "negative_control").sum() == 60
        draws.add(tuple(treatments.index))
    assert len(draws) == len(scored)


def test_large_data_are_sampled_by_whole_perturbations(wells, monkeypatch):
    monkeypatch.setattr("phenolens.tasks.less_data._MOST_WELLS", 50)
    for records in curves(wells, OTHERS).values():
        assert {record.estimate.n_units for record in records} == {8}
        assert {record.note for record in records} == {"a sample of 48 of 96 treated wells"}
    monkeypatch.setattr("phenolens.tasks.less_data._MOST_WELLS", 5)
    result = found(wells, OTHERS)
    assert result.records == ()
    assert [skipped.encoder for skipped in result.skipped] == ["untrained/resnet18", "mine", "nothing"]
    for skipped in result.skipped:
        assert (skipped.part, skipped.what) == ("less data", "replicates")
        assert (skipped.task, skipped.profiling) == (OTHERS.id, "raw")
        assert "none of 1 perturbations has 2 wells" in skipped.reason


def test_what_has_no_less_has_a_note(wells, cells):
    two = {name: vectors[vectors.obs.groupby("perturbation").cumcount() < 2].copy() for name, vectors in wells.items()}
    for records in curves(two, OTHERS).values():
        assert [record.amount for record in records] == [2]
        assert records[0].note.startswith("the median perturbation has 2 wells, too few")
    some = {name: vectors[:8].copy() for name, vectors in cells.items()}
    few = curves(some, make_task("ridge-probe", label="kind", folds=2))
    assert [record.amount for record in few["mine"]] == [1, 2]


def test_baselines_alone_are_not_scored_and_numbers_do_not_change(wells):
    name = "untrained/resnet18@seed=0"
    assert found({name: wells[name]}, OTHERS) == Found()
    for one, other in zip(found(wells, OTHERS).records, found(wells, OTHERS).records, strict=True):
        assert_equal(asdict(one), asdict(other))


def test_amounts_with_fewer_than_two_units_are_skipped(wells, monkeypatch):
    evaluation = evaluate(wells, [OTHERS])
    one_unit = evaluation.scores[0].score.units.iloc[:1]
    rescore = less_data.rescore

    def rescore_one_unit(task, rows, *rest, **named):
        return replace(rescore(task, rows, *rest, **named), units=one_unit)

    monkeypatch.setattr(less_data, "rescore", rescore_one_unit)
    result = compare_with_less_data(evaluation)
    assert result.records == ()
    assert result.skipped[0].reason == "2 replicates: needs at least 2 independent units, found 1"
    assert len(result.skipped) == 3 * 4


def test_a_class_that_is_too_small_for_fewer_shots_has_a_note(cells):
    rows = np.r_[0:4, 6]  # three of one kind and two of the other
    few = {name: vectors[rows].copy() for name, vectors in cells.items()}
    for records in curves(few, make_task("ridge-probe", label="kind", folds=2)).values():
        assert len(records) == 1
        assert records[0].note.startswith("2 classes, the smallest with 1 ")
