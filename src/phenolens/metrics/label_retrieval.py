"""Average precision of rows that share a label, relative to all others, without holding n x n similarities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.directions import Directions, directions
from phenolens.metrics.ties import (
    Tolerance,
    count_reaching,
    count_reaching_each_other,
    expected_precision,
    harmonic_numbers,
    sort_rows,
)

if TYPE_CHECKING:
    import torch

_BLOCK_BYTES = 3 * 2**20  # of similarities, so that counting finds them in the cache
_LEAST_ROWS = 64  # below this the matrix product is slow
_LANE = 8 * 240
_MOST_PASSES = 6  # positives of a query for which counting one by one is faster than sorting the negatives


def label_average_precision(
    x: NDArray[Any],
    labels: NDArray[Any],
    *,
    candidate: NDArray[np.bool_] | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the average precision with which each row retrieves the rows of its label before all others.

    Ties count in expectation, as in `average_precision`. Similarities are cosines, computed in blocks; for each
    positive only the number of negatives above it and tied with it is kept.

    Parameters
    ----------
    x
        (n, d) vectors.
    labels
        (n,) label of each row.
    candidate
        (n,) mask of the rows that are queries, positives and negatives; all if None.
    device
        The device to compute on.

    Returns
    -------
    (n,) average precision; NaN for a row without positives or negatives, or that is not a candidate.

    Raises
    ------
    ValueError
        If there are not as many labels as rows, or `x` is not a matrix of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    >>> label_average_precision(x, np.array(["a", "a", "b", "b"]))
    array([1., 1., 1., 1.])
    """
    if len(labels) != len(x):
        raise ValueError(f"{len(x)} rows but {len(labels)} labels")
    rows = np.arange(len(x)) if candidate is None else np.flatnonzero(candidate)
    result = np.full(len(x), np.nan)
    if len(rows) < 2:
        return result
    codes = np.unique(np.asarray(labels)[rows], return_inverse=True)[1]
    # Rows are sorted by label, so that the positives of a block of queries are slices.
    order = np.argsort(codes, kind="stable")
    result[rows[order]] = _sorted_average_precision(directions(np.asarray(x)[rows[order]], device=device), codes[order])
    return result


def _sorted_average_precision(found: Directions, codes: NDArray[np.intp]) -> NDArray[np.float64]:
    import torch

    n, device = len(found.unit), str(found.unit.device)
    padding = -n % _LANE
    vectors = torch.nn.functional.pad(found.unit, (0, 0, 0, padding))
    counts = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(counts)])
    harmonic = harmonic_numbers(n, device)
    result = np.full(n, np.nan)
    per_block = max(_LEAST_ROWS, _BLOCK_BYTES // (vectors.element_size() * (n + padding)))
    for size in np.unique(counts):
        if size < 2 or size == n:
            continue
        # Queries whose label has equally many rows share the shape of their positives.
        queries = np.flatnonzero(counts[codes] == size)
        for first in range(0, len(queries), per_block):
            block = queries[first : first + per_block]
            members = torch.from_numpy(starts[codes[block]][:, None] + np.arange(size)).to(device)
            result[block] = _block(vectors, found.tolerance, n, torch.from_numpy(block).to(device), members, harmonic)
    return result


def _block(
    vectors: torch.Tensor,
    tolerance: Tolerance,
    n: int,
    query: torch.Tensor,
    members: torch.Tensor,
    harmonic: torch.Tensor,
) -> NDArray[np.float64]:
    """Return the AP (q,) of queries; `members` (q, k + 1) are the rows of their label, including themselves."""
    import torch

    similarity = vectors[query] @ vectors.T
    others = members[members != query[:, None]].view(len(query), -1)
    positive = sort_rows(similarity.gather(1, others))
    similarity.scatter_(1, members, -torch.inf)
    similarity[:, n:] = -torch.inf
    if others.shape[1] <= _MOST_PASSES:
        upper, lower = positive + tolerance.at(positive), positive - tolerance.at(positive)
        above = torch.stack([_count(similarity > s[:, None]) for s in upper.unbind(1)], dim=1)
        reach = torch.stack([_count(similarity >= s[:, None]) for s in lower.unbind(1)], dim=1)
        tied = reach - above
    else:
        above, tied = count_reaching(sort_rows(similarity), positive, tolerance)
    positives_above, positives_tied = count_reaching_each_other(positive, tolerance=tolerance)
    return expected_precision(above, tied, positives_above, positives_tied, harmonic).mean(1).cpu().numpy()


def _count(mask: torch.Tensor) -> torch.Tensor:
    """Return the number of True in each row of (q, n), n a multiple of `_LANE`.

    Adding eight truth values at a time as one 64-bit word is several times faster than summing booleans; 240 words
    add up before a byte could overflow.
    """
    import torch

    words = mask.view(torch.int64).view(len(mask), -1, _LANE // 8).sum(2)
    return words.view(torch.uint8).sum(1)
