"""Tables of vectors as people have them: which of their columns are features, and which metadata."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from phenolens.core.errors import EmbeddingError, PhenolensWarning, did_you_mean
from phenolens.core.memory import check_memory
from phenolens.core.parse_numbers import NO_NUMBER, parse_numbers
from phenolens.core.precision import narrowed
from phenolens.datasets import column_name, plain_table, read_numbers_apart
from phenolens.embedding.provenance import NOTE, PROVENANCE

if TYPE_CHECKING:
    from anndata import AnnData

Missing = Literal["refuse", "rows", "features", "median"]

_WITH_COMMAS = r"^[+-]?[\d.]*,[\d,.]*\d([eE][+-]?\d+)?$"
_MOST_SHOWN = 3


@dataclass(frozen=True, eq=False)
class VectorTable:
    """Vectors with their metadata, as they stand in a file.

    Attributes
    ----------
    embeddings
        The features (n, d), and all other columns as metadata.
    texts
        Feature -> the first of its cells that holds text that is no number; such cells are NaN.
    with_commas
        Columns that look like numbers with decimal commas -> the first cell. They are metadata.
    """

    embeddings: AnnData
    texts: Mapping[str, str] = field(default_factory=dict)
    with_commas: Mapping[str, str] = field(default_factory=dict)


def read_vector_table(path: Path, reserved: Collection[str]) -> VectorTable:
    """Read a table as in `read_table`, whose columns of numbers are features.

    A column is a feature if most of its cells are numbers, or all are empty; unless it is in `reserved`, or marked as
    metadata by pycytominer's prefix.

    Raises
    ------
    ValueError
        As `read_table`.
    """
    table, apart = read_numbers_apart(path, reserved)
    features: dict[str, NDArray[Any]] = {}
    texts: dict[str, str] = {}
    with_commas: dict[str, str] = {}
    for column in table.rows:
        if column in reserved or column in table.metadata:
            continue
        numbers, text = _as_feature(table.rows[column])
        if numbers is not None:
            features[column] = numbers
            texts |= {} if text is None else {column: text}
        elif _are_written_with_commas(table.rows[column]):
            with_commas[column] = str(table.rows[column].dropna().iloc[0])
    metadata = table.rows.drop(columns=list(features))
    names = list(features)
    x = _stacked(features, len(table.rows))
    if not features:
        names, x = list(apart.names), apart.numbers if apart.names else x
    elif apart.names:  # all of them in the order of the file
        columns = apart.names | {name: len(apart.names) + at for at, name in enumerate(features)}
        names = sorted(columns, key=apart.places.__getitem__)
        x = np.concatenate([apart.numbers, x], axis=1)[:, [columns[name] for name in names]]
    return VectorTable(_assemble(narrowed(x), metadata, names), texts, with_commas)


def _stacked(features: Mapping[str, NDArray[Any]], n_rows: int) -> NDArray[Any]:
    """Return features as a matrix, in float32 if all of them are."""
    exact = np.float32 if all(each.dtype == np.float32 for each in features.values()) else np.float64
    return np.stack(list(features.values()), axis=1).astype(exact) if features else np.empty((n_rows, 0))


def read_npz(path: Path, reserved: Collection[str]) -> VectorTable:
    """Read the matrix ``X`` (n, d) of an .npz file, whose other arrays (n,) are metadata.

    Raises
    ------
    ValueError
        If there is no such matrix, an array has another shape, or they do not fit into memory.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    check_memory(2 * size, "to read it takes")
    with np.load(path, allow_pickle=False) as arrays:
        if "X" not in arrays:
            raise ValueError(f"it has no array 'X'; there is: {', '.join(arrays)}")
        x = arrays["X"]
        if x.ndim != 2 or x.dtype.kind not in "fiub":
            raise ValueError(f"'X' must hold numbers and have two axes, rows and features; found {x.dtype} {x.shape}")
        columns = {key: arrays[key] for key in arrays if key != "X"}
    for name, values in columns.items():
        if values.shape not in ((), (len(x),)):
            raise ValueError(f"'{name}' has shape {values.shape}; metadata need one value for each of {len(x)} rows")
    metadata = pd.DataFrame(
        {name: values if values.ndim else values.item() for name, values in columns.items()}, range(len(x))
    )
    return VectorTable(_assemble(narrowed(x), plain_table(metadata).rows, [str(index) for index in range(x.shape[1])]))


def choose_features(table: VectorTable, patterns: Sequence[str] | None, path: Path) -> VectorTable:
    """Return the features that match any of the patterns, or all if these are None; the others are metadata.

    A pattern may also be the full name of a metadata column that holds numbers.

    Raises
    ------
    EmbeddingError
        If a pattern matches nothing, a column without numbers, or two features of one name, or if chosen columns look
        like numbers with decimal commas.
    """
    names = [str(name) for name in table.embeddings.var_names]
    patterns_of_all = ["*"] if patterns is None else patterns
    _refuse_commas([name for name in table.with_commas if _matches(name, patterns_of_all)], table, path)
    if patterns is None:
        return table
    embeddings, obs = table.embeddings, table.embeddings.obs
    columns = {name: number for number, name in enumerate(names)}
    chosen: dict[str, NDArray[Any]] = {}
    for pattern in patterns:
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if len(set(matching)) < len(matching):
            twice = next(name for number, name in enumerate(matching) if name in matching[:number])
            raise EmbeddingError(f"{path}: several features are called '{twice}'; rename them")
        if not matching:
            name = column_name(pattern)
            if name not in obs:
                raise EmbeddingError(f"{path}: no feature '{pattern}'{did_you_mean(pattern, names[:50])}")
            chosen[name] = _numbers_of(obs[name], path)
        chosen.update({name: embeddings.X[:, columns[name]] for name in matching})
    left = [name for name in names if name not in chosen and name not in obs]
    others = pd.DataFrame({name: embeddings.X[:, columns[name]] for name in left}, obs.index)
    x = narrowed(np.stack(list(chosen.values()), axis=1))
    vectors = _annotated(x, pd.concat([obs, others], axis=1), list(chosen), embeddings.uns)
    return VectorTable(vectors, {name: text for name, text in table.texts.items() if name in chosen})


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_commas(columns: Sequence[str], table: VectorTable, path: Path) -> None:
    if columns:
        shown = ", ".join(columns[:_MOST_SHOWN]) + (" and others" if len(columns) > _MOST_SHOWN else "")
        raise EmbeddingError(
            f"{path}: the columns {shown} look like numbers with commas, such as '{table.with_commas[columns[0]]}'; "
            "write decimal points, or name the features (--features)"
        )


def _numbers_of(values: pd.Series[Any], path: Path) -> NDArray[np.float64]:
    """Return a metadata column that was chosen as a feature."""
    numbers = parse_numbers(values)
    if np.isnan(numbers).all():
        held = values.dropna()
        shown = f", the first is '{held.iloc[0]}'" if len(held) else ""
        raise EmbeddingError(f"{path}: the feature '{values.name}' holds no numbers{shown}")
    return numbers


def without_gaps(table: VectorTable, missing: Missing, path: Path) -> AnnData:
    """Return vectors without missing or infinite values, which are handled as `missing` says in `read_embeddings`.

    Raises
    ------
    EmbeddingError
        If there are any and they are refused, or nothing is left without them.
    """
    embeddings = table.embeddings
    bad = ~np.isfinite(embeddings.X)
    if not bad.any():
        return embeddings
    rows, features = bad.any(axis=1), bad.any(axis=0)
    found = (
        f"{rows.sum()} of {len(rows)} rows, {features.sum()} of {len(features)} features have NaN or infinite values"
    )
    if table.texts:
        name, text = next(iter(table.texts.items()))
        found += f" or text, such as '{text}' in feature '{name}'"
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


def _as_feature(values: pd.Series[Any]) -> tuple[NDArray[Any] | None, str | None]:
    """Return a column as numbers, or None if it is no feature; and the first text in it that is no number."""
    if is_bool_dtype(values):
        return None, None
    if is_numeric_dtype(values):
        return (values.to_numpy() if isinstance(values.dtype, np.dtype) else parse_numbers(values)), None
    numbers = parse_numbers(values)
    if not np.isnan(numbers).any() or values.isna().all():
        return numbers, None
    texts = values[np.isnan(numbers) & values.notna().to_numpy()]
    n_numbers, n_others = int((~np.isnan(numbers)).sum()), int((~texts.str.match(NO_NUMBER)).sum())
    if not n_numbers > n_others:
        return None, None
    return numbers, str(texts.iloc[0]) if len(texts) else None


def _are_written_with_commas(values: pd.Series[Any]) -> bool:
    """Whether most cells of a column are numbers if commas are decimal marks, or stand between thousands."""
    if is_bool_dtype(values):
        return False
    held = values.dropna()
    with_commas = held.str.match(_WITH_COMMAS).to_numpy(dtype=bool)
    return bool(with_commas.any() and (with_commas | ~np.isnan(parse_numbers(held))).mean() > 1 / 2)


def _assemble(x: NDArray[Any], metadata: pd.DataFrame, names: list[str]) -> AnnData:
    return _annotated(x, metadata.set_axis(metadata.index.astype(str)), names, {})


def _annotated(x: NDArray[Any], obs: pd.DataFrame, names: list[str], uns: Mapping[str, Any]) -> AnnData:
    from anndata import AnnData

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Observation names are not unique")  # they are numbered later
        return AnnData(x, obs=obs, var=pd.DataFrame(index=names), uns=dict(uns))
