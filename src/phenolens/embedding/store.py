"""Embeddings on disk: written as .h5ad, read from .h5ad, .parquet, .csv and .npz."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype, is_numeric_dtype
from scipy.sparse import issparse

from phenolens.core.errors import EmbeddingError, EncoderError, PhenolensWarning, did_you_mean, reason_of
from phenolens.core.parquet import read_parquet
from phenolens.core.precision import narrowed
from phenolens.datasets import NEGATIVE_CONTROL, ManifestRow, map_columns, spell_well
from phenolens.embedding.h5ad_file import is_sealed, read_h5ad, write_h5ad
from phenolens.embedding.provenance import FILE, INFO, NOTE, PROVENANCE, encoder_info
from phenolens.embedding.storable import storable

if TYPE_CHECKING:
    from anndata import AnnData

Missing = Literal["refuse", "rows", "features", "median"]

_METADATA_PREFIX = "Metadata_"  # pycytominer's convention


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
        A .h5ad file; or a .parquet or .csv table, whose numeric columns are features and whose other columns are
        metadata (``Metadata_`` columns, the convention of pycytominer, are always metadata, and lose the prefix); or an
        .npz file with a matrix `X` and a vector for each metadata column.
    name
        The name of the encoder; if None, the name in the file's provenance, else the name of the file. The description
        of the encoder is read with its vectors, see `encoder_info`.
    columns
        Manifest column -> column of the file, or a template of several, as in `read_manifest`.
    values
        Manifest column -> {value in the file: value in the manifest}, applied after `columns`.
    features
        The feature columns, also as patterns such as ``feat_*``, or a numeric metadata column by its full name. If
        None, all numeric columns that are not metadata: not named like a column of a manifest, and not in `columns` or
        `metadata`.
    metadata
        Further metadata columns, which may be numeric.
    missing
        How missing or infinite values are handled: ``refuse``; ``rows`` or ``features`` leaves out those with any;
        ``median`` imputes the feature's median. A warning, and a note in `uns`, state what was done.

    Raises
    ------
    EmbeddingError
        If the file is missing, has another format, or holds no finite features.
    ManifestError
        If a column to map is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise EmbeddingError(f"no embeddings at {path}")
    readers = {".h5ad": _read_h5ad, ".parquet": _read_table, ".csv": _read_table, ".npz": _read_npz}
    if path.suffix not in readers:
        raise EmbeddingError(f"{path}: embeddings must be {', '.join(readers)}, not '{path.suffix}'")
    columns = {column: without_prefix(origin) for column, origin in (columns or {}).items()}
    origins = {name for origin in columns.values() for name in [origin, *re.findall(r"{([^{}]+)}", origin)]}
    reserved = {*ManifestRow.model_fields, *columns, *origins, *map(without_prefix, metadata)}
    try:
        embeddings = readers[path.suffix](path, reserved)
    except EmbeddingError:
        raise
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise EmbeddingError(f"{path}: cannot be read as embeddings: {reason_of(error)}") from error
    if features is not None:
        embeddings = _choose_features(embeddings, features, path)
    if 0 in embeddings.shape:
        raise EmbeddingError(f"{path}: holds {embeddings.n_obs} rows and {embeddings.n_vars} features")
    embeddings.obs = _map_metadata(embeddings.obs, columns, values or {}, path)
    embeddings = _without_gaps(_with_distinct_names(embeddings, path), missing, path)
    provenance = embeddings.uns.setdefault(PROVENANCE, {})
    name = name or str(provenance.get("encoder", path.stem))
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
    from anndata import AnnData

    if embeddings.obs_names.equals(names):
        return embeddings
    obs = embeddings.obs.set_axis(names)
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
    found = obs[column].astype(object).isin(controls)
    if not found.any():
        there = [str(value) for value in obs[column].unique()[:50]]
        raise EmbeddingError(f"{source}: no row has {column} {' or '.join(controls)}{did_you_mean(controls[0], there)}")
    role = obs["role"].astype(object) if "role" in obs else pd.Series("treatment", index=obs.index, dtype=object)
    return storable(obs.assign(role=role.where(~found, NEGATIVE_CONTROL)))


def without_prefix(name: str) -> str:
    """Return how a column is called once it is read: without pycytominer's prefix of metadata."""
    return str(name).removeprefix(_METADATA_PREFIX)


def _choose_features(embeddings: AnnData, features: Sequence[str], path: Path) -> AnnData:
    """Return the features that match any of the patterns, or numeric metadata columns given by their full names."""
    from anndata import AnnData

    names = [str(name) for name in embeddings.var_names]
    chosen: dict[str, Any] = {}
    for pattern in features:
        matching = [name for name in names if fnmatchcase(name, pattern)]
        column = without_prefix(pattern)
        if not matching and column in embeddings.obs and is_numeric_dtype(embeddings.obs[column]):
            chosen[column] = embeddings.obs[column].to_numpy()
        elif not matching:
            raise EmbeddingError(f"{path}: no feature '{pattern}'{did_you_mean(pattern, names[:50])}")
        chosen.update({name: embeddings.X[:, names.index(name)] for name in matching})
    x = narrowed(np.stack(list(chosen.values()), axis=1))
    return AnnData(x, obs=embeddings.obs, var=pd.DataFrame(index=list(chosen)), uns=embeddings.uns)


def _map_metadata(
    obs: pd.DataFrame, columns: Mapping[str, str], values: Mapping[str, Mapping[str, str]], path: Path
) -> pd.DataFrame:
    obs = map_columns(obs.copy(), columns, path)
    if "well" in obs:
        obs["well"] = _one_spelling(obs["well"])
    for column, mapping in values.items():
        if column not in obs:
            raise EmbeddingError(f"{path}: values are given for column '{column}', which is missing")
        obs[column] = obs[column].astype(object).replace(dict(mapping))
    return storable(obs)


def _one_spelling(wells: pd.Series[str]) -> pd.Series[str]:
    """Return wells that are all spelled like A01 if the same well has two spellings; unchanged otherwise."""
    spelled = {name: spell_well(name) for name in wells.dropna().unique()}
    if len(set(spelled.values())) == len(spelled):
        return wells
    return wells.astype(object).map(spelled)


def _with_distinct_names(embeddings: AnnData, path: Path) -> AnnData:
    """Return embeddings whose rows are numbered where their names repeat: rows of one name are not one thing."""
    names = embeddings.obs_names
    if names.is_unique:
        return embeddings
    first = names[names.duplicated()][0]
    warnings.warn(
        f"{path}: names of rows repeat, the first is '{first}'; rows are numbered instead",
        PhenolensWarning,
        stacklevel=3,
    )
    return rename_rows(embeddings, pd.Index([str(number) for number in range(embeddings.n_obs)]))


def _without_gaps(embeddings: AnnData, missing: Missing, path: Path) -> AnnData:
    """Return embeddings without missing or infinite values, which are handled as `missing` says."""
    bad = ~np.isfinite(embeddings.X)
    if not bad.any():
        return embeddings
    rows, features = bad.any(axis=1), bad.any(axis=0)
    found = (
        f"{rows.sum()} of {len(rows)} rows, {features.sum()} of {len(features)} features have NaN or infinite values"
    )
    if missing == "refuse":
        raise EmbeddingError(
            f"{path}: {found}, the first is row '{embeddings.obs_names[rows][0]}', feature "
            f"'{embeddings.var_names[bad[rows][0]][0]}'; leave out rows or features, or impute the median (--missing)"
        )
    if missing == "median":
        x = np.where(bad, np.nan, embeddings.X)
        empty = bad.all(axis=0)
        median = np.nanmedian(np.where(empty, 0, x), axis=0)
        embeddings.X = narrowed(np.where(bad, median, x).astype(embeddings.X.dtype))
        kept, done = embeddings[:, ~empty].copy(), "replaced by the feature's median"
    elif missing == "rows":
        kept, done = embeddings[~rows].copy(), "rows left out"
    else:
        kept, done = embeddings[:, ~features].copy(), "features left out"
    if 0 in kept.shape:
        raise EmbeddingError(f"{path}: {found}; nothing is left after leaving these out")
    kept.uns.setdefault(PROVENANCE, {})[NOTE] = f"{found}: {done}"
    warnings.warn(f"{path}: {found}: {done}", PhenolensWarning, stacklevel=3)
    return kept


def read_if_current(path: Path, expected: Mapping[str, Any]) -> AnnData | None:
    """Return the embeddings of a .h5ad file if it is undamaged and they have exactly this provenance, else None."""
    try:
        if not path.is_file() or not is_sealed(path):
            return None
        embeddings = read_embeddings(path)
    except EmbeddingError:
        return None
    found = embeddings.uns[PROVENANCE]
    same = all(_plain(found.get(key)) == _plain(value) for key, value in expected.items())
    return embeddings if same else None


def _plain(value: object) -> object:
    """Return lists as lists, which HDF5 returns as arrays."""
    return list(value) if isinstance(value, np.ndarray) else value


def _read_h5ad(path: Path, reserved: Collection[str]) -> AnnData:
    embeddings = read_h5ad(path)
    if embeddings.X is None:
        raise ValueError("it has no matrix X")
    dense = embeddings.X.toarray() if issparse(embeddings.X) else np.asarray(embeddings.X)
    if dense.dtype.kind not in "biuf":
        raise ValueError(f"its matrix X holds {dense.dtype}, not numbers")
    embeddings.X = narrowed(dense)
    provenance = embeddings.uns.get(PROVENANCE, {})
    if not isinstance(provenance, Mapping) or not isinstance(provenance.get(INFO, {}), Mapping):
        raise ValueError(f"its entry uns['{PROVENANCE}'] is not what describes an encoder; delete this entry")
    return embeddings


def _read_table(path: Path, reserved: Collection[str]) -> AnnData:
    table = read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    table.columns = [str(column) for column in table]
    # Row numbers that pandas has written come back as an unnamed column, which is not a feature.
    prefixes = (_METADATA_PREFIX, "Unnamed: ")
    named = [column for column in table if column.startswith(prefixes) or column in reserved]
    if path.suffix == ".csv":
        table = _with_leading_zeros(table, named, path)
    features = table.drop(columns=named).select_dtypes("number")
    metadata = _each_once(table.drop(columns=features.columns))
    exact = np.float32 if all(dtype == np.float32 for dtype in features.dtypes) else np.float64
    return _assemble(narrowed(features.to_numpy(exact)), metadata, list(features))


def _with_leading_zeros(table: pd.DataFrame, named: Sequence[str], path: Path) -> pd.DataFrame:
    """Return a table in which metadata such as 007 are the text that stands in the file: 7 may be another thing."""
    whole = [column for column in named if is_integer_dtype(table[column]) or is_float_dtype(table[column])]
    if not whole:
        return table
    texts = pd.read_csv(path, usecols=whole, dtype=str)
    zeros = [column for column in whole if texts[column].str.match(r"0\d+$").any()]
    return table.assign(**{column: texts[column] for column in zeros})


def _each_once(metadata: pd.DataFrame) -> pd.DataFrame:
    """Return metadata without the prefix of their columns; a column that also stands there without it must agree."""
    for column in list(metadata):
        plain = without_prefix(column)
        if plain == column or plain not in metadata:
            continue
        if not metadata[column].astype(str).equals(metadata[plain].astype(str)):
            raise ValueError(f"the columns '{plain}' and '{column}' differ; leave out or rename one of them")
        metadata = metadata.drop(columns=column)
    return metadata.rename(columns=without_prefix)


def _read_npz(path: Path, reserved: Collection[str]) -> AnnData:
    with np.load(path, allow_pickle=False) as arrays:
        if "X" not in arrays:
            raise ValueError(f"it has no array 'X'; there is: {', '.join(arrays)}")
        x = narrowed(arrays["X"])
        columns = {without_prefix(key): arrays[key] for key in arrays if key != "X"}
        metadata = pd.DataFrame(columns, index=range(len(x)))
    return _assemble(x, metadata, [str(index) for index in range(x.shape[1])])


def _assemble(x: Any, metadata: pd.DataFrame, names: list[str]) -> AnnData:
    from anndata import AnnData

    metadata.index = metadata.index.astype(str)
    return AnnData(x, obs=storable(metadata), var=pd.DataFrame(index=names))
