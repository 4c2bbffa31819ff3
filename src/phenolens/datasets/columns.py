"""How columns are called once they are read, and what their cells are, whatever file they come from."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.types import infer_dtype, is_bool_dtype, is_float_dtype, is_numeric_dtype

from phenolens.datasets.schema import COLUMNS

_METADATA_PREFIX = "metadata_"  # pycytominer's convention, with or without capitals
_WHOLE = r"^-?\d+\.0+$"
_SEPARATOR = "|"  # between the members of a list
_UNNAMED = re.compile(r"^(|_index|__index_level_\d+__|Unnamed: \d+(_level_\d+)?(\.\d+)*)$")
_BLOCK = 2**20  # cells that are made numbers at once
TEXT = pd.StringDtype("pyarrow")


@dataclass(frozen=True, eq=False)
class Table:
    """A table as it was read.

    Attributes
    ----------
    rows
        Text (with the dtype `TEXT`), numbers, or booleans in columns with distinct names; the index holds the names of
        rows, or their numbers.
    metadata
        The columns that the file marks as metadata by pycytominer's prefix, without it.
    """

    rows: pd.DataFrame
    metadata: frozenset[str] = frozenset()


def column_name(name: object) -> str:
    """Return how a column is called once it is read.

    In one line, without pycytominer's prefix of metadata, and in lower case if it is a column that Phenolens knows.
    Columns called X or Y keep their capitals, as they may be features.

    Examples
    --------
    >>> column_name("Metadata_Well"), column_name("Plate"), column_name("Metadata_Compound"), column_name(" f0")
    ('well', 'plate', 'Compound', 'f0')
    """
    name = " ".join(line.strip() for line in str(name).splitlines())
    plain = name[len(_METADATA_PREFIX) :] if name.lower().startswith(_METADATA_PREFIX) else name
    plain = plain or name
    return plain.lower() if len(plain) > 1 and plain.lower() in COLUMNS else plain


def plain_table(table: pd.DataFrame) -> Table:
    """Return a table of any columns and any index as a `Table`.

    Levels of the index that have names become columns. A column without a name holds the names of rows if it is the
    first one, and is left out if it is empty or holds row numbers. A column that is there twice must hold the same.

    Raises
    ------
    ValueError
        If two columns of one name differ, or a column that is not empty has no name.
    """
    table = _with_row_names(_index_to_columns(table))
    kept: dict[str, pd.Series[Any]] = {}
    origin: dict[str, str] = {}
    marked = set()
    for position, original in enumerate(map(str, table.columns)):
        values = plain_values(table.iloc[:, position])
        if _UNNAMED.match(original.strip()):
            if values.notna().any() and not _are_row_numbers(values):
                called = f", '{original}'," if original.strip() else ""
                raise ValueError(f"column {position + 1}{called} has no name of its own; rename it or leave it out")
            continue
        name = column_name(original)
        if original.strip().lower().startswith(_METADATA_PREFIX):
            marked.add(name)
        if name not in kept:
            kept[name], origin[name] = values, original
        elif not as_names(kept[name]).equals(as_names(values)):
            raise ValueError(
                f"the columns {_quoted_pair(origin[name], original)} differ; leave out or rename one of them"
            )
    rows = pd.concat(kept, axis=1) if kept else pd.DataFrame(index=table.index)
    return Table(rows, frozenset(marked))


@dataclass(frozen=True, eq=False)
class NumberColumns:
    """Columns of a table that hold nothing but numbers.

    Attributes
    ----------
    names
        Name -> its column in the matrix.
    numbers
        The matrix (n, d); NaN where a cell is empty.
    places
        Name -> its place in the file, of all columns of the table.
    """

    names: dict[str, int]
    numbers: NDArray[np.float64]
    places: dict[str, int]


def number_candidates(names: Sequence[str], reserved: Collection[str]) -> list[int]:
    """Return the places of columns that are called like no metadata, and cannot be names of rows."""
    if any(_UNNAMED.match(name.strip()) for name in names[1:]):
        return []  # whether these are columns at all depends on those beside them
    called = Counter(map(column_name, names))
    return [
        place
        for place, name in enumerate(names)
        if place
        and called[column_name(name)] == 1
        and column_name(name) not in reserved
        and not name.strip().lower().startswith(_METADATA_PREFIX)
    ]


def as_numbers(columns: Sequence[pa.ChunkedArray]) -> tuple[list[int], NDArray[np.float64]]:
    """Return which columns of text hold nothing but numbers and empty cells, and these numbers (n, d).

    Many short columns are taken at once, since a call takes longer than a short column.
    """
    n_rows = len(columns[0]) if columns else 0
    per_block = max(1, _BLOCK // max(n_rows, 1))
    found = np.empty((n_rows, len(columns)))
    chosen: list[int] = []
    for start in range(0, len(columns), per_block):
        for first, numbers in _blocks_of_numbers(columns, start, min(start + per_block, len(columns))):
            end = len(chosen) + numbers.shape[1]
            found[:, len(chosen) : end] = numbers
            chosen += range(first, first + numbers.shape[1])
    return chosen, found[:, : len(chosen)]


def _blocks_of_numbers(
    columns: Sequence[pa.ChunkedArray], start: int, stop: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield blocks of columns that hold nothing but numbers, with the first column of each."""
    cells = pa.chunked_array([chunk for column in columns[start:stop] for chunk in column.chunks], pa.large_string())
    try:
        numbers = pc.cast(cells, pa.float64()).to_numpy().reshape(stop - start, len(columns[start]))
    except pa.ArrowInvalid:  # a cell holds something else: in which half?
        if stop - start > 1:
            middle = (start + stop) // 2
            yield from _blocks_of_numbers(columns, start, middle)
            yield from _blocks_of_numbers(columns, middle, stop)
        return
    # A cell such as nan is text.
    is_text = np.isnan(numbers).sum(axis=1) > [column.null_count for column in columns[start:stop]]
    if not is_text.any():
        yield start, numbers.T
        return
    for at in np.flatnonzero(~is_text):
        yield start + int(at), numbers[at : at + 1].T


def _quoted_pair(first: str, other: str) -> str:
    return f"called '{first}'" if first == other else f"'{first}' and '{other}'"


def _index_to_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with flat column names, and the named levels of its index as its first columns."""
    if isinstance(table.columns, pd.MultiIndex):
        flat = ["_".join(str(part) for part in name if str(part)) for name in table.columns]
        table = table.set_axis(flat, axis=1)
    named = [level for level in table.index.names if level is not None and not _UNNAMED.match(str(level))]
    if not named:
        return table.reset_index(drop=True) if isinstance(table.index, pd.MultiIndex) else table
    levels = table.index.to_frame(index=False)[named]
    keeps_names = not isinstance(table.index, pd.MultiIndex) and table.index.is_unique
    names = table.index.rename(None) if keeps_names else pd.RangeIndex(len(table))
    return pd.concat([levels.set_axis(names), table.set_axis(names)], axis=1)


def _with_row_names(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose first column, if it has no name, is its index instead."""
    if not isinstance(table.index, pd.RangeIndex) or not table.shape[1]:
        return table
    if not _UNNAMED.match(str(table.columns[0]).strip()):
        return table
    names = as_names(plain_values(table.iloc[:, 0]))
    if names.isna().any():
        return table  # `plain_table` leaves it out if it is empty, and refuses it otherwise
    return table.iloc[:, 1:].set_axis(pd.Index(names.to_numpy()))


def _are_row_numbers(values: "pd.Series[Any]") -> bool:
    names = as_names(values).tolist()
    return any(names == [str(number + start) for number in range(len(names))] for start in (0, 1))


def plain_values(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column as text, numbers or booleans.

    Bytes, lists, dates and everything else become text: members of lists are joined by ``|``. Text is without the white
    space around it; empty text is missing.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype if values.notna().all() else object)
    if is_bool_dtype(values) or is_numeric_dtype(values):
        # Integers and booleans with gaps keep a type that has gaps: as floats, 1000 would be 1000.0.
        keeps_gaps = values.isna().any() and not is_float_dtype(values)
        return values if isinstance(values.dtype, np.dtype) or keeps_gaps else values.astype(values.dtype.numpy_dtype)
    if infer_dtype(values, skipna=True) == "string":
        values = values.astype(TEXT)
    if not isinstance(values.dtype, pd.StringDtype):
        cells = [_plain_cell(cell) for cell in values.astype(object)]
        held = [cell for cell in cells if cell is not None]
        numbers = pd.Series(cells, values.index, object, values.name).convert_dtypes()
        if held and (is_bool_dtype(numbers) or is_numeric_dtype(numbers)):
            return plain_values(numbers)
        values = pd.Series(
            [cell if cell is None else _spelled(cell) for cell in cells], values.index, TEXT, values.name
        )
    trimmed = pc.utf8_trim_whitespace(pa.array(values))
    text = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed)
    return pd.Series(TEXT.__from_arrow__(text), values.index, name=values.name)


def python_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose columns of text hold Python's text, and None where it is missing."""
    text = [column for column in rows if rows[column].dtype == TEXT]
    return rows.assign(**{column: rows[column].astype(object).where(rows[column].notna(), None) for column in text})


def _plain_cell(cell: object) -> Any:
    """Return a cell as text or a number; None if it is missing."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, list | tuple | np.ndarray):
        return _SEPARATOR.join(_spelled(_plain_cell(member)) for member in cell)
    if pd.isna(cell):
        return None
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace")
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, date | time):
        return cell.isoformat()
    return cell if isinstance(cell, Real) else str(cell)


def _spelled(cell: object) -> str:
    """Return a cell as text; whole numbers without a decimal point."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def as_names(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of names as text, with None where there is none.

    Names are what stands in the file: 007, NA and 12E3 stay so. Whole numbers have no decimal point, which they have in
    files because pandas turns integers beside an empty cell into floats.

    Examples
    --------
    >>> import pandas as pd
    >>> as_names(pd.Series([1000.0, None])).tolist(), as_names(pd.Series(["007", "NA", ""])).tolist()
    (['1000', None], ['007', 'NA', None])
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = [*as_names(pd.Series(values.cat.categories)), None]
        names = np.array(categories, dtype=object)[values.cat.codes]  # the code of a missing value is -1
        return pd.Series(names, values.index, object, values.name)
    values = plain_values(values)
    if isinstance(values.dtype, pd.StringDtype):
        whole = values.str.match(_WHOLE)
        if whole.any() and whole[values.notna()].all():
            values = values.str.replace(r"\.0+$", "", regex=True)
        return values.astype(object).where(values.notna(), None)
    codes, distinct = pd.factorize(values)
    names = np.array([*map(_spelled, distinct.tolist()), None], dtype=object)[codes]  # -1 is the code of missing values
    return pd.Series(names, values.index, object, values.name)
