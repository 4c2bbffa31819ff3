"""The recipe of a study: YAML, validated before any work starts."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, Field, model_validator

from phenolens.core.errors import PhenolensError, ProfilingError, RecipeError
from phenolens.datasets import CellTable, Manifest, read_manifest
from phenolens.embedding import Missing
from phenolens.encoders import EncoderName, Kind, Named, find_encoder, is_registered
from phenolens.images import Crop
from phenolens.profiling import parse_profiling
from phenolens.recipes.file import Section, read_recipe_file
from phenolens.tasks import AnyTask, refuse_repeated


def _is_encoder(name: str) -> str:
    find_encoder(EncoderName.parse(name).base)
    return name


def _is_profiling(how: str) -> str:
    try:
        parse_profiling(how)
    except ProfilingError as error:
        raise ValueError(str(error)) from error
    return how


def _is_free(name: str) -> str:
    if is_registered(name):
        raise ValueError(f"'{name}' is the name of an encoder of its own; choose another")
    return name


EncoderText = Annotated[str, AfterValidator(_is_encoder)]
ProfilingText = Annotated[str, AfterValidator(_is_profiling)]


class NamedEncoder(Section):
    """An encoder under test with a name of its own.

    Attributes
    ----------
    name
        What tables and sentences call it: letters, digits, blanks, dots and dashes.
    encoder
        What it is made by.
    """

    name: Annotated[str, Field(pattern=r"^[\w][\w .-]*$"), AfterValidator(_is_free)]
    encoder: EncoderText


class TableSection(Section):
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


class RowsSection(Section):
    """Which rows of a manifest are used: those of groups that were dealt into one part.

    Attributes
    ----------
    group
        The metadata column whose values must not straddle the parts: movie, source image, patient.
    part
        ``train`` or ``test``: what is trained on one is asked on the other.
    test_share, seed
        As in `Manifest.part`.
    """

    group: str
    part: Literal["train", "test"]
    test_share: float = Field(0.5, gt=0, lt=1)
    seed: int = 0


class ImagesSection(Section):
    """Images, by their manifest, and how to read them.

    Attributes
    ----------
    manifest
        Path of the manifest, or of a folder of class folders; relative paths start at the recipe's folder.
    columns, values, names
        As in `read_manifest`.
    channels
        The channels to use, in this order; all if None.
    rows
        Which rows are used; all if None.
    """

    manifest: Path | None = None
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    names: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    rows: RowsSection | None = None

    def open(self, cells: CellTable | None = None) -> Manifest:
        """Read the manifest, and the rows of it that are used.

        Raises
        ------
        ManifestError
            If it cannot be read, or has no such rows.
        """
        if self.manifest is None:
            raise RecipeError("the recipe has no manifest of images")
        manifest = read_manifest(self.manifest, columns=self.columns, values=self.values, names=self.names, cells=cells)
        rows = self.rows
        return manifest if rows is None else manifest.part(rows.group, rows.part, rows.test_share, rows.seed)


class CellsSection(Section):
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


class DatasetSection(ImagesSection):
    """Images, by their manifest; or tables of ready-made vectors; and how to read either.

    Attributes
    ----------
    cells
        The cells of the manifest's sites, where a table of them exists; the manifest then need not name images.
    kind
        ``cells``: plates of cultured cells. ``tissue``: slides of patients. It decides the panel of baselines; told
        from the manifest if None.
    tables
        Name of an encoder -> the table of its vectors. A table that is named like a baseline is one.
    negative_controls
        The roles in tables, or the perturbations where there is no column of roles, that are negative controls.
    """

    cells: CellsSection | None = None
    kind: Kind | None = None
    tables: dict[str, TableSection] = {}
    negative_controls: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.manifest is None) == (not self.tables):
            raise ValueError("give either a manifest of images or tables of vectors")
        if self.tables and (self.names or self.channels or self.cells or self.rows):
            raise ValueError("tables of vectors have no channels, no cells, and no parts")
        if self.manifest is not None and self.negative_controls:
            raise ValueError("negative_controls is of tables; a manifest says so in its column role")
        return self


class EmbeddingSection(Section):
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


class SweepSection(Section):
    """Which layers of the networks under test are tried, and how they are pooled.

    Attributes
    ----------
    layers
        ``all``, or numbers counted from 1; a network is asked of those that it has.
    pools
        The ways of pooling: ``mean``, ``class``, ``channels``; a network is asked of those that it can give.
    """

    layers: Literal["all"] | list[Annotated[int, Field(ge=1)]] = "all"
    pools: list[Literal["mean", "class", "channels"]] = Field(["mean"], min_length=1)


class Recipe(Section):
    """A study: a data set, encoders, the baselines they are held against, and the questions.

    Attributes
    ----------
    name
        What to call it.
    dataset
        The images.
    encoders
        The encoders under test, each perhaps with a name of its own; none to compare baselines alone. Each trained
        network brings its untrained counterpart.
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
    interventions
        What is done to the pixels, before the encoders under test are asked again; ``all``, or names as `interventions`
        gives them.
    sweep
        Which layers of the networks under test are tried beside their own vectors; none if None.
    seed
        The seed of everything that is drawn, but for the networks.
    """

    name: str = Field(min_length=1)
    dataset: DatasetSection
    encoders: list[EncoderText | NamedEncoder] = []
    baselines: list[EncoderText] = []
    leave_out: dict[str, Annotated[str, Field(min_length=1)]] = {}
    seeds: int = Field(3, ge=1)
    embedding: EmbeddingSection = EmbeddingSection()
    profiling: list[ProfilingText] = Field(["raw"], min_length=1)
    batch_by: tuple[str, ...] | None = None
    tasks: list[AnyTask] = Field(min_length=1)
    interventions: Literal["all"] | list[str] = []
    sweep: SweepSection | None = None
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _tasks_have_names_of_their_own(self) -> Self:
        try:
            refuse_repeated(self.tasks)
        except PhenolensError as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _tables_bring_their_vectors(self) -> Self:
        if self.dataset.tables and (self.encoders or self.baselines):
            raise ValueError("encoders and baselines need images; the tables are the encoders of this study")
        if self.dataset.tables and self.interventions:
            raise ValueError("interventions need images, and this study has tables of vectors")
        if self.dataset.tables and self.sweep:
            raise ValueError("a sweep over layers needs images, and this study has tables of vectors")
        return self

    @model_validator(mode="after")
    def _encoders_have_names_of_their_own(self) -> Self:
        names = [each.name for each in self.encoders if isinstance(each, NamedEncoder)]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"two encoders are called '{repeated[0]}'; rename one of them")
        return self

    @property
    def tested(self) -> list[Named]:
        """The encoders under test, each with its name; its model is its name where it has none."""
        found = []
        for each in self.encoders:
            if isinstance(each, NamedEncoder):
                found.append(Named(each.name, each.encoder))
            else:
                found.append(Named(EncoderName.parse(each).without_seed, each))
        return found

    def as_yaml(self) -> str:
        """Return the recipe with every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_recipe(path: str | Path) -> Recipe:
    """Read and validate the recipe of a study; see `read_recipe_file`.

    Parameters
    ----------
    path
        A YAML file.

    Raises
    ------
    RecipeError
        If it cannot be read or breaks the schema; the message names the entry.
    """
    return read_recipe_file(path, Recipe)
