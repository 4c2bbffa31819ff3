"""Files of every kind are checked before any work starts."""

from pathlib import Path

import pandas as pd
import pytest
import tifffile
import yaml

from phenolens.core.errors import ManifestError, RecipeError
from phenolens.recipes.load import load_recipe
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


def test_a_file_that_is_no_recipe_is_refused_as_a_study(folder):
    (folder / "odd.yaml").write_text("[1, 2]")
    with pytest.raises(RecipeError, match="a recipe is a mapping with name, dataset, tasks"):
        validate(folder / "odd.yaml")
