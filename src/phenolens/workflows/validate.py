"""Validation of recipes with their data, and of manifests, before any work starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from phenolens.datasets import Manifest, read_manifest


@dataclass(frozen=True)
class Validated:
    """The result of a successful validation.

    Attributes
    ----------
    kind
        The kind of file.
    source
        The manifest, or the tables.
    n_sites
        The number of sites or rows.
    """

    kind: Literal["study", "training", "scaling", "manifest"]
    source: str
    n_sites: int


def validate(path: Path) -> Validated:
    """Check a recipe and the images or tables that it names, or a manifest and its images.

    Raises
    ------
    PhenolensError
        If any of them is invalid; the message names the culprit.
    """
    if path.suffix not in (".yaml", ".yml"):
        return _checked("manifest", read_manifest(path))
    from phenolens.recipes import Recipe, ScalingRecipe, load_recipe
    from phenolens.workflows.study import check_dataset

    recipe = load_recipe(path)
    if isinstance(recipe, Recipe):
        return Validated("study", *check_dataset(recipe))
    training = recipe.train if isinstance(recipe, ScalingRecipe) else recipe
    if training.diagnose is not None:
        training.diagnose.dataset.open().check_files()
    return _checked("training" if training is recipe else "scaling", training.dataset.open())


def _checked(kind: Literal["training", "scaling", "manifest"], manifest: Manifest) -> Validated:
    manifest.check_files()
    return Validated(kind, str(manifest.source), len(manifest))
