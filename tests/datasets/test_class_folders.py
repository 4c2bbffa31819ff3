"""Folders of class folders: what becomes a row, what is passed over, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from phenolens.cli import main
from phenolens.core.errors import ManifestError
from phenolens.datasets import read_manifest
from phenolens.embedding import dataset_channels, embed
from phenolens.images import Crop


def write(folder, *files, mode="RGB", size=(20, 16)):
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        depth = (3,) if mode == "RGB" else ()
        pixels = np.random.default_rng(len(file)).integers(0, 255, (size[1], size[0], *depth), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


@pytest.fixture
def photographs(tmp_path):
    """Two classes of two images, among files that are none."""
    write(tmp_path, "dog/b.PNG", "dog/a.jpg", "cat/2023/c.jpeg", "cat/d.tiff")
    write(tmp_path, ".hidden/e.png", "cat/.thumbnails/f.png", "loose.png")
    (tmp_path / "cat" / "boxes.txt").write_text("0 0 5 5\n")
    return tmp_path


def test_rows_are_the_images_of_the_class_folders_in_order(photographs):
    manifest = read_manifest(photographs)
    assert manifest.table["image"].tolist() == ["cat/2023/c.jpeg", "cat/d.tiff", "dog/a.jpg", "dog/b.PNG"]
    assert manifest.table["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert manifest.table.index.tolist() == manifest.table["image"].tolist()
    assert manifest.images(1) == photographs / "cat" / "d.tiff"
    assert manifest.missing_files() == []
    assert dataset_channels(manifest) == ("red", "green", "blue")


def test_columns_and_values_are_mapped_and_parts_dealt_as_of_any_manifest(photographs):
    manifest = read_manifest(photographs, columns={"animal": "label"}, values={"label": {"cat": "felis"}})
    assert manifest.table["animal"].tolist() == ["cat", "cat", "dog", "dog"]
    assert manifest.table["label"].tolist() == ["felis", "felis", "dog", "dog"]
    parts = [manifest.part("image", part).table.index for part in ("train", "test")]
    assert sorted([*parts[0], *parts[1]]) == manifest.table.index.tolist()


def test_classes_that_are_numbers_stay_text(tmp_path):
    write(tmp_path, "007/a.png", "1/b.png")
    assert read_manifest(tmp_path).table["label"].tolist() == ["007", "1"]


def test_images_of_different_sizes_are_cropped_and_grey_ones_among_colours_named(photographs):
    write(photographs, "dog/wide.png", size=(40, 18))
    write(photographs, "dog/grey.png", mode="L")
    write(photographs, "dog/small.png", size=(12, 12))
    embedded = embed(read_manifest(photographs), ["pixel-statistics"], crop=Crop("centre", 16), workers=0, device="cpu")
    assert "dog/wide.png" in embedded.embeddings["pixel-statistics"].obs_names
    assert embedded.embeddings["pixel-statistics"].n_obs == 5
    assert set(embedded.quarantine) == {"dog/grey.png", "dog/small.png"}
    assert "no channel 'red'" in embedded.quarantine["dog/grey.png"]
    assert "12x12 is smaller than the crop" in embedded.quarantine["dog/small.png"]


def test_a_folder_of_grey_images_alone_has_one_channel(tmp_path):
    write(tmp_path, "a/x.png", "b/y.png", mode="L")
    assert dataset_channels(read_manifest(tmp_path)) == ("gray",)


def test_an_image_of_a_format_that_is_not_read_is_no_silent_gap(photographs):
    write(photographs, "dog/z.webp")
    manifest = read_manifest(photographs)
    embedded = embed(manifest, ["pixel-statistics"], crop=Crop("centre", 16), workers=0, device="cpu")
    assert list(embedded.quarantine) == ["dog/z.webp"]
    assert "'.webp' is not a known image format" in embedded.quarantine["dog/z.webp"]


@pytest.mark.parametrize(("files", "found"), [([], "none"), (["only/a.png"], "only 'only'")])
def test_fewer_than_two_classes_are_refused_on_one_line(tmp_path, files, found):
    write(tmp_path, *files)
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert f"at least two class folders, found {found}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_without_images_and_a_folder_that_is_not_there(photographs):
    (photographs / "eel").mkdir()
    (photographs / "eel" / "notes.txt").write_text("none yet\n")
    with pytest.raises(ManifestError, match=rf"^{photographs}: the class folder 'eel' holds no images$"):
        read_manifest(photographs)
    with pytest.raises(ManifestError, match="no manifest at"):
        read_manifest(photographs / "fox" / "none")


def test_validate_takes_a_folder(photographs, capsys):
    with pytest.raises(SystemExit) as end:
        main(["validate", str(photographs), "--json"])
    assert not end.value.code
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "valid": True,
        "kind": "manifest",
        "manifest": str(photographs),
        "n_sites": 4,
        "warnings": [],
        "cost": None,
    }
