"""Files of every kind are checked before any work starts."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

from phenolens.cli import main
from phenolens.core.errors import EmbeddingError, ManifestError, RecipeError
from phenolens.recipes import Recipe, ScalingRecipe, TrainingRecipe, load_recipe, load_recipe_of_kind
from phenolens.workflows.validate import validate

RECIPES = Path(__file__).parents[2] / "recipes"
KINDS = {"train": "TrainingRecipe", "scale": "ScalingRecipe"}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("**/*.yaml")), ids=lambda path: str(path.relative_to(RECIPES)))
def test_the_kind_of_a_recipe_is_told_by_its_entries(path):
    assert type(load_recipe(path)).__name__ == KINDS.get(path.parent.name, "Recipe")


@pytest.fixture
def folder(tmp_path):
    """A manifest of two images, and recipes that train on it."""
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.arange(64, dtype=np.uint16).reshape(8, 8))
    pd.DataFrame({"site_id": ["a", "b"], "image": ["a.tif", "b.tif"]}).to_csv(tmp_path / "manifest.csv", index=False)
    images = {"manifest": "manifest.csv"}
    asked = {"dataset": images, "tasks": [{"task": "knn-probe", "label": "kind"}]}
    train = {
        "name": "small",
        "dataset": images,
        "model": {"objective": "masked-autoencoder", "size": "micro_patch8"},
        "data": {"crop": 8},
        "diagnose": asked,
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(train))
    scale = {"train": train, "vary": {"run.steps": [10, 20]}}
    (tmp_path / "scale.yaml").write_text(yaml.safe_dump(scale))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "kind"), [("manifest.csv", "manifest"), ("train.yaml", "training"), ("scale.yaml", "scaling")]
)
def test_it_is_said_what_a_file_is_and_what_is_missing(folder, file, kind):
    found = validate(folder / file)
    assert (found.kind, found.n_sites) == (kind, 2)
    (folder / "b.tif").unlink()
    with pytest.raises(ManifestError, match=r"b\.tif"):
        validate(folder / file)


@pytest.mark.parametrize("content", ["[1, 2]", "{}", "{name: x, dataset: {manifest: manifest.csv}}"])
def test_a_file_that_is_no_recipe_is_told_what_each_kind_needs(folder, content):
    (folder / "odd.yaml").write_text(content)
    needs = (
        "odd.yaml: is not a recipe: a study needs name, dataset, tasks; a training run needs name, dataset, model; "
        "a scaling study needs train, vary"
    )
    with pytest.raises(RecipeError, match=re.escape(needs) + "$"):
        validate(folder / "odd.yaml")


def test_a_study_that_lacks_its_tasks_is_refused_as_a_study(folder):
    (folder / "study.yaml").write_text("{name: x, dataset: {manifest: manifest.csv}, profiling: [raw]}")
    with pytest.raises(RecipeError, match="tasks: field required"):
        validate(folder / "study.yaml")


@pytest.mark.parametrize(
    ("file", "kind", "message"),
    [
        ("train.yaml", Recipe, "a training run, not of a study; use: phenolens train "),
        (
            "scale.yaml",
            TrainingRecipe,
            "a scaling study, not of a training run; use: phenolens scale ",
        ),
        ("train.yaml", ScalingRecipe, "a training run, not of a scaling study; use: phenolens train "),
    ],
)
def test_a_recipe_of_another_kind_is_sent_to_its_command(folder, file, kind, message):
    with pytest.raises(RecipeError, match=f"is the recipe of {message}.*{file}$"):
        load_recipe_of_kind(folder / file, kind)


@pytest.mark.parametrize(("file", "kind"), [("train.yaml", TrainingRecipe), ("scale.yaml", ScalingRecipe)])
def test_a_recipe_of_the_kind_that_a_command_takes_is_read(folder, file, kind):
    assert load_recipe_of_kind(folder / file, kind) == load_recipe(folder / file)


@pytest.mark.parametrize("command", ["run", "scale"])
def test_commands_refuse_recipes_of_another_kind_in_one_line(folder, command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, str(folder / "train.yaml"), "--out", str(folder / "out")])
    assert stopped.value.code == 1
    refused = capsys.readouterr().err
    assert "use: phenolens train" in refused
    assert refused.count("\n") == 1
    assert not (folder / "out").exists()


def test_what_metadata_show_of_the_questions_is_said_before_any_work(tmp_path, capsys):
    for name in "abcdefgh":
        tifffile.imwrite(tmp_path / f"{name}.tif", pd.DataFrame([[1, 2], [3, 4]]).to_numpy("uint16"))
    table = pd.DataFrame({"site_id": list("abcdefgh"), "image": [f"{name}.tif" for name in "abcdefgh"]})
    table["label"] = list("xyxyxyxy")
    table["site"] = list("11223344")
    table["patient"] = list("ppppqqqq")
    table["score"] = range(8)
    table.to_csv(tmp_path / "manifest.csv", index=False)
    tasks = [
        {"task": "knn-probe", "label": "label", "group": "patient"},
        {"task": "knn-probe", "label": "site", "group": "patient"},
        {"task": "regression-probe", "targets": ["score"], "group": "patient"},
        {"task": "regression-probe", "targets": ["score"], "group": "patient", "least_rows": 4, "form": "hest"},
    ]
    content = {"name": "few", "dataset": {"manifest": "manifest.csv"}, "encoders": ["cell-count"], "tasks": tasks}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    lowered = "2 folds instead of 5: there are 2 groups by patient"
    expected = (
        f"knn-probe:label|grouped by patient: {lowered}",
        "cannot be answered: knn-probe:site|grouped by patient: needs at least two classes with 2 rows in two "
        "patients, found 0 of 4",
        "cannot be answered: regression-probe:tuned|grouped by patient: needs at least two groups of 10 rows, found 0 "
        "of 2",
        f"regression-probe:hest|grouped by patient: {lowered}",
    )
    assert validate(tmp_path / "study.yaml").warnings == expected
    with pytest.raises(SystemExit) as stopped:
        main(["validate", str(tmp_path / "study.yaml")])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"warning: {text}\n" in printed for text in expected)


@pytest.fixture
def sites(tmp_path):
    """A manifest of 200 images of 32 x 32 pixels, of which the one in the middle is of 8 x 30."""
    image = np.zeros((32, 32), np.uint16)
    for number in range(200):
        tifffile.imwrite(tmp_path / f"{number}.tif", image if number != 99 else image[:8, :30])
    table = pd.DataFrame({"site_id": [f"s{i}" for i in range(200)], "image": [f"{i}.tif" for i in range(200)]})
    table["label"] = list("xy") * 100
    table.to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


def training(crop, every=16):
    images = {"manifest": "manifest.csv"}
    asked = {"dataset": images, "tasks": [{"task": "knn-probe", "label": "label"}]}
    return {
        "name": "small",
        "dataset": images,
        "model": {"objective": "masked-autoencoder", "size": "micro_patch8"},
        "data": {"crop": crop},
        "diagnose": asked | {"crop": {"mode": "centre", "size": every}},
    }


def of_8_by_30(crop):
    return f"1 of 200 sites cannot be used: s99: the image of 8x30 is smaller than the crop of {crop}x{crop}; use a"


def test_one_image_of_many_that_is_too_small_is_named(sites):
    study = {"name": "x", "dataset": {"manifest": "manifest.csv", "kind": "cells"}, "encoders": ["pixel-statistics"]}
    study |= {"tasks": [{"task": "knn-probe", "label": "label"}], "leave_out": {"*": "not of interest"}}
    (sites / "study.yaml").write_text(yaml.safe_dump(study | {"embedding": {"crop": {"mode": "centre", "size": 16}}}))
    assert [text for text in validate(sites / "study.yaml").warnings if text.startswith(of_8_by_30(16))]
    (sites / "study.yaml").write_text(yaml.safe_dump(study))
    assert not [text for text in validate(sites / "study.yaml").warnings if "cannot be used" in text]


def test_crops_of_training_and_of_its_diagnosis_are_held_against_all_images(sites):
    (sites / "train.yaml").write_text(yaml.safe_dump(training(24)))
    assert [text[: len(of_8_by_30(16))] for text in validate(sites / "train.yaml").warnings] == [
        of_8_by_30(16),
        of_8_by_30(24),
    ]
    (sites / "train.yaml").write_text(yaml.safe_dump(training(40)))
    with pytest.raises(EmbeddingError, match=r"200 of 200 sites cannot be used: s0: .*; s1: .*; s2: .*; and 197 more$"):
        validate(sites / "train.yaml")


def test_the_largest_crop_of_a_scaling_study_is_held_against_all_images(sites):
    scale = {"train": training(16), "vary": {"data.crop": [8, 40, 16]}}
    (sites / "scale.yaml").write_text(yaml.safe_dump(scale))
    with pytest.raises(EmbeddingError, match=r"200 of 200 sites cannot be used: s0: .* the crop of 40x40"):
        validate(sites / "scale.yaml")


def test_files_that_are_no_images_and_masks_of_another_size_are_named(sites):
    table = pd.read_csv(sites / "manifest.csv")
    table["mask"] = table["image"]
    table.loc[5, "mask"] = "99.tif"
    table.to_csv(sites / "manifest.csv", index=False)
    (warning,) = validate(sites / "manifest.csv").warnings
    assert re.match(r"1 of 200 sites cannot be used: .*99\.tif: the mask is 8x30 but its image 32x32", warning)
    (sites / "7.tif").write_bytes(b"")
    (warning,) = validate(sites / "manifest.csv").warnings
    assert re.match(r"2 of 200 sites .*; .*7\.tif: the file is empty", warning)
    (sites / "8.tif").write_bytes(b"no image")
    with pytest.raises(EmbeddingError, match=r"manifest\.csv: 3 of 200 sites cannot be used: .*not a TIFF file"):
        validate(sites / "manifest.csv")
