"""Regression probe: what can be predicted for groups not seen, in both forms."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.evaluation import score_strata
from phenolens.tasks import make_task


def spots(rng, noise=0.5, d=20, n=300):
    """Six patients; one gene follows the vectors, one does not."""
    patient = np.arange(n) % 6
    x = rng.normal(size=(n, d)) + rng.normal(size=(6, d))[patient]
    weights = rng.normal(size=d)
    obs = pd.DataFrame(
        {
            "patient": [f"p{i}" for i in patient],
            "gene": x @ weights + noise * rng.normal(size=n),
            "other": rng.normal(size=n),
        },
        index=[f"s{i}" for i in range(n)],
    )
    return AnnData(x.astype("f4"), obs=obs)


@pytest.mark.parametrize("form", ["tuned", "hest"])
def test_a_gene_that_follows_is_predicted_and_one_that_does_not_is_not(form):
    rng = np.random.default_rng(0)
    task = make_task("regression-probe", targets=["gene", "other"], group="patient", form=form)
    score = task.score(spots(rng), rng)
    parts = {each.stratum: each.estimate.value for each in score_strata(score, rng)}
    assert parts["gene"] > 0.9
    assert abs(parts["other"]) < 0.2
    assert score.n_units == 6
    assert score.chance == 0


def test_tuning_helps_a_small_training_set_of_many_dimensions():
    rng = np.random.default_rng(1)
    data = spots(rng, noise=5.0, d=150, n=180)
    values = {
        form: make_task("regression-probe", targets=["gene"], group="patient", form=form).score(data, rng).value
        for form in ("tuned", "hest")
    }
    assert values["tuned"] > values["hest"]


def test_refusals_and_gaps():
    rng = np.random.default_rng(3)
    data = spots(rng)
    task = make_task("regression-probe", targets=["gene"], group="patient")
    data.obs.loc["s0", "gene"] = np.nan
    assert "1 of 300 rows have no value in 'gene'" in task.score(data, rng).caveat
    with pytest.raises(TaskNotApplicable, match="needs at least two groups of 10 rows, found 1 of 1"):
        task.score(data[(data.obs["patient"] == "p0").to_numpy()], rng)
    flat = data.copy()
    flat.obs["gene"] = 1.0
    with pytest.raises(TaskNotApplicable, match="do not vary within any group"):
        task.score(flat, rng)
    text = data.copy()
    text.obs["gene"] = "high"
    with pytest.raises(TaskNotApplicable, match="which is not a number"):
        task.score(text, rng)


def test_groups_with_few_rows_are_named_and_their_limit_is_an_option():
    rng = np.random.default_rng(4)
    data = spots(rng)
    few = data[(data.obs["patient"] != "p5") | (np.arange(data.n_obs) < 40)]
    options = {"targets": ["gene"], "group": "patient", "folds": 6}
    score = make_task("regression-probe", **options).score(few, rng)
    assert score.caveat == "1 of 6 groups with fewer than 10 rows not scored: p5"
    assert score.n_units == 5
    assert make_task("regression-probe", least_rows=6, **options).score(few, rng).n_units == 6


def assayed(rng, n=60, plates=4, effect=0.0):
    """Compounds with a phenotype each on every plate, and an activity that follows it or not."""
    compound = np.tile(np.arange(n), plates)
    phenotype = 2 * rng.normal(size=(n, 12))
    activity = rng.normal(size=n) + effect * phenotype[:, 0]
    obs = pd.DataFrame(
        {
            "perturbation": [f"c{i}" for i in compound],
            "plate": [f"p{i}" for i in np.repeat(np.arange(plates), n)],
            "activity": activity[compound],
        },
        index=[f"w{i}" for i in range(n * plates)],
    )
    return AnnData((phenotype[compound] + 0.5 * rng.normal(size=(n * plates, 12))).astype("f4"), obs=obs)


def test_an_activity_of_compounds_is_read_from_compounds_not_seen():
    rng = np.random.default_rng(5)
    task = make_task("regression-probe", targets=["activity"], group="plate", folds=4)
    scores = [task.score(assayed(rng), rng) for _ in range(12)]
    values = np.array([score.value for score in scores])
    assert abs(values.mean()) < 0.1
    assert "neither perturbation nor plate is on both sides" in scores[0].caveat
    leaking = task.model_copy(update={"keep_together": False})
    score = leaking.score(assayed(rng), rng)
    assert score.leak.text == "60 of 60 perturbations are on both sides of the split"
    assert score.value > 0.2
    assert leaking.grouped() == task
    assert task.score(assayed(rng, effect=2.0), rng).value > 0.7
