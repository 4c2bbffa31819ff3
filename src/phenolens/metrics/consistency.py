"""Mean pairwise cosine of groups of rows, in closed form."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.similarity import unit_rows

_BLOCK_CELLS = 8_000_000


def mean_pairwise_cosine(x: NDArray[Any]) -> float:
    """Return the mean cosine over all pairs of different rows of `x` (n, d); NaN with fewer than two.

    It is (|sum of unit rows|^2 - sum of their squared lengths) / (n (n - 1)), without forming pairs.
    """
    n = len(x)
    return float(set_consistency(x, np.arange(n)[None])[0]) if n > 1 else float("nan")


def set_consistency(x: NDArray[Any], sets: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean cosine over the pairs of members of each set.

    Parameters
    ----------
    x
        (n, d) vectors; a row of zeros has cosine 0 with all rows.
    sets
        (s, k) row numbers, distinct within a set; k >= 2.

    Returns
    -------
    (s,) mean pairwise cosine of each set.
    """
    unit = unit_rows(x)
    sets = np.asarray(sets)
    k = sets.shape[1]
    squares = (unit**2).sum(axis=1)
    result = np.empty(len(sets))
    per_part = max(1, _BLOCK_CELLS // (k * unit.shape[1]))
    for start in range(0, len(sets), per_part):
        part = sets[start : start + per_part]
        total = (unit[part].sum(axis=1) ** 2).sum(axis=1)
        result[start : start + per_part] = (total - squares[part].sum(axis=1)) / (k * (k - 1))
    return result
