"""What is known of an encoder is written into its vectors when they are made, and read from there ever after."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_array_equal

from phenolens.core.errors import EmbeddingError, EncoderError
from phenolens.embedding import (
    INFO,
    PROVENANCE,
    embed,
    embed_to_folder,
    encoder_info,
    read_embeddings,
    write_embeddings,
)
from phenolens.encoders import EncoderInfo, Named, create_encoder, describe_encoder

SEEDED = "random-convolutions@mixing=joint,seed=1"


def test_vectors_carry_it_also_by_way_of_a_file(folder, manifest):
    names = ["cell-count", "metadata@columns=role", SEEDED]
    embeddings = embed_to_folder(manifest, names, folder / "out", workers=0).embeddings
    assert list(embeddings) == names
    for name, vectors in embeddings.items():
        assert encoder_info(vectors, name) == describe_encoder(name)
    assert "seed" not in embeddings["cell-count"].uns[PROVENANCE][INFO]
    assert encoder_info(embeddings[SEEDED], SEEDED).seed == 1


def test_a_name_of_its_own_is_key_and_file(folder, manifest, monkeypatch):
    asked = [Named("how many", "cell-count"), Named("kernels", SEEDED), "cell-count"]
    embeddings = embed_to_folder(manifest, asked, folder / "out", workers=0).embeddings
    assert list(embeddings) == ["how many", "kernels@seed=1", "cell-count"]
    assert_array_equal(embeddings["how many"].X, embeddings["cell-count"].X)
    assert (folder / "out" / "how-many.h5ad").is_file()
    assert encoder_info(embeddings["how many"], "how many") == describe_encoder("cell-count", "how many")
    assert encoder_info(embeddings["how many"], "how many").measures == "cell-count"
    assert encoder_info(embeddings["kernels@seed=1"], "kernels@seed=1").name == "kernels"
    monkeypatch.setattr("phenolens.embedding.folder.embed", lambda *_, **__: pytest.fail("embedded again"))
    embed_to_folder(manifest, asked, folder / "out", workers=0)


def test_another_model_under_the_same_name_is_embedded_anew(folder, manifest):
    embed_to_folder(manifest, [Named("mine", "cell-count")], folder / "out", workers=0)
    again = embed_to_folder(manifest, [Named("mine", "cell-count@nucleus=dna")], folder / "out", workers=0)
    assert encoder_info(again.embeddings["mine"], "mine").model == "cell-count@nucleus=dna"


def test_two_encoders_of_one_name_are_refused_and_one_asked_for_twice_is_made_once(manifest):
    with pytest.raises(EncoderError, match="both 'cell-count' and 'area-fraction' are called 'mine'"):
        embed(manifest, [Named("mine", "cell-count"), Named("mine", "area-fraction")])
    assert list(embed(manifest, ["metadata@columns=role"] * 2).embeddings) == ["metadata@columns=role"]


def test_encoders_that_are_made_already_take_a_name_too(manifest):
    small, large = (create_encoder("cell-count", ("dna", "er")) for _ in range(2))
    large.embed = lambda pixels, channels, nuclei=None: np.full((len(pixels), 1), 7, np.float32)
    embeddings = embed(manifest, [Named("small", small), Named("large", large)], workers=0).embeddings
    assert (embeddings["large"].X == 7).all()
    assert not (embeddings["small"].X == 7).any()


def test_files_from_before_are_current_and_known_by_their_name(folder, manifest, monkeypatch):
    vectors = embed_to_folder(manifest, [SEEDED], folder / "out", workers=0).embeddings[SEEDED]
    del vectors.uns[PROVENANCE][INFO]
    write_embeddings(vectors, next((folder / "out").glob("*.h5ad")))
    monkeypatch.setattr("phenolens.embedding.folder.embed", lambda *_, **__: pytest.fail("embedded again"))
    again = embed_to_folder(manifest, [SEEDED], folder / "out", workers=0).embeddings[SEEDED]
    assert encoder_info(again, SEEDED) == describe_encoder(SEEDED)


@pytest.mark.parametrize(
    ("file", "name", "role"),
    [
        ("mine.csv", None, "tested"),
        ("cell-count.csv", None, "baseline"),
        ("cell-count.csv", "mine", "tested"),
        ("mine.csv", "cell-count", "baseline"),
        ("mine.csv", "untrained/resnet18@seed=1", "untrained"),
    ],
)
def test_a_table_is_what_it_is_called(tmp_path, file, name, role):
    pd.DataFrame({"perturbation": ["a", "b"], "f0": [0.1, 0.2]}).to_csv(tmp_path / file, index=False)
    vectors = read_embeddings(tmp_path / file, name=name)
    info = encoder_info(vectors, vectors.uns[PROVENANCE]["encoder"])
    assert info.id == (name or file.removesuffix(".csv"))
    assert info.role == role
    assert vectors.uns[PROVENANCE][INFO] == info.as_dict()


def test_a_file_of_ours_under_another_name_is_still_what_it_was(folder, manifest):
    embed_to_folder(manifest, ["cell-count", SEEDED], folder / "out", workers=0)
    counts = encoder_info(read_embeddings(folder / "out" / "cell-count.h5ad", name="density"), "density")
    assert counts == EncoderInfo("density", "cell-count", None, "baseline", "quantities", "", "cell-count")
    kernels = read_embeddings(next((folder / "out").glob("random*.h5ad")), name="kernels")
    assert encoder_info(kernels, "kernels").id == "kernels"


def test_vectors_without_provenance_are_told_by_their_name():
    bare = AnnData(np.zeros((2, 1), np.float32))
    assert encoder_info(bare, "cell-count") == describe_encoder("cell-count")
    assert encoder_info(bare, "mine") == EncoderInfo("mine", "mine")


def test_a_damaged_record_names_the_file(tmp_path):
    vectors = AnnData(np.zeros((2, 1), np.float32))
    vectors.uns[PROVENANCE] = {"encoder": "a", INFO: {"name": "a", "model": "a", "role": "best"}}
    write_embeddings(vectors, tmp_path / "a.h5ad")
    with pytest.raises(EmbeddingError, match=r"a\.h5ad: 'a': no role 'best'"):
        read_embeddings(tmp_path / "a.h5ad")
