"""Platemaps: what is in each well, as a list of wells or as a plate of rows and columns."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from phenolens.core.errors import ManifestError
from phenolens.core.numbers import listed
from phenolens.datasets.columns import as_names, python_text
from phenolens.datasets.layouts.known_columns import KNOWN, choose_controls, find_columns, find_roles, unit_of
from phenolens.datasets.layouts.layout import Notes
from phenolens.datasets.names import plain_name
from phenolens.datasets.schema import IMAGE_COLUMN, IMAGE_PREFIX, NAMES, NEGATIVE_CONTROL
from phenolens.datasets.table_file import read_rows
from phenolens.datasets.wells import parse_well, spell_well

TEMPLATE = ("plate", "well", "perturbation", "dose", "dose_unit", "role")
"""The columns of a platemap that is to be filled in."""

_OF_IMAGES = ("site_id", "site", IMAGE_COLUMN, "mask")  # a manifest of other images may serve as a platemap
_ROW = re.compile(r"^(A[A-F]|[A-P])$", re.IGNORECASE)


def read_platemap(path: Path, notes: Notes) -> pd.DataFrame:
    """Read a platemap.

    It is a table with a row for each well, named by a column of wells or by columns of rows and columns; or with a row
    for each row of the plate and a column for each of its columns, whose cells are perturbations.

    Parameters
    ----------
    path
        The table.
    notes
        Where guesses are written.

    Returns
    -------
    One row per well: ``well``, and what else is known of it in columns of manifests; ``plate`` if it has plates.

    Raises
    ------
    ManifestError
        If it cannot be read, names no wells, or names one twice.
    """
    rows = python_text(read_rows(path, "a platemap", ManifestError))
    matrix = _from_matrix(rows)
    if matrix is not None:
        notes.guess(f"{path.name} has the form of a plate; its cells are perturbations")
        table = matrix
    else:
        of_wells = [column for column in KNOWN if column != "site"]
        table = with_known_columns(_with_wells(rows.reset_index(drop=True)), of_wells, notes)
    if "well" not in table:
        raise ManifestError(
            f"{path}: no column of wells, such as 'well' with A01; nor the form of a plate, with A to H below each "
            f"other and 1 to 12 side by side; its columns are {listed(list(map(str, rows.columns)), 8)}"
        )
    table = table[table["well"].notna()]
    odd = [name for name in table["well"] if parse_well(name) is None]
    if odd:
        raise ManifestError(f"{path}: '{odd[0]}' is no well such as A01; correct the column of wells")
    of_images = [each for each in table if each in _OF_IMAGES or str(each).startswith(IMAGE_PREFIX)]
    table = table.assign(well=table["well"].map(spell_well)).drop(columns=of_images).dropna(axis=1, how="all")
    keys = ["plate", "well"] if "plate" in table else ["well"]
    repeated = table.duplicated(keys)
    if repeated.any():
        first = " ".join(map(str, table.loc[repeated, keys].iloc[0]))
        hint = "" if "plate" in table else ", and it has no column 'plate'"
        raise ManifestError(f"{path}: {first} is there twice{hint}; leave one row for each well")
    return table


def with_known_columns(rows: pd.DataFrame, wanted: Sequence[str], notes: Notes) -> pd.DataFrame:
    """Return a table whose columns of known meaning are called and filled as in manifests.

    Parameters
    ----------
    rows
        A table.
    wanted
        The columns of manifests to look for.
    notes
        Where guesses are written.
    """
    found = find_columns(rows, wanted, notes)
    origin = {name: column for column, name in found.items() if name != column}
    # What stands under the name of a manifest's column, and is not that, keeps its values under another name.
    displaced = {column: f"{column}_in_file" for column in origin.values() if column in rows}
    table = rows.rename(columns=displaced).rename(columns=origin)
    for column in NAMES:  # plates may be numbers in a Parquet file, and would not be those of file names
        if column in table:
            table[column] = as_names(table[column])
    unit = unit_of(found["dose"]) if "dose" in found else None
    if unit is not None and "dose_unit" not in table:
        notes.guess(f"doses are in {unit}, as their column '{found['dose']}' says")
        table["dose_unit"] = pd.Series(unit, table.index, dtype=object).where(table["dose"].notna(), None)
    if "role" in table:
        roles = find_roles(table["role"], notes)
        table["role"] = table["role"].map(roles).astype(object)
        table["role"] = table["role"].where(table["role"].notna(), None)
    return table


def _from_matrix(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return the wells of a table in the form of a plate; None if it has another form."""
    letters, cells = pd.Series(rows.index, rows.index), rows
    if isinstance(rows.index, pd.RangeIndex):
        letters, cells = rows.iloc[:, 0], rows.iloc[:, 1:]
    columns = [str(column).strip() for column in cells.columns]
    if not columns or not all(column.isdigit() for column in columns):
        return None
    if letters.isna().any() or not all(_ROW.match(str(letter).strip()) for letter in letters):
        return None
    wells = [f"{str(letter).strip()}{column}" for letter in letters for column in columns]
    names = [name for _, row in cells.iterrows() for name in as_names(row).tolist()]
    return pd.DataFrame({"well": wells, "perturbation": names}).dropna()


def _with_wells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with a column of wells, if they have one of rows and one of columns instead."""
    by_plain = {plain_name(str(column)): column for column in rows}
    row = next((by_plain[name] for name in ("row", "well row", "plate row") if name in by_plain), None)
    names = ("column", "col", "well column", "well col", "plate column")
    column = next((by_plain[name] for name in names if name in by_plain), None)
    if "well" in rows or row is None or column is None:
        return rows
    letters, numbers = as_names(rows[row]), as_names(rows[column])
    wells = [
        None if letter is None or number is None else f"r{letter}c{number}" if letter.isdigit() else f"{letter}{number}"
        for letter, number in zip(letters, numbers, strict=True)
    ]
    if not any(parse_well(well) for well in wells):
        return rows
    return rows.drop(columns=[row, column]).assign(well=wells)


def join_platemap(table: pd.DataFrame, platemap: pd.DataFrame, path: Path, notes: Notes) -> pd.DataFrame:
    """Return the sites of plates with what a platemap says of their wells.

    Wells are matched by plate and well, or by the well alone, on all plates, if the platemap has no plates. Wells that
    only one of them has are named; sites keep their rows.

    Parameters
    ----------
    table
        One row per site, with ``plate`` and ``well``.
    platemap
        The result of `read_platemap`.
    path
        Its file, for messages.
    notes
        Where guesses are written.

    Raises
    ------
    ManifestError
        If none of its wells has images.
    """
    keys = ["plate", "well"] if "plate" in platemap else ["well"]
    if keys == ["well"] and table["plate"].nunique() > 1:
        notes.guess(f"{path.name} has no column of plates, and holds for all {table['plate'].nunique()} of them")
    imaged, planned = (_names_of(each, keys) for each in (table, platemap))
    if not set(imaged) & set(planned):
        theirs, ours = planned[0], imaged[0]
        raise ManifestError(f"{path}: none of its wells has images: its first is {theirs}, that of the images {ours}")
    without_plan = sorted(set(imaged) - set(planned))
    without_images = sorted(set(planned) - set(imaged))
    if without_plan:
        notes.fill_in(f"what is in {len(without_plan)} wells that {path.name} does not name: {listed(without_plan)}")
    if without_images:
        notes.guess(f"{len(without_images)} wells of {path.name} have no images: {listed(without_images)}")
    both = [column for column in platemap if column in table and column not in ("plate", "well")]
    if both:
        notes.guess(f"the columns {listed(both)} are those of {path.name}, and not of the table beside the images")
    return table.drop(columns=both).merge(platemap, on=keys, how="left", validate="many_to_one")


def _names_of(table: pd.DataFrame, keys: list[str]) -> list[str]:
    return table[keys].astype(str).agg(" ".join, axis=1).tolist()


def mark_controls(table: pd.DataFrame, given: Sequence[str], notes: Notes, source: str) -> pd.DataFrame:
    """Return rows with a role: negative controls are those given and those of the roles, or else found by their names.

    Parameters
    ----------
    table
        Rows with ``perturbation``, and ``role`` if known.
    given
        The perturbations that are negative controls, besides those that have this role already; if there is neither,
        names decide.
    notes
        Where guesses are written.
    source
        The file of the perturbations, for messages.

    Raises
    ------
    ManifestError
        If no row has a perturbation of a given name.
    """
    if "perturbation" not in table:
        if given and "well" not in table:
            raise ManifestError(f"{source}: has no column of perturbations, of which {given[0]} (--controls) is one")
        return table
    names = as_names(table["perturbation"])
    there = names.dropna().unique().tolist()
    has_roles = "role" in table and (table["role"] == NEGATIVE_CONTROL).any()
    if not given and has_roles:
        return table
    controls = choose_controls(there, given, source)
    if not controls:
        notes.fill_in(
            "which perturbation is the negative control, as in --controls DMSO: without any, no activity is scored"
        )
        return table
    if not given:
        notes.guess(f"negative controls are {listed(controls)}, by their names")
    role = table["role"] if "role" in table else pd.Series(None, table.index, dtype=object)
    role = role.where(role.notna() | names.isna(), "treatment")
    return table.assign(role=role.where(~names.isin(controls), NEGATIVE_CONTROL))
