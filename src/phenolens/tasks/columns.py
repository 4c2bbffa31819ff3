"""Metadata columns as tasks read them; columns that cannot be read are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable, did_you_mean
from phenolens.core.parse_numbers import numbers_and_text
from phenolens.datasets import as_names

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


def numbers(column: pd.Series[Any], of: str) -> pd.Series[float]:
    """Return a column as numbers.

    Raises
    ------
    TaskNotApplicable
        If it holds text that is not a number.
    """
    found, text = numbers_and_text(column)
    if text is not None:
        raise TaskNotApplicable(f"{of}: column '{column.name}' holds '{text}', which is not a number")
    return pd.Series(found, column.index, name=column.name)


def required_column(rows: AnnData | pd.DataFrame, column: str, task: str) -> pd.Series[str]:
    """Return a metadata column of profiles, or of their metadata, as text.

    Raises
    ------
    TaskNotApplicable
        If it is missing or has gaps.
    """
    obs = rows if isinstance(rows, pd.DataFrame) else rows.obs
    if column not in obs:
        raise TaskNotApplicable(f"{task}: no column '{column}'{did_you_mean(column, obs.columns)}")
    values = obs[column]
    if values.isna().any():
        row = values.index[values.isna()][0]
        raise TaskNotApplicable(f"{task}: row '{row}' has no value in column '{column}'")
    return as_names(values)


def value_of_each(values: pd.Series[Any], units: NDArray[Any], task: str) -> pd.Series[Any]:
    """Return unit -> the value of a metadata column (n,) in all rows of that unit (n,); missing if it is in all.

    Raises
    ------
    TaskNotApplicable
        If a unit has several values.
    """
    by_unit = values.astype(object).groupby(units)
    several = by_unit.nunique() > 1
    if several.any():
        raise TaskNotApplicable(f"{task}: '{several.idxmax()}' has different values of '{values.name}'")
    return by_unit.first()


def usable_rows(rows: AnnData | pd.DataFrame, column: str, task: str) -> tuple[NDArray[np.bool_], str]:
    """Return which rows have a value in a metadata column, and a note on rows without one.

    Raises
    ------
    TaskNotApplicable
        If the column is missing, or empty in every row.
    """
    obs = rows if isinstance(rows, pd.DataFrame) else rows.obs
    if column not in obs:
        raise TaskNotApplicable(f"{task}: no column '{column}'{did_you_mean(column, obs.columns)}")
    values = obs[column]
    usable = (values.notna() & (values.astype(str) != "")).to_numpy()
    if not usable.any():
        raise TaskNotApplicable(f"{task}: column '{column}' is empty")
    missing = int((~usable).sum())
    return usable, f"{missing} of {len(values)} rows have no value in '{column}' and are left out" if missing else ""
