"""Tables of cells with their positions, types and measurements, by site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.core.parse_numbers import parse_numbers
from phenolens.datasets.columns import as_names, column_name
from phenolens.datasets.table_file import read_rows


@dataclass(frozen=True, eq=False)
class Cells:
    """The n cells of one site.

    Attributes
    ----------
    positions
        (n, 2) x and y, in pixels or any other unit of length.
    extent
        Width and height of the observation window, whose lower corner is the origin.
    morphology
        (n, k) measurements of each cell; None without measurements.
    types
        (n,) index of the type of each cell; None if types are unknown.
    """

    positions: NDArray[np.float64]
    extent: tuple[float, float]
    morphology: NDArray[np.float64] | None = None
    types: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class CellTable:
    """Cells of many sites, from a table produced by segmentation and cell typing.

    Attributes
    ----------
    source
        The file.
    positions
        (n, 2) x and y of all cells, grouped by site.
    rows
        site_id -> first row of its cells, and the row after the last.
    types, type_names
        (n,) index of the type of each cell, and the names of types; None and empty without types.
    morphology, morphology_names
        (n, k) measurements, and their names; None and empty without measurements.
    """

    source: Path
    positions: NDArray[np.float64]
    rows: Mapping[str, tuple[int, int]]
    types: NDArray[np.intp] | None
    type_names: tuple[str, ...]
    morphology: NDArray[np.float64] | None
    morphology_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def of(self, site_id: str, extent: tuple[float, float] | None = None) -> Cells:
        """Return the cells of a site, which may be none.

        Parameters
        ----------
        site_id
            The site.
        extent
            Width and height of the site, whose corner is the origin; if None, the bounding box of its cells, extended
            by half the mean spacing on each side.

        Raises
        ------
        ManifestError
            If a cell is outside the extent.
        """
        first, end = self.rows.get(site_id, (0, 0))
        positions = self.positions[first:end]
        if extent is None:
            low, size = _window(positions)
            positions = positions - low
            extent = (float(size[0]), float(size[1]))
        else:
            outside = ((positions < 0) | (positions > extent)).any(axis=1)
            if outside.any():
                x, y = positions[outside][0]
                raise ManifestError(
                    f"{self.source}: {outside.sum()} of {len(positions)} cells of site '{site_id}' are outside its "
                    f"{extent[0]:g} x {extent[1]:g}, the first at x {x:g}, y {y:g}; check units and origin"
                )
        return Cells(
            positions,
            extent,
            None if self.morphology is None else self.morphology[first:end],
            None if self.types is None else self.types[first:end],
        )


def _window(positions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return corner and size of the bounding box of cells, extended by half their mean spacing on each side."""
    if not len(positions):
        return np.zeros(2), np.ones(2)
    low, high = positions.min(axis=0), positions.max(axis=0)
    span = high - low
    spacing = np.sqrt(np.prod(np.maximum(span, span.max() / len(positions))) / len(positions)) or 1.0
    return low - spacing / 2, span + spacing


def read_cell_table(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    morphology: Sequence[str] = (),
) -> CellTable:
    """Read a table with one row per cell.

    Parameters
    ----------
    path
        A table, as in `read_table`, with columns `site_id`, `x`, `y` and optionally `type`.
    columns
        One of these columns -> its name in the file.
    morphology
        Numeric columns that describe a cell, also as patterns such as ``area_*``.

    Raises
    ------
    ManifestError
        If it cannot be read, lacks a column, or a cell has no position or type; the message names the row.
    """
    path = Path(path)
    columns = columns or {}
    known = ("site_id", "x", "y", "type")
    for column in columns:
        if column not in known:
            raise ManifestError(f"{path}: cells have no column '{column}'{did_you_mean(column, known)}")
    names = {column: column_name(columns.get(column, column)) for column in known}
    table = _read(path)
    for column, name in names.items():
        if name not in table and (column != "type" or column in columns):
            raise ManifestError(f"{path}: no column '{name}' for the {column} of cells{did_you_mean(name, table)}")
    site = as_names(table[names["site_id"]])
    if site.isna().any():
        raise ManifestError(f"{path}: row {_first(site.isna())}: the cell has no {names['site_id']}")
    # Cells are grouped by site, in the order of the file.
    code, sites = pd.factorize(site)
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=len(sites)))
    rows = {
        str(name): (int(end - size), int(end))
        for name, end, size in zip(sites, ends, np.diff(ends, prepend=0), strict=True)
    }
    positions = _numbers(table, [names["x"], names["y"]], path)
    types, type_names = _types(table, names["type"], path)
    chosen = _choose(table, morphology, path)
    measured = _numbers(table, chosen, path) if chosen else None
    return CellTable(
        path,
        positions[order],
        rows,
        None if types is None else types[order],
        type_names,
        None if measured is None else measured[order],
        tuple(chosen),
    )


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ManifestError(f"no table of cells at {path}")
    table = read_rows(path, "a table of cells", ManifestError)
    if table.empty:
        raise ManifestError(f"{path}: has no rows")
    return table


def _numbers(table: pd.DataFrame, columns: Sequence[str], path: Path) -> NDArray[np.float64]:
    values = np.stack([parse_numbers(table[column]) for column in columns], axis=1)
    bad = ~np.isfinite(values)
    if bad.any():
        row, number = np.argwhere(bad)[0]
        column = columns[number]
        text = table[column].iloc[row]
        found = "" if pd.isna(text) else f", where it holds '{text}'"
        raise ManifestError(
            f"{path}: {bad.any(axis=1).sum()} cells have no finite '{column}', the first in row {row + 2}{found}; "
            "remove or correct them"
        )
    return values


def _types(table: pd.DataFrame, name: str, path: Path) -> tuple[NDArray[np.intp] | None, tuple[str, ...]]:
    if name not in table:
        return None, ()
    types = as_names(table[name])
    missing = types.isna()
    if missing.any():
        raise ManifestError(
            f"{path}: {missing.sum()} cells have no '{name}', the first in row {_first(missing)}; give them a type, "
            "such as unknown"
        )
    code, names = pd.factorize(types, sort=True)
    return code.astype(np.intp), tuple(map(str, names))


def _choose(table: pd.DataFrame, patterns: Sequence[str], path: Path) -> list[str]:
    chosen: list[str] = []
    for pattern in patterns:
        matching = [str(name) for name in table if fnmatchcase(str(name), column_name(pattern))]
        if not matching:
            raise ManifestError(f"{path}: no column '{pattern}' of cells{did_you_mean(pattern, map(str, table))}")
        chosen += matching
    return list(dict.fromkeys(chosen))


def _first(mask: Any) -> int:
    return int(np.flatnonzero(mask)[0]) + 2  # row of a spreadsheet, whose first row is the header
