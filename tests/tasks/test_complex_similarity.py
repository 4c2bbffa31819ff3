"""Similarity within complexes: against loops, chance, calibration, overlap, plates, tables of sets, refusals."""

import gzip

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from scipy.stats import binomtest, ks_2samp

from phenolens.core.errors import PhenolensError, TaskNotApplicable
from phenolens.metrics import SimilarityRanks, cosine_similarity
from phenolens.tasks import make_task
from phenolens.tasks.relations import read_relations, read_sets


def screen(rng, n=60, wells=2, d=10):
    """Genes with phenotypes of their own, a well of each on every plate."""
    gene = np.tile(np.arange(n), wells)
    x = rng.normal(size=(n, d))[gene] + 0.5 * rng.normal(size=(n * wells, d))
    obs = pd.DataFrame(
        {"perturbation": [f"G{i}" for i in gene], "plate": [f"p{i // n}" for i in range(n * wells)]},
        index=[f"w{i}" for i in range(n * wells)],
    )
    return AnnData(x.astype("f4"), obs=obs)


def task_of(path, sets, **options):
    """Write complexes, number -> numbers of genes, and return the task."""
    rows = [(f"C{name}", f"G{gene}") for name, genes in sets.items() for gene in genes]
    pd.DataFrame(rows, columns=["complex", "gene"]).to_csv(path / "known.csv", index=False)
    return make_task("complex-similarity", sets=[str(path / "known.csv")], **{"n_permutations": 99, **options})


def brute_force_auc(x, members):
    similarity = np.round(cosine_similarity(x, x), 6)
    found = []
    for i in members:
        for j in set(members) - {i}:
            outside = similarity[i, [row for row in range(len(x)) if row not in members]]
            found.append((similarity[i, j] > outside).mean() + (similarity[i, j] == outside).mean() / 2)
    return np.mean(found)


@pytest.mark.parametrize("k", [2, 3, 7])
def test_the_auc_is_that_of_a_loop(k):
    rng = np.random.default_rng(k)
    x = rng.integers(-1, 2, size=(23, 4)).astype("f4")  # with ties, and rows of zeros
    sets = np.stack([rng.choice(len(x), k, replace=False) for _ in range(20)])
    assert_allclose(SimilarityRanks(x).auc(sets), [brute_force_auc(x, each.tolist()) for each in sets], atol=1e-7)


def test_the_score_is_the_mean_over_complexes(tmp_path):
    rng = np.random.default_rng(0)
    data = screen(rng)
    sets = {0: range(5), 1: range(3, 9), 2: range(20, 23), 3: [30, 31]}  # the last has too few members
    score = task_of(tmp_path, sets).score(data, rng)
    genes = pd.DataFrame(data.X).groupby(data.obs["perturbation"].to_numpy()).mean()
    rows = [[genes.index.get_loc(f"G{i}") for i in sets[name]] for name in (0, 1, 2)]
    assert_allclose(score.value, np.mean([brute_force_auc(genes.to_numpy(), each) for each in rows]), atol=1e-6)
    assert score.n_units == 3
    assert score.n_clusters == 2  # two share members
    assert score.details["known"]["n_complexes"] == 3


def test_true_complexes_are_found_and_a_constant_embedding_is_chance(tmp_path):
    rng = np.random.default_rng(1)
    data = screen(rng)
    task = task_of(tmp_path, {name: range(5 * name, 5 * name + 5) for name in range(8)})
    number = data.obs["perturbation"].str[1:].astype(int).to_numpy()
    data.X[number < 40] += 1.5 * rng.normal(size=(8, data.n_vars))[number[number < 40] // 5]
    score = task.score(data, rng)
    assert score.value > 0.8
    assert (score.units["p"] <= 0.05).all()
    assert score.details["known"]["mean_cosine_within"] > score.details["known"]["mean_cosine_between"] + 0.3
    data.X = np.ones_like(data.X)
    score = task.score(data, rng)
    assert_allclose([score.value, score.chance], 0.5)
    assert (score.units["p"] == 1).all()


@pytest.mark.parametrize("shared", [False, True])
def test_p_values_of_noise_are_uniform_and_chance_is_what_noise_scores(tmp_path, shared):
    p, two_sample, above = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        data = screen(rng, n=120)
        if shared:  # strong phenotypes share a direction, in whichever complex they are
            data.X[:, 0] += 4 * np.tile(rng.exponential(size=120), 2)
        score = task_of(tmp_path, {name: range(12 * name, 12 * name + 12) for name in range(10)}).score(data, rng)
        p += score.units["p"].tolist()
        above.append(score.value - score.chance)
        genes = data.X[:120] + data.X[120:]
        similarity = cosine_similarity(genes, genes)
        for name in range(10):
            within, between = np.arange(120) // 12 == name, np.arange(120) // 12 != name
            inside = similarity[np.ix_(within, within)][np.triu_indices(12, 1)]
            two_sample.append(ks_2samp(inside, similarity[np.ix_(within, between)].ravel()).pvalue)
    if shared:
        assert np.mean(np.array(two_sample) <= 0.05) > 0.1  # cosines of one gene are not independent of each other
    hits = int((np.array(p) <= 0.05).sum())
    limits = binomtest(hits, len(p)).proportion_ci(0.99)
    assert limits.low < 0.05 < limits.high
    assert abs(np.mean(above)) < 3 * np.std(above) / np.sqrt(len(above))


def test_complexes_of_one_plate_are_compared_with_sets_of_that_plate(tmp_path):
    rng = np.random.default_rng(2)
    data = screen(rng, wells=1, n=80)
    number = np.arange(80)
    data.obs["plate"] = [f"p{i // 20}" for i in number]
    data.X += 2 * rng.normal(size=(4, data.n_vars))[number // 20]  # plates look like complexes
    score = task_of(tmp_path, {name: range(20 * name, 20 * name + 6) for name in range(4)}).score(data, rng)
    assert score.value > 0.7
    assert score.value == pytest.approx(score.chance, abs=0.06)
    assert (score.units["p"] > 0.05).all()


def test_tables_of_sets(tmp_path):
    expected = {"one": ["A", "B", "C"], "two": ["B", "D"]}
    long = [("one", "A"), ("one", "B"), ("one", "C"), ("one", "A"), ("two", "B"), ("two", "D")]
    pd.DataFrame(long, columns=["complex_name", "gene"]).to_csv(tmp_path / "long.csv", index=False)
    (tmp_path / "efaar.tsv").write_text("one\tA B C\ntwo\tB D\n")
    (tmp_path / "msigdb.gmt").write_text("one\thttp://x\tA\tB\tC\ntwo\tna\tB\tD\n")
    with gzip.open(tmp_path / "zipped.gmt.gz", "wt") as file:
        file.write("one\tna\tA\tB\tC\ntwo\tna\tB\tD\n")
    for name in ("long.csv", "efaar.tsv", "msigdb.gmt", "zipped.gmt.gz"):
        assert read_sets(tmp_path / name) == expected, name
    assert len(read_relations(tmp_path / "msigdb.gmt")) == 4
    for name, separator in (("pairs.csv", ","), ("pairs.tsv", "\t")):
        (tmp_path / name).write_text(f"entity1{separator}entity2\nA{separator}B\n")
        with pytest.raises(PhenolensError, match=rf"{name}: is no table of sets; its first column must be called"):
            read_sets(tmp_path / name)


def test_what_cannot_be_answered_is_said(tmp_path):
    rng = np.random.default_rng(3)
    with pytest.raises(TaskNotApplicable, match=r"no complex of known has 3 members among 60 perturbations"):
        task_of(tmp_path, {0: [900, 901, 902]}).score(screen(rng), rng)
    with pytest.raises(TaskNotApplicable, match="needs at least 10 perturbations, found 5"):
        task_of(tmp_path, {0: range(3)}).score(screen(rng, n=5), rng)
