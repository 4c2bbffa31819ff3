"""Recipes of scaling studies: a training recipe and the entries to vary."""

from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from phenolens.recipes.file import Section, read_recipe_file
from phenolens.recipes.training import TrainingRecipe

_MOST_RUNS = 1000


class ScalingRecipe(Section):
    """The recipe of a scaling study.

    Attributes
    ----------
    train
        The recipe of one run; its section `diagnose` has the tasks that trained encoders are scored on.
    vary
        Entry of that recipe, as a dotted path -> its values; every combination is one run.
    twin_seeds
        The number of seeds of the untrained counterpart of each architecture.
    """

    train: TrainingRecipe
    vary: dict[str, list[Any]] = Field(min_length=1)
    twin_seeds: int = Field(3, ge=1)

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        if self.train.diagnose is None:
            raise ValueError("train.diagnose is missing: add it, with the tasks that trained encoders are scored on")
        runs = prod(len(values) for values in self.vary.values())
        if runs > _MOST_RUNS:
            raise ValueError(f"vary gives {runs} runs; give values of which at most {_MOST_RUNS} can be combined")
        try:
            self.runs()
        except ValidationError as error:
            first = error.errors()[0]
            entry = ".".join(map(str, first["loc"]))
            raise ValueError(f"vary gives an invalid run: {entry}: {first['msg'].lower()}") from error
        return self

    def runs(self) -> dict[str, TrainingRecipe]:
        """Return the recipe of each run by its name, such as ``steps=300,size=tiny_patch16``.

        Runs are not diagnosed during training; encoders are scored when all are trained.
        """
        base = self.train.model_dump(exclude_unset=True, exclude={"diagnose"})
        runs = {}
        for values in product(*self.vary.values()):
            settings = dict(zip(self.vary, values, strict=True))
            content = base
            for entry, value in settings.items():
                content = _replaced(content, entry.split("."), value)
            name = ",".join(f"{entry.rpartition('.')[2]}={_word(value)}" for entry, value in settings.items())
            runs[name] = TrainingRecipe.model_validate(content)
        return runs


def _word(value: Any) -> str:
    return "-".join(f"{key}{item}" for key, item in value.items()) if isinstance(value, dict) else str(value)


def _replaced(content: dict[str, Any], entry: list[str], value: Any) -> dict[str, Any]:
    first, *rest = entry
    return {**content, first: _replaced(content.get(first) or {}, rest, value) if rest else value}


def read_scaling_recipe(path: str | Path) -> ScalingRecipe:
    """Read and validate the recipe of a scaling study; see `read_recipe_file`.

    Raises
    ------
    RecipeError
        If it cannot be read or violates the schema; the message names the entry.
    """
    return read_recipe_file(path, ScalingRecipe)
