"""Which metadata a map can be coloured by, in the compact form that the page carries."""

from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.parse_numbers import numbers_and_text
from phenolens.datasets import NAMES

_FIRST = ("perturbation", "role", "label", "plate", "batch", "well row", "well column", "dose")
_HOVER = ("perturbation", "plate", "well")
_NEVER = {"site_id", "image", "mask", "x", "y", "mpp", "dose_unit", "well"}
_MOST_CATEGORIES = 60
_MOST_PERTURBATIONS = 500
_MISSING = "(missing)"


def map_columns(obs: pd.DataFrame, *, everything: bool = False) -> list[dict[str, Any]]:
    """Pick the columns worth colouring by and encode them.

    Columns of 2 to 60 categories become ``{"name", "kind": "category", "categories", "codes", "neutral"}``,
    where ``neutral`` lists the codes of negative controls, drawn in grey. More perturbations than that get
    ``"kind": "highlight"``: all grey until one is picked. Numbers become ``{"kind": "log" | "linear",
    "values"}``, with None where there is none; doses are always on a log scale.

    Parameters
    ----------
    obs
        One row per point.
    everything
        Whether to pick all columns but those that differ in each row: any of many names as ``highlight``, and whole
        numbers as ``linear``.
    """
    wide = obs.copy(deep=False)
    if "well" in obs.columns:
        parts = obs["well"].astype(str).str.extract(r"^([A-Za-z]{1,2})0*(\d{1,2})$")
        if parts.notna().all(axis=None):
            wide["well row"] = parts[0].str.upper()
            wide["well column"] = parts[1].astype(int)
    found = []
    for name in dict.fromkeys((*_FIRST, *map(str, wide.columns))):
        if name in wide.columns and name not in _NEVER and not name.startswith("image_"):
            column = _column(name, wide[name], obs, everything)
            found += [] if column is None else [column]
    return found


def hover_columns(obs: pd.DataFrame) -> dict[str, Any]:
    """Encode what is shown when a point is touched: the site, its perturbation, plate and well."""
    columns = []
    for name in _HOVER:
        if name in obs.columns:
            labels, codes = _encoded(obs[name])
            columns.append({"name": name, "categories": labels, "codes": codes})
    return {"site_id": list(map(str, obs.index)), "columns": columns}


def _column(name: str, values: pd.Series, obs: pd.DataFrame, everything: bool) -> dict[str, Any] | None:
    values = _as_numbers(name, values)
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if name == "dose" and numeric:
        return _numbers(name, values, log=True)
    distinct = int(values.nunique())
    if distinct < 2 and not (distinct == 1 and values.isna().any()):
        return None
    if distinct <= _MOST_CATEGORIES and distinct < len(values):
        labels, codes = _encoded(values)
        neutral = _neutral(name, labels, codes, obs)
        return {"name": name, "kind": "category", "categories": labels, "codes": codes, "neutral": neutral}
    of_many_names = name == "perturbation" and distinct <= _MOST_PERTURBATIONS
    if of_many_names or (everything and not numeric and distinct < len(values)):
        labels, codes = _encoded(values)
        return {"name": name, "kind": "highlight", "categories": labels, "codes": codes, "neutral": []}
    if numeric and (everything or pd.api.types.is_float_dtype(values)):
        return _numbers(name, values, log=False)
    return None


def _as_numbers(name: str, values: pd.Series) -> pd.Series:
    """Return a column of text as numbers, if it holds nothing else and is no column of names."""
    if name in NAMES or pd.api.types.is_bool_dtype(values):
        return values
    numbers, text = numbers_and_text(values)
    return pd.Series(numbers, values.index) if text is None and values.notna().any() else values


def _numbers(name: str, values: pd.Series, *, log: bool) -> dict[str, Any] | None:
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    usable = np.isfinite(numbers) & ((numbers > 0) | (not log))
    if len(np.unique(numbers[usable])) < 2:
        return None
    listed = [float(f"{v:.4g}") if ok else None for v, ok in zip(numbers, usable, strict=True)]
    return {"name": name, "kind": "log" if log else "linear", "values": listed}


def _encoded(values: pd.Series) -> tuple[list[str], list[int]]:
    words = values.astype(object).where(values.notna(), _MISSING)
    if pd.api.types.is_numeric_dtype(values):
        order = [*sorted(values.dropna().unique().tolist()), *([_MISSING] if values.isna().any() else [])]
    else:
        words = words.map(str)
        order = sorted(words.unique().tolist())
    place = dict(zip(order, range(len(order)), strict=True))
    return list(map(_label, order)), list(map(place.__getitem__, words))


def _label(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _neutral(name: str, labels: list[str], codes: list[int], obs: pd.DataFrame) -> list[int]:
    if name == "role":
        return [i for i, label in enumerate(labels) if label in {"negative_control", "empty", _MISSING}]
    controls: set[int] = set()
    if name == "perturbation" and "role" in obs.columns:
        is_control = pd.Series((obs["role"].astype(str) == "negative_control").to_numpy())
        of_controls_only = is_control.groupby(codes).all()
        controls = set(of_controls_only.index[of_controls_only])
    return [code for code, label in enumerate(labels) if label == _MISSING or code in controls]
