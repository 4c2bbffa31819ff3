"""The option exclude_same, of every task that retrieves: values by loops, p values beside batch effects, refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks import TASKS, make_task
from phenolens.tasks.exclusion import ExcludesSame
from phenolens.tasks.restricted.candidates import choose_candidates
from phenolens.tasks.restricted.left_out import leave_out


def screen(rng, n_perturbations=12, n_batches=3, n_controls=6, of_batch=0.0, effect=0.0, d=10):
    """Two plates of each batch with controls and a well of each perturbation."""
    rows = []
    for plate in range(2 * n_batches):
        rows += [("dmso", "negative_control", plate)] * n_controls
        rows += [(f"t{i}", "treatment", plate) for i in range(n_perturbations)]
    obs = pd.DataFrame(rows, columns=["perturbation", "role", "plate"])
    obs["batch"] = obs["plate"] // 2
    x = rng.normal(size=(len(obs), d)) + of_batch * rng.normal(size=(n_batches, d))[obs["batch"]]
    x += effect * rng.normal(size=(n_perturbations + 1, d))[pd.factorize(obs["perturbation"])[0]]
    obs = obs.astype(str)
    obs.index = [f"w{i}" for i in range(len(obs))]
    return AnnData(x.astype("f4"), obs=obs)


def by_loops(data, measures, columns):
    """Mean AP of each perturbation, query by query."""
    obs, x = data.obs, data.X / np.linalg.norm(data.X, axis=1, keepdims=True)
    treated, names = (obs["role"] == "treatment").to_numpy(), obs["perturbation"].to_numpy()
    found = {}
    for query in np.flatnonzero(treated):
        free = np.logical_and.reduce([(obs[c] != obs[c].iloc[query]).to_numpy() for c in columns])
        positive = treated & free & (names == names[query])
        negative = free & (~treated if measures == "activity" else treated & (names != names[query]))
        ranked = np.flatnonzero(positive | negative)
        ap = average_precision_score(positive[ranked], x[ranked] @ x[query])
        found.setdefault(names[query], []).append(ap)
    return {name: np.mean(aps) for name, aps in found.items()}


@pytest.mark.parametrize("measures", ["activity", "distinctiveness"])
@pytest.mark.parametrize("columns", [["batch"], ["plate"], ["batch", "plate"]])
def test_replicates_of_other_batches_are_retrieved_as_in_a_loop(measures, columns):
    data = screen(np.random.default_rng(0), effect=0.5)
    task = make_task("replicate-retrieval", measures=measures, exclude_same=columns, n_permutations=50)
    score = task.score(data, np.random.default_rng(0))
    assert_allclose(score.units.set_index("unit")["value"], pd.Series(by_loops(data, measures, columns)), rtol=1e-6)
    assert task.id.endswith(f"|not same {', '.join(columns)}")
    assert set(columns) <= set(task.columns)
    data.X = np.ones_like(data.X)
    constant = task.score(data, np.random.default_rng(0))
    assert_allclose(constant.value, constant.chance)
    assert (constant.units["p"] == 1).all()


@pytest.mark.parametrize(
    "options", [{"exchange_with": "controls"}, {"exchange_with": "treatments"}, {"measures": "distinctiveness"}]
)
def test_p_of_replicates_holds_its_level_beside_batch_effects(options):
    rng = np.random.default_rng(1)
    task = make_task("replicate-retrieval", exclude_same=["batch"], n_permutations=199, **options)
    p, gain = [], []
    for _ in range(25):
        score = task.score(screen(rng, n_perturbations=24, of_batch=2.0), rng)
        p += score.units["p"].tolist()
        gain.append(score.value - score.chance)
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.085
    assert abs(np.mean(gain)) < 3 * np.std(gain) / np.sqrt(len(gain))
    found = task.score(screen(rng, of_batch=2.0, effect=2.0), rng)
    assert (found.units["p"] <= 0.05).mean() > 0.7


def test_labels_of_other_batches_are_found_and_batch_effects_are_not():
    """Mechanisms that go together with batches: a batch effect finds them, unless batches are excluded."""
    rng = np.random.default_rng(2)
    p = {(): [], ("batch",): []}
    for _ in range(12):
        batch = np.repeat(np.arange(8), 5)
        moa = np.where(rng.random(40) < 0.5, batch // 2, rng.integers(6, size=40))
        x = rng.normal(size=(40, 10)) + 2 * rng.normal(size=(8, 10))[batch]
        obs = pd.DataFrame({"perturbation": [f"t{i}" for i in range(40)], "moa": moa, "batch": batch}).astype(str)
        obs.index = [f"w{i}" for i in range(40)]
        for columns, of_columns in p.items():
            task = make_task("phenotypic-consistency", label="moa", exclude_same=columns, n_permutations=199)
            of_columns.extend(task.score(AnnData(x.astype("f4"), obs=obs), rng).units["p"])
    apart = np.array(p["batch",])
    assert np.mean(np.array(p[()]) <= 0.05) > 0.3
    assert binomtest(int((apart <= 0.05).sum()), len(apart), 0.05).pvalue > 0.01


def test_consistency_by_hand():
    """A retrieves C before D; B shares a batch with everything that has its label, so that it is not a query."""
    x = np.array([[1, 0], [1, 0.05], [1, 0.2], [1, 0.1], [0, 1.0]])
    obs = pd.DataFrame(
        {
            "perturbation": list("ABCDE"),
            "moa": ["m", "m", "m", "n", "n"],
            "batch": ["1", "2", "2", "2", "3"],
        },
        index=list("vwxyz"),
    )
    task = make_task("phenotypic-consistency", label="moa", exclude_same=["batch"], n_permutations=20)
    units = task.score(AnnData(x.astype("f4"), obs=obs), np.random.default_rng(0)).units.set_index("unit")
    # A ranks B, then D (wrong), then C: (1 + 2/3) / 2. B and C rank A before E, and D is of their own batch.
    assert_allclose(units.loc["m", "value"], np.mean([5 / 6, 1, 1]))
    # D ranks E after A; E ranks D after none of A, B, C, which come in the order C, D, B, A.
    assert_allclose(units.loc["n", "value"], np.mean([1 / 2, 1 / 2]))


def test_relations_within_a_batch_are_left_out(tmp_path):
    rng = np.random.default_rng(3)
    names = [f"g{i:02d}" for i in range(40)]
    related = [(names[i], names[i + 1]) for i in range(0, 40, 2)] + [(names[i], names[i + 2]) for i in range(0, 30, 4)]
    pd.DataFrame(related, columns=["entity1", "entity2"]).to_csv(tmp_path / "known.csv", index=False)
    batch = np.arange(40) // 2
    x = rng.normal(size=(40, 8)) + 3 * rng.normal(size=(20, 8))[batch]
    data = AnnData(x.astype("f4"), obs=pd.DataFrame({"perturbation": names, "batch": batch.astype(str)}, index=names))
    task = make_task("relationship-recall", relations=[tmp_path], n_permutations=19)
    apart = make_task("relationship-recall", relations=[tmp_path], n_permutations=19, exclude_same=["batch"])
    everything, others = task.score(data, rng), apart.score(data, rng)
    assert everything.details["known"]["n_relations"] == 28
    assert others.details["known"]["n_relations"] == 8
    assert everything.value > 0.5
    assert others.value < 0.4
    data.obs["plate"] = "p"
    with pytest.raises(TaskNotApplicable, match="that do not have the same plate"):
        make_task("relationship-recall", relations=[tmp_path], exclude_same=["plate"]).score(data, rng)


def test_p_of_relations_holds_its_level_beside_batch_effects(tmp_path):
    rng = np.random.default_rng(4)
    names, batch = [f"g{i:02d}" for i in range(60)], np.arange(60) % 6
    permuted, rewired = [], []
    for draw in range(60):
        # Most relations are of neighbouring batches, whose effects are alike.
        pairs = [(i, (i + rng.choice([1, 5, 7, 13])) % 60) for i in rng.integers(60, size=80)]
        known = tmp_path / f"{draw}.csv"
        pd.DataFrame(np.array(names)[pairs], columns=["entity1", "entity2"]).to_csv(known, index=False)
        effect = np.cumsum(rng.normal(size=(6, 8)), axis=0)
        x = rng.normal(size=(60, 8)) + effect[batch]
        data = AnnData(
            x.astype("f4"), obs=pd.DataFrame({"perturbation": names, "batch": batch.astype(str)}, index=names)
        )
        task = make_task("relationship-recall", relations=[known], n_permutations=39, exclude_same=["batch"])
        details = task.score(data, rng).details[str(draw)]
        permuted.append(details["p_labels_permuted"])
        rewired.append(details["p_degree_preserved"])
    assert binomtest(int((np.array(permuted) <= 0.05).sum()), 60, 0.05).pvalue > 0.01
    assert np.isfinite(rewired).all()


def test_genes_of_the_plates_of_a_compound_are_not_ranked(tmp_path):
    pd.DataFrame([("c0", "g0"), ("c1", "g1")], columns=["compound", "gene"]).to_csv(tmp_path / "t.csv", index=False)
    names = ["c0", "c1", *(f"g{i}" for i in range(40))]
    obs = pd.DataFrame(
        {
            "perturbation": names,
            "perturbation_type": ["compound"] * 2 + ["crispr"] * 40,
            "batch": ["0", "1"] + ["0"] + ["2"] * 39,
        },
        index=names,
    )
    data = AnnData(np.random.default_rng(5).normal(size=(42, 4)).astype("f4"), obs=obs)
    task = make_task("compound-gene", relations=[tmp_path], n_permutations=19, exclude_same=["batch"])
    # The only gene known of c0 is of its batch.
    assert task.score(data, np.random.default_rng(0)).units["unit"].tolist() == ["c1"]


def test_what_is_left_without_a_shortcut_excludes_the_same_too():
    data = screen(np.random.default_rng(6), effect=1.0)
    whole = choose_candidates("any", data, against_controls=True)
    fewer = leave_out(whole, "plate", "batch")
    batch = data.obs["batch"].to_numpy()
    for query, positives, counted, negative in zip(
        fewer.queries, fewer.positives, fewer.counted, fewer.negative, strict=True
    ):
        assert (batch[positives[counted]] != batch[query]).all()
        assert (batch[negative] != batch[query]).all()
        assert negative.any()
    task = make_task("replicate-retrieval", exclude_same=["batch"])
    restricted = task.restricted(0)
    restricted.meet(data)
    assert restricted.left_out("plate").before["value"].between(0, 1).all()


def test_every_task_that_retrieves_has_the_option():
    having = {name for name, kind in TASKS.items() if issubclass(kind, ExcludesSame)}
    assert having >= {
        "compound-gene",
        "moa-accuracy",
        "phenotypic-consistency",
        "relationship-recall",
        "replicate-retrieval",
    }


def test_a_column_with_gaps_is_refused():
    data = screen(np.random.default_rng(7))
    data.obs.iloc[3, data.obs.columns.get_loc("batch")] = None
    with pytest.raises(TaskNotApplicable, match="row 'w3' has no value in column 'batch'"):
        make_task("replicate-retrieval", exclude_same=["batch"]).score(data, np.random.default_rng(0))
    task = make_task("replicate-retrieval", measures="distinctiveness", exclude_same=["role"])
    with pytest.raises(TaskNotApplicable, match="wells of other perturbations that do not have the same role"):
        task.score(data, np.random.default_rng(0))
