"""Files of every kind are checked before any work starts."""

import re
from pathlib import Path

import pandas as pd
import pytest
import tifffile
import yaml

from phenolens.cli import main
from phenolens.core.errors import ManifestError, RecipeError
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
        tifffile.imwrite(tmp_path / f"{name}.tif", pd.DataFrame([[1, 2], [3, 4]]).to_numpy("uint16"))
    pd.DataFrame({"site_id": ["a", "b"], "image": ["a.tif", "b.tif"]}).to_csv(tmp_path / "manifest.csv", index=False)
    images = {"manifest": "manifest.csv"}
    asked = {"dataset": images, "tasks": [{"task": "knn-probe", "label": "kind"}]}
    train = {
        "name": "small",
        "dataset": images,
        "model": {"objective": "masked-autoencoder", "size": "micro_patch8"},
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
