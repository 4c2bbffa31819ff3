"""Leakage: plates and positions that can or cannot be read off controls."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.errors import TaskNotApplicable
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
    with pytest.raises(TaskNotApplicable, match="not all named like B03"):
        make_task("leakage", nuisance="row").score(other, rng)
