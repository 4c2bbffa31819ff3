"""Embeddings that people bring."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import EmbeddingError
from phenolens.embedding import PROVENANCE, read_embeddings

X = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("prefix", ["", "Metadata_"])
def test_tables(tmp_path, suffix, prefix):
    table = pd.DataFrame({f"{prefix}perturbation": ["a", "b", "a"], "f0": X[:, 0], "f1": X[:, 1]})
    if prefix:
        table[f"{prefix}dose"] = [0.1, 0.2, 0.3]
    path = tmp_path / f"mine{suffix}"
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    found = read_embeddings(path)
    assert_allclose(found.X, X)
    assert found.obs["perturbation"].tolist() == ["a", "b", "a"]
    assert ("dose" in found.obs) == bool(prefix)
    assert found.uns[PROVENANCE]["encoder"] == "mine"


def test_npz(tmp_path):
    np.savez(tmp_path / "e.npz", X=X, label=np.array(["x", "y", "x"]))
    found = read_embeddings(tmp_path / "e.npz")
    assert_allclose(found.X, X)
    assert found.obs["label"].tolist() == ["x", "y", "x"]


def test_refusals(tmp_path):
    with pytest.raises(EmbeddingError, match="no embeddings at"):
        read_embeddings(tmp_path / "none.h5ad")
    (tmp_path / "x.doc").write_text("x")
    with pytest.raises(EmbeddingError, match=r"not '\.doc'"):
        read_embeddings(tmp_path / "x.doc")
    for suffix in (".h5ad", ".parquet", ".npz"):
        (tmp_path / f"x{suffix}").write_text("nonsense")
        with pytest.raises(EmbeddingError, match="cannot be read") as caught:
            read_embeddings(tmp_path / f"x{suffix}")
        assert "\n" not in str(caught.value)
    np.savez(tmp_path / "p.npz", X=np.array([{"a": 1}], dtype=object))
    with pytest.raises(EmbeddingError, match="cannot be read"):
        read_embeddings(tmp_path / "p.npz")
    np.savez(tmp_path / "y.npz", Y=X)
    with pytest.raises(EmbeddingError, match="no array 'X'; there is: Y"):
        read_embeddings(tmp_path / "y.npz")
    pd.DataFrame({"a": ["x", "y"]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(EmbeddingError, match="2 rows and 0 features"):
        read_embeddings(tmp_path / "t.csv")
    pd.DataFrame({"a": ["x", "y"], "f": [1.0, np.nan]}).to_csv(tmp_path / "n.csv", index=False)
    with pytest.raises(
        EmbeddingError,
        match="1 of 2 rows, 1 of 1 features have NaN or infinite values, the first is row '1', feature 'f'",
    ):
        read_embeddings(tmp_path / "n.csv")


def test_leading_zeros_of_metadata_are_kept(tmp_path):
    (tmp_path / "t.csv").write_text("perturbation,plate,f0\n007,1,1\n7,2,2\n,3,3\n")
    found = read_embeddings(tmp_path / "t.csv").obs
    assert found["perturbation"].tolist()[:2] == ["007", "7"]
    assert found["perturbation"].isna().tolist() == [False, False, True]
    assert found["plate"].tolist() == ["1", "2", "3"]


def test_one_well_has_one_spelling(tmp_path):
    (tmp_path / "t.csv").write_text("plate,well,f0\np,A1,1\np,A01,2\np,B2,3\n")
    assert read_embeddings(tmp_path / "t.csv").obs["well"].tolist() == ["A01", "A01", "B02"]
    (tmp_path / "t.csv").write_text("plate,well,f0\np,r01c01,1\np,a-2,2\np,B2,3\n")
    assert read_embeddings(tmp_path / "t.csv").obs["well"].tolist() == ["A01", "A02", "B02"]


def test_a_column_with_and_without_prefix_must_agree(tmp_path):
    (tmp_path / "t.csv").write_text("plate,Metadata_plate,f0\np,p,1\nq,q,2\n")
    assert list(read_embeddings(tmp_path / "t.csv").obs) == ["plate"]
    (tmp_path / "t.csv").write_text("plate,Metadata_plate,f0\np,p,1\nq,r,2\n")
    with pytest.raises(EmbeddingError, match="the columns 'plate' and 'Metadata_plate' differ"):
        read_embeddings(tmp_path / "t.csv")


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_rows_whose_names_repeat_are_numbered(tmp_path):
    vectors = AnnData(X, obs=pd.DataFrame({"label": ["a", "b", "a"]}, index=["0", "1", "0"]))
    vectors.write_h5ad(tmp_path / "tiles.h5ad")
    with pytest.warns(UserWarning, match="names of rows repeat, the first is '0'; rows are numbered instead"):
        found = read_embeddings(tmp_path / "tiles.h5ad")
    assert found.obs_names.tolist() == ["0", "1", "2"]
    assert_allclose(found.X, X)
