"""What is looked at: the embeddings of a study, or of a folder that `embed` wrote, and the images if they are there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import EmbeddingError, PhenolensError
from phenolens.datasets import rows_without_images
from phenolens.embedding import PROVENANCE, read_embeddings
from phenolens.encoders import as_file_name
from phenolens.evaluation.shared_rows import share_rows
from phenolens.recipes.bounded_yaml import load_yaml
from phenolens.recipes.study import DatasetSection, ImagesSection
from phenolens.report import Results
from phenolens.report.names import with_short_names
from phenolens.view.pictures import Pictures
from phenolens.view.vectors import Vectors

MOST_SITES = 100_000
_SEED = 0


@dataclass(frozen=True, eq=False)
class Study:
    """The sites that all encoders have embedded.

    Attributes
    ----------
    name, folder
        What it is called, and where it lies.
    sites
        The metadata of the sites, one row for each; the index holds their names.
    encoders
        The vectors of each encoder, in the order of the sites; those under test come first.
    pictures
        The images of the sites; None if there are none.
    notes
        What a reader must know: what is left out, and why there are no images.
    """

    name: str
    folder: Path
    sites: pd.DataFrame
    encoders: list[Vectors]
    pictures: Pictures | None
    notes: list[str]


@dataclass(frozen=True, eq=False)
class _Found:
    """What a folder holds: embeddings by encoder, which of them are baselines, and how the images are read."""

    name: str
    embeddings: dict[str, AnnData]
    baselines: set[str]
    images: ImagesSection | None
    key: str | None
    notes: list[str]


def open_study(folder: str | Path, manifest: str | Path | None = None) -> Study:
    """Read what `phenolens run` or `phenolens embed` wrote into a folder.

    Parameters
    ----------
    folder
        The folder.
    manifest
        The manifest of its images, where it has moved or the folder does not name one.

    Raises
    ------
    PhenolensError
        If the folder holds no embeddings, or results of another version; or if `manifest` is given, and cannot be
        read, or names none of the sites.
    """
    folder = Path(folder)
    found = _find(folder)
    shared = share_rows(found.embeddings, key=found.key)
    notes = found.notes + ([shared.note] if shared.note else [])
    rows, note = _sample(len(next(iter(shared.embeddings.values()))))
    first = next(iter(shared.embeddings.values())).obs.iloc[rows]
    encoders = [
        Vectors(name, np.asarray(vectors.X)[rows], is_baseline=name in found.baselines)
        for name, vectors in shared.embeddings.items()
    ]
    pictures, why_not = _pictures(found, first, None if manifest is None else Path(manifest))
    notes += [each for each in (note, why_not) if each]
    return Study(found.name, folder, rows_without_images(first, folder).table, encoders, pictures, notes)


def _find(folder: Path) -> _Found:
    if (folder / "results.json").is_file():
        return _find_results(folder)
    files = sorted(folder.glob("*.h5ad")) or sorted((folder / "embeddings").glob("*.h5ad"))
    if not files:
        raise PhenolensError(
            f"{folder}: holds neither a study (results.json) nor embeddings (*.h5ad); name the folder that "
            "`phenolens run` or `phenolens embed` wrote to (--out)"
        )
    notes: list[str] = []
    embeddings = _read(dict(zip(map(str, files), files, strict=True)), folder, notes)
    named = {str(vectors.uns[PROVENANCE]["encoder"]): vectors for vectors in embeddings.values()}
    return _Found(folder.resolve().name, named, set(), None, None, notes)


def _find_results(folder: Path) -> _Found:
    results, _ = with_short_names(Results.load(folder))
    dataset = _dataset(results)
    notes: list[str] = []
    tables = {} if dataset is None else dataset.tables
    entries: dict[str, dict[str, Any]] = {}
    files: dict[str, Path] = {}
    for entry in sorted(results.encoders, key=lambda each: bool(each["baseline"])):  # a stable order
        name, full = entry["encoder"], str(entry.get("full", entry["id"]))
        file = folder / "embeddings" / f"{as_file_name(full)}.h5ad"
        if name not in entries and (full in tables or file.is_file()):  # of several seeds, the first
            entries[name] = entry
            if full not in tables:
                files[name] = file
    embeddings = _read(files, folder, notes, needed=False)
    if dataset is not None and tables:
        embeddings |= _read_tables(dataset, entries)
    if not embeddings:
        raise EmbeddingError(f"{folder}: its embeddings are not there; copy the folder embeddings/, or run it again")
    embeddings = {name: embeddings[name] for name in entries if name in embeddings}
    baselines = {name for name, entry in entries.items() if entry["baseline"]}
    images = None if dataset is None or tables else dataset
    return _Found(results.name, embeddings, baselines, images, None if dataset is None else dataset.key, notes)


def _dataset(results: Results) -> DatasetSection | None:
    """Return the part of the recipe that says where the data are; None if it is damaged."""
    try:
        return DatasetSection.model_validate(load_yaml(str(results.provenance["recipe"]).encode())["dataset"])
    except Exception:  # what odd YAML leads to is not limited to any type
        return None


def _read(files: Mapping[str, Path], folder: Path, notes: list[str], *, needed: bool = True) -> dict[str, AnnData]:
    """Return embeddings by name; a file that cannot be read is left out with a note."""
    found, problems = {}, []
    for name, file in files.items():
        try:
            found[name] = read_embeddings(file, missing="rows")
        except PhenolensError as error:
            problems.append(str(error))
    if needed and not found:
        raise EmbeddingError(f"{folder}: none of its embeddings can be read; the first: {problems[0]}")
    notes += [f"left out: {problem}" for problem in problems]
    return found


def _read_tables(dataset: DatasetSection, entries: Mapping[str, dict[str, Any]]) -> dict[str, AnnData]:
    """Return the vectors of a study of tables, which lie where its recipe names them."""
    found = {}
    for name, entry in entries.items():
        table = dataset.tables.get(str(entry.get("full", entry["id"])))
        if table is not None:
            try:
                found[name] = read_embeddings(
                    table.file,
                    columns=dataset.columns,
                    values=dataset.values,
                    features=table.features,
                    missing=table.missing,
                )
            except EmbeddingError as error:
                raise EmbeddingError(
                    f"{error}; the study read its vectors there, so start from the same folder, or put the file back"
                ) from error
    return found


def _sample(n: int) -> tuple[np.ndarray, str]:
    """Return the rows to look at, and a note if these are not all."""
    if n <= MOST_SITES:
        return np.arange(n), ""
    rows = np.sort(np.random.default_rng(_SEED).choice(n, MOST_SITES, replace=False))
    return rows, f"{MOST_SITES:,} of {n:,} sites are here, drawn at random with a fixed seed"


def _pictures(found: _Found, sites: pd.DataFrame, given: Path | None) -> tuple[Pictures | None, str]:
    """Return the images of the sites, or why there are none."""
    section = found.images
    if given is not None:
        section = (section or ImagesSection()).model_copy(update={"manifest": given})
    if section is None:
        return None, "no images: the folder names no manifest; name it with --manifest FILE to see them"
    try:
        return Pictures(section.open(), list(map(str, sites.index))), ""
    except PhenolensError as error:
        if given is not None:
            raise
        return None, f"no images: {error}; if they have moved, name their manifest with --manifest FILE"
