"""What the genes of a chromosome arm have in common is subtracted: against the published rule, by hand, refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import PhenolensError, ProfilingError
from phenolens.profiling import ArmCentre, profile


@pytest.fixture
def wells():
    """Two wells of each of 60 genes of three arms, the first with few genes, and controls."""
    rng = np.random.default_rng(0)
    gene = np.repeat(np.arange(60), 2)
    arm = np.where(gene < 10, "1p", np.where(gene < 35, "1q", "2p"))
    obs = pd.DataFrame({"perturbation": [f"g{i}" for i in gene], "role": "treatment", "chromosome_arm": arm})
    obs["zfpkm"] = np.where(gene % 5 == 0, 1.0, -4.0)
    controls = pd.DataFrame({"perturbation": ["none"] * 20, "role": "negative_control"})
    obs = pd.concat([obs, controls], ignore_index=True)
    obs.index = [f"w{i}" for i in range(len(obs))]
    x = rng.normal(size=(len(obs), 5)) + 7
    x[:120] += pd.Series(arm).map({"1p": 1.0, "1q": 2.0, "2p": 3.0}).to_numpy()[:, None]
    return AnnData(x.astype("f4"), obs=obs)


@pytest.mark.parametrize("expression", [None, "zfpkm"])
def test_the_mean_of_unexpressed_genes_of_an_arm_is_subtracted_relative_to_controls(wells, expression):
    how = "arm-centre@fewest=20" + (f",expression={expression}" if expression else "")
    found = profile(wells, how).to_df()
    expected, obs = wells.to_df().copy(), wells.obs
    centre = expected[obs["role"] == "negative_control"].mean()
    for arm in ("1q", "2p"):
        counted = (obs["chromosome_arm"] == arm) & ((obs["zfpkm"] < -3) if expression else True)
        by_gene = wells.to_df()[counted].groupby(obs.loc[counted, "perturbation"], observed=True).mean()
        if len(by_gene) >= 20:
            expected.loc[obs["chromosome_arm"] == arm] -= by_gene.mean() - centre
    assert_allclose(found, expected, atol=1e-5)
    # 1q has 25 genes, of which 20 are not expressed.
    assert not np.allclose(found[obs["chromosome_arm"] == "1q"], wells.to_df()[obs["chromosome_arm"] == "1q"])
    assert_allclose(found[obs["chromosome_arm"] == "1p"], wells.to_df()[obs["chromosome_arm"] == "1p"])


def test_the_published_rule_on_centred_profiles_of_genes(wells):
    """Lazar et al. subtract the mean itself, on embeddings that are centred on the controls."""
    centred = profile(wells, "batch-centre")
    found = profile(centred, "arm-centre@expression=zfpkm,fewest=20")
    arm, unexpressed = centred.obs["chromosome_arm"] == "2p", centred.obs["zfpkm"] < -3
    shift = centred.to_df()[arm & unexpressed].mean()  # each gene has two wells
    assert_allclose(found.to_df()[arm], centred.to_df()[arm] - shift, atol=1e-4)


def test_a_table_of_genes_may_hold_the_arms(wells, tmp_path):
    of_genes = wells.obs[["perturbation", "chromosome_arm", "zfpkm"]].drop_duplicates("perturbation")
    of_genes.rename(columns={"chromosome_arm": "arm"}).to_csv(tmp_path / "genes.csv", index=False)
    expected = profile(wells, "arm-centre@expression=zfpkm,fewest=5")
    bare = wells.copy()
    bare.obs = bare.obs[["perturbation", "role"]]
    found = profile(bare, f"arm-centre@genes={tmp_path / 'genes.csv'},arm=arm,expression=zfpkm,fewest=5")
    assert_allclose(found.X, expected.X)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("arm-centre@arm=chromosome_am", "no column 'chromosome_am'; did you mean 'chromosome_arm'"),
        ("arm-centre@expression=role", "column 'role' holds 'treatment', which is no number"),
        ("arm-centre@below=low", "below must be a number, found 'low'"),
        ("arm-centre@genes=nowhere.csv", "nowhere.csv: cannot be read as a table of genes"),
        ("arm-centre@arms=x", "has no option 'arms'"),
    ],
)
def test_refusals(wells, how, message):
    with pytest.raises(PhenolensError, match=message):
        profile(wells, how)


def test_tables_of_genes_that_contradict_themselves(wells, tmp_path):
    pd.DataFrame({"gene": ["g1", "g1"], "chromosome_arm": ["1p", "2p"]}).to_csv(tmp_path / "genes.csv", index=False)
    with pytest.raises(PhenolensError, match="gene 'g1' has several values of 'chromosome_arm'"):
        profile(wells, f"arm-centre@genes={tmp_path / 'genes.csv'}")
    with pytest.raises(PhenolensError, match="no column 'zfpkm'"):
        profile(wells, f"arm-centre@genes={tmp_path / 'genes.csv'},expression=zfpkm")
    del wells.obs["perturbation"]
    with pytest.raises(ProfilingError, match="no column 'perturbation'"):
        profile(wells, "arm-centre")


def test_without_genes_nothing_changes():
    x = np.random.default_rng(1).normal(size=(6, 3))
    assert_allclose(ArmCentre().fit_transform(x), x)
