"""What is opened, and what is said where something is missing."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import PhenolensError
from phenolens.embedding import write_embeddings
from phenolens.view import open_study
from phenolens.view import study as study_module
from phenolens.view.vectors import LANDMARKS, Vectors


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the study, to be damaged."""
    shutil.copytree(folder, tmp_path / "out")
    return tmp_path / "out"


def test_a_study_with_its_images(folder):
    study = open_study(folder)
    assert study.name == "a small study"
    assert [encoder.name for encoder in study.encoders] == ["network", "counts"]
    assert len(study.sites) == 48
    assert "image" not in study.sites
    assert [channel.name for channel in study.pictures.channels] == ["dna", "er"]
    assert study.notes == []


def test_a_study_whose_images_are_gone_is_opened_without_them_and_says_so(copy):
    page = json.loads((copy / "results.json").read_text())
    page["provenance"]["recipe"] = "dataset: {manifest: /gone/manifest.csv}"
    (copy / "results.json").write_text(json.dumps(page))
    study = open_study(copy)
    assert study.pictures is None
    assert study.notes == [
        "no images: no manifest at /gone/manifest.csv; if they have moved, name their manifest with --manifest FILE"
    ]


def test_a_damaged_recipe_only_costs_the_images(copy):
    page = json.loads((copy / "results.json").read_text())
    page["provenance"]["recipe"] = "dataset: [unclosed"
    (copy / "results.json").write_text(json.dumps(page))
    assert open_study(copy).notes == [
        "no images: the folder names no manifest; name it with --manifest FILE to see them"
    ]


def test_a_manifest_that_has_moved_can_be_named(folder, tmp_path):
    shutil.copytree(folder.parent / "plates", tmp_path / "moved")
    study = open_study(folder, tmp_path / "moved" / "manifest.csv")
    assert study.pictures.manifest.root == tmp_path / "moved"


def test_a_manifest_of_other_sites_is_refused(folder, tmp_path):
    pd.DataFrame({"site_id": ["other"], "image": ["a.tif"]}).to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(PhenolensError, match="has none of the embedded sites, such as 'site0'"):
        open_study(folder, tmp_path / "m.csv")


def test_a_folder_that_embed_wrote(folder):
    study = open_study(folder / "embeddings", folder.parent / "plates" / "manifest.csv")
    assert {encoder.name for encoder in study.encoders} == {"network", "counts"}
    assert study.pictures is not None


def test_a_study_of_tables_reads_them_where_its_recipe_says(copy, tmp_path):
    table = tmp_path / "network.h5ad"
    (copy / "embeddings" / "network.h5ad").rename(table)
    shutil.rmtree(copy / "embeddings")
    page = json.loads((copy / "results.json").read_text())
    page["provenance"]["recipe"] = json.dumps({"dataset": {"tables": {"network": {"file": str(table)}}}})
    (copy / "results.json").write_text(json.dumps(page))
    study = open_study(copy)
    assert [encoder.name for encoder in study.encoders] == ["network"]
    assert study.pictures is None
    table.unlink()
    with pytest.raises(PhenolensError, match="the study read its vectors there, so start from the same folder"):
        open_study(copy)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: shutil.rmtree(out / "embeddings"), "its embeddings are not there; copy the folder embeddings/"),
        (shutil.rmtree, "holds neither a study"),
        (
            lambda out: (out / "results.json").write_text('{"format": "phenolens-results", "version": 3}'),
            "has format version 3, this Phenolens reads version",
        ),
    ],
)
def test_errors_are_one_line_and_name_the_next_step(copy, damage, message):
    damage(copy)
    with pytest.raises(PhenolensError, match=message) as error:
        open_study(copy)
    assert "\n" not in str(error.value)


def test_a_damaged_file_of_vectors_is_left_out(copy):
    (copy / "embeddings" / "counts.h5ad").write_bytes(b"no HDF5")
    study = open_study(copy)
    assert [encoder.name for encoder in study.encoders] == ["network"]
    assert study.notes[0].startswith("left out: ")


def test_of_too_many_sites_a_sample_is_here(tmp_path, monkeypatch):
    monkeypatch.setattr(study_module, "MOST_SITES", 20)
    vectors = AnnData(np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32))
    write_embeddings(vectors, tmp_path / "a.h5ad")
    study = open_study(tmp_path)
    assert len(study.sites) == 20
    assert "20 of 50 sites are here, drawn at random with a fixed seed" in study.notes


def test_more_sites_than_landmarks_stand_among_their_own(monkeypatch):
    monkeypatch.setattr("phenolens.view.vectors.LANDMARKS", 60)
    assert LANDMARKS > 60
    group = np.arange(400) % 2
    values = np.random.default_rng(0).normal(size=(400, 6)) + 8 * np.eye(6)[group]
    points = Vectors("a", values.astype(np.float32)).layout()
    centres = np.array([np.median(points[group == each], axis=0) for each in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == group).mean() > 0.99


def test_neighbours_are_those_of_the_cosine_less_the_mean():
    values = np.array([[1, 0], [1, 0.1], [0, 1], [-1, 0]]) + 1000
    rows, cosines = Vectors("a", values).nearest(0, 2, np.array([True, False, False, False]))
    centred = values - values.mean(axis=0)
    directions = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    expected = directions @ directions[0]
    assert rows == [1, 2]
    np.testing.assert_allclose(cosines, expected[[1, 2]], rtol=1e-4)
