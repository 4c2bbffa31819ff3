"""The one reader of tables in files, for manifests, vectors, cells, genes and relations."""

import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from phenolens.core.errors import PhenolensError, reason_of
from phenolens.datasets.columns import NumberColumns, Table, as_numbers, column_name, number_candidates, plain_table
from phenolens.datasets.delimited import read_delimited
from phenolens.datasets.parquet_file import TYPES, read_parquet
from phenolens.datasets.text_file import COMPRESSIONS

_TEXT_FILES = (".csv", ".tsv", ".txt", ".tab")
_PARQUET = (".parquet", ".pq")
_WORKBOOK = re.compile(r"^\.(xls[xmb]?|ods|numbers)$")
TABLES = (*_TEXT_FILES, *_PARQUET)
"""The suffixes of files with tables, without that of their compression."""


def table_suffix(path: Path) -> str:
    """Return the suffix of a file in lower case, without that of its compression.

    Examples
    --------
    >>> table_suffix(Path("profiles.CSV.gz")), table_suffix(Path("a.parquet"))
    ('.csv', '.parquet')
    """
    name = path.name.lower()
    for packed in COMPRESSIONS:
        name = name.removesuffix(packed)
    return Path(name).suffix


def table_stem(path: Path) -> str:
    """Return the name of a file without its suffix and that of its compression.

    Examples
    --------
    >>> table_stem(Path("profiles.v2.CSV.gz"))
    'profiles.v2'
    """
    return path.name[: path.name.lower().rindex(table_suffix(path))]


def read_table(path: Path) -> Table:
    """Read a table from a text file (CSV, with tabs or semicolons, compressed or not) or a Parquet file.

    In text files every cell is text, and missing only if it is empty. In Parquet files columns keep their types; lists,
    bytes and dates become text.

    Raises
    ------
    ValueError
        If it is no such table, a column has no name, or two columns of one name differ; the message names the culprit.
    OSError
        If it cannot be opened.
    """
    suffix = table_suffix(path)
    if suffix in _TEXT_FILES:
        return _table_of_text(*read_delimited(path))
    if suffix in _PARQUET:
        return plain_table(read_parquet(path))
    raise ValueError(f"a table is {', '.join(TABLES)}, not '{path.suffix}'{workbook_hint(path)}")


def read_numbers_apart(path: Path, reserved: Collection[str]) -> tuple[Table, NumberColumns]:
    """Read a table as `read_table` does, and columns of nothing but numbers apart from all others.

    Of a text file with thousands of features, this takes a fifth of the time of making each a column of text first.
    Columns that are not surely such features are in the table: the first, those marked as metadata, those whose
    name is reserved, repeated or missing, and those with any cell that is not empty and no number.

    Parameters
    ----------
    path
        The file.
    reserved
        Names of columns that stay in the table, as they are called once they are read.

    Raises
    ------
    ValueError
        As `read_table`.
    OSError
        If it cannot be opened.
    """
    if table_suffix(path) not in _TEXT_FILES:
        return read_table(path), NumberColumns({}, np.empty((0, 0)), {})
    names, cells = read_delimited(path)
    places = {column_name(name): place for place, name in enumerate(names)}
    candidates = number_candidates(names, reserved)
    chosen, numbers = as_numbers([cells[place] for place in candidates])
    apart = {candidates[number]: number for number in chosen}
    rest = [place for place in range(len(names)) if place not in apart]
    table = _table_of_text([names[place] for place in rest], [cells[place] for place in rest])
    return table, NumberColumns({column_name(names[place]): at for at, place in enumerate(apart)}, numbers, places)


def _table_of_text(names: list[str], cells: list[pa.ChunkedArray]) -> Table:
    numbered = pa.table(cells, [str(number) for number in range(len(cells))])  # names may repeat
    return plain_table(numbered.to_pandas(types_mapper=TYPES.get).set_axis(names, axis=1))


def read_rows(
    path: Path, what: str, kind: type[PhenolensError] = PhenolensError, *, keep: bool = False
) -> pd.DataFrame:
    """Return the rows of a table.

    Parameters
    ----------
    path
        The file.
    what
        What it is read as, for the error.
    kind
        The kind of error.
    keep
        Whether rows are kept for whoever asks again, as those of small tables that every score reads.

    Raises
    ------
    PhenolensError
        Of this kind, if it cannot be read.
    """
    try:
        return _read_once(path, path.stat().st_mtime_ns) if keep else read_table(path).rows
    except (OSError, ValueError) as error:
        raise kind(f"{path}: cannot be read as {what}: {reason_of(error)}") from error


@lru_cache(maxsize=32)
def _read_once(path: Path, _modified: int) -> pd.DataFrame:
    return read_table(path).rows


def workbook_hint(path: Path) -> str:
    """Return what to do with a workbook; empty for other files."""
    return "; save the sheet as CSV" if _WORKBOOK.match(path.suffix.lower()) else ""
