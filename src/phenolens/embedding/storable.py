"""What of a table .h5ad can store, and how."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_integer_dtype

from phenolens.core.errors import ManifestError, reason_of
from phenolens.datasets import Manifest
from phenolens.embedding.h5ad_file import as_h5ad, columns_in_h5ad


def storable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that .h5ad can store.

    Numbers stay numbers. Texts become categories, which may have missing values, and so does the text of everything
    else: times in the form 2024-05-01T12:30:00, lists, and objects.
    """
    table = table.rename_axis(None)
    table.index = table.index.astype(str)
    return table.assign(**{column: _storable_column(table[column]) for column in table})


def _storable_column(values: pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        return values
    if isinstance(values.dtype, pd.BooleanDtype) or is_integer_dtype(values.dtype):
        return values  # with missing values
    try:
        categories = values.astype("category")
        if infer_dtype(categories.cat.categories) in ("string", "empty", "integer", "floating", "boolean"):
            return categories
    except TypeError:  # lists are no categories
        pass
    known = values.notna().to_numpy()
    texts = [_text(value) if there else None for value, there in zip(values.astype(object), known, strict=True)]
    return pd.Series(texts, index=values.index, dtype="category")


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def check_storable(manifest: Manifest) -> None:
    """Refuse a manifest with a column that .h5ad cannot hold, before any image is read.

    Raises
    ------
    ManifestError
        If there is such a column; the message names it.
    """
    table = manifest.table
    if (reason := _why_not_storable(table)) is None:
        return
    for column in table:
        if (of_column := _why_not_storable(table[[column]])) is not None:
            raise ManifestError(
                f"{manifest.source}: column '{column}' cannot be stored with embeddings ({of_column}); rename it, or "
                "leave it out"
            )
    raise ManifestError(f"{manifest.source}: its columns cannot be stored with embeddings ({reason})")


def _why_not_storable(table: pd.DataFrame) -> str | None:
    """Return why a table does not come back from .h5ad as it is; None if it does."""
    from anndata import AnnData

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            columns = columns_in_h5ad(as_h5ad(AnnData(obs=storable(table))))
    except Exception as error:  # what libraries raise at odd names and values is not limited to any type
        return reason_of(error)
    return None if columns == list(table) else "its name would be changed"
