"""Accuracy of mechanisms: against loops, chance, calibration, batches, clusters, refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks import make_task


def screen(rng, moa, batch, n_doses=3, n_wells=2, effect=0.0, of_batch=0.0, d=12):
    """Compounds at several doses; those of one mechanism share a direction, those of one batch another."""
    compound = np.repeat(np.arange(len(moa)), n_doses * n_wells)
    moa, batch = np.array(moa, dtype=object), np.array(batch)
    x = rng.normal(size=(len(compound), d)) + rng.normal(size=(len(moa), d))[compound]
    codes = pd.factorize(moa)[0]
    x += effect * rng.normal(size=(codes.max() + 1, d))[codes[compound]]
    x += of_batch * rng.normal(size=(batch.max() + 1, d))[batch[compound]]
    obs = pd.DataFrame(
        {
            "perturbation": [f"c{i}" for i in compound],
            "dose": np.tile(np.repeat(3.0 ** np.arange(n_doses), n_wells), len(moa)),
            "moa": moa[compound],
            "batch": [f"b{i}" for i in batch[compound]],
        },
        index=[f"w{i}" for i in range(len(compound))],
    )
    return AnnData(x.astype("f4"), obs=obs)


NSC = make_task("moa-accuracy", n_permutations=199)
NSCB = make_task("moa-accuracy", exclude_same=["batch"], n_permutations=199)


@pytest.mark.parametrize("task", [NSC, NSCB])
def test_the_accuracy_is_that_of_a_loop_over_treatments(task):
    rng = np.random.default_rng(0)
    data = screen(rng, [f"m{i % 4}" for i in range(13)], [i // 4 for i in range(13)], effect=1.0)
    means = pd.DataFrame(data.X).groupby([data.obs[name].to_numpy() for name in ("perturbation", "dose")]).mean()
    treatments = data.obs.drop_duplicates(["perturbation", "dose"]).set_index(["perturbation", "dose"]).loc[means.index]
    unit = means.to_numpy() / np.linalg.norm(means, axis=1, keepdims=True)
    right, share = [], []
    for row, of_row in enumerate(treatments.reset_index().itertuples()):
        allowed = [
            other
            for other, of_other in enumerate(treatments.reset_index().itertuples())
            if of_other.perturbation != of_row.perturbation and (task is NSC or of_other.batch != of_row.batch)
        ]
        same = [treatments["moa"].iloc[other] == of_row.moa for other in allowed]
        right.append(same[int(np.argmax(unit[allowed] @ unit[row]))])
        share.append(np.mean(same))
    score = task.score(data, rng)
    assert score.n_units == len(means)
    assert_allclose(score.value, np.mean(right))
    assert (score.n_clusters, score.unit) == (13, "treatment")
    if task is NSC:  # exchanged among all compounds, mechanisms score what their share of the candidates gives
        assert_allclose(score.chance, np.mean(share), atol=0.02)


@pytest.mark.parametrize("task", [NSC, NSCB])
def test_a_constant_embedding_scores_exactly_chance_and_p_one(task):
    rng = np.random.default_rng(1)
    data = screen(rng, ["a", "a", "a", "b", "b", "c"], [0, 1, 2, 0, 1, 0])
    # Mechanisms differ in their numbers of concentrations, which is no evidence.
    data = data[(data.obs["moa"] != "b") | (data.obs["dose"] == 1)].copy()
    data.X = np.ones_like(data.X)
    score = task.score(data, rng)
    assert_allclose(score.value, score.chance)
    assert score.details[""]["p_labels_exchanged"] == 1


def test_mechanisms_are_found_where_there_are_some():
    rng = np.random.default_rng(2)
    for task in (NSC, NSCB):
        score = task.score(screen(rng, [f"m{i % 6}" for i in range(30)], [i // 6 for i in range(30)], effect=2.0), rng)
        assert score.value > 0.9
        assert score.chance < 0.25
        assert score.details[""]["p_labels_exchanged"] == 1 / 200


def test_doses_of_a_compound_are_no_evidence():
    """A compound resembles itself at another concentration, which is not compared."""
    rng = np.random.default_rng(3)
    data = screen(rng, [f"m{i}" for i in range(8) for _ in range(2)], [0] * 16, n_doses=6)
    score = NSC.score(data, rng)
    assert score.value < 0.5
    assert score.details[""]["p_labels_exchanged"] > 0.01


def test_p_holds_its_level_on_batches_that_hold_few_mechanisms():
    """Half of the compounds of a batch have its own mechanism: a batch effect finds mechanisms in NSC, not in NSCB."""
    rng = np.random.default_rng(4)
    p, gains, nsc = [], [], []
    for _ in range(150):
        batch = np.repeat(np.arange(6), 5)
        moa = np.where(rng.random(30) < 0.5, batch // 2, rng.integers(5, size=30))
        data = screen(rng, [f"m{m}" for m in moa], batch, n_doses=2, n_wells=1, of_batch=2.0)
        score = NSCB.score(data, rng)
        p.append(score.details[""]["p_labels_exchanged"])
        gains.append(score.value - score.chance)
        nsc.append(NSC.score(data, rng).details[""]["p_labels_exchanged"])
    assert binomtest(sum(np.array(p) <= 0.05), len(p), 0.05).pvalue > 0.01
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(len(gains))
    assert np.mean(np.array(nsc) <= 0.05) > 0.5


def test_what_is_left_out_is_said():
    rng = np.random.default_rng(5)
    data = screen(rng, ["a", "a", "b", "b", None, "c"], [0, 1, 0, 0, 1, 1])
    score = NSCB.score(data, rng)
    assert set(score.units["cluster"]) == {"c0", "c1"}
    assert "6 of 36 rows have no value in 'moa' and are left out" in score.caveat
    assert "9 treatments without a candidate of their mechanism left out" in score.caveat
    assert "mechanisms can be exchanged in 6 ways only" in score.caveat
    assert NSCB.id == "moa-accuracy:moa|not same batch"


def test_refusals():
    rng = np.random.default_rng(6)
    with pytest.raises(TaskNotApplicable, match="none of 3 mechanisms has two compounds"):
        NSC.score(screen(rng, ["a", "b", "c"], [0, 1, 0]), rng)
    with pytest.raises(
        TaskNotApplicable, match="none of 2 mechanisms has two compounds that do not have the same batch"
    ):
        NSCB.score(screen(rng, ["a", "a", "b"], [0, 0, 1]), rng)
    data = screen(rng, ["a", "a", "b"], [0, 1, 1])
    with pytest.raises(TaskNotApplicable, match="no column 'bath'; did you mean 'batch'"):
        make_task("moa-accuracy", exclude_same=["bath"]).score(data, rng)
    data.obs.iloc[0, data.obs.columns.get_loc("moa")] = "b"
    with pytest.raises(TaskNotApplicable, match="'c0' has different values of 'moa'"):
        NSC.score(data, rng)
