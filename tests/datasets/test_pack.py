"""Packed images are the images that were packed, and their manifest is used like any other."""

import json

import numpy as np
import pandas as pd
import pytest

from phenolens.cli import main
from phenolens.core.errors import EncoderError, ImageError, ManifestError
from phenolens.datasets import pack, read_manifest
from phenolens.embedding import embed
from phenolens.encoders import create_encoder
from phenolens.images import read_site
from phenolens.simulation import simulate_cells
from phenolens.training import DataOptions, OptimiserOptions, RunOptions, train
from phenolens.training.options import MaskedAutoencoderOptions

pytestmark = pytest.mark.simulation

CHANNELS = ("dna", "er", "actin")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    return read_manifest(simulate_cells(folder, plates=1, wells=24, size=96, channels=list(CHANNELS)))


def test_images_come_back_as_they_were_in_the_channels_asked_for(manifest, tmp_path):
    packed = pack(manifest, tmp_path, channels=("actin", "dna"), shard_mib=1)
    again = read_manifest(packed.manifest)
    assert (packed.n_sites, packed.quarantine) == (24, {})
    assert list(again.table.index) == list(manifest.table.index)
    for row in range(24):
        before = read_site(manifest.images(row)).select(("actin", "dna"))
        after = read_site(again.images(row))
        assert after.channels == before.channels
        assert after.pixels.dtype == before.pixels.dtype
        assert (after.pixels == before.pixels).all()
    own = [column for column in manifest.table if not column.startswith("image")]
    assert (again.table[own].fillna("") == manifest.table[own].fillna("")).all(axis=None)


def test_several_shards_and_going_on_after_one_is_lost(manifest, tmp_path):
    assert read_site(manifest.images(0)).pixels.nbytes * 20 > 2**20  # so that a shard of a MiB holds fewer than all
    packed = pack(manifest, tmp_path, shard_mib=1)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) == packed.n_shards > 1
    times = [path.stat().st_mtime_ns for path in shards]
    shards[1].write_bytes(b"cut short")
    again = pack(manifest, tmp_path, shard_mib=1)
    assert again == packed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.parquet", *(path.name for path in shards)]
    now = [path.stat().st_mtime_ns for path in shards]
    assert now[0] == times[0]
    assert now[1] != times[1]
    for row, path in enumerate(map(read_manifest(again.manifest).images, range(24))):
        assert (read_site(path).pixels == read_site(manifest.images(row)).pixels).all()


def test_shards_of_other_images_are_written_anew(manifest, tmp_path):
    pack(manifest, tmp_path, channels=("dna",))
    other = read_manifest(pack(manifest, tmp_path, channels=("er",)).manifest)
    assert (read_site(other.images(3)).pixels[0] == read_site(manifest.images(3)).select(("er",)).pixels[0]).all()


def test_embeddings_and_training_do_not_change(manifest, tmp_path):
    packed = read_manifest(pack(manifest, tmp_path / "packed").manifest)
    names = ["untrained/resnet18@seed=0", "classical-features", "cell-count"]
    loose, tight = (embed(each, names, channels=CHANNELS).embeddings for each in (manifest, packed))
    for name, vectors in loose.items():
        assert np.array_equal(vectors.X, tight[name].X)
    model = MaskedAutoencoderOptions(objective="masked-autoencoder", size="micro_patch8", decoder=(32, 1, 2))
    data, run = DataOptions(crop=32, batch_size=4, workers=1), RunOptions(steps=3, log_every=1)
    for name, each, keep in (("loose", manifest, 1.0), ("tight", packed, 0.0)):
        options = data.model_copy(update={"keep_gib": keep})
        train(each, CHANNELS, model, tmp_path / name, data=options, optimiser=OptimiserOptions(name="adamw"), run=run)
    logs = [pd.read_csv(tmp_path / name / "log" / "metrics.csv")["loss"] for name in ("loose", "tight")]
    assert logs[0].notna().sum() == 3
    pd.testing.assert_series_equal(logs[0], logs[1])


def test_sites_that_cannot_be_read_are_named_and_left_out(manifest, tmp_path):
    table = manifest.table.reset_index()
    column = manifest.image_columns[0]
    for name in manifest.image_columns:
        table[name] = [str(manifest.root / path) for path in table[name]]
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\0")
    table.loc[0, column] = str(broken)
    table.to_csv(tmp_path / "manifest.csv", index=False)
    packed = pack(read_manifest(tmp_path / "manifest.csv"), tmp_path / "out")
    assert packed.n_sites == 23
    assert list(packed.quarantine) == [str(table["site_id"][0])]
    assert "broken.tif" in packed.quarantine[str(table["site_id"][0])]


def test_masks_are_found_from_the_new_folder(manifest, tmp_path):
    table = manifest.table.reset_index()
    for name in manifest.image_columns:
        table[name] = [str(manifest.root / path) for path in table[name]]
    table["mask"] = "masks/one.png"
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "one.png").write_bytes(b"")
    table.to_csv(tmp_path / "manifest.csv", index=False)
    again = read_manifest(pack(read_manifest(tmp_path / "manifest.csv"), tmp_path / "deep" / "out").manifest)
    assert again.mask(0).resolve() == tmp_path / "masks" / "one.png"
    again.check_files()


def test_what_a_shard_cannot_answer_is_said_in_one_line(manifest, tmp_path):
    packed = read_manifest(pack(manifest, tmp_path).manifest)
    shard = tmp_path / "shard-00000.safetensors"
    with pytest.raises(ImageError, match="holds 24 images, but not number 99"):
        read_site(tmp_path / "shard-00000.safetensors#99")
    with pytest.raises(ImageError, match="is a shard of many images"):
        read_site(shard)
    with pytest.raises(EncoderError, match="packed in shards"):
        create_encoder("file-size", CHANNELS, manifest=packed)
    shard.write_bytes(shard.read_bytes()[:200])
    with pytest.raises(ImageError, match="may be damaged or cut short"):
        read_site(packed.images(0))
    shard.unlink()
    with pytest.raises(ImageError, match="no such file"):
        read_site(packed.images(0))
    with pytest.raises(ManifestError, match="no file"):
        packed.check_files()


def test_the_command_prints_where_the_manifest_is(manifest, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["pack", str(manifest.source), "--out", str(tmp_path), "--json"])
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_sites"] == 24
    assert len(read_manifest(found["manifest"])) == 24
