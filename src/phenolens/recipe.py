"""The recipe of a study: YAML, validated before any work starts."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from phenolens.encoders import EncoderName, find_encoder
from phenolens.errors import RecipeError
from phenolens.images import Crop
from phenolens.profiling import Profiling
from phenolens.tasks import AnyTask

# A stranger's recipe must not be able to read secrets from the environment.
_VARIABLE = re.compile(r"\$\{(PHENOLENS_\w+)(?::-([^}]*))?\}")
_MOST_ERRORS = 5


def _is_encoder(name: str) -> str:
    find_encoder(EncoderName.parse(name).base)
    return name


EncoderText = Annotated[str, AfterValidator(_is_encoder)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSection(_Section):
    """The manifest and how to read it.

    Attributes
    ----------
    manifest
        Path of the manifest; relative paths start at the recipe's folder.
    columns, values, names
        As in `read_manifest`.
    channels
        The channels to use, in this order; all if None.
    """

    manifest: Path
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    names: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None


class EmbeddingSection(_Section):
    """How images are embedded.

    Attributes
    ----------
    crop
        What to take of each image.
    batch_size, workers, device, precision
        As in `embed`.
    max_failed
        The share of sites that may fail to be read before the study stops.
    """

    crop: Crop = Crop()
    batch_size: int = Field(32, ge=1)
    workers: int | None = Field(None, ge=0)
    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    max_failed: float = Field(0.01, ge=0, le=1)


class Recipe(_Section):
    """A study: a data set, encoders, the baselines they are held against, and the questions.

    Attributes
    ----------
    name
        What to call it.
    dataset
        The images.
    encoders
        The encoders under test; none to compare baselines alone.
    baselines
        What they are held against; the default panel if None. Leaving one of the panel out is reported.
    seeds
        How many seeds each untrained network is drawn with, where its name does not fix one.
    embedding
        How images are embedded.
    profiling
        The ways of post-processing, the same for every encoder.
    tasks
        The questions.
    seed
        The seed of everything that is drawn, but for the networks.
    """

    name: str = Field(min_length=1)
    dataset: DatasetSection
    encoders: list[EncoderText] = []
    baselines: list[EncoderText] | None = None
    seeds: int = Field(3, ge=1)
    embedding: EmbeddingSection = EmbeddingSection()
    profiling: list[Profiling] = Field(["raw"], min_length=1)
    tasks: list[AnyTask] = Field(min_length=1)
    seed: int = Field(0, ge=0)

    def as_yaml(self) -> str:
        """Return the recipe with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_recipe(path: str | Path) -> Recipe:
    """Read and validate a recipe.

    ``${PHENOLENS_NAME:-default}`` in any text stands for an environment variable, or its default.

    Parameters
    ----------
    path
        A YAML file.

    Raises
    ------
    RecipeError
        If it cannot be read or breaks the schema; the message names the entry.
    """
    path = Path(path)
    if not path.is_file():
        raise RecipeError(f"no recipe at {path}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"{path}: is not valid YAML: {reason}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe is a mapping with name, dataset and tasks")
    try:
        recipe = Recipe.model_validate(_fill_in(content, path))
    except ValidationError as error:
        raise RecipeError(f"{path}: {_describe(error)}") from error
    manifest = path.parent / recipe.dataset.manifest
    dataset = recipe.dataset.model_copy(update={"manifest": manifest})
    return recipe.model_copy(update={"dataset": dataset})


def _fill_in(value: Any, path: Path) -> Any:
    """Replace environment variables in every text of a nested value."""
    if isinstance(value, dict):
        return {key: _fill_in(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_in(item, path) for item in value]
    if not isinstance(value, str):
        return value

    def look_up(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise RecipeError(f"{path}: set the environment variable {match[1]}, which it names")
        return found

    return _VARIABLE.sub(look_up, value)


def _describe(error: ValidationError) -> str:
    """Put the first errors of pydantic on one line, with the entry and what was found."""
    parts = []
    for item in error.errors()[:_MOST_ERRORS]:
        entry = ".".join(str(part) for part in item["loc"]) or "recipe"
        found = "" if item["type"] in ("missing", "extra_forbidden") else f", found {item['input']!r:.60}"
        parts.append(f"{entry}: {item['msg'][0].lower()}{item['msg'][1:]}{found}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")
