"""Similarities between rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DECIMALS = 14
"""Cosines that are equal in so many decimals are ties."""


def unit_rows(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rows of `x` (n, d) scaled to length one; a row of zeros stays zero.

    Raises
    ------
    ValueError
        If `x` is not a matrix of finite numbers.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"expected a matrix (n, d), found shape {x.shape}")
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise ValueError(f"row {row} holds NaN or infinite values")
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def cosine_similarity(x: NDArray[Any], y: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Return the cosines (n, m) between the rows of `x` (n, d) and `y` (m, d, `x` if None).

    A row of zeros has cosine 0 with all rows. Values are rounded to 14 decimals, so that equal directions tie exactly
    instead of being ranked by rounding error, and vectors that differ by 1e-6 of their length do not.
    """
    a = unit_rows(x)
    b = a if y is None else unit_rows(y)
    return np.round(a @ b.T, DECIMALS)
