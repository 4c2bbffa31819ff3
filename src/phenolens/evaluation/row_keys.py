"""What tells the rows of tables apart, so that rows of two encoders are matched by what they are and not by number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from phenolens.core.errors import EmbeddingError, did_you_mean
from phenolens.datasets import as_names, spell_well
from phenolens.embedding import FILE, PROVENANCE

if TYPE_CHECKING:
    from anndata import AnnData

# Sets of columns that tell rows apart; the row names of a table are tried after the first.
_BY_SITE = ("site_id",)
_BY_WELL = (("plate", "well", "site"), ("plate", "well"))
# What matched rows must agree in, where both tables have it.
_IDENTITY = ("plate", "well", "batch", "perturbation", "dose", "role", "slide", "patient", "label")

_NUMBER = re.compile(r"^\d+$")


def find_keys(embeddings: Mapping[str, AnnData], key: str | None) -> dict[str, pd.Index[str]] | None:
    """Return the key of each row of each encoder; None if nothing tells rows apart in all of them.

    Tried in this order: the column `key`, and nothing else if it is given; ``site_id``; the names of rows, unless they
    are row numbers of different files; plate, well and site; plate and well. A key is unique in every encoder, known of
    every row, and common to at least one row of all.

    Raises
    ------
    EmbeddingError
        If `key` is given, and an encoder lacks it, it does not tell rows apart, or no row has the same in all.
    """
    if key is not None:
        named = {encoder: _named_key(vectors, key, encoder) for encoder, vectors in embeddings.items()}
        if not len(_common(list(named.values()))):
            files = " and ".join(dict.fromkeys(file_of_vectors(each, of) for of, each in embeddings.items()))
            raise EmbeddingError(f"{files}: no {key} is in all of them; compare how it is spelled")
        return named
    for found in _candidates(embeddings):
        keys = list(found.values())
        if all(each.is_unique for each in keys) and len(_common(keys)):
            return found
    return None


def repeated_well(vectors: AnnData) -> bool:
    """Whether a well of a plate has several rows."""
    obs = vectors.obs
    return {"plate", "well"} <= set(obs) and bool(obs.duplicated(["plate", "well"]).any())


def contradiction(first: pd.DataFrame, other: pd.DataFrame, columns: Sequence[str] = ()) -> tuple[str, int] | None:
    """Return the first column in which rows that were matched differ, and the first such row; None if they agree.

    Parameters
    ----------
    first, other
        The metadata of matched rows, in one order.
    columns
        Columns that tasks use, besides those that say what a row is.
    """
    for column in dict.fromkeys((*_IDENTITY, *columns)):
        if column in first and column in other:
            differs = _differs(first[column], other[column])
            if differs.any():
                return column, int(np.argmax(differs))
    return None


def same_in_order(first: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables have as many rows, at least one metadata column in common, and the same in all of these."""
    shared = [column for column in first if column in other]
    if len(first) != len(other) or not shared:
        return False
    return not any(_differs(first[column], other[column]).any() for column in shared)


def file_of_vectors(vectors: AnnData, encoder: str) -> str:
    """Return the file that vectors were read from, or the encoder where there is none."""
    return str(vectors.uns.get(PROVENANCE, {}).get(FILE, encoder))


def _candidates(embeddings: Mapping[str, AnnData]) -> Iterator[dict[str, pd.Index[str]]]:
    """Yield what may tell rows apart, the most certain first."""
    if _all_know(embeddings, _BY_SITE):
        yield _by_columns(embeddings, _BY_SITE)
    files = {file_of_vectors(vectors, encoder) for encoder, vectors in embeddings.items()}
    if len(files) == 1 or not any(_are_row_numbers(each.obs_names) for each in embeddings.values()):
        yield {encoder: pd.Index(vectors.obs_names) for encoder, vectors in embeddings.items()}
    for columns in _BY_WELL:
        if _all_know(embeddings, columns):
            yield _by_columns(embeddings, columns)


def _all_know(embeddings: Mapping[str, AnnData], columns: Sequence[str]) -> bool:
    """Whether all rows of all encoders have a value in all columns."""
    for vectors in embeddings.values():
        if not set(columns) <= set(vectors.obs) or vectors.obs[list(columns)].isna().any(axis=None):
            return False
    return True


def _by_columns(embeddings: Mapping[str, AnnData], columns: Sequence[str]) -> dict[str, pd.Index[str]]:
    return {encoder: _joined(vectors.obs, columns) for encoder, vectors in embeddings.items()}


def _joined(obs: pd.DataFrame, columns: Sequence[str]) -> pd.Index[str]:
    first, *others = [pd.Series(_texts(obs[column])) for column in columns]
    return pd.Index((first.str.cat(others, sep="_") if others else first).to_numpy())


def _named_key(vectors: AnnData, key: str, encoder: str) -> pd.Index[str]:
    file, obs = file_of_vectors(vectors, encoder), vectors.obs
    if key not in obs:
        raise EmbeddingError(f"{file}: no column '{key}' to match rows by{did_you_mean(key, obs.columns)}")
    if obs[key].isna().any():
        raise EmbeddingError(f"{file}: row '{obs.index[obs[key].isna()][0]}' has no '{key}' to match it by")
    names = _joined(obs, [key])
    if not names.is_unique:
        raise EmbeddingError(
            f"{file}: '{names[names.duplicated()][0]}' is the {key} of several rows; "
            "average them first, or name a column that tells all rows apart (--key COLUMN)"
        )
    return names


def _common(keys: Sequence[pd.Index[str]]) -> pd.Index[str]:
    common = keys[0]
    for each in keys[1:]:
        common = common[common.isin(each)]
    return common


def _are_row_numbers(names: pd.Index[str]) -> bool:
    """Whether names are those that rows have without one: digits alone."""
    return all(_NUMBER.match(str(name)) for name in names)


def _texts(values: pd.Series[str]) -> np.ndarray:
    """Return values as texts in which one thing has one spelling: 7 and 7.0, A1 and a01; missing ones as ''."""
    names = as_names(values).fillna("")
    return (names.map(spell_well) if values.name == "well" else names).to_numpy()


def _differs(first: pd.Series[str], other: pd.Series[str]) -> np.ndarray:
    """Return where two columns differ; numbers may differ by what rounding in a file changes."""
    if is_numeric_dtype(first) and is_numeric_dtype(other):
        one, two = first.to_numpy(dtype=np.float64, na_value=np.nan), other.to_numpy(dtype=np.float64, na_value=np.nan)
        return ~np.isclose(one, two, rtol=1e-5, atol=0, equal_nan=True)
    return _texts(first) != _texts(other)
