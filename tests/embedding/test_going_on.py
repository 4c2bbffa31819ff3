"""A stopped run is gone on with: nothing finished is lost, nothing outdated is used, nothing is left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from numpy.testing import assert_array_equal

from phenolens.core.errors import ManifestError, PhenolensError
from phenolens.core.files import only_writer
from phenolens.datasets import Manifest, read_manifest
from phenolens.embedding import embed, embed_to_folder, read_embeddings
from phenolens.embedding import journal as journals
from phenolens.encoders.pixel_statistics import PixelStatistics

NAME = "pixel-statistics"
BOTH = [NAME, "power-spectrum"]


def vectors_of(folder, names=BOTH):
    return {name: read_embeddings(folder / f"{name}.h5ad").X for name in names}


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*"))


class Stopped(BaseException):
    """What ends a run here, as a signal would."""


@pytest.fixture
def stop_at(monkeypatch):
    """Return a function that stops the run when a site is read, and that counts sites that are read."""
    monkeypatch.setattr(journals, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(journals, "_SHARE", 0.0)
    read, images = [], Manifest.images
    at = [None]

    def spied(manifest, row):
        read.append(row)
        if row == at[0]:
            raise Stopped
        return images(manifest, row)

    monkeypatch.setattr(Manifest, "images", spied)

    def stop(row):
        read.clear()
        at[0] = row
        return read

    return stop


def stopped(manifest, names, out, **options):
    with pytest.raises(Stopped):
        embed_to_folder(manifest, names, out, workers=0, **options)


def test_finished_sites_are_not_embedded_again(folder, manifest, stop_at):
    embed_to_folder(manifest, BOTH, folder / "whole", workers=0)
    stop_at(9)
    stopped(manifest, BOTH, folder / "out")
    read = stop_at(None)
    embed_to_folder(manifest, BOTH, folder / "out", workers=0)
    assert set(read) == {0, 9, 10, 11}  # the first, whose channels are asked for, and what was missing
    for name, expected in vectors_of(folder / "whole").items():
        assert_array_equal(vectors_of(folder / "out")[name], expected)
    assert files_in(folder / "out") == sorted([*(f"{name}.h5ad" for name in BOTH), "quarantine.csv"])


def test_sites_that_cannot_be_read_and_nuclei_are_remembered(folder, manifest, stop_at):
    (folder / "dna_2.tif").write_bytes(b"")
    whole = embed_to_folder(manifest, ["cell-count"], folder / "whole", workers=0, max_failed=0.1)
    stop_at(9)
    stopped(manifest, ["cell-count"], folder / "out", max_failed=0.1)
    stop_at(None)
    again = embed_to_folder(manifest, ["cell-count"], folder / "out", workers=0, max_failed=0.1)
    assert again.quarantine == whole.quarantine
    one, other = (each.embeddings["cell-count"] for each in (whole, again))
    assert_array_equal(one.X, other.X)
    assert one.uns["phenolens"].get("note") == other.uns["phenolens"].get("note")


@pytest.mark.parametrize("change", ["image", "crop", "encoder", "damage", "key"])
def test_what_was_kept_is_used_only_where_it_is_the_same(folder, manifest, stop_at, change):
    stop_at(9)
    stopped(manifest, [NAME], folder / "out")
    [kept] = (folder / "out").glob(".unfinished-*")
    names, options = [NAME], {}
    first = kept / "0-1.npz"
    if change == "image":
        tifffile.imwrite(folder / "dna_3.tif", np.zeros((48, 48), np.uint16))
    elif change == "crop":
        options = {"channels": ["er", "dna"]}
    elif change == "encoder":
        names = ["power-spectrum"]
    elif change == "damage":
        first.write_bytes(first.read_bytes()[:100])
    else:
        (kept / "key.json").write_bytes(b"{")
    read = stop_at(None)
    embed_to_folder(manifest, names, folder / "out", workers=0, **options)
    assert set(read) == set(range(12))
    expected = embed(manifest, names, workers=0, **options).embeddings[names[0]].X
    assert_array_equal(vectors_of(folder / "out", names)[names[0]], expected)
    assert not list((folder / "out").glob(".*"))


def test_a_full_disk_for_what_is_kept_does_not_stop_a_run(folder, manifest, monkeypatch, stop_at):
    def fail(path, content):
        raise OSError(28, "No space left on device", str(path))

    earlier = journals.write_whole
    monkeypatch.setattr(journals, "write_whole", lambda path, x: (earlier if path.suffix == ".json" else fail)(path, x))
    embed_to_folder(manifest, [NAME], folder / "out", workers=0)
    assert files_in(folder / "out") == [f"{NAME}.h5ad", "quarantine.csv"]


SCRIPT = """
import sys, time
from phenolens.datasets import Manifest, read_manifest
from phenolens.embedding import embed_to_folder, journal
journal._LEAST_SECONDS = 0.0
images = Manifest.images
def slow(manifest, row):
    if row == 9:
        print("now", flush=True)
        time.sleep(600)
    return images(manifest, row)
Manifest.images = slow
embed_to_folder(read_manifest(sys.argv[1]), ["pixel-statistics"], sys.argv[2], workers=0)
"""


def test_a_killed_process_leaves_what_it_has_finished_and_no_lock(folder, manifest, stop_at):
    command = [sys.executable, "-c", SCRIPT, folder / "manifest.csv", folder / "out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
    (folder / "out" / ".pixel-statistics.h5ad.0123.tmp").write_bytes(b"what a killed run was writing")
    read = stop_at(None)
    embed_to_folder(manifest, [NAME], folder / "out", workers=0)
    assert set(read) == {0, 9, 10, 11}
    assert files_in(folder / "out") == [f"{NAME}.h5ad", "quarantine.csv"]


def test_whole_files_are_used_again_without_the_listing(folder, manifest, stop_at):
    (folder / "dna_3.tif").unlink()
    first = embed_to_folder(manifest, BOTH, folder / "out", workers=0, max_failed=0.1)
    (folder / "out" / "quarantine.csv").unlink()
    read = stop_at(None)
    again = embed_to_folder(manifest, BOTH, folder / "out", workers=0, max_failed=0.1)
    assert set(read) == {0}
    assert again.quarantine == first.quarantine
    assert pd.read_csv(folder / "out" / "quarantine.csv")["site_id"].tolist() == ["s3"]


def test_an_encoder_more_reads_the_images_for_that_one_alone(folder, manifest):
    embed_to_folder(manifest, [NAME], folder / "out", workers=0)
    before = (folder / "out" / f"{NAME}.h5ad").stat().st_mtime_ns
    embed_to_folder(manifest, [*BOTH, "file-size"], folder / "out", workers=0)
    assert (folder / "out" / f"{NAME}.h5ad").stat().st_mtime_ns == before


def test_files_of_others_and_damaged_ones_are_embedded_again(folder, manifest):
    whole = embed_to_folder(manifest, [NAME], folder / "out", workers=0).embeddings[NAME]
    path = folder / "out" / f"{NAME}.h5ad"
    content = path.read_bytes()
    for changed in (content[:-50], content[:3000] + bytes(512) + content[3512:], b"", b"\x89HDF\r\n\x1a\n"):
        path.write_bytes(changed)
        assert_array_equal(embed_to_folder(manifest, [NAME], folder / "out", workers=0).embeddings[NAME].X, whole.X)


def test_the_sites_of_another_manifest_in_the_same_folder_are_its_own(folder, manifest):
    table = pd.read_csv(folder / "manifest.csv")
    other = table.assign(site_id=[f"m{row}" for row in range(12)], image_dna="none.tif")
    pd.concat([table[:6], other]).to_csv(folder / "other.csv", index=False)
    out = folder / "out"
    embed_to_folder(manifest, [NAME], out, workers=0)
    embed_to_folder(read_manifest(folder / "other.csv"), ["power-spectrum"], out, workers=0, max_failed=0.9)
    assert embed_to_folder(manifest, [NAME], out, workers=0).quarantine == {}
    assert len(pd.read_csv(out / "quarantine.csv")) == 0


@pytest.mark.parametrize("index", [0, 3, 11])
def test_an_image_that_is_replaced_meanwhile_is_embedded_again(folder, manifest, monkeypatch, caplog, index):
    measure, bright = PixelStatistics.embed, np.full((48, 48), 60000, np.uint16)
    replaced = []

    def replace_and_measure(self, pixels, channels):
        if not replaced:
            tifffile.imwrite(folder / f"dna_{index}.tif", bright)
            replaced.append(index)
        return measure(self, pixels, channels)

    monkeypatch.setattr(PixelStatistics, "embed", replace_and_measure)
    embed_to_folder(manifest, [NAME], folder / "out", workers=0)
    assert "run again" in caplog.text
    embed_to_folder(manifest, [NAME], folder / "out", workers=0)
    assert vectors_of(folder / "out", [NAME])[NAME][index, 0] == 60000


def test_a_file_within_a_folder_of_an_image_counts(tmp_path):
    image = tmp_path / "site.zarr"
    (image / "0").mkdir(parents=True)
    (image / "0" / "c").write_bytes(b"one")
    pd.DataFrame({"site_id": ["s0"], "image": ["site.zarr"]}).to_csv(tmp_path / "manifest.csv", index=False)
    manifest = read_manifest(tmp_path / "manifest.csv")
    before = manifest.fingerprint
    (image / "0" / "c").write_bytes(b"three")
    assert manifest.fingerprint != before


def _claim(folder, ready, end):
    with only_writer(folder):
        ready.set()
        end.wait(60)


def test_one_run_at_a_time_writes_to_a_folder(folder, manifest, monkeypatch):
    monkeypatch.setattr("phenolens.core.files._PATIENCE", 0.2)
    out = folder / "out"
    out.mkdir()
    spawn = multiprocessing.get_context("spawn")
    ready, end = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_claim, args=(out, ready, end))
    process.start()
    assert ready.wait(60)
    with pytest.raises(PhenolensError, match="another run is writing to this folder") as caught:
        embed_to_folder(manifest, [NAME], out, workers=0)
    assert "\n" not in str(caught.value)
    end.set()
    process.join()
    embed_to_folder(manifest, [NAME], out, workers=0)


def test_without_locks_of_the_file_system_a_run_goes_on(folder, manifest, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert embed_to_folder(manifest, [NAME], folder / "out", workers=0).embeddings[NAME].n_obs == 12


def test_too_little_shared_memory_is_no_reason_to_wait(manifest, monkeypatch):
    def refuse(self):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    expected = embed(manifest, ["untrained/resnet18"], workers=0, device="cpu")
    monkeypatch.setattr(torch.Tensor, "share_memory_", refuse)
    found = embed(manifest, ["untrained/resnet18"], workers=2, device="cpu", batch_size=4)
    np.testing.assert_allclose(
        found.embeddings["untrained/resnet18"].X, expected.embeddings["untrained/resnet18"].X, rtol=1e-4, atol=1e-5
    )


def test_a_reading_process_that_is_ended_is_named(manifest, monkeypatch):
    monkeypatch.setattr(Manifest, "images", _end_worker)
    manifest.__dict__["parent"] = os.getpid()
    with pytest.raises(PhenolensError, match="--workers 0") as caught:
        embed(manifest, [NAME], workers=1)
    assert "\n" not in str(caught.value)


def _end_worker(manifest, row, images=Manifest.images):
    if os.getpid() != manifest.__dict__["parent"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return images(manifest, row)


ODD = {
    "times": pd.date_range("2024-05-01 12:00", periods=12, freq="h"),
    "times with a zone": pd.date_range("2024-05-01", periods=12, tz="Europe/Berlin"),
    "dates": pd.date_range("2024-05-01", periods=12).date,
    "durations": pd.to_timedelta(np.arange(12), unit="h"),
    "periods": pd.period_range("2024-05", periods=12, freq="M"),
    "lists": [["a", "b"]] * 12,
    "mappings": [{"a": 1}] * 12,
    "bytes": [b"a"] * 12,
    "texts and numbers": ["a", 1, 2.5, None, True, "b"] * 2,
    "whole numbers that may miss": pd.array([1, None, 3] * 4, dtype="Int64"),
    "numbers that may miss": pd.array([1.5, None, 3] * 4, dtype="Float64"),
    "answers that may miss": pd.array([True, None, False] * 4, dtype="boolean"),
    "categories of dates": pd.Categorical(pd.date_range("2024-05-01", periods=12)),
    "texts that may miss": pd.array(["a", None, "b"] * 4, dtype="string"),
    "nothing": [None] * 12,
}


@pytest.mark.parametrize("kind", ODD)
def test_columns_of_any_kind_are_stored(folder, manifest, kind):
    table = manifest.table.assign(odd=pd.Series(list(ODD[kind]) if kind == "lists" else ODD[kind]).to_numpy())
    if kind in ("whole numbers that may miss", "numbers that may miss", "answers that may miss", "texts that may miss"):
        table["odd"] = pd.Series(ODD[kind], index=table.index)
    changed = Manifest(table, manifest.root, manifest.source)
    embed_to_folder(changed, ["file-size"], folder / "out", workers=0)
    found = read_embeddings(folder / "out" / "file-size.h5ad").obs["odd"]
    assert found.isna().tolist() == table["odd"].isna().tolist()
    if kind == "times":
        assert found.iloc[1] == "2024-05-01T13:00:00"


@pytest.mark.parametrize("name", ["_index", "a\0b", "\ud800"])
def test_columns_that_cannot_be_stored_are_named_before_any_image_is_read(folder, manifest, stop_at, name):
    table = manifest.table.assign(**{name: "x"})
    read = stop_at(None)
    with pytest.raises(ManifestError, match="cannot be stored with embeddings") as caught:
        embed_to_folder(Manifest(table, manifest.root, manifest.source), [NAME], folder / "out", workers=0)
    assert "\n" not in str(caught.value)
    assert set(read) == {0}
