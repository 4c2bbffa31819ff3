"""The groups of the nearest rows of other groups, such as the compounds that resemble a treatment most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from phenolens.metrics.apart import Apart
from phenolens.metrics.similarity import unit_rows
from phenolens.metrics.ties import TIE

_BLOCK_CELLS = 2**22


def nearest_groups(
    x: NDArray[Any], groups: NDArray[np.intp], apart: Apart | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which groups the nearest candidate of each row belongs to, and which all its candidates belong to.

    The candidates of a row are the rows of other groups which share no value with it. A nearest candidate has the
    largest cosine; several that are tied count in equal parts.

    Parameters
    ----------
    x
        (n, d) vectors.
    groups
        (n,) number of the group of each row, from 0 to g - 1.
    apart
        Rows that are not candidates of each other; None if all are.

    Returns
    -------
    (n, g) share of each group among the nearest candidates of each row, and (n, g) among all its candidates; zeros for
    a row without candidates.

    Raises
    ------
    ValueError
        If lengths differ, or `x` is not a matrix of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]])
    >>> nearest, all_of_them = nearest_groups(x, np.array([0, 1, 2]))
    >>> nearest[0]
    array([0., 0., 1.])
    >>> all_of_them[0]
    array([0. , 0.5, 0.5])
    """
    if len(groups) != len(x):
        raise ValueError(f"{len(x)} rows but {len(groups)} groups")
    vectors = unit_rows(x).astype(np.float32)
    n, n_groups = len(vectors), int(groups.max()) + 1
    members = csr_array((np.ones(n), (np.arange(n), groups)), shape=(n, n_groups))
    nearest, all_candidates = np.zeros((2, n, n_groups))
    per_block = max(1, _BLOCK_CELLS // n)
    for start in range(0, n, per_block):
        rows = np.arange(start, min(start + per_block, n))
        candidate = groups[rows][:, None] != groups
        if apart is not None:
            candidate &= ~apart.together(rows)
        similarity = np.where(candidate, vectors[rows] @ vectors.T, -np.inf)
        best = candidate & (similarity >= similarity.max(axis=1, keepdims=True) - TIE)
        for result, chosen in ((nearest, best), (all_candidates, candidate)):
            result[rows] = _shares(chosen) @ members
    return nearest, all_candidates


def _shares(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return equal parts of one for the rows chosen by each query (q, n)."""
    return chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
