"""The recipe of a training run: YAML, validated before any work starts."""

from pathlib import Path

import yaml
from pydantic import Field

from phenolens.recipe import ImagesSection
from phenolens.recipe_file import Section, read_recipe_file
from phenolens.training import DataOptions, ModelOptions, OptimiserOptions, RunOptions


class TrainingRecipe(Section):
    """What to train, on what, and how.

    Attributes
    ----------
    name
        What to call it.
    dataset
        The images.
    model, data, optimiser, run
        As in `phenolens.training.train`.
    licence
        Under which the checkpoint may be used.
    seed
        The seed of everything that is drawn.
    """

    name: str = Field(min_length=1)
    dataset: ImagesSection
    model: ModelOptions
    data: DataOptions = DataOptions()
    optimiser: OptimiserOptions = OptimiserOptions()
    run: RunOptions = RunOptions()
    licence: str = ""
    seed: int = Field(0, ge=0)

    def as_yaml(self) -> str:
        """Return the recipe with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_training_recipe(path: str | Path) -> TrainingRecipe:
    """Read and validate the recipe of a training run; see `read_recipe_file`.

    Raises
    ------
    RecipeError
        If it cannot be read or breaks the schema; the message names the entry.
    """
    return read_recipe_file(path, TrainingRecipe)
