"""The leak baselines: what rows of the manifest say, and what they cannot."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from phenolens.core.errors import EncoderError
from phenolens.datasets import Manifest
from phenolens.embedding import embed
from phenolens.encoders import RowEncoder, create_encoder

NAMES = ["metadata", "well-position", "file-size", "metadata@columns=perturbation"]


@pytest.mark.parametrize("name", NAMES)
def test_every_one_keeps_the_contract(name, manifest):
    encoder = create_encoder(name, ("dna", "er"), manifest=manifest)
    assert isinstance(encoder, RowEncoder)
    vectors = encoder.embed_rows()
    assert vectors.shape == (8, encoder.dim) == (8, len(set(encoder.feature_names)))
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(encoder.weights_hash) == 16
    assert (encoder.embed_rows() == vectors).all()


def test_metadata_tell_plates_apart_and_leave_out_what_is_the_same_everywhere(manifest):
    encoder = create_encoder("metadata", (), manifest=manifest)
    assert encoder.feature_names == ("plate_p0", "plate_p1")
    assert encoder.embed_rows()[:, 0].tolist() == [1, 0] * 4


def test_many_values_are_folded_and_stay_apart(manifest):
    table = pd.DataFrame({"site_id": range(700), "plate": [f"p{index // 2}" for index in range(700)]})
    table["patient"] = [f"q{index}" for index in range(700)]
    many = Manifest(table, manifest.root, manifest.source)
    x = create_encoder("metadata", (), manifest=many).embed_rows()
    assert x.shape == (700, 512)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = unit @ unit.T
    same = np.arange(700)[:, None] // 2 == np.arange(700) // 2
    np.fill_diagonal(same, val=False)
    assert cosine[same].mean() > 0.4
    assert abs(cosine[~same & ~np.eye(700, dtype=bool)].mean()) < 0.01


def test_positions_are_row_column_and_edge(manifest):
    x = create_encoder("well-position", (), manifest=manifest).embed_rows()
    assert x[:3].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_file_sizes_are_those_on_disk(manifest):
    encoder = create_encoder("file-size", ("dna", "er"), manifest=manifest)
    x = dict(zip(encoder.feature_names, encoder.embed_rows().T, strict=True))
    expected = [np.log2((manifest.root / name).stat().st_size) for name in manifest.table["image_er"]]
    assert_allclose(x["image_er_log2_bytes"], expected, rtol=1e-6)
    assert set(x["image_dna_bits"]) == {16}


def test_a_site_that_could_not_be_read_has_no_row_either(manifest):
    (manifest.root / "dna_3.tif").unlink()
    embedded = embed(manifest, ["metadata", "file-size", "pixel-statistics"], workers=0)
    assert list(embedded.quarantine) == ["s3"]
    assert {vectors.n_obs for vectors in embedded.embeddings.values()} == {7}
    assert "s3" not in embedded.embeddings["metadata"].obs_names


@pytest.mark.parametrize(
    ("name", "drop", "message"),
    [
        ("metadata", "plate", "no column of batch, plate, slide, patient differs between sites"),
        ("metadata@columns=plat", None, "no column 'plat'; did you mean 'plate'"),
        ("well-position", "well", "no column 'well'"),
    ],
)
def test_refusals(manifest, name, drop, message):
    table = manifest.table.drop(columns=drop) if drop else manifest.table
    with pytest.raises(EncoderError, match=message):
        create_encoder(name, (), manifest=Manifest(table, manifest.root, manifest.source))
