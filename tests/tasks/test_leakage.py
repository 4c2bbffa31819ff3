"""Leakage: plates and positions that can or cannot be read off controls."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.profiling import profile
from phenolens.tasks import make_task


def plates(rng, offset=0.0, edge=0.0):
    wells = [f"{letter}{number:02d}" for letter in "ABCDEFGH" for number in range(1, 13)]
    obs = pd.DataFrame({"plate": np.repeat(["p1", "p2", "p3", "p4", "p5"], 96), "well": wells * 5})
    obs["role"] = np.where(rng.random(480) < 0.4, "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(480)]
    rim = obs["well"].str[0].isin(["A", "H"]) | obs["well"].str[1:].isin(["01", "12"])
    x = rng.normal(size=(480, 6))
    x[:, 0] += offset * obs["plate"].str[1].astype(int)
    x[:, 1] += edge * rim
    return AnnData(x.astype("f4"), obs=obs)


def test_plates_that_differ_are_told_apart_and_others_are_not():
    rng = np.random.default_rng(0)
    task = make_task("leakage")
    found, clean = task.score(plates(rng, offset=5), rng), task.score(plates(rng), rng)
    assert found.value > 0.9
    assert clean.interval(rng)[0] < clean.chance == pytest.approx(0.2)
    assert not found.higher_is_better


def test_the_rim_is_told_on_plates_not_seen():
    rng = np.random.default_rng(1)
    score = make_task("leakage", nuisance="edge").score(plates(rng, edge=4), rng)
    assert score.unit == "plate"
    assert score.value > 0.9
    assert abs(make_task("leakage", nuisance="edge").score(plates(rng), rng).value - 0.5) < 0.12


def test_an_edge_that_depends_on_formats_that_nobody_stated_is_noted():
    rng = np.random.default_rng(1)
    rows = plates(rng)
    task = make_task("leakage", nuisance="edge")
    assert not [note for note in task.score(rows, rng).notes if note.code == "plate_formats"]
    rows.obs.loc["w0", "well"] = "P24"
    (note,) = [note for note in task.score(rows, rng).notes if note.code == "plate_formats"]
    assert note.text.startswith("plate 'p2' is taken for one of 96 wells, ")
    assert not make_task("leakage", nuisance="row").score(rows, rng).notes


def in_batches(rng, per_batch, plate=0.0, batch=0.0):
    """Return controls on plates of batches of so many plates, which differ by plate and by batch."""
    names = [f"b{number}" for number, plates in enumerate(per_batch) for _ in range(plates)]
    obs = pd.DataFrame({"plate": np.repeat([f"p{i}" for i in range(len(names))], 24), "batch": np.repeat(names, 24)})
    obs["role"] = "negative_control"
    obs.index = [f"w{i}" for i in range(len(obs))]
    x = rng.normal(size=(len(obs), 12))
    for column, strength in (("plate", plate), ("batch", batch)):
        codes = np.unique(obs[column], return_inverse=True)[1]
        x += strength * rng.normal(size=(codes.max() + 1, 12))[codes]
    return AnnData(x.astype("f4"), obs=obs)


def test_a_batch_is_not_told_by_its_plates():
    rng = np.random.default_rng(4)
    task = make_task("leakage", nuisance="batch")
    of_plates = [task.score(in_batches(rng, (5, 5), plate=2), rng) for _ in range(8)]
    assert np.mean([score.value for score in of_plates]) == pytest.approx(0.5, abs=0.15)
    of_batches = task.score(in_batches(rng, (5, 5), plate=0.3, batch=2), rng)
    assert of_batches.value > 0.9
    assert (of_batches.unit, of_batches.n_units) == ("plate", 10)
    # What differs within plates is asked of wells, as before: so would a batch be told by its plates.
    within = in_batches(rng, (5, 5), plate=2)
    within.obs.loc["w0", "batch"] = "b1"
    score = task.score(within, rng)
    assert score.unit == "row"
    assert score.value > 0.9


def test_batches_of_one_plate_are_left_out():
    rng = np.random.default_rng(5)
    task = make_task("leakage", nuisance="batch")
    score = task.score(in_batches(rng, (2, 2, 1), batch=3), rng)  # two folds, not five
    assert set(score.units["unit"]) == {"p0", "p1", "p2", "p3"}
    assert score.value > 0.9
    assert score.caveat == "classes with too few rows or groups left out: b2"
    for per_batch in ((3, 1), (1, 1, 1)):
        with pytest.raises(
            TaskNotApplicable, match=r"grouped by plate: needs at least two classes .*, found [01] of \d"
        ):
            task.score(in_batches(rng, per_batch, batch=3), rng)


def test_without_plates_wells_are_split():
    rng = np.random.default_rng(6)
    data = in_batches(rng, (1, 1), batch=3)
    del data.obs["plate"]
    score = make_task("leakage", nuisance="batch").score(data, rng)
    assert score.unit == "row"
    assert score.value > 0.9


def test_controls_that_a_profiler_saw_take_no_part():
    rng = np.random.default_rng(2)
    data = profile(plates(rng, offset=5), "batch-centre", hold_out=True)
    score = make_task("leakage").score(data, rng)
    held_out = (data.obs["role"] == "negative_control") & ~data.obs["fitted_on"]
    assert score.units["weight"].sum() == held_out.sum()


def test_refusals():
    rng = np.random.default_rng(3)
    data, task = plates(rng), make_task("leakage")
    with pytest.raises(TaskNotApplicable, match=r"leakage:plate, from \d+ negative controls: .* classes"):
        task.score(data[:96], rng)
    with pytest.raises(TaskNotApplicable, match="no row has role"):
        task.score(data[(data.obs["role"] == "treatment").to_numpy()], rng)
    data = data.copy()
    del data.obs["role"]
    with pytest.raises(TaskNotApplicable, match="no column 'role'"):
        task.score(data, rng)
    other = plates(rng)
    other.obs["well"] = [f"well {i % 96}" for i in range(480)]
    with pytest.raises(TaskNotApplicable, match="no well is named by its position, as B03"):
        make_task("leakage", nuisance="row").score(other, rng)
