"""Reading of Parquet, which a few bytes can claim to hold billions of rows."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from phenolens.core.errors import reason_of
from phenolens.core.memory import check_memory
from phenolens.datasets.columns import TEXT

_FREE = 2**26  # bytes that a table may take in any case; as in `hdf5_check`, which imports nothing of ours
_MOST_EXPANDED = 1100  # times the size of the file
# Text takes a sixth of the memory of Python's, and integers with gaps stay integers.
TYPES = {pa.string(): TEXT, pa.large_string(): TEXT, pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}
"""Types of Arrow -> those that tables have in pandas, where these are not the usual ones."""


def read_parquet(path: Path) -> pd.DataFrame:
    """Return a table.

    Raises
    ------
    ValueError
        If it is no Parquet file, damaged, claims more rows than it can hold, or does not fit into memory.
    """
    try:
        claimed = parquet.read_metadata(path)
        if 8 * claimed.num_rows * max(claimed.num_columns, 1) > _FREE + _MOST_EXPANDED * path.stat().st_size:
            raise ValueError(f"it claims to hold {claimed.num_rows} rows, more than it can")
        check_memory(_expanded(path, claimed), "it is compressed, and to read it takes")
        # One file alone: a folder called plate=1 above it adds no column.
        return parquet.ParquetFile(path).read().to_pandas(types_mapper=TYPES.get)
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise ValueError(reason_of(error)) from error


def _expanded(path: Path, claimed: parquet.FileMetaData) -> int:
    """Return how many bytes a table takes, twice: in Arrow and in pandas.

    A dictionary may hold one long text for millions of rows, so that texts are counted by their dictionaries, if these
    could make the table large.
    """
    groups = [claimed.row_group(number) for number in range(claimed.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    needed = sum(max(8 * column.num_values, column.total_uncompressed_size) for column in columns)
    # No text is longer than all that its column has.
    most = {column.path_in_schema: 0 for column in columns if column.physical_type == "BYTE_ARRAY"}
    for column in columns:
        if column.path_in_schema in most:
            most[column.path_in_schema] += column.num_values * column.total_uncompressed_size
    large = [name for name, size in most.items() if size > _FREE]
    if not large:
        return 2 * needed
    file = parquet.ParquetFile(path, read_dictionary=large)
    return 2 * (needed + sum(_length_of_texts(file.read(columns=[name])) for name in large))


def _length_of_texts(table: pa.Table) -> int:
    """Return the bytes of all texts of a column of a dictionary, also in lists."""
    total = 0
    for chunk in table.column(0).chunks:
        cells = chunk
        while pa.types.is_list(cells.type) or pa.types.is_large_list(cells.type):
            cells = cells.flatten()
        if pa.types.is_dictionary(cells.type):
            lengths = pc.binary_length(cells.dictionary)
            total += pc.sum(pc.take(lengths, cells.indices)).as_py() or 0
        else:
            total += cells.nbytes
    return total
