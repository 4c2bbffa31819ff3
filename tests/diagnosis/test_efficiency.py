"""Data efficiency of vectors whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.diagnosis.where import efficiency
from phenolens.diagnosis.where.efficiency import data_efficiency
from phenolens.evaluation import evaluate, tabulate_scores
from phenolens.tasks import make_task

PROBE = make_task("ridge-probe", label="kind", group="movie")
CONTROLS = make_task("replicate-retrieval", against="controls", n_permutations=20)
OTHERS = make_task("replicate-retrieval", against="others", n_permutations=20)
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


def curves(vectors, task):
    return data_efficiency(evaluate(vectors, [task]))


def test_a_probe_rises_with_shots_where_there_is_something_to_learn(cells):
    table = curves(cells, PROBE)
    assert set(table["data"]) == {"shots"}
    mine = table.query("family == 'mine'")
    assert mine["amount"].tolist() == [1, 5, 20, 100, 160]  # 200 of each, four folds of five
    assert mine["value"].iloc[-1] > mine["value"].iloc[0] + 0.1
    assert (mine["low"] > mine["chance"]).iloc[1:].all()
    assert mine["difference_low"].iloc[-1] > 0
    nothing = table.query("family == 'nothing'")
    assert (nothing["low"] <= nothing["chance"] + 0.02).all()
    assert (nothing["high"] >= nothing["chance"] - 0.02).all()


def test_the_baseline_is_on_the_curve_and_is_held_against_nothing(cells):
    table = curves(cells, PROBE).set_index(["family", "amount"])
    assert set(table["baseline"]) == {"pixel-statistics"}
    assert table.loc["pixel-statistics", "difference"].isna().all()
    for amount, row in table.loc["mine"].iterrows():
        assert_allclose(row["difference"], row["value"] - table.loc[("pixel-statistics", amount), "value"])


def test_few_shots_are_those_of_the_option_of_that_name(cells):
    table = curves(cells, PROBE).set_index(["family", "amount"])
    evaluation = evaluate(cells, [PROBE.model_copy(update={"shots": 5})])
    five = tabulate_scores(evaluation).set_index("encoder")["value"]
    assert_allclose(table.xs(5, level="amount")["value"].astype(float).sort_index(), five.sort_index())
    assert curves(cells, PROBE.model_copy(update={"shots": 5})).empty  # the recipe has a curve of its own


@pytest.mark.parametrize("task", [CONTROLS, OTHERS], ids=lambda task: task.against)
def test_retrieval_rises_with_replicates_and_ends_with_the_evaluation(wells, task):
    table = curves(wells, task)
    assert set(table["data"]) == {"replicates"}
    whole = tabulate_scores(evaluate(wells, [task])).set_index("family")
    for family, own in table.groupby("family"):
        assert own["amount"].tolist() == [2, 3, 4, N_REPLICATES]
        assert_allclose(own["value"].iloc[-1], whole.loc[family, "value"])
        assert_allclose(own["chance"].iloc[-1], whole.loc[family, "chance"])
        assert set(own["n_units"]) == {N_CONDITIONS}
    beyond = table.assign(beyond=table["value"] - table["chance"]).set_index(["family", "amount"])
    assert (beyond.loc["mine", "low"] > beyond.loc["mine", "chance"]).all()
    assert abs(beyond.loc["nothing", "beyond"]).max() < 0.1
    if task is CONTROLS:  # against others, what should not be found grows with what should
        assert table.query("family == 'mine'")["value"].is_monotonic_increasing


def test_replicates_are_taken_from_as_many_plates_as_possible_and_controls_stay(wells, monkeypatch):
    asked = []
    ask = efficiency.rescore
    monkeypatch.setattr(
        efficiency,
        "rescore",
        lambda task, rows, *rest, **named: asked.append(rows.obs) or ask(task, rows, *rest, **named),
    )
    curves({name: wells[name] for name in ("mine",)}, CONTROLS)
    assert len(asked) == 3 * 3 + 1
    draws = set()
    for obs in asked:
        own = obs[obs["role"] == "treatment"]
        per_plate = own.groupby("perturbation")["plate"].agg(["nunique", "size"])
        assert (per_plate["nunique"] == per_plate["size"].clip(upper=3)).all()
        assert (obs["role"] == "negative_control").sum() == 60
        draws.add(tuple(own.index))
    assert len(draws) == len(asked)


def test_large_data_are_sampled_by_whole_perturbations(wells, monkeypatch):
    monkeypatch.setattr("phenolens.tasks.less_data._MOST_WELLS", 50)
    table = curves(wells, OTHERS)
    assert set(table["n_units"]) == {8}
    assert set(table["caveat"]) == {"a sample of 48 of 96 treated wells"}
    monkeypatch.setattr("phenolens.tasks.less_data._MOST_WELLS", 5)
    said = curves(wells, OTHERS)
    assert said["caveat"].str.contains("none of 1 perturbations has 2 wells and others to rank").all()
    assert said["value"].isna().all()


def test_what_has_no_less_is_said(wells, cells):
    two = {name: own[own.obs.groupby("perturbation").cumcount() < 2].copy() for name, own in wells.items()}
    table = curves(two, OTHERS)
    assert set(table["amount"]) == {2}
    assert set(table["caveat"]) == {"the median perturbation has 2 wells, too few for fewer"}
    some = {name: own[:8].copy() for name, own in cells.items()}
    few = curves(some, make_task("ridge-probe", label="kind", folds=2))
    assert few.query("family == 'mine'")["amount"].tolist() == [1, 2]


def test_baselines_alone_are_not_asked_and_numbers_do_not_change(wells):
    assert curves({name: wells[name] for name in ("untrained/resnet18@seed=0",)}, OTHERS).empty
    pd.testing.assert_frame_equal(curves(wells, OTHERS), curves(wells, OTHERS))


def test_a_class_that_is_too_small_for_fewer_shots_is_said(cells):
    rows = np.r_[0:4, 6]  # three of one kind and two of the other
    table = curves(
        {name: own[rows].copy() for name, own in cells.items()}, make_task("ridge-probe", label="kind", folds=2)
    )
    assert set(table["caveat"]) == {"2 classes, the smallest with 1 rows to learn from, leave no fewer to ask with"}
