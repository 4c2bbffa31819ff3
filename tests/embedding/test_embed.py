"""Embedding: right vectors for the right rows, whatever the workers; bad images named, never dropped."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.testing import assert_allclose, assert_array_equal

from phenolens.core.errors import EmbeddingError, EncoderError, ImageError
from phenolens.datasets import read_manifest
from phenolens.embedding import (
    PROVENANCE,
    dataset_channels,
    embed,
    embed_to_folder,
    read_embeddings,
    write_embeddings,
)
from phenolens.encoders import create_encoder
from phenolens.images import Crop

NAME = "pixel-statistics"


def by_hand(folder, index, crop=slice(None)):
    pixels = np.stack([tifffile.imread(folder / f"{channel}_{index}.tif") for channel in ("dna", "er")])
    return create_encoder(NAME, ("dna", "er")).embed(pixels[None, :, crop, crop], ("dna", "er"))[0]


def test_rows_are_the_sites_in_order(folder, manifest):
    vectors = embed(manifest, [NAME], workers=0).embeddings[NAME]
    assert vectors.obs_names.tolist() == [f"s{i}" for i in range(12)]
    assert_allclose(vectors.X, [by_hand(folder, i) for i in range(12)], rtol=1e-6)
    assert vectors.obs["role"].tolist()[5:7] == ["negative_control", "treatment"]
    assert vectors.var_names[0] == "dna_mean"


@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_workers_and_batches_change_nothing(manifest, batch_size):
    alone = embed(manifest, [NAME], workers=0, batch_size=batch_size).embeddings[NAME]
    shared = embed(manifest, [NAME], workers=2, batch_size=batch_size).embeddings[NAME]
    assert_array_equal(alone.X, shared.X)


def test_a_site_is_the_mean_of_its_tiles(folder, manifest):
    vectors = embed(manifest, [NAME], crop=Crop("tiles", 24), workers=0, batch_size=3).embeddings[NAME]
    pixels = np.stack([tifffile.imread(folder / f"{channel}_4.tif") for channel in ("dna", "er")])
    tiles = [pixels[:, y : y + 24, x : x + 24] for y in (0, 24) for x in (0, 24)]
    expected = create_encoder(NAME, ("dna", "er")).embed(np.stack(tiles), ("dna", "er")).mean(axis=0)
    assert_allclose(vectors.X[4], expected, rtol=1e-5)


def test_images_of_many_sizes_in_one_batch(folder, manifest):
    tifffile.imwrite(folder / "dna_2.tif", np.full((30, 20), 7, np.uint16))
    tifffile.imwrite(folder / "er_2.tif", np.full((30, 20), 9, np.uint16))
    vectors = embed(manifest, [NAME], workers=0).embeddings[NAME]
    assert vectors.n_obs == 12
    assert vectors.X[2, 0] == 7
    assert_allclose(vectors.X[3], by_hand(folder, 3), rtol=1e-6)


def test_channels_are_chosen_by_name(manifest):
    vectors = embed(manifest, [NAME], channels=["er"], workers=0).embeddings[NAME]
    assert {name.split("_")[0] for name in vectors.var_names} == {"er"}
    assert dataset_channels(manifest) == ("dna", "er")
    with pytest.raises(ImageError, match="no channel 'err'; did you mean 'er'"):
        embed(manifest, [NAME], channels=["err"])


def test_several_encoders_in_one_pass(manifest):
    embeddings = embed(manifest, [NAME, "cell-count"], workers=0).embeddings
    assert list(embeddings) == [NAME, "cell-count"]
    assert embeddings["cell-count"].shape == (12, 1)


def test_provenance_says_where_vectors_come_from(manifest):
    provenance = embed(manifest, [NAME], workers=0).embeddings[NAME].uns[PROVENANCE]
    assert provenance["encoder"] == NAME
    assert provenance["manifest"] == manifest.fingerprint
    assert provenance["channels"] == ["dna", "er"]
    assert {"weights_hash", "precision", "crop", "versions"} <= set(provenance)


BAD = {
    "missing": (lambda path: path.unlink(), "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "dna_3.tif"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:2000]), "dna_3.tif"),
    "nan": (lambda path: tifffile.imwrite(path, np.full((48, 48), np.nan, np.float32)), "NaN|dtype"),
    "size": (lambda path: tifffile.imwrite(path, np.zeros((40, 48), np.uint16)), "40"),
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_quarantined_by_name(folder, manifest, kind, workers):
    spoil, expected = BAD[kind]
    spoil(folder / "dna_3.tif")
    embedded = embed(manifest, [NAME], workers=workers)
    assert list(embedded.quarantine) == ["s3"]
    reason = embedded.quarantine["s3"]
    assert pd.Series([reason]).str.contains(expected)[0], reason
    assert "\n" not in reason
    vectors = embedded.embeddings[NAME]
    assert vectors.n_obs == 11
    assert_allclose(vectors["s4"].X[0], by_hand(folder, 4), rtol=1e-6)


def test_nan_pixels_name_their_channel(folder, manifest):
    for channel in ("dna", "er"):
        pixels = np.ones((48, 48), np.float32)
        pixels[0, 0] = np.nan if channel == "er" else 1
        tifffile.imwrite(folder / f"{channel}_3.tif", pixels)
    reason = embed(manifest, [NAME], workers=0).quarantine["s3"]
    assert "er" in reason
    assert "NaN" in reason


def test_if_no_image_can_be_read_there_is_one_error(folder, manifest):
    for path in folder.glob("*.tif"):
        path.unlink()
    with pytest.raises(ImageError, match="none of 12 sites can be read"):
        embed(manifest, [NAME])


def test_an_unknown_device_or_encoder_is_named(manifest):
    with pytest.raises(EmbeddingError, match="device 'cuda:77' cannot be used"):
        embed(manifest, [NAME], device="cuda:77")
    with pytest.raises(EncoderError, match="did you mean 'pixel-statistics'"):
        embed(manifest, ["pixel-stats"])


def test_to_folder_then_again_without_work(folder, manifest, monkeypatch):
    (folder / "dna_3.tif").unlink()
    out = folder / "out"
    first = embed_to_folder(manifest, [NAME, "cell-count"], out, workers=0, max_failed=0.1)
    monkeypatch.setattr("phenolens.embedding.folder.embed", lambda *_, **__: pytest.fail("embedded again"))
    again = embed_to_folder(manifest, [NAME, "cell-count"], out, workers=0, max_failed=0.1)
    assert again.quarantine == first.quarantine
    assert list(again.quarantine) == ["s3"]
    assert_array_equal(again.embeddings[NAME].X, first.embeddings[NAME].X)


@pytest.mark.parametrize("change", ["image", "channels", "crop", "precision"])
def test_to_folder_makes_anew_what_has_changed(folder, manifest, change):
    out = folder / "out"
    embed_to_folder(manifest, [NAME], out, workers=0)
    options = {
        "channels": {"channels": ["er", "dna"]},
        "crop": {"crop": Crop("centre", 16)},
        "precision": {"precision": "bf16"},
    }.get(change, {})
    if change == "image":
        tifffile.imwrite(folder / "dna_3.tif", np.zeros((48, 48), np.uint16))
    before = (out / f"{NAME}.h5ad").stat().st_mtime_ns
    embed_to_folder(read_manifest(folder / "manifest.csv"), [NAME], out, workers=0, **options)
    assert (out / f"{NAME}.h5ad").stat().st_mtime_ns > before


def test_too_many_bad_images_stop_the_run_with_everything_written(folder, manifest):
    for index in (2, 3):
        (folder / f"dna_{index}.tif").unlink()
    with pytest.raises(EmbeddingError, match=r"2 of 12 sites could not be read, more than the 1\.0%") as caught:
        embed_to_folder(manifest, [NAME], folder / "out", workers=0)
    assert "\n" not in str(caught.value)
    assert read_embeddings(folder / "out" / f"{NAME}.h5ad").n_obs == 10
    assert pd.read_csv(folder / "out" / "quarantine.csv")["site_id"].tolist() == ["s2", "s3"]


def test_round_trip_keeps_vectors_metadata_and_provenance(folder, manifest):
    vectors = embed(manifest, [NAME], workers=0).embeddings[NAME]
    write_embeddings(vectors, folder / "deep" / "x.h5ad")
    found = read_embeddings(folder / "deep" / "x.h5ad")
    assert_array_equal(found.X, vectors.X)
    assert found.obs["well"].tolist() == vectors.obs["well"].tolist()
    assert found.uns[PROVENANCE]["weights_hash"] == vectors.uns[PROVENANCE]["weights_hash"]
    assert json.dumps(found.uns[PROVENANCE]["versions"])
    assert [path.name for path in (folder / "deep").iterdir()] == ["x.h5ad"]
