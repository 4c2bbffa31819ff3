"""The recipe of a study: YAML, validated before any work starts."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from phenolens.embedding import Missing
from phenolens.encoders import EncoderName, Kind, find_encoder
from phenolens.errors import ProfilingError, RecipeError
from phenolens.images import Crop
from phenolens.profiling import parse_profiling
from phenolens.tasks import AnyTask

# A stranger's recipe must not be able to read secrets from the environment.
_VARIABLE = re.compile(r"\$\{(PHENOLENS_\w+)(?::-([^}]*))?\}")
_MOST_ERRORS = 5


def _is_encoder(name: str) -> str:
    find_encoder(EncoderName.parse(name).base)
    return name


def _is_profiling(how: str) -> str:
    try:
        parse_profiling(how)
    except ProfilingError as error:
        raise ValueError(str(error)) from error
    return how


EncoderText = Annotated[str, AfterValidator(_is_encoder)]
ProfilingText = Annotated[str, AfterValidator(_is_profiling)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TableSection(_Section):
    """A table of ready-made vectors, taken as one encoder's.

    Attributes
    ----------
    file
        .h5ad, .parquet, .csv or .npz; relative paths start at the recipe's folder.
    features
        The feature columns, also as patterns such as ``feat_*``; the numeric rest if None.
    missing
        What is done about missing values, as in `read_embeddings`.
    """

    file: Path
    features: tuple[str, ...] | None = None
    missing: Missing = "refuse"


class CellsSection(_Section):
    """A table of cells, from which cell graphs are made.

    Attributes
    ----------
    file
        .parquet or .csv; relative paths start at the recipe's folder.
    columns, morphology
        As in `read_cell_table`.
    """

    file: Path
    columns: dict[str, str] = {}
    morphology: tuple[str, ...] = ()


class DatasetSection(_Section):
    """Images, by their manifest; or tables of ready-made vectors; and how to read either.

    Attributes
    ----------
    manifest
        Path of the manifest; relative paths start at the recipe's folder.
    cells
        The cells of the manifest's sites, where a table of them exists; the manifest then need not name images.
    kind
        ``cells``: plates of cultured cells. ``tissue``: slides of patients. It decides the panel of baselines; told
        from the manifest if None.
    tables
        Name of an encoder -> the table of its vectors. A table that is named like a baseline is one.
    columns, values, names
        As in `read_manifest`.
    channels
        The channels to use, in this order; all if None.
    """

    manifest: Path | None = None
    cells: CellsSection | None = None
    kind: Kind | None = None
    tables: dict[str, TableSection] = {}
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    names: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.manifest is None) == (not self.tables):
            raise ValueError("give either a manifest of images or tables of vectors")
        if self.tables and (self.names or self.channels or self.cells):
            raise ValueError("tables of vectors have no channels and no cells")
        return self


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
        The encoders under test; none to compare baselines alone. Each trained network brings its random twin.
    baselines
        Baselines besides those of the default panel, which is always there.
    leave_out
        Baseline of the panel, or a pattern such as ``untrained/*`` -> why it is left out. The report says so.
    seeds
        How many seeds each untrained network is drawn with, where its name does not fix one.
    embedding
        How images are embedded.
    profiling
        The ways of post-processing, the same for every encoder; see `parse_profiling`.
    batch_by
        The metadata columns that tell the batches of post-processing apart; the plate if None.
    tasks
        The questions.
    seed
        The seed of everything that is drawn, but for the networks.
    """

    name: str = Field(min_length=1)
    dataset: DatasetSection
    encoders: list[EncoderText] = []
    baselines: list[EncoderText] = []
    leave_out: dict[str, Annotated[str, Field(min_length=1)]] = {}
    seeds: int = Field(3, ge=1)
    embedding: EmbeddingSection = EmbeddingSection()
    profiling: list[ProfilingText] = Field(["raw"], min_length=1)
    batch_by: tuple[str, ...] | None = None
    tasks: list[AnyTask] = Field(min_length=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _tables_bring_their_vectors(self) -> Self:
        if self.dataset.tables and (self.encoders or self.baselines):
            raise ValueError("encoders and baselines need images; the tables are the encoders of this study")
        return self

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
    return _located(recipe, path.parent)


def _located(section: Any, folder: Path) -> Any:
    """Return a recipe or a part of it with relative paths starting at the recipe's folder."""
    if isinstance(section, Path):
        return folder / section
    if isinstance(section, BaseModel):
        # What a recipe does not set stays unset: model_copy validates nothing again.
        return section.model_copy(update={name: _located(value, folder) for name, value in section})
    if isinstance(section, dict):
        return {key: _located(value, folder) for key, value in section.items()}
    if isinstance(section, list | tuple):
        return type(section)(_located(item, folder) for item in section)
    return section


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
