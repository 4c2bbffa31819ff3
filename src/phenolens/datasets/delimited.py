"""Tables in text files: the separator and the decimal mark are found, and every cell is text."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from phenolens.core.errors import reason_of
from phenolens.core.parse_numbers import NO_NUMBER
from phenolens.datasets.text_file import read_text

_SEPARATORS = ("\t", ";", ",", "|", " ")  # a rarer one inside cells is less likely than a commoner one
_SAMPLE = 2**22  # characters in which the separator is looked for
_MOST_SAMPLED = 50  # rows
_BLOCK = 2**24  # bytes, which every row must fit in
_SEPARATOR_LINE = re.compile(r"^sep=(.)\r?\n")  # Excel's, above the header

_WITH_COMMA = r"^\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*$"
_WITH_POINT = r"^\s*[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_NUMBER = r"^\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*$"
_THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$"
_INFINITE = r"(?i)^\s*[+-]?inf(inity)?\s*$"


@dataclass(frozen=True)
class _Header:
    """The first row of a table.

    Attributes
    ----------
    names
        The names of the columns; one of row names, above which R writes none, is called "".
    separator
        What stands between cells.
    n_lines
        How many lines of the file it takes.
    quoted
        Whether each name is quoted. Then text is, and NA without quotes is R's missing value.
    """

    names: list[str]
    separator: str
    n_lines: int
    quoted: bool


def read_delimited(path: Path) -> tuple[list[str], list[pa.ChunkedArray]]:
    """Read a table in a text file; return the names and the cells of its columns.

    Cells are text, or missing if they are empty; rows of empty cells at the end are left out. In columns of numbers,
    decimal commas become points, unless the separator is a comma, other columns of the file have decimal points, or all
    commas may separate thousands.

    Raises
    ------
    ValueError
        If it is empty, or a row has more or fewer cells than the header.
    OSError
        If it cannot be opened.
    """
    csv.field_size_limit(_SAMPLE)
    text = read_text(path).lstrip("\r\n")
    given = _SEPARATOR_LINE.match(text)
    if given:
        text = text[given.end() :]
    if not text or text.isspace():
        raise ValueError("it is empty")
    header = _read_header(text, given[1] if given else None)
    names = [str(number) for number in range(len(header.names))]
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(text.encode() + b"\n"),  # a header without a line end is no header for Arrow
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=header.n_lines, block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(delimiter=header.separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()),
                strings_can_be_null=True,
                null_values=["", "NA"] if header.quoted else [""],
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise ValueError(_uneven(text, header) or reason_of(error)) from error
    return header.names, _with_decimal_points(_without_empty_end(table).columns, header.separator)


def _read_header(text: str, separator: str | None) -> _Header:
    sample = text[:_SAMPLE]
    if len(sample) < len(text):
        sample = sample[: sample.rfind("\n") + 1] or sample
    separator = separator or _find_separator(sample)
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    names = next(reader)
    n_lines = reader.line_num
    quoted = "".join(sample.splitlines()[:n_lines]).count('"') >= 2 * len(names)
    rows = [row for row in islice(reader, _MOST_SAMPLED) if row]
    if rows and all(len(row) == len(names) + 1 for row in rows):
        # R's write.table writes no name above the names of rows; some writers end rows, but not the header, by a comma.
        names = [*names, ""] if not any(row[-1] for row in rows) else ["", *names]
    return _Header(names, separator, n_lines, quoted)


def _find_separator(sample: str) -> str:
    """Return the separator that gives all rows as many cells as the header has names, and more than one."""
    widest, most = ",", 1
    for separator in _SEPARATORS:
        widths = [len(row) for row in islice(_rows(sample, separator), _MOST_SAMPLED)]
        n_names, others = widths[0], set(widths[1:])
        if n_names > 1 and (others <= {n_names} or others == {n_names + 1}):
            return separator
        if n_names > most and separator != " ":
            widest, most = separator, n_names
    return widest


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Yield the rows that are not empty."""
    try:
        yield from filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"it is no table: {error}") from error


def _uneven(text: str, header: _Header) -> str:
    """Return in words which row has more or fewer cells than the header; empty if none."""
    for number, row in enumerate(_rows(text, header.separator), 1):
        if number > 1 and len(row) != len(header.names):
            n_names = len(header.names)
            return f"row {number} has {len(row)} cells, the header {n_names} (taken apart at {header.separator!r})"
    return ""


def _without_empty_end(table: pa.Table) -> pa.Table:
    """Return a table without the rows at its end that hold nothing, which spreadsheets write."""
    n_rows = len(table)
    while n_rows and not any(column[n_rows - 1].is_valid for column in table.columns):
        n_rows -= 1
    return table.slice(0, n_rows)


def _with_decimal_points(columns: list[pa.ChunkedArray], separator: str) -> list[pa.ChunkedArray]:
    """Return columns in which numbers have decimal points, where the file plainly writes commas."""
    if separator == ",":
        return columns
    with_commas = [number for number, column in enumerate(columns) if _are_numbers_with(column, ",", _WITH_COMMA)]
    if not with_commas or any(_are_numbers_with(column, ".", _WITH_POINT) for column in columns):
        return columns
    if all(_may_be_thousands(columns[number]) for number in with_commas):
        return columns
    for number in with_commas:
        columns[number] = pc.replace_substring(columns[number], ",", ".")
    return columns


def _are_numbers_with(column: pa.ChunkedArray, mark: str, pattern: str) -> bool:
    """Whether a column holds nothing but numbers, and some with this decimal mark."""
    if not _any(pc.match_substring(column, mark)) or not _any(pc.match_substring_regex(column, pattern)):
        return False
    held = pc.match_substring_regex(column, _NUMBER)
    for other in (NO_NUMBER, _INFINITE):
        held = pc.or_(held, pc.match_substring_regex(column, other))
    return bool(pc.all(held, min_count=0).as_py())


def _may_be_thousands(column: pa.ChunkedArray) -> bool:
    """Whether every comma of a column of numbers stands before three digits, as in 1,234."""
    return _any(pc.match_substring(column, ",")) and not _any(
        pc.and_(pc.match_substring(column, ","), pc.invert(pc.match_substring_regex(column, _THOUSANDS)))
    )


def _any(mask: pa.ChunkedArray) -> bool:
    return bool(pc.any(mask, min_count=0).as_py())
