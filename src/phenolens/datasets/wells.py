"""Wells and plates: what a well is called, where on the plate it is, and how large the plate is."""

import re
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PLATE_FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of plates of 6, 12, 24, 48, 96, 384 and 1,536 wells, the smallest first."""

_LETTERS = re.compile(r"^([A-Za-z]{1,2}) ?[-_ .:,]? ?0*([1-9]\d?)$")
_ROW_AND_COLUMN = re.compile(r"^r(?:ow)?[-_ ]?0*([1-9]\d?)[-_ ,]*c(?:ol(?:umn)?)?[-_ ]?0*([1-9]\d?)$", re.IGNORECASE)

_FORMAT = re.compile(r"^\s*(\d{1,4})(?:\.0+)?(?:[-_ ]?wells?)?\s*$", re.IGNORECASE)
_STATE_IT = "; distances to the edge depend on it: state the number of wells in a column plate_format"


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


def stated_format(name: object) -> tuple[int, int] | None:
    """Return rows and columns of a plate whose number of wells is stated; None if there is no plate of this format.

    Examples
    --------
    >>> stated_format("384"), stated_format("96-well"), stated_format("100")
    ((16, 24), (8, 12), None)
    """
    found = _FORMAT.match(str(name))
    n_wells = int(found[1]) if found else 0
    return next((size for size in PLATE_FORMATS if size[0] * size[1] == n_wells), None)


@dataclass(frozen=True)
class PlateFormats:
    """The format of each plate.

    Attributes
    ----------
    sizes
        Plate -> its rows and columns. Stated formats hold; where none is stated, it is the largest among the plates of
        the batch or, without batches, the smallest that has all of its wells.
    doubt
        Which formats are not stated, and might be others, in words; empty if none.
    """

    sizes: dict[Any, tuple[int, int]]
    doubt: str


def plate_formats(obs: pd.DataFrame) -> PlateFormats:
    """Return the formats of plates.

    Parameters
    ----------
    obs
        Metadata with the column `well` and, where known, `plate`, `batch` and `plate_format`. Wells without a position
        are left out; plates that state a format too small for their wells are taken for larger ones.
    """
    rows = _rows_and_columns(obs["well"])
    rows["batch"] = obs["batch"].astype(object) if "batch" in obs else None
    stated = obs["plate_format"].astype(object) if "plate_format" in obs else pd.Series(None, obs.index, dtype=object)
    sizes_stated = {name: size for name in stated.dropna().unique() if (size := stated_format(name))}
    rows["stated"] = stated.map({name: PLATE_FORMATS.index(size) for name, size in sizes_stated.items()}).astype(float)
    known = rows["row"].notna()
    plates = rows[known].groupby(_plates(obs)[known].to_numpy(), sort=False)
    plates = plates.agg({"row": "max", "column": "max", "batch": "first", "stated": "max"})
    needed = [
        plate_format(int(row) + 1, int(column) + 1) for row, column in zip(plates["row"], plates["column"], strict=True)
    ]
    plates["own"] = np.fmax([PLATE_FORMATS.index(size) for size in needed], plates["stated"].astype(float))
    of_batch = plates.groupby("batch")["own"].transform("max").fillna(plates["own"])
    plates["size"] = plates["own"].where(plates["stated"].notna(), of_batch)
    return PlateFormats({plate: PLATE_FORMATS[int(size)] for plate, size in plates["size"].items()}, _doubt(plates))


def with_plate_formats(obs: pd.DataFrame) -> pd.DataFrame:
    """Return metadata whose plates state their format, so that a part of the wells has the distances of all.

    Parameters
    ----------
    obs
        Metadata, as in `plate_formats`; without wells, it is returned as it is.
    """
    if "well" not in obs:
        return obs
    sizes = plate_formats(obs).sizes
    return obs.assign(plate_format=_plates(obs).map({plate: str(prod(size)) for plate, size in sizes.items()}))


def _plates(obs: pd.DataFrame) -> "pd.Series[Any]":
    """Return the plate of each row; the same name for all whose plate is not known."""
    if "plate" not in obs:
        return pd.Series("", obs.index, dtype=object)
    return obs["plate"].astype(object).where(obs["plate"].notna(), "")


def _rows_and_columns(wells: "pd.Series[Any]") -> pd.DataFrame:
    """Return row and column of wells; NaN where a name is not one of a position."""
    found = {name: at for name in wells.dropna().unique() if (at := parse_well(name))}
    names = wells.astype(object)
    return pd.DataFrame(
        {
            name: names.map({well: at[axis] for well, at in found.items()})
            for axis, name in enumerate(("row", "column"))
        },
        dtype=np.float64,
    )


def _doubt(plates: pd.DataFrame) -> str:
    """Return which plates have formats that their wells alone do not show, in words."""
    n_wells = [prod(size) for size in PLATE_FORMATS]
    unsaid = plates[plates["stated"].isna()]
    for plate, row in unsaid[unsaid["size"] > unsaid["own"]].iterrows():
        return (
            f"plate '{plate}' is taken for one of {n_wells[int(row['size'])]} wells, like others of batch "
            f"'{row['batch']}', although {n_wells[int(row['own'])]} would hold its wells{_STATE_IT}"
        )
    largest = plates["size"].max()
    for plate, row in unsaid[unsaid["size"] < largest].iterrows():
        return (
            f"plate '{plate}' is taken for one of {n_wells[int(row['size'])]} wells, which hold all of its wells, and "
            f"plate '{plates['size'].idxmax()}' for one of {n_wells[int(largest)]}{_STATE_IT}"
        )
    return ""


def known_positions(obs: pd.DataFrame) -> pd.DataFrame | None:
    """Return where wells are on their plates.

    Parameters
    ----------
    obs
        Metadata of wells (n rows), as in `plate_formats`.

    Returns
    -------
    One row per well, NaN where its name is not one of a position; None if that is so of all, or there are no wells.

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
    if "well" not in obs:
        return None
    places = _rows_and_columns(obs["well"])
    known = places["row"].notna().to_numpy()
    if not known.any():
        return None
    plates = _plates(obs)
    sizes = plate_formats(obs).sizes
    n_rows, n_columns = (plates.map({plate: size[axis] for plate, size in sizes.items()}) for axis in (0, 1))
    sides = [places["row"], places["column"], n_rows - 1 - places["row"], n_columns - 1 - places["column"]]
    places["edge"] = pd.concat(sides, axis=1).min(axis=1).where(known)
    nearest = places["edge"].groupby(plates.to_numpy()).transform("min")
    places["outermost"] = (places["edge"] == nearest).astype(float).where(known)
    places["middle_row"], places["middle_column"] = (
        (side.astype(float) - 1).where(known) / 2 for side in (n_rows, n_columns)
    )
    return places


def position_features(places: pd.DataFrame) -> NDArray[np.float64]:
    """Return (n, 6) numbers on which effects of position may depend, none of them larger than 1.

    Wells of unknown position are put at the mean.
    """
    columns = [places["row"], places["column"], places["edge"]]
    columns += [(places[name] - places[f"middle_{name}"]) ** 2 for name in ("row", "column")]
    columns.append(places["outermost"])
    features = np.stack([column.fillna(column.mean()) for column in columns], axis=1)
    return features / np.maximum(features.max(axis=0), 1)
