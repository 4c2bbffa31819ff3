"""What every table of metadata goes through once it is read: names are text, wells, plates and doses are told apart."""

import warnings
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd

from phenolens.core.errors import ManifestError, PhenolensWarning
from phenolens.datasets.columns import as_names
from phenolens.datasets.doses import in_one_unit
from phenolens.datasets.names import plain_name, warn_of_near_names
from phenolens.datasets.schema import NAMES, VOCABULARIES
from phenolens.datasets.wells import PLATE_FORMATS, parse_well, plate_formats, spell_well, stated_format


def tidy_metadata(table: pd.DataFrame, source: str | Path) -> pd.DataFrame:
    """Return metadata in which each thing has one name, and each name stands for one thing.

    Columns of names are text. Roles and types of perturbations are spelled as in manifests; wells like ``A01``; a plate
    is called ``batch_plate`` where several batches have a plate of its name; doses are in one unit. A warning states
    which wells have no position, which plates were renamed, and which names differ by little.

    Parameters
    ----------
    table
        One row per site, well or cell, with columns as in `ManifestRow`, and any others, which are unchanged.
    source
        The file, for warnings.
    """
    table = table.copy(deep=False)
    for column in NAMES:
        if column in table:
            table[column] = as_names(table[column])
    for column, words in VOCABULARIES.items():
        if column in table:
            table[column] = _in_words(table[column], words)
    if "well" in table:
        table["well"] = _one_spelling(table["well"], source)
    if {"batch", "plate"} <= set(table):
        table["plate"] = _plates_of_batches(table, source)
    if "well" in table:
        table = _with_plain_formats(table, source)
    if "dose" in table:
        unit = table["dose_unit"] if "dose_unit" in table else pd.Series(None, table.index, dtype=object)
        table["dose"], unit = in_one_unit(table["dose"], unit)
        if unit.notna().any() or "dose_unit" in table:
            table["dose_unit"] = unit
    warn_of_near_names(table, source)
    return table


def _in_words(values: "pd.Series[Any]", words: tuple[str, ...]) -> "pd.Series[Any]":
    """Return values spelled like the words of a vocabulary; values that are none of these are unchanged."""
    by_plain = {plain_name(word): word for word in words}
    spelled = {value: by_plain.get(plain_name(value), value) for value in values.dropna().unique()}
    return values.map(spelled).astype(object).where(values.notna(), None)


def _one_spelling(wells: "pd.Series[Any]", source: str | Path) -> "pd.Series[Any]":
    """Return wells called as in ``A01``; a warning states which have another kind of name."""
    names = wells.dropna().unique()
    odd = [name for name in names if parse_well(name) is None]
    if odd:
        lost = (
            "no position is known, so that layout is not checked, and effects of position cannot be told"
            if len(odd) == len(names)
            else "positions of these wells are not known, and they take no part in checks of the layout"
        )
        warnings.warn(
            f"{source}: column 'well': {len(odd)} of {len(names)} names, the first is '{odd[0]}', are no positions "
            f"such as B03 or r02c03: {lost}",
            PhenolensWarning,
            stacklevel=3,
        )
    return wells.map({name: spell_well(name) for name in names}).astype(object).where(wells.notna(), None)


def _with_plain_formats(table: pd.DataFrame, source: str | Path) -> pd.DataFrame:
    """Return a table whose stated formats of plates are numbers of wells; a warning says which formats are in doubt."""
    if "plate_format" in table:
        table["plate_format"] = _in_numbers_of_wells(table, source)
    formats = plate_formats(table)
    if formats.doubt:
        warnings.warn(f"{source}: {formats.doubt}", PhenolensWarning, stacklevel=3)
    return table


def _in_numbers_of_wells(table: pd.DataFrame, source: str | Path) -> "pd.Series[Any]":
    """Return formats of plates as numbers of wells.

    Raises
    ------
    ManifestError
        If there is no plate of a format, or the format of a plate does not have all of its wells.
    """
    stated = table["plate_format"]
    sizes = {name: stated_format(name) for name in stated.dropna().unique()}
    known = ", ".join(str(prod(size)) for size in PLATE_FORMATS)
    for name, size in sizes.items():
        if size is None:
            raise ManifestError(f"{source}: column 'plate_format': '{name}' is no format of plates; there is: {known}")
    for name, size in sizes.items():
        for well in table["well"][stated == name].dropna().unique():
            at = parse_well(well)
            if size is not None and at is not None and not (at[0] < size[0] and at[1] < size[1]):
                raise ManifestError(
                    f"{source}: column 'plate_format': a plate of {prod(size)} wells has no well '{well}'; correct one "
                    "of them"
                )
    if "plate" in table:
        several = stated.groupby(table["plate"]).nunique()
        if (several > 1).any():
            plate = several.index[several > 1][0]
            found = " and ".join(f"'{name}'" for name in stated[table["plate"] == plate].dropna().unique())
            raise ManifestError(f"{source}: column 'plate_format': plate '{plate}' has {found}; give it one format")
    words = {name: str(prod(size)) for name, size in sizes.items() if size is not None}
    return stated.map(words).astype(object).where(stated.notna(), None)


def _plates_of_batches(table: pd.DataFrame, source: str | Path) -> "pd.Series[Any]":
    """Return plates, called ``batch_plate`` where a name is that of plates of several batches."""
    plate, batch = table["plate"], table["batch"]
    n_batches = batch.groupby(plate).nunique()
    repeated = n_batches.index[n_batches > 1]
    if not len(repeated):
        return plate
    batches = batch[plate == repeated[0]].dropna().unique()
    warnings.warn(
        f"{source}: plate '{repeated[0]}' is in the batches {', '.join(map(repr, batches[:3]))}: plates of one name in "
        f"several batches are different plates, called '{batches[0]}_{repeated[0]}' and so on; leave out or rename the "
        "column 'batch' if they are not",
        PhenolensWarning,
        stacklevel=3,
    )
    renamed = plate.isin(repeated) & batch.notna()
    return plate.where(~renamed, batch.astype(str) + "_" + plate.astype(str))
