"""What rounding may change: vectors are kept in float32 unless that would lose what differs between them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2**20  # numbers that are compared at once
_ROUNDING = 1e-9  # of scores, which are about 1
_NOTICED = 1e-3  # of a feature's standard deviation: rounding up to this is no loss
_CONSTANT = 1e-7  # of a feature's size: a smaller standard deviation is rounding of a constant, once in float32


def exceeds(value: float, other: float) -> bool:
    """Return whether a number is larger than another by more than rounding; False if either is NaN.

    Examples
    --------
    >>> exceeds(1 / 3 + 1e-16, 1 / 3), exceeds(0.334, 1 / 3)
    (False, True)
    """
    return bool(value - other > _ROUNDING)


def narrowed(x: NDArray[Any]) -> NDArray[Any]:
    """Return vectors (n, d) as float32, or as float64 if float32 would round away what differs between rows.

    Examples
    --------
    >>> narrowed(np.array([[1.0], [2.0]])).dtype, narrowed(np.array([[1e5 + 0.1], [1e5 + 0.2]])).dtype
    (dtype('float32'), dtype('float64'))
    """
    x = np.asarray(x)
    if x.dtype != np.float64 or not len(x):
        return x.astype(np.float32, copy=False)
    narrow = np.empty_like(x, np.float32)
    width = max(1, _BLOCK // len(x))
    for start in range(0, x.shape[1], width):
        block = slice(start, start + width)
        with np.errstate(over="ignore"):
            narrow[:, block] = x[:, block]
        if _is_lost(x[:, block], narrow[:, block]):
            return x
    return narrow


def _is_lost(x: NDArray[np.float64], narrow: NDArray[np.float32]) -> bool:
    """Whether float32 rounds away what differs between rows of any feature."""
    finite = np.isfinite(x)
    if not np.isfinite(narrow[finite]).all():
        return True
    known = x if finite.all() else np.where(finite, x, 0)
    size = np.abs(known).max(axis=0, initial=0)
    scale = np.where(size > 0, size, 1)
    scaled = known / scale  # squares of large and of small numbers stay finite
    deviation = scaled.std(axis=0)
    error = np.abs(np.where(finite, narrow, 0) / scale - scaled).max(axis=0, initial=0)
    return bool(((deviation > _CONSTANT) & (error > _NOTICED * deviation)).any())
