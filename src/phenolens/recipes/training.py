"""Recipes of training runs."""

from pathlib import Path

import yaml
from pydantic import Field

from phenolens.images import Crop
from phenolens.recipes.file import Section, read_recipe_file
from phenolens.recipes.study import ImagesSection, ProfilingText
from phenolens.tasks import AnyTask
from phenolens.training import DataOptions, ModelOptions, OptimiserOptions, RunOptions


class DiagnosisSection(Section):
    """Tasks that the encoder is scored on during training, compared with its untrained counterpart at step 0.

    Attributes
    ----------
    dataset
        The images to score, which must not be those of training.
    tasks, profiling, crop
        As in the recipe of a study.
    every
        The interval in steps.
    """

    dataset: ImagesSection
    tasks: list[AnyTask] = Field(min_length=1)
    profiling: list[ProfilingText] = Field(["raw"], min_length=1)
    crop: Crop = Crop()
    every: int = Field(500, ge=1)


class TrainingRecipe(Section):
    """The recipe of a training run.

    Attributes
    ----------
    name
        The name of the run.
    dataset
        The images.
    model, data, optimiser, run
        As in `phenolens.training.train`.
    diagnose
        Tasks to score during training; none if None.
    licence
        The licence of the checkpoint.
    seed
        The seed of all random draws.
    """

    name: str = Field(min_length=1)
    dataset: ImagesSection
    model: ModelOptions
    data: DataOptions = DataOptions()
    optimiser: OptimiserOptions = OptimiserOptions()
    run: RunOptions = RunOptions()
    diagnose: DiagnosisSection | None = None
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
        If it cannot be read or violates the schema; the message names the entry.
    """
    return read_recipe_file(path, TrainingRecipe)
