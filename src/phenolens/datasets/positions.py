"""Positions of wells on a plate, from their names."""

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_WELL = re.compile(r"^([A-Za-z]{1,2})[-_ ]?0*([1-9]\d?)$")


def spell_well(name: object) -> str:
    """Return the name of a well as in ``B03``; names of another kind are unchanged.

    Examples
    --------
    >>> spell_well("b3"), spell_well("AA-12"), spell_well("well 7")
    ('B03', 'AA12', 'well 7')
    """
    found = _WELL.match(str(name).strip())
    return str(name) if found is None else f"{found[1].upper()}{int(found[2]):02d}"


def well_positions(wells: "pd.Series[str]") -> pd.DataFrame | None:
    """Return row and column, counted from 0, and distance to the edge, of wells named like ``B03``.

    The size of the plate is given by the last row and column that occur.

    Returns
    -------
    Columns ``row``, ``column``, ``edge``; None if any well has another kind of name.
    """
    found = [_WELL.match(str(name).strip()) for name in wells]
    rows, columns = [], []
    for match in found:
        if match is None:
            return None
        letters = match[1].upper()
        rows.append(ord(letters[-1]) - ord("A") + 26 * (len(letters) == 2) * (ord(letters[0]) - ord("A") + 1))
        columns.append(int(match[2]) - 1)
    row, column = np.array(rows), np.array(columns)
    edge = np.minimum.reduce([row, column, row.max() - row, column.max() - column])
    return pd.DataFrame({"row": row, "column": column, "edge": edge}, index=wells.index)


def known_positions(obs: pd.DataFrame) -> pd.DataFrame | None:
    """Return the positions of rows, as `well_positions`; None if the well of any row is not known."""
    return well_positions(obs["well"]) if "well" in obs and obs["well"].notna().all() else None


def position_features(places: pd.DataFrame) -> NDArray[np.float64]:
    """Return (n, 6) numbers between 0 and 1 on which effects of position may depend."""
    columns = [places["row"], places["column"], places["edge"]]
    for name in ("row", "column"):
        middle = (places[name].max() + places[name].min()) / 2
        columns.append((places[name] - middle) ** 2)
    columns.append(places["edge"] == 0)
    features = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    return features / np.maximum(features.max(axis=0), 1)
