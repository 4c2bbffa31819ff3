"""Text to numbers, without pandas' parsers: these end the process on a cell such as 1e10745244367."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NO_NUMBER = r"(?i)^\s*(|#.*|[+-]?nan|n/?a|null|none|<na>|nat|missing|-|[+-]?1\.#.*)\s*$"
"""What programs write in a column of numbers where there is none, as a regular expression."""
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?([iI]nf|INF)(inity|INITY)?$"


def parse_numbers(values: "pd.Series[Any]") -> NDArray[np.float64]:
    """Return a column (n,) as numbers; NaN where a cell is empty or holds no number.

    Numbers that float64 cannot hold are infinite.

    Examples
    --------
    >>> import pandas as pd
    >>> parse_numbers(pd.Series(["1.5", "2e-3", "1e999", "#DIV/0!", None]))
    array([1.5  , 0.002,   inf,   nan,   nan])
    """
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    text = _as_arrow(values)
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:  # some cells hold no number
        text = pc.utf8_trim_whitespace(text)
        text = pc.if_else(pc.match_substring_regex(text, _NUMBER), text, pa.scalar(None, text.type))
        numbers = pc.cast(text, pa.float64())
    return np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def numbers_and_text(values: "pd.Series[Any]") -> tuple[NDArray[np.float64], str | None]:
    """Return a column (n,) as numbers, and the first of its cells that holds something else; None if none does.

    Examples
    --------
    >>> import pandas as pd
    >>> numbers_and_text(pd.Series(["1", None, "many"]))
    (array([ 1., nan, nan]), 'many')
    """
    numbers = parse_numbers(values)
    text = values[np.isnan(numbers) & values.notna().to_numpy()]
    return numbers, str(text.iloc[0]) if len(text) else None


def _as_arrow(values: "pd.Series[Any]") -> pa.Array:
    """Return a column as an array of text; numbers among text become text."""
    if isinstance(values.dtype, pd.StringDtype):
        found = pa.array(values)
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return pa.array([None if pd.isna(each) else str(each) for each in values.astype(object)], pa.large_string())
