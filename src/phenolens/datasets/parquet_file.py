"""Reading of Parquet, which a few bytes can claim to hold billions of rows."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from phenolens.core.errors import reason_of
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
        If it is no Parquet file, damaged, or claims more rows than it can hold.
    """
    try:
        claimed = parquet.read_metadata(path)
        if 8 * claimed.num_rows * max(claimed.num_columns, 1) > _FREE + _MOST_EXPANDED * path.stat().st_size:
            raise ValueError(f"it claims to hold {claimed.num_rows} rows, more than it can")
        # One file alone: a folder called plate=1 above it adds no column.
        return parquet.ParquetFile(path).read().to_pandas(types_mapper=TYPES.get)
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise ValueError(reason_of(error)) from error
