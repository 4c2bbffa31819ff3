"""Reading of Parquet, which a few bytes can claim to hold billions of rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenolens.core.errors import reason_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_FREE = 2**26  # bytes that a table may take in any case
_MOST_EXPANDED = 1100  # times the size of the file


def read_parquet(path: Path, types: Callable[[pa.DataType], Any] | None = None) -> pd.DataFrame:
    """Return a table; `types` maps types of Arrow to those of pandas, or to None for the usual one.

    Raises
    ------
    ValueError
        If it is no Parquet file, damaged, or claims more rows than it can hold.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - takes long, and core is always imported

    try:
        claimed = pq.read_metadata(path)
        if 8 * claimed.num_rows * max(claimed.num_columns, 1) > _FREE + _MOST_EXPANDED * path.stat().st_size:
            raise ValueError(f"it claims to hold {claimed.num_rows} rows, more than it can")
        # One file alone: a folder called plate=1 above it adds no column.
        return pq.ParquetFile(path).read().to_pandas(types_mapper=types)
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise ValueError(reason_of(error)) from error
