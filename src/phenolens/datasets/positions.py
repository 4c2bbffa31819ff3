"""Where a well stands on its plate, by its name."""

import re

import numpy as np
import pandas as pd

_WELL = re.compile(r"^([A-Za-z]{1,2})[-_ ]?0*([1-9]\d?)$")


def well_positions(wells: "pd.Series[str]") -> pd.DataFrame | None:
    """Return row and column, counted from 0, and distance to the edge, of wells named like ``B03``.

    The plate ends with the last row and the last column that occur.

    Returns
    -------
    Columns ``row``, ``column``, ``edge``; None if any well is named otherwise.
    """
    found = [_WELL.match(str(name).strip()) for name in wells]
    rows, columns = [], []
    for match in found:
        if match is None:
            return None
        letters = match[1].upper()
        rows.append(ord(letters[-1]) - ord("A") + 26 * (len(letters) == 2) * (ord(letters[0]) - ord("A") + 1))
        columns.append(int(match[2]) - 1)
    row, column = np.array(rows), np.array(columns)
    edge = np.minimum.reduce([row, column, row.max() - row, column.max() - column])
    return pd.DataFrame({"row": row, "column": column, "edge": edge}, index=wells.index)
