"""Tables of vectors: which columns are features, which are metadata, and what is refused by name."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import EmbeddingError, PhenolensWarning
from phenolens.embedding import NOTE, PROVENANCE, mark_controls, read_embeddings

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).round(4)
METADATA = {
    "Metadata_Plate": ["p1", "p1", "p1", "p2", "p2", "p2"],
    "Metadata_Well": ["A01", "A02", "B01", "A01", "A02", "B01"],
    "Metadata_gene": ["nan", "NA", None, "None", "007", "1E3"],
    "Metadata_dose": [1, 2, 3, 1, 2, 3],
}
FRAME = pd.DataFrame({**METADATA, **{f"f{index}": X[:, index] for index in range(3)}})


def write_h5ad(path):
    obs = pd.DataFrame(METADATA, index=list("abcdef"))
    AnnData(X, obs=obs, var=pd.DataFrame(index=["f0", "f1", "f2"])).write_h5ad(path)


def write_npz(path):
    metadata = {name: np.array(values, dtype=object) for name, values in METADATA.items()}
    texts = {name: np.array(["" if v is None else str(v) for v in values]) for name, values in metadata.items()}
    np.savez(path, X=X, **{name: values.astype("S") for name, values in texts.items()})


WRITERS = {
    "t.csv": lambda path: FRAME.to_csv(path, index=False),
    "t.csv.gz": lambda path: FRAME.to_csv(path, index=False),
    "t.csv.xz": lambda path: FRAME.to_csv(path, index=False),
    "t.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "t.txt": lambda path: FRAME.to_csv(path, index=False, sep="|"),
    "excel.csv": lambda path: FRAME.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig"),
    "t.parquet": FRAME.to_parquet,
    "indexed.parquet": lambda path: FRAME.set_index(["Metadata_Plate", "Metadata_Well"]).to_parquet(path),
    "t.h5ad": write_h5ad,
    "t.npz": write_npz,
}


@pytest.mark.parametrize("file", WRITERS)
def test_every_format_reads_the_same(tmp_path, file):
    WRITERS[file](tmp_path / file)
    found = read_embeddings(tmp_path / file, columns={"perturbation": "Metadata_gene"})
    assert_allclose(found.X, X, rtol=1e-6)
    assert found.obs["plate"].tolist() == METADATA["Metadata_Plate"]
    assert found.obs["well"].tolist() == METADATA["Metadata_Well"]
    names = found.obs["perturbation"]
    assert names.isna().tolist() == [False, False, True, False, False, False]
    assert names.dropna().tolist() == ["nan", "NA", "None", "007", "1E3"]
    assert found.obs["dose"].tolist() == METADATA["Metadata_dose"]
    assert found.uns[PROVENANCE]["encoder"] == file.split(".")[0]


@pytest.mark.parametrize("cell", ["#DIV/0!", "#N/A", "NA", "n.d.", "<LOD", "1,5", "-"])
def test_a_cell_that_is_no_number_is_named_or_left_out(tmp_path, cell):
    text = FRAME["f1"].astype(str)
    text[4] = cell
    FRAME.assign(f1=text).to_csv(tmp_path / "t.csv", index=False)
    for features in (None, ["f*"], ["f0", "f1", "f2"]):
        with pytest.raises(EmbeddingError, match=r"1 of 6 rows, 1 of 3 features .* row '4', feature 'f1'") as caught:
            read_embeddings(tmp_path / "t.csv", features=features)
        assert f"'{cell}'" in str(caught.value)
        with pytest.warns(PhenolensWarning, match="rows left out"):
            found = read_embeddings(tmp_path / "t.csv", features=features, missing="rows")
        assert found.shape == (5, 3)
        assert cell in found.uns[PROVENANCE][NOTE]


def test_columns_of_names_are_no_features(tmp_path):
    FRAME.assign(donor=["d1", "2", "x", "3", "y", "z"], control=[True, False] * 3, targets=[["A", "B"]] * 6).to_parquet(
        tmp_path / "t.parquet"
    )
    found = read_embeddings(tmp_path / "t.parquet")
    assert found.var_names.tolist() == ["f0", "f1", "f2"]
    assert found.obs["targets"].tolist() == ["A|B"] * 6


@pytest.mark.parametrize("writer", ["t.csv", "t.parquet", "t.h5ad"])
def test_what_was_not_chosen_as_a_feature_is_metadata(tmp_path, writer):
    WRITERS[writer](tmp_path / writer)
    found = read_embeddings(tmp_path / writer, features=["f0", "f1"])
    assert found.var_names.tolist() == ["f0", "f1"]
    assert_allclose(found.obs["f2"].to_numpy(float), X[:, 2], rtol=1e-6)
    one = read_embeddings(tmp_path / writer, features=["Metadata_dose"])
    assert_allclose(one.X[:, 0], METADATA["Metadata_dose"])


def test_numbers_with_commas_are_no_metadata(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False, decimal=",", quoting=1)
    with pytest.raises(EmbeddingError, match="the columns f0, f1, f2 look like numbers with commas, such as '"):
        read_embeddings(tmp_path / "t.csv")
    with pytest.raises(EmbeddingError, match="look like numbers with commas"):
        read_embeddings(tmp_path / "t.csv", features=["f1"])
    thousands = FRAME.assign(f1=["1,234", "2,345", "10,001", "1,000", "9,999", "1,111"])
    thousands.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(EmbeddingError, match="the columns f1 look like numbers with commas, such as '1,234'"):
        read_embeddings(tmp_path / "t.csv")
    lists = FRAME.assign(targets=["1017,1019"] * 6)
    lists.to_csv(tmp_path / "t.csv", index=False)
    assert read_embeddings(tmp_path / "t.csv", features=["f*"]).obs["targets"].tolist() == ["1017,1019"] * 6


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X[:, 0]}, r"'X' must hold numbers and have two axes.* found float64 \(6,\)"),
        ({"X": X[None]}, r"two axes.* \(1, 6, 3\)"),
        ({"X": X.astype(str)}, "must hold numbers"),
        ({"X": X, "plate": np.array(["p"] * 5)}, "'plate' has shape .*one value for each of 6 rows"),
        ({"X": X, "plate": np.full((6, 2), "p")}, r"'plate' has shape \(6, 2\)"),
        ({"X": X, "plate": np.array(["p", None] * 3, dtype=object)}, "cannot be read as embeddings"),
    ],
)
def test_arrays_of_other_shapes_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(EmbeddingError, match=message) as caught:
        read_embeddings(tmp_path / "t.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["f2", "f4", "i4", "?"])
def test_arrays_of_any_numbers(tmp_path, dtype):
    np.savez(tmp_path / "t.npz", X=(10 * X).astype(dtype), label=np.array(["a", "b"] * 3).astype("S"), source="mine")
    found = read_embeddings(tmp_path / "t.npz")
    assert_allclose(found.X, (10 * X).astype(dtype).astype("f4"))
    assert found.obs["label"].tolist() == ["a", "b"] * 3
    assert found.obs["source"].tolist() == ["mine"] * 6


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("file", ["t.csv", "t.parquet", "t.h5ad"])
def test_a_column_that_is_there_twice_must_agree(tmp_path, file, same):
    table = pd.DataFrame({"plate": ["1", "2"], "Metadata_Plate": ["1", "2" if same else "3"], "f0": [1.0, 2.0]})
    if file == "t.h5ad":
        obs = table[["plate", "Metadata_Plate"]].set_axis(["a", "b"])
        AnnData(X[:2], obs=obs).write_h5ad(tmp_path / file)
    else:
        (table.to_csv if file == "t.csv" else table.to_parquet)(tmp_path / file, index=False)
    if same:
        assert list(read_embeddings(tmp_path / file).obs) == ["plate"]
    else:
        with pytest.raises(EmbeddingError, match="the columns 'plate' and 'Metadata_Plate' differ"):
            read_embeddings(tmp_path / file)


def test_features_of_one_name_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("plate,f0,f0\np,1,2\np,3,4\n")
    with pytest.raises(EmbeddingError, match="columns called 'f0' differ"):
        read_embeddings(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("plate,f0,f0\np,1,1\np,3,3\n")
    assert read_embeddings(tmp_path / "t.csv").var_names.tolist() == ["f0"]


def test_rows_of_one_name_are_not_one_thing(tmp_path):
    FRAME.set_axis(list("abcabc")).to_parquet(tmp_path / "t.parquet")
    with pytest.warns(PhenolensWarning, match="the first is 'a'; rows are numbered instead"):
        assert read_embeddings(tmp_path / "t.parquet").obs_names.tolist() == list("012345")
    text = "".join(f"{name},{value}\n" for name, value in zip("aab", X[:3, 0], strict=True))
    (tmp_path / "t.csv").write_text(f",f0\n{text}")
    with pytest.warns(PhenolensWarning, match="rows are numbered instead"):
        assert read_embeddings(tmp_path / "t.csv").n_obs == 3


@pytest.mark.parametrize("column", [[True, True, False], ["True", "True", "False"], [1, 1, 0], [1.0, 1.0, 0.0]])
def test_controls_may_be_marked_by_booleans_and_numbers(column):
    words = ["True"] if "True" in map(str, column) else ["1"]
    obs = mark_controls(pd.DataFrame({"role": column}), words, "t")
    assert (obs["role"] == "negative_control").tolist() == [True, True, False]


def test_other_spellings_of_controls_are_said():
    obs = pd.DataFrame({"perturbation": ["DMSO", "dmso", "DMSO_0.1%", "DMSOX", "cpd"]})
    with pytest.warns(PhenolensWarning, match="'dmso', 'DMSO_0.1%' look like negative controls and are not marked"):
        found = mark_controls(obs, ["DMSO"], "t")
    assert (found["role"] == "negative_control").tolist() == [True, False, False, False, False]
