"""Reading of Parquet, which a few bytes can claim to hold billions of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phenolens.core.errors import reason_of

if TYPE_CHECKING:
    import pandas as pd

_FREE = 2**26  # bytes that a table may take in any case
_MOST_EXPANDED = 1100  # times the size of the file


def read_parquet(path: Path) -> pd.DataFrame:
    """Return a table.

    Raises
    ------
    ValueError
        If it is no Parquet file, damaged, or claims more rows than it can hold.
    """
    import pandas as pd  # noqa: PLC0415 - takes long, and core is always imported
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        claimed = pq.read_metadata(path)
        if 8 * claimed.num_rows * max(claimed.num_columns, 1) > _FREE + _MOST_EXPANDED * path.stat().st_size:
            raise ValueError(f"it claims to hold {claimed.num_rows} rows, more than it can")
        return pd.read_parquet(path)
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise ValueError(reason_of(error)) from error
