"""Embeddings on disk: written as .h5ad, read from .h5ad, .npz and tables."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from phenolens.core.errors import EmbeddingError, EncoderError, PhenolensWarning, did_you_mean, reason_of
from phenolens.core.precision import narrowed
from phenolens.datasets import (
    NEGATIVE_CONTROL,
    TABLES,
    ManifestRow,
    as_names,
    column_name,
    column_origins,
    map_metadata,
    plain_table,
    table_stem,
    table_suffix,
    warn_of_nearly_controls,
    workbook_hint,
)
from phenolens.embedding.h5ad_file import is_sealed, read_h5ad, write_h5ad
from phenolens.embedding.provenance import FILE, INFO, PROVENANCE, encoder_info
from phenolens.embedding.storable import storable
from phenolens.embedding.vector_tables import (
    Missing,
    VectorTable,
    choose_features,
    read_npz,
    read_vector_table,
    without_gaps,
)

if TYPE_CHECKING:
    from anndata import AnnData


def write_embeddings(embeddings: AnnData, path: str | Path) -> None:
    """Write embeddings to a .h5ad file, whole or not at all."""
    write_h5ad(embeddings, Path(path))


def read_embeddings(
    path: str | Path,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    features: Sequence[str] | None = None,
    metadata: Sequence[str] = (),
    missing: Missing = "refuse",
) -> AnnData:
    """Read embeddings with their metadata.

    Parameters
    ----------
    path
        A .h5ad file; or a table, as in `read_table`, whose columns of numbers are features and whose other columns are
        metadata (so are ``Metadata_`` columns, the convention of pycytominer, unless `features` names them; they lose
        the prefix); or an .npz file with a matrix `X` and a vector for each metadata column.
    name
        The name of the encoder; if None, the name in the file's provenance, else the name of the file. The description
        of the encoder is read with its vectors, see `encoder_info`.
    columns
        Manifest column -> column of the file, or a template of several, as in `read_manifest`.
    values
        Manifest column -> {value in the file: value in the manifest}, applied after `columns`.
    features
        The feature columns, also as patterns such as ``feat_*``; all others are metadata. If None, all columns of
        numbers that are not metadata: not named like a column of a manifest, and not in `columns` or `metadata`.
    metadata
        Further metadata columns, which may be numeric.
    missing
        How missing or infinite values, and cells of features that hold no number, are handled: ``refuse``; ``rows`` or
        ``features`` leaves out those with any; ``median`` imputes the feature's median. A warning, and a note in `uns`,
        state what was done.

    Raises
    ------
    EmbeddingError
        If the file is missing, has another format, or holds no finite features.
    ManifestError
        If a column to map is missing.
    """
    path = Path(path)
    columns = columns or {}
    origins = {name for origin in columns.values() for name in column_origins(origin)}
    reserved = {*ManifestRow.model_fields, *columns, *map(column_name, (*origins, *metadata))}
    table = read_unfinished(path, reserved)
    return _finished(table, path, name, columns, values or {}, features, missing)


def read_unfinished(path: Path, reserved: Collection[str] = frozenset(ManifestRow.model_fields)) -> VectorTable:
    """Return the vectors of a file as they stand in it: with missing values, and no features chosen.

    Parameters
    ----------
    path
        As in `read_embeddings`.
    reserved
        Columns of metadata, also where they hold numbers.

    Raises
    ------
    EmbeddingError
        If the file is missing, or has another format.
    """
    if not path.is_file():
        raise EmbeddingError(f"no embeddings at {path}")
    suffix = table_suffix(path)
    readers = {".h5ad": _read_h5ad, ".npz": read_npz, **dict.fromkeys(TABLES, read_vector_table)}
    if suffix not in readers:
        raise EmbeddingError(
            f"{path}: embeddings must be {', '.join(readers)}, not '{path.suffix}'{workbook_hint(path)}"
        )
    try:
        return readers[suffix](path, reserved)
    except EmbeddingError:
        raise
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise EmbeddingError(f"{path}: cannot be read as embeddings: {reason_of(error)}") from error


def read_own(path: Path) -> AnnData:
    """Return the embeddings of a .h5ad file that this run has written, or has found in its own folder.

    Raises
    ------
    EmbeddingError
        If it is damaged.
    """
    return _finished(_as_table(read_h5ad(path, own=True)), path, None, {}, {}, None, "refuse")


def _finished(
    table: VectorTable,
    path: Path,
    name: str | None,
    columns: Mapping[str, str],
    values: Mapping[str, Mapping[str, str]],
    features: Sequence[str] | None,
    missing: Missing,
) -> AnnData:
    """Return what was read as embeddings with metadata and a description; see `read_embeddings`."""
    table = choose_features(table, features, path)
    if 0 in table.embeddings.shape:
        n_rows, n_features = table.embeddings.shape
        others = ", ".join(map(str, table.embeddings.obs)) or "none"
        raise EmbeddingError(f"{path}: holds {n_rows} rows and {n_features} features; columns of metadata: {others}")
    _with_distinct_names(table.embeddings, path)
    embeddings = without_gaps(table, missing, path)
    with warnings.catch_warnings():
        if PROVENANCE in embeddings.uns:  # written from a manifest, whose names were warned of when it was read
            warnings.simplefilter("ignore", PhenolensWarning)
        embeddings.obs = storable(map_metadata(embeddings.obs, columns, values, path))
    provenance = embeddings.uns.setdefault(PROVENANCE, {})
    name = name or str(provenance.get("encoder", table_stem(path)))
    if not name.isprintable():
        raise EmbeddingError(f"{path}: holds vectors of an encoder whose name is no text in one line: {name!a:.60}")
    try:
        info = encoder_info(embeddings, name)
    except EncoderError as error:
        raise EmbeddingError(f"{path}: {error}") from error
    provenance.update({"encoder": name, INFO: info.as_dict(), FILE: str(path)})
    return embeddings


def rename_rows(embeddings: AnnData, names: pd.Index[str]) -> AnnData:
    """Return embeddings with other row names; the vectors are not copied."""
    if embeddings.obs_names.equals(names):
        return embeddings
    return with_metadata(embeddings, embeddings.obs.set_axis(names))


def with_metadata(embeddings: AnnData, obs: pd.DataFrame) -> AnnData:
    """Return embeddings with other metadata; the vectors are not copied."""
    from anndata import AnnData

    return AnnData(embeddings.X, obs=obs, var=embeddings.var, uns=embeddings.uns)


def mark_controls(obs: pd.DataFrame, controls: Sequence[str], source: str | Path) -> pd.DataFrame:
    """Return metadata with negative controls marked in the column `role`.

    Parameters
    ----------
    obs
        Metadata with a column `role` or, without one, `perturbation`.
    controls
        The values of negative controls in that column.
    source
        The source of the metadata, for messages.

    Raises
    ------
    EmbeddingError
        If there is neither column, or no row has one of the values.
    """
    column = next((name for name in ("role", "perturbation") if name in obs), None)
    if column is None:
        raise EmbeddingError(f"{source}: no column 'role' or 'perturbation', in which negative controls could be named")
    names = as_names(obs[column])
    found = names.isin(controls)
    there = names.dropna().unique().tolist()
    if not found.any():
        raise EmbeddingError(
            f"{source}: no row has {column} {' or '.join(controls)}{did_you_mean(controls[0], there[:50])}"
        )
    warn_of_nearly_controls(there, controls, source)
    role = obs["role"].astype(object) if "role" in obs else pd.Series("treatment", index=obs.index, dtype=object)
    return storable(obs.assign(role=role.where(~found, NEGATIVE_CONTROL)))


def _with_distinct_names(embeddings: AnnData, path: Path) -> None:
    """Give rows numbers as names where names repeat: rows of one name are not one thing."""
    names = embeddings.obs_names
    if names.is_unique:
        return
    warnings.warn(
        f"{path}: names of rows repeat, the first is '{names[names.duplicated()][0]}'; rows are numbered instead",
        PhenolensWarning,
        stacklevel=3,
    )
    embeddings.obs_names = [str(number) for number in range(embeddings.n_obs)]


def read_if_current(path: Path, expected: Mapping[str, Any]) -> AnnData | None:
    """Return the embeddings of a .h5ad file if it is undamaged and they have exactly this provenance, else None."""
    try:
        if not path.is_file() or not is_sealed(path):
            return None
        embeddings = read_own(path)
    except EmbeddingError:
        return None
    found = embeddings.uns[PROVENANCE]
    same = all(_plain(found.get(key)) == _plain(value) for key, value in expected.items())
    return embeddings if same else None


def _plain(value: object) -> object:
    """Return lists as lists, which HDF5 returns as arrays."""
    return list(value) if isinstance(value, np.ndarray) else value


def _read_h5ad(path: Path, reserved: Collection[str]) -> VectorTable:
    return _as_table(read_h5ad(path))


def _as_table(embeddings: AnnData) -> VectorTable:
    """Return the content of a .h5ad file as a table of vectors.

    Raises
    ------
    ValueError
        If it holds no vectors, or describes its encoder in another way.
    """
    if embeddings.X is None:
        raise ValueError("it has no matrix X")
    dense = embeddings.X.toarray() if issparse(embeddings.X) else np.asarray(embeddings.X)
    if dense.dtype.kind not in "biuf":
        raise ValueError(f"its matrix X holds {dense.dtype}, not numbers")
    embeddings.X = narrowed(dense)
    provenance = embeddings.uns.get(PROVENANCE, {})
    if not isinstance(provenance, Mapping) or not isinstance(provenance.get(INFO, {}), Mapping):
        raise ValueError(f"its entry uns['{PROVENANCE}'] is not what describes an encoder; delete this entry")
    embeddings.obs = plain_table(embeddings.obs.rename_axis(None)).rows
    return VectorTable(embeddings)
