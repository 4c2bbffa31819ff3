"""Chromosome-arm bias: found, corrected, its share of recall, p on noise, refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from phenolens.core.errors import TaskNotApplicable
from phenolens.profiling import profile
from phenolens.tasks import make_task


def screen(rng, n_arms=6, per_arm=40, of_arm=0.0, of_complex=0.0, d=20, per_complex=4):
    """Knockouts of genes of several arms, half of them not expressed; complexes are of expressed genes of all arms."""
    n = n_arms * per_arm
    arm, expressed = np.arange(n) % n_arms, np.arange(n) < n // 2
    x = rng.normal(size=(n, d)) + of_arm * rng.normal(size=(n_arms, d))[arm]
    member = np.where(expressed, rng.permutation(n) // per_complex, -1)
    x += of_complex * np.vstack([rng.normal(size=(member.max() + 1, d)), np.zeros(d)])[member]
    obs = pd.DataFrame({"perturbation": [f"g{i:03d}" for i in range(n)], "role": "treatment"})
    obs["chromosome_arm"] = [f"{a // 2 + 1}{'pq'[a % 2]}" for a in arm]
    obs["zfpkm"] = np.where(expressed, 2.0, -5.0)
    controls = pd.DataFrame({"perturbation": ["none"] * 30, "role": "negative_control"})
    obs = pd.concat([obs, controls], ignore_index=True)
    obs.index = [f"w{i}" for i in range(len(obs))]
    x = np.concatenate([x, rng.normal(size=(30, d))])
    known = pd.DataFrame({"complex": member, "gene": obs["perturbation"][:n]})
    return AnnData(x.astype("f4"), obs=obs), known[known["complex"] >= 0]


TASK = make_task("arm-bias", n_permutations=99)


def test_bias_is_found_and_centring_on_unexpressed_genes_removes_it():
    rng = np.random.default_rng(0)
    data, _ = screen(rng, of_arm=1.0)
    found = TASK.score(data, rng)
    assert found.n_units == 6
    assert found.value > 0.7
    assert found.chance == 0.5
    assert (found.units["p"] == 0.01).all()
    assert found.details[""]["p_arms_permuted"] == 0.01
    corrected = TASK.score(profile(data, "arm-centre@expression=zfpkm,fewest=15"), rng)
    assert abs(corrected.value - 0.5) < 0.05
    plain = TASK.score(profile(data, "arm-centre"), rng)
    # All genes of an arm of 40 are centred on themselves: a cosine is less by 1/39, a tenth of its deviation.
    assert 0.4 < plain.value < 0.5


def test_the_share_of_recall_that_arms_have(tmp_path):
    rng = np.random.default_rng(1)
    data, known = screen(rng, of_arm=1.0, of_complex=0.7)
    of_arms = data.obs.set_index("perturbation")["chromosome_arm"].dropna()
    neighbours = pd.DataFrame(
        [(a, b) for arm in of_arms.unique() for a, b in of_arms[of_arms == arm].index.to_numpy()[:40].reshape(20, 2)],
        columns=["entity1", "entity2"],
    )
    known.to_csv(tmp_path / "complexes.csv", index=False)
    pairs = known.merge(known, on="complex").query("gene_x < gene_y")
    mixed = pd.concat([neighbours, pairs.set_axis(["c", "entity1", "entity2"], axis=1)])[["entity1", "entity2"]]
    mixed = mixed[~mixed.apply(frozenset, axis=1).duplicated()]
    mixed.to_csv(tmp_path / "mixed.csv", index=False)
    score = make_task("arm-bias", n_permutations=19, relations=[tmp_path]).score(data, rng)
    details = score.details[""]
    assert f"recall of mixed is {details['recall_mixed']:.2f}, and" in score.caveat
    within = (of_arms[mixed["entity1"]].to_numpy() == of_arms[mixed["entity2"]].to_numpy()).mean()
    assert_allclose(details["relations_within_arms_mixed"], within)
    assert details["recall_mixed"] > details["recall_between_arms_mixed"] > 0.1
    # Complexes are of all arms; of the mixed relations, two thirds are between neighbours on an arm.
    assert abs(details["recall_due_to_arms_complexes"]) < 0.15
    assert 0.2 < details["recall_due_to_arms_mixed"] < 1
    recall = make_task("relationship-recall", relations=[tmp_path], n_permutations=19)
    apart = make_task("relationship-recall", relations=[tmp_path], n_permutations=19, exclude_same=["chromosome_arm"])
    treated = data[(data.obs["role"] == "treatment").to_numpy()]
    for task, name in ((recall, "recall"), (apart, "recall_between_arms")):
        for source in ("mixed", "complexes"):
            score = task.score(treated, rng)
            assert_allclose(score.details[source]["recall_both_tails"], details[f"{name}_{source}"])


def test_p_holds_its_level():
    rng = np.random.default_rng(2)
    units, whole = [], []
    for _ in range(60):
        data, _ = screen(rng, n_arms=4, per_arm=20, of_complex=1.0)
        score = make_task("arm-bias", n_permutations=39).score(data, rng)
        units += score.units["p"].tolist()
        whole.append(score.details[""]["p_arms_permuted"])
    assert binomtest(int((np.array(whole) <= 0.05).sum()), len(whole), 0.05).pvalue > 0.01
    assert 0.02 < np.mean(np.array(units) <= 0.05) < 0.09


def test_a_table_of_genes_names_the_arms_too(tmp_path):
    rng = np.random.default_rng(3)
    data, _ = screen(rng, of_arm=1.0)
    of_genes = data.obs[["perturbation", "chromosome_arm"]].drop_duplicates()
    of_genes.iloc[5:].to_csv(tmp_path / "genes.csv", index=False)
    del data.obs["chromosome_arm"]
    score = make_task("arm-bias", genes=tmp_path / "genes.csv", n_permutations=19).score(data, rng)
    assert score.value > 0.7
    assert "5 genes without a chromosome arm left out" in score.caveat


def test_refusals_and_what_is_left_out():
    rng = np.random.default_rng(4)
    data, _ = screen(rng, n_arms=3)
    data.obs.loc[data.obs["chromosome_arm"] == "2p", "chromosome_arm"] = [f"{i}" for i in range(40)]
    score = TASK.score(data, rng)
    assert score.units["unit"].tolist() == ["1p", "1q"]
    assert "40 chromosome arms with fewer than 20 genes left out" in score.caveat
    with pytest.raises(TaskNotApplicable, match="0 of 42 chromosome arms have 41 genes; 2 are needed"):
        make_task("arm-bias", fewest=41).score(data, rng)
    with pytest.raises(TaskNotApplicable, match="no column 'arm'"):
        make_task("arm-bias", arm="arm").score(data, rng)
    obs = pd.concat([data.obs, data.obs.set_index(data.obs_names + " again")])
    doubled = AnnData(np.vstack([data.X, data.X]), obs=obs)
    doubled.obs.iloc[0, doubled.obs.columns.get_loc("chromosome_arm")] = "1q"
    with pytest.raises(TaskNotApplicable, match="'g000' has different values of 'chromosome_arm'"):
        TASK.score(doubled, rng)
