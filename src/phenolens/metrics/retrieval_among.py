"""Average precision with different positives and negatives for each query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.directions import directions
from phenolens.metrics.ties import count_reaching, expected_precision, harmonic_numbers, sort_rows

_BLOCK_CELLS = 2**22


def average_precision_among(
    x: NDArray[Any],
    queries: NDArray[np.intp],
    positives: NDArray[np.intp],
    negative: NDArray[np.bool_],
    *,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the average precision with which queries retrieve their positives before their negatives.

    Ties count in expectation, as in `average_precision`, which takes any masks and is slower for few positives.

    Parameters
    ----------
    x
        (n, d) vectors; similarities are cosines.
    queries
        (q,) row numbers.
    positives
        (q, k) row numbers that each query should retrieve; those that count are distinct, and not the query itself.
    negative
        (q, n) mask of rows that each query should not retrieve.
    counted
        (q, k) mask of the positives that count; all if None. The others are not ranked.

    Returns
    -------
    (q,) average precision; NaN for a query without positives or negatives.

    Raises
    ------
    ValueError
        If a positive that counts is also negative, or `x` is not a matrix of finite numbers.
    """
    import torch

    counted = np.ones(positives.shape, dtype=bool) if counted is None else counted
    if (np.take_along_axis(negative, positives, axis=1) & counted).any():
        raise ValueError("an item is both positive and negative for the same query")
    vectors, tolerance = directions(x)
    harmonic = harmonic_numbers(len(x) + 1)
    result = np.full(len(queries), np.nan)
    per_block = max(1, _BLOCK_CELLS // len(x))
    for start in range(0, len(queries), per_block):
        rows = slice(start, start + per_block)
        similarity = vectors[queries[rows]] @ vectors.T
        wrong, right = torch.from_numpy(negative[rows]), torch.from_numpy(counted[rows])
        found = similarity.gather(1, torch.from_numpy(positives[rows]))
        below = sort_rows(torch.where(wrong, similarity, -torch.inf))
        above, tied_negatives = count_reaching(below, found, tolerance)
        inside = sort_rows(torch.where(right, found, -torch.inf))
        right_above, right_tied = count_reaching(inside, found, tolerance)
        # A positive that does not count gets a tie of one, so that its term is defined until it is left out.
        tied = torch.where(right, right_tied, 1)
        precision = expected_precision(above, tied_negatives, right_above, tied, harmonic)
        total = torch.where(right, precision, 0.0).sum(1) / right.sum(1).clamp(min=1)
        defined = right.any(1) & wrong.any(1)
        result[rows] = torch.where(defined, total, torch.nan).numpy()
    return result
