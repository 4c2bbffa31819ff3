"""Wells and plates: what a well is called, where on the plate it is, and how large the plate is."""

import re
from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PLATE_FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of plates of 6, 12, 24, 48, 96, 384 and 1,536 wells, the smallest first."""

_LETTERS = re.compile(r"^([A-Za-z]{1,2})[-_ .:,]?0*([1-9]\d?)$")
_ROW_AND_COLUMN = re.compile(r"^r(?:ow)?[-_ ]?0*([1-9]\d?)[-_ ,]*c(?:ol(?:umn)?)?[-_ ]?0*([1-9]\d?)$", re.IGNORECASE)


def parse_well(name: object) -> tuple[int, int] | None:
    """Return row and column of a well, counted from 0; None if it is not named like a well of up to 1,536.

    Examples
    --------
    >>> parse_well("B03"), parse_well("b-3"), parse_well("r02c03"), parse_well("AF48"), parse_well("A01.a1")
    ((1, 2), (1, 2), (1, 2), (31, 47), None)
    """
    text = str(name).strip()
    if found := _LETTERS.match(text):
        *first, last = (ord(letter) - ord("A") for letter in found[1].upper())
        row = last + 26 * (first[0] + 1) if first else last
    elif found := _ROW_AND_COLUMN.match(text):
        row = int(found[1]) - 1
    else:
        return None
    column = int(found[2]) - 1
    n_rows, n_columns = PLATE_FORMATS[-1]
    return (row, column) if row < n_rows and column < n_columns else None


def spell_well(name: object) -> str:
    """Return the name of a well as in ``B03``; names of another kind are unchanged.

    Examples
    --------
    >>> spell_well("b3"), spell_well("AA-12"), spell_well("r2c3"), spell_well("well 7")
    ('B03', 'AA12', 'B03', 'well 7')
    """
    found = parse_well(name)
    if found is None:
        return str(name)
    row, column = found
    letters = chr(ord("A") + row % 26)
    return f"{'A' * (row >= 26)}{letters}{column + 1:02d}"


def plate_format(n_rows: int, n_columns: int) -> tuple[int, int]:
    """Return rows and columns of the smallest plate that has so many of both.

    Examples
    --------
    >>> plate_format(7, 11), plate_format(8, 13)
    ((8, 12), (16, 24))
    """
    return next(size for size in PLATE_FORMATS if size[0] >= n_rows and size[1] >= n_columns)


def well_positions(wells: "pd.Series[str]", plates: "pd.Series[str] | None" = None) -> pd.DataFrame | None:
    """Return where wells are on their plates.

    The format of each plate is the smallest that has all of its wells.

    Parameters
    ----------
    wells
        Names of wells (n,).
    plates
        Their plates (n,); if None, all are of one.

    Returns
    -------
    One row per well, NaN where its name is not one of a position; None if that is so of all.

    row, column
        Counted from 0.
    edge
        The distance to the edge of the plate: 0 for its outermost wells.
    outermost
        1 for the wells that are nearest to the edge among those used of their plate, 0 for others. Where the rim of a
        plate is left empty, these are the wells beside it.
    middle_row, middle_column
        The middle of the plate, between 0 and its last row and column.
    """
    found = {name: parse_well(name) for name in wells.dropna().unique()}
    known = np.array([found.get(name) is not None for name in wells], dtype=bool)
    if not known.any():
        return None
    row, column = np.array([found[name] for name in wells[known]]).T
    plate = np.zeros(known.sum(), np.intp) if plates is None else pd.factorize(plates[known].astype(object))[0]
    size, edge, outermost = np.empty((len(row), 2)), np.empty(len(row)), np.empty(len(row))
    for each in np.unique(plate):
        here = plate == each
        n_rows, n_columns = plate_format(row[here].max() + 1, column[here].max() + 1)
        size[here] = n_rows, n_columns
        edge[here] = np.minimum.reduce([row[here], column[here], n_rows - 1 - row[here], n_columns - 1 - column[here]])
        outermost[here] = edge[here] == edge[here].min()
    middle_row, middle_column = (size.T - 1) / 2
    columns: dict[Hashable, NDArray[np.float64]] = {
        "row": row,
        "column": column,
        "edge": edge,
        "outermost": outermost,
        "middle_row": middle_row,
        "middle_column": middle_column,
    }
    return (
        pd.DataFrame(columns, index=wells.index[known], dtype=np.float64)
        .set_axis(np.flatnonzero(known))
        .reindex(range(len(wells)))
        .set_axis(wells.index)
    )


def known_positions(obs: pd.DataFrame) -> pd.DataFrame | None:
    """Return the positions of rows of metadata, as `well_positions`; None if the position of none is known."""
    return well_positions(obs["well"], obs.get("plate")) if "well" in obs else None


def position_features(places: pd.DataFrame) -> NDArray[np.float64]:
    """Return (n, 6) numbers on which effects of position may depend, none of them larger than 1.

    Wells of unknown position are put at the mean.
    """
    columns = [places["row"], places["column"], places["edge"]]
    columns += [(places[name] - places[f"middle_{name}"]) ** 2 for name in ("row", "column")]
    columns.append(places["outermost"])
    features = np.stack([column.fillna(column.mean()) for column in columns], axis=1)
    return features / np.maximum(features.max(axis=0), 1)
