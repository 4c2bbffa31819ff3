"""The recipe of a training run: YAML, validated before any work starts."""

from pathlib import Path

import yaml
from pydantic import Field

from phenolens.images import Crop
from phenolens.recipes.file import Section, read_recipe_file
from phenolens.recipes.study import ImagesSection, ProfilingText
from phenolens.tasks import AnyTask
from phenolens.training import DataOptions, ModelOptions, OptimiserOptions, RunOptions


class DiagnosisSection(Section):
    """What the encoder is asked while it trains, beside its own twin at step 0.

    Attributes
    ----------
    dataset
        The images that are asked about; not those that are trained on.
    tasks, profiling, crop
        As in the recipe of a study.
    every
        In steps.
    """

    dataset: ImagesSection
    tasks: list[AnyTask] = Field(min_length=1)
    profiling: list[ProfilingText] = Field(["raw"], min_length=1)
    crop: Crop = Crop()
    every: int = Field(500, ge=1)


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
    diagnose
        What the encoder is asked meanwhile; nothing if None.
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
        If it cannot be read or breaks the schema; the message names the entry.
    """
    return read_recipe_file(path, TrainingRecipe)
