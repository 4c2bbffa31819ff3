"""Dose response: trends, agreement of mechanisms, refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks import make_task


def screen(rng, effect=1.0):
    """Six compounds at five doses, three wells each; the first four act, in one of two directions."""
    rows = [("dmso", "negative_control", np.nan, None)] * 20
    rows += [
        (f"c{i}", "treatment", dose, f"m{i % 2}") for i in range(6) for dose in (0.1, 0.3, 1, 3, 10) for _ in range(3)
    ]
    obs = pd.DataFrame(rows, columns=["perturbation", "role", "dose", "moa"], index=[f"w{i}" for i in range(len(rows))])
    x = rng.normal(size=(len(obs), 5))
    for i in range(4):
        own = (obs["perturbation"] == f"c{i}").to_numpy()
        x[own, i % 2] += effect * (np.log10(obs.loc[own, "dose"]) + 1) * 3
    return AnnData(x.astype("f4"), obs=obs)


def test_compounds_that_act_rise_with_dose_and_agree_within_a_mechanism():
    rng = np.random.default_rng(0)
    score = make_task("dose-response", mechanism="moa", n_permutations=499).score(screen(rng), rng)
    units = score.units.set_index("unit")
    assert (units.loc[["c0", "c1", "c2", "c3"], "value"] > 0.6).all()
    assert (units.loc[["c0", "c1", "c2", "c3"], "p"] < 0.01).all()
    assert (units.loc[["c4", "c5"], "p"] > 0.01).all()
    assert score.chance == 0
    assert score.details[""]["cosine_same_mechanism"] > score.details[""]["cosine_other_mechanism"] + 0.2


def test_p_holds_its_level_without_effects():
    rng = np.random.default_rng(1)
    task = make_task("dose-response", n_permutations=99)
    p = np.concatenate([task.score(screen(rng, 0.0), rng).units["p"] for _ in range(60)])
    assert 0.02 <= np.mean(p <= 0.05) <= 0.085


def test_refusals():
    rng = np.random.default_rng(2)
    data, task = screen(rng), make_task("dose-response")
    with pytest.raises(TaskNotApplicable, match="no row has role"):
        task.score(data[20:], rng)
    bare = data.copy()
    del bare.obs["dose"]
    with pytest.raises(TaskNotApplicable, match="no column 'dose'"):
        task.score(bare, rng)
    with pytest.raises(TaskNotApplicable, match="none of 6 compounds has 3 doses"):
        task.score(data[((data.obs["dose"] != 1) & (data.obs["dose"] < 3) | data.obs["dose"].isna()).to_numpy()], rng)
    few = data[((data.obs["perturbation"] != "c5") | (data.obs["dose"] < 0.5)).to_numpy()]
    assert "1 compounds with fewer than 3 doses left out" in task.score(few, rng).caveat


def on_plates(rng, doses, effect=0.0):
    """Twelve compounds in three wells on each of five plates, which differ in noise; `doses` maps where to how much."""
    rows = [(plate, "dmso", "negative_control", np.nan) for plate in range(5) for _ in range(6)]
    rows += [
        (plate, f"c{i}", "treatment", 1.0 + doses(plate, well + i))
        for i in range(12)
        for plate in range(5)
        for well in range(3)
    ]
    obs = pd.DataFrame(
        rows, columns=["plate", "perturbation", "role", "dose"], index=[f"w{i}" for i in range(240)][: len(rows)]
    )
    noise = np.linspace(1, 2, 5)[obs["plate"]][:, None]
    x = noise * rng.normal(size=(len(obs), 10))
    x[:, 0] += effect * obs["dose"].fillna(0)
    obs["plate"] = obs["plate"].astype(str)
    return AnnData(x.astype("f4"), obs=obs)


def test_a_plate_for_each_dose_is_said_and_never_significant():
    rng = np.random.default_rng(3)
    score = make_task("dose-response", n_permutations=99).score(on_plates(rng, lambda plate, well: plate), rng)
    assert "12 of 12 compounds have one dose on each plate" in score.caveat
    assert (score.units["p"] == 1).all()
    assert score.value > 0.3


def test_doses_are_permuted_within_plates():
    rng = np.random.default_rng(4)
    task = make_task("dose-response", n_permutations=99)

    def mostly_by_plate(plate, well):
        return plate + well % 3

    p = np.concatenate([task.score(on_plates(rng, mostly_by_plate), rng).units["p"] for _ in range(12)])
    assert 0.01 <= np.mean(p <= 0.05) <= 0.1
    found = task.score(on_plates(rng, mostly_by_plate, effect=4.0), rng)
    assert (found.units["p"] <= 0.05).all()
    assert found.caveat == ""
