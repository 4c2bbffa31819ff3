"""The one reader of tables in files, for manifests, vectors, cells, genes and relations."""

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa

from phenolens.core.parquet import read_parquet
from phenolens.datasets.columns import TEXT, Table, plain_table
from phenolens.datasets.delimited import read_delimited
from phenolens.datasets.text_file import COMPRESSIONS

_TEXT_FILES = (".csv", ".tsv", ".txt", ".tab")
_PARQUET = (".parquet", ".pq")
_WORKBOOK = re.compile(r"^\.(xls[xmb]?|ods|numbers)$")
TABLES = (*_TEXT_FILES, *_PARQUET)
"""The suffixes of files with tables, without that of their compression."""

# Text takes a sixth of the memory of Python's, and integers with gaps stay integers.
_TYPES = {pa.string(): TEXT, pa.large_string(): TEXT, pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}


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
        names, cells = read_delimited(path)
        numbered = pa.table(cells, [str(number) for number in range(len(cells))])  # names may repeat
        return plain_table(numbered.to_pandas(types_mapper=_TYPES.get).set_axis(names, axis=1))
    if suffix in _PARQUET:
        return plain_table(read_parquet(path, _TYPES.get))
    raise ValueError(f"a table is {', '.join(TABLES)}, not '{path.suffix}'{workbook_hint(path)}")


def workbook_hint(path: Path) -> str:
    """Return what to do with a workbook; empty for other files."""
    return "; save the sheet as CSV" if _WORKBOOK.match(path.suffix.lower()) else ""
