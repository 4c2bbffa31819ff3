"""Compound-gene matching by the rules of RxRx3-core."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import PhenolensError, TaskNotApplicable
from phenolens.metrics import chance_average_precision
from phenolens.tasks import make_task


def screen(rng, effect=4.0):
    """Sixty knock-outs; ten compounds at two doses, of which the higher looks like the opposite of a knock-out."""
    genes = rng.normal(size=(60, 12))
    rows = [(f"G{i}", "crispr", np.nan) for i in range(60)]
    rows += [(f"c{i}", "compound", dose) for i in range(10) for dose in (0.1, 10.0)]
    x = np.vstack(
        [genes, *(rng.normal(size=12) - effect * (dose > 1) * genes[i] for i in range(10) for dose in (0.1, 10))]
    )
    obs = pd.DataFrame(rows, columns=["perturbation", "perturbation_type", "dose"], index=[f"w{i}" for i in range(80)])
    return AnnData(x.astype("f4"), obs=obs)


@pytest.fixture
def known(tmp_path):
    rows = [(f"c{i}", f"G{i}", 0.5) for i in range(10)]
    rows += [(f"c{i}", f"G{i + 10}", 5.0) for i in range(10)] + [("c0", "G30", 50.0), ("c99", "G1", 0.1)]
    pd.DataFrame(rows, columns=["compound", "gene", "ic50_um"]).to_csv(tmp_path / "known.csv", index=False)
    return tmp_path / "known.csv"


def test_targets_are_found_at_the_best_dose_whatever_the_sign(known):
    rng = np.random.default_rng(0)
    score = make_task("compound-gene", relations=[known], n_permutations=199).score(screen(rng), rng)
    assert score.n_units == 10
    assert score.value > 0.9
    assert_allclose(score.chance, chance_average_precision(1, 20))
    assert (score.units["p"] <= 0.05).all()


def test_without_effect_the_score_is_chance_and_p_holds_its_level(known):
    rng = np.random.default_rng(1)
    task = make_task("compound-gene", relations=[known], n_permutations=99, n_samples=10)
    scores = [task.score(screen(rng, 0.0), rng) for _ in range(40)]
    values = np.array([score.value for score in scores])
    assert abs(values.mean() - scores[0].chance) < 4 * values.std() / np.sqrt(len(values))
    assert 0.02 <= np.mean(np.concatenate([score.units["p"] for score in scores]) <= 0.05) <= 0.09


def test_intermediate_activities_are_neither_and_weak_ones_are_negatives(known):
    task = make_task("compound-gene", relations=[known])
    compounds, genes = pd.Index([f"c{i}" for i in range(10)]), pd.Index([f"G{i}" for i in range(60)])
    pairs = task._known(compounds, genes).set_index(["entity1", "entity2"])
    assert pairs.loc[("c0", "G0"), ["positive", "negative"]].tolist() == [True, False]
    assert pairs.loc[("c0", "G10"), ["positive", "negative"]].tolist() == [False, False]
    assert pairs.loc[("c0", "G30"), ["positive", "negative"]].tolist() == [False, True]


def test_refusals(known, tmp_path):
    rng = np.random.default_rng(2)
    data, task = screen(rng), make_task("compound-gene", relations=[known])
    with pytest.raises(TaskNotApplicable, match="0 wells have perturbation_type compound"):
        task.score(data[:60], rng)
    with pytest.raises(TaskNotApplicable, match="leaves 20 other genes"):
        task.score(data[40:], rng)
    (tmp_path / "bad.csv").write_text("compound,gene,ic50\nc0,G0,potent\n")
    with pytest.raises(PhenolensError, match="'potent' is not a concentration in uM, for c0 and G0"):
        make_task("compound-gene", relations=[tmp_path / "bad.csv"]).score(data, rng)


def test_famous_genes_with_strong_phenotypes_make_no_compound_significant(tmp_path):
    """A few genes are known for most compounds, and look like what compounds have in common."""
    rng = np.random.default_rng(3)
    p = []
    for _ in range(15):
        fame = rng.pareto(1.5, 60) + 0.1
        pairs = [(f"c{i}", f"G{j}") for i in range(30) for j in rng.choice(60, 3, replace=False, p=fame / fame.sum())]
        pd.DataFrame(pairs, columns=["compound", "gene"]).to_csv(tmp_path / "known.csv", index=False)
        common = rng.normal(size=12)
        genes = np.outer(2 * np.argsort(np.argsort(fame)) / 59, common) + rng.normal(size=(60, 12))
        x = np.vstack([genes, common + rng.normal(size=(30, 12))])
        names = [f"G{i}" for i in range(60)] + [f"c{i}" for i in range(30)]
        obs = pd.DataFrame(
            {"perturbation": names, "perturbation_type": ["crispr"] * 60 + ["compound"] * 30}, index=names
        )
        task = make_task("compound-gene", relations=[tmp_path / "known.csv"], n_permutations=99, n_samples=2)
        p += task.score(AnnData(x.astype("f4"), obs=obs), rng).units["p"].tolist()
    assert np.mean(np.array(p) <= 0.05) <= 0.08
