"""Recipes of studies."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from phenolens.core.errors import EncoderError, PhenolensError, ProfilingError, RecipeError
from phenolens.datasets import CellTable, Manifest, read_manifest
from phenolens.embedding import MOST_FAILED, Missing
from phenolens.encoders import EncoderName, Kind, Named, PanelSize, find_encoder, is_registered, refuse_code
from phenolens.images import Crop, NucleiOptions
from phenolens.profiling import parse_profiling
from phenolens.recipes.file import Section, read_recipe_file
from phenolens.tasks import AnyTask, refuse_repeated


def _is_encoder(name: str) -> str:
    try:
        find_encoder(EncoderName.parse(name).base)
        refuse_code(name)
    except EncoderError as error:
        raise ValueError(str(error)) from error
    return name


def _is_profiling(profiling: str) -> str:
    try:
        parse_profiling(profiling)
    except ProfilingError as error:
        raise ValueError(str(error)) from error
    return profiling


def _is_free(name: str) -> str:
    if is_registered(name):
        raise ValueError(f"'{name}' is the name of another encoder; choose a different one")
    return name


EncoderText = Annotated[str, AfterValidator(_is_encoder)]
ProfilingText = Annotated[str, AfterValidator(_is_profiling)]


class NamedEncoder(Section):
    """An encoder under test with a name given by the user.

    Attributes
    ----------
    name
        Its name in tables and sentences: letters, digits, blanks, dots and dashes.
    encoder
        The name by which it is created. Baselines are under test as well where they have a name.
    truth
        What is known of it beforehand, which the report tells at its end: of encoders that test the study itself.
    """

    name: Annotated[str, Field(pattern=r"^[\w][\w .-]*$"), AfterValidator(_is_free)]
    encoder: EncoderText
    truth: str = ""


def _is_named(value: object) -> str:
    return "<name>" if isinstance(value, str) else "<named>"


TestedEncoder = Annotated[
    Annotated[EncoderText, Tag("<name>")] | Annotated[NamedEncoder, Tag("<named>")], Discriminator(_is_named)
]
"""An encoder under test: its name, or a mapping that gives it one."""


class TableSection(Section):
    """A table of existing vectors of one encoder.

    Attributes
    ----------
    file
        A .h5ad or .npz file, or a table, as in `read_embeddings`; relative paths are relative to the folder of the
        recipe.
    features
        The feature columns, also as patterns such as ``feat_*``; if None, numeric columns that are not metadata.
    missing
        How missing values are handled, as in `read_embeddings`.
    """

    file: Path
    features: tuple[str, ...] | None = None
    missing: Missing = "refuse"


class RowsSection(Section):
    """The rows of a manifest to use: those of groups in one part of a random split.

    Attributes
    ----------
    group
        The metadata column whose groups are kept in one part: movie, source image, patient.
    part
        ``train`` or ``test``: encoders trained on one are tested on the other.
    test_share, seed
        As in `Manifest.part`.
    """

    group: str
    part: Literal["train", "test"]
    test_share: float = Field(0.5, gt=0, lt=1)
    seed: int = 0


class ImagesSection(Section):
    """Images of a manifest, and how to read them.

    Attributes
    ----------
    manifest
        The manifest, or a folder of class folders; relative paths are relative to the folder of the recipe.
    columns, values, names
        As in `read_manifest`.
    channels
        The channels to use, in this order; all if None.
    rows
        The rows to use; all if None.
    """

    manifest: Path | None = None
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    names: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    rows: RowsSection | None = None

    def open(self, cells: CellTable | None = None) -> Manifest:
        """Return the manifest with the rows to use.

        Raises
        ------
        ManifestError
            If it cannot be read, or has no such rows.
        """
        if self.manifest is None:
            raise RecipeError("the recipe has no manifest of images; set dataset.manifest")
        manifest = read_manifest(self.manifest, columns=self.columns, values=self.values, names=self.names, cells=cells)
        rows = self.rows
        return manifest if rows is None else manifest.part(rows.group, rows.part, rows.test_share, rows.seed)


class CellsSection(Section):
    """A table of cells, for cell graphs.

    Attributes
    ----------
    file
        A table, as in `read_cell_table`; relative paths are relative to the folder of the recipe.
    columns, morphology
        As in `read_cell_table`.
    """

    file: Path
    columns: dict[str, str] = {}
    morphology: tuple[str, ...] = ()


class DatasetSection(ImagesSection):
    """Images of a manifest, or tables of existing vectors, and how to read them.

    Attributes
    ----------
    cells
        The cells of the sites, if there is a table of them; the manifest then does not need images.
    kind
        ``cells``: plates of cultured cells. ``tissue``: slides of patients. It determines the panel of baselines; if
        None, it is determined from the manifest.
    tables
        Name of an encoder -> the table of its vectors. A table with the name of a baseline is used as that baseline.
    key
        The metadata column by which rows of different tables are matched; if None, it is found, see `share_rows`.
    negative_controls
        The roles in tables (or, without a column of roles, the perturbations) of negative controls.
    """

    cells: CellsSection | None = None
    kind: Kind | None = None
    tables: dict[str, TableSection] = {}
    key: str | None = None
    negative_controls: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.manifest is None) == (not self.tables):
            raise ValueError("give either a manifest of images or tables of vectors")
        if self.tables and (self.names or self.channels or self.cells or self.rows):
            raise ValueError("tables of vectors have no channels, no cells, and no parts")
        if self.manifest is not None and self.negative_controls:
            raise ValueError("negative_controls is for tables; a manifest names negative controls in its column role")
        if self.manifest is not None and self.key is not None:
            raise ValueError("key is for tables; rows of a manifest are told apart by their site_id")
        return self


class EmbeddingSection(Section):
    """Settings of embedding.

    Attributes
    ----------
    crop
        The crops to take of each image.
    batch_size, workers, device, precision
        As in `embed`.
    max_failed
        The largest share of sites that may fail; the study stops if more do.
    """

    crop: Crop = Crop()
    batch_size: int = Field(32, ge=1)
    workers: int | None = Field(None, ge=0)
    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    max_failed: float = Field(MOST_FAILED, ge=0, le=1)


class SweepSection(Section):
    """The layers and poolings to evaluate for networks under test.

    Attributes
    ----------
    layers
        ``all``, or numbers counted from 1; layers that a network does not have are ignored.
    pools
        The poolings: ``mean``, ``class``, ``channels``; those that a network does not allow are ignored.
    """

    layers: Literal["all"] | list[Annotated[int, Field(ge=1)]] = "all"
    pools: list[Literal["mean", "class", "channels"]] = Field(["mean"], min_length=1)


class Recipe(Section):
    """The recipe of a study: a data set, encoders, the baselines that they are compared with, and tasks.

    Attributes
    ----------
    name
        The name of the study.
    dataset
        The images or tables.
    encoders
        The encoders under test, optionally with names; if empty, only baselines are compared. The untrained counterpart
        of each trained network is added.
    baselines
        Baselines in addition to those of the default panel.
    panel
        ``full``: the default panel, for a claim. ``quick``: the part of it that suffices for a first look; the report
        says so.
    leave_out
        Baseline of the panel, or a pattern such as ``untrained/*`` -> the reason why it is left out, which the report
        gives.
    seeds
        The number of seeds of each untrained network whose name does not set one.
    embedding
        The settings of embedding.
    nuclei
        How nuclei are found in images without masks.
    profiling
        The profilings, the same for every encoder; see `parse_profiling`.
    batch_by
        The metadata columns whose combinations define the batches of profiling; the plate if None.
    tasks
        The tasks.
    interventions
        The changes of pixels after which encoders under test are evaluated again: ``all``, or names as in
        `interventions`.
    sweep
        The layers of networks under test that are evaluated besides their output; none if None.
    seed
        The seed of all random draws except the weights of networks.
    """

    name: str = Field(min_length=1)
    dataset: DatasetSection
    encoders: list[TestedEncoder] = []
    baselines: list[EncoderText] = []
    panel: PanelSize = "full"
    leave_out: dict[str, Annotated[str, Field(min_length=1)]] = {}
    seeds: int = Field(3, ge=1, le=1000)
    embedding: EmbeddingSection = EmbeddingSection()
    nuclei: NucleiOptions = NucleiOptions()
    profiling: list[ProfilingText] = Field(["raw"], min_length=1)
    batch_by: tuple[str, ...] | None = None
    tasks: list[AnyTask] = Field(min_length=1)
    interventions: Literal["all"] | list[str] = []
    sweep: SweepSection | None = None
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _tasks_have_different_names(self) -> Self:
        try:
            refuse_repeated(self.tasks)
        except PhenolensError as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _tables_exclude_images(self) -> Self:
        if self.dataset.tables and (self.encoders or self.baselines):
            raise ValueError("encoders and baselines need images, and this study has tables of vectors")
        if self.dataset.tables and self.interventions:
            raise ValueError("interventions need images, and this study has tables of vectors")
        if self.dataset.tables and self.sweep:
            raise ValueError("a sweep over layers needs images, and this study has tables of vectors")
        return self

    @model_validator(mode="after")
    def _encoders_have_different_names(self) -> Self:
        models: dict[str, str] = {}
        for each in self.tested:
            model = EncoderName.parse(str(each.model)).without_seed
            if models.setdefault(each.name, model) != model:
                raise ValueError(
                    f"two encoders are called '{each.name}'; give each a name, as in {{name: mine, encoder: {model}}}"
                )
        return self

    @property
    def tested(self) -> list[Named]:
        """The encoders under test with their names, which by default are those of the models without folders."""
        found = []
        for each in self.encoders:
            if isinstance(each, NamedEncoder):
                found.append(Named(each.name, each.encoder, under_test=True))
            else:
                found.append(Named(EncoderName.parse(each).short, each))
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
        If it cannot be read or violates the schema; the message names the entry.
    """
    return read_recipe_file(path, Recipe)
