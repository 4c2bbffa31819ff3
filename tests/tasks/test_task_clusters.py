"""What each task takes for a cluster of independence."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks import make_task


@pytest.fixture
def wells():
    """Four compounds at three doses, two of each of which have one target, on two plates with six controls each."""
    rows = [
        (f"c{c}", float(d + 1), f"p{plate}", "treatment", f"t{c // 2}")
        for plate in range(2)
        for c in range(4)
        for d in range(3)
    ]
    rows += [("dmso", np.nan, f"p{plate}", "negative_control", "none") for plate in range(2) for _ in range(6)]
    obs = pd.DataFrame(rows, columns=["perturbation", "dose", "plate", "role", "target"])
    obs.index = [f"w{i}" for i in range(len(obs))]
    x = np.random.default_rng(0).normal(size=(len(obs), 6))
    x[obs["role"] == "treatment"] += np.repeat(np.arange(4), 3).repeat(2)[:24, None]
    return ad.AnnData(x.astype("f4"), obs=obs)


TASKS = [
    ("replicate-retrieval", {"measures": "distinctiveness"}, 12),
    ("replicate-retrieval", {"measures": "activity"}, 12),
    ("perturbation-strength", {}, 12),
    ("dose-response", {}, 4),
]


@pytest.mark.parametrize(("name", "options", "n_units"), TASKS)
def test_the_doses_of_a_compound_are_a_cluster_and_a_column_may_name_it(wells, name, options, n_units):
    rng = np.random.default_rng(0)
    score = make_task(name, n_permutations=20, **options).score(wells, rng)
    assert (score.n_units, score.n_clusters) == (n_units, 4)
    assert all(score.units["unit"].str.startswith(tuple(score.units["cluster"])))
    task = make_task(name, n_permutations=20, cluster="target", **options)
    assert "target" in task.columns
    coarser = task.score(wells, np.random.default_rng(0))
    assert (coarser.n_clusters, coarser.value) == (2, score.value)


@pytest.mark.parametrize(("name", "options", "n_units"), TASKS)
def test_a_column_that_names_no_cluster_is_refused(wells, name, options, n_units):
    with pytest.raises(TaskNotApplicable, match="no column 'taget'; did you mean 'target'"):
        make_task(name, n_permutations=20, cluster="taget", **options).score(wells, np.random.default_rng(0))
    with pytest.raises(
        TaskNotApplicable, match=r"'c0.*' has different values of 'plate', which is to name its cluster"
    ):
        make_task(name, n_permutations=20, cluster="plate", **options).score(wells, np.random.default_rng(0))


def test_labels_are_clusters_unless_a_column_names_larger_ones(wells):
    wells.obs["family"] = "all"
    rng = np.random.default_rng(0)
    options = {"label": "target", "n_permutations": 20}
    assert make_task("phenotypic-consistency", **options).score(wells, rng).n_clusters == 2
    score = make_task("phenotypic-consistency", cluster="family", **options).score(wells, rng)
    assert (score.n_units, score.n_clusters) == (2, 1)


@pytest.mark.parametrize(
    ("per_complex", "n_complexes", "n_clusters", "order"), [(4, 8, 8, 1), (2, 10, 10, 1), (16, 2, 32, 2)]
)
def test_complexes_are_clusters_unless_they_are_too_few(tmp_path, per_complex, n_complexes, n_clusters, order):
    n = per_complex * n_complexes
    known = [(f"k{g // per_complex}", f"g{g:02d}") for g in range(n)]
    pd.DataFrame(known, columns=["complex", "gene"]).to_csv(tmp_path / "known.csv", index=False)
    obs = pd.DataFrame({"perturbation": [f"g{g:02d}" for g in range(n + 12)]}, index=[f"w{g}" for g in range(n + 12)])
    x = np.random.default_rng(1).normal(size=(n + 12, 5)).astype("f4")
    task = make_task("relationship-recall", relations=[tmp_path], n_permutations=19)
    score = task.score(ad.AnnData(x, obs=obs), np.random.default_rng(0))
    assert (score.n_units, score.n_clusters, score.order) == (n, n_clusters, order)
    assert ("too interwoven" in score.caveat) == (order == 2)


def test_compounds_that_act_on_one_gene_are_a_cluster(tmp_path):
    known = [(f"c{c}", f"g{c // 2}") for c in range(14)]
    pd.DataFrame(known, columns=["compound", "gene"]).to_csv(tmp_path / "targets.csv", index=False)
    names = [f"c{c}" for c in range(14)] + [f"g{g}" for g in range(40)]
    kinds = ["compound"] * 14 + ["crispr"] * 40
    obs = pd.DataFrame({"perturbation": names, "perturbation_type": kinds}, index=names)
    x = np.random.default_rng(2).normal(size=(54, 5)).astype("f4")
    task = make_task("compound-gene", relations=[tmp_path], n_permutations=19)
    score = task.score(ad.AnnData(x, obs=obs), np.random.default_rng(0))
    assert (score.n_units, score.n_clusters) == (14, 7)
