"""Average precision for rows with several labels, such as the targets or mechanisms of a compound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.apart import Apart
from phenolens.metrics.directions import directions
from phenolens.metrics.ties import count_reaching, expected_precision, harmonic_numbers, sort_rows

_BLOCK_CELLS = 2_000_000
_BELOW_ALL = -1.5  # less than any cosine


def multilabel_average_precision(
    x: NDArray[Any],
    rows: NDArray[np.intp],
    labels: NDArray[Any],
    *,
    apart: Apart | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the average precision with which a row retrieves the other rows of one of its labels.

    Positives are the other rows of the label, negatives the rows that share no label with the query: a row that
    shares another label is neither. Ties count in expectation.

    Parameters
    ----------
    x
        (n, d) vectors.
    rows, labels
        (m,) pairs of a row number and one of its labels, without repeats; a row without labels is always a negative.
    apart
        Rows that are neither positives nor negatives of each other; None if there are none.
    device
        The device to compute on.

    Returns
    -------
    (m,) average precision of each pair; NaN if the query has no positives or no negatives.

    Raises
    ------
    ValueError
        If a pair is repeated, or `x` is not a matrix of finite numbers.

    Examples
    --------
    Row 0 carries both labels, so that it has no negatives.

    >>> import numpy as np
    >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> multilabel_average_precision(x, np.array([0, 1, 0, 2]), np.array(["a", "a", "b", "b"]))
    array([nan, 1. , nan, 0.5])
    """
    import torch

    rows = np.asarray(rows)
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    if len({*zip(rows.tolist(), codes.tolist(), strict=True)}) < len(rows):
        raise ValueError("a row carries the same label twice")
    vectors, tolerance = directions(x, device=device)
    n = len(vectors)
    result = np.full(len(rows), np.nan)
    if not len(rows):
        return result
    membership = torch.zeros((n, int(codes.max()) + 1), device=device)
    membership[rows, codes] = 1
    harmonic = harmonic_numbers(n, device)
    members = [np.flatnonzero(codes == code) for code in range(membership.shape[1])]
    carriers = np.unique(rows)
    per_block = max(1, _BLOCK_CELLS // n)
    for start in range(0, len(carriers), per_block):
        query = carriers[start : start + per_block]
        similarity = vectors[query] @ vectors.T
        shared = (membership[query] @ membership.T) > 0
        if apart is not None:
            shared |= torch.from_numpy(apart.together(query)).to(device)
        n_negative = (~shared).sum(1)
        negatives = sort_rows(similarity.masked_fill(shared, -torch.inf))
        place = np.full(n, -1)
        place[query] = np.arange(len(query))
        for marks in members:
            in_block = marks[place[rows[marks]] >= 0]
            if len(marks) < 2 or not len(in_block):
                continue
            at = torch.from_numpy(place[rows[in_block]]).to(device)
            others = np.broadcast_to(rows[marks], (len(in_block), len(marks)))
            others = others[others != rows[in_block][:, None]].reshape(len(in_block), -1)
            positive = similarity[at[:, None], torch.from_numpy(others).to(device)]
            counts = torch.ones(positive.shape, dtype=torch.bool, device=device)
            if apart is not None:
                counted = ~apart.share[apart.pattern[rows[in_block]][:, None], apart.pattern[others]]
                counts = torch.from_numpy(counted).to(device)
                positive = torch.where(counts, positive, _BELOW_ALL)  # those that do not count are ranked last
            above, tied = count_reaching(negatives[at], positive, tolerance)
            among_positives = count_reaching(sort_rows(positive), positive, tolerance)
            precision = expected_precision(above, tied, *among_positives, harmonic)
            mean = torch.where(counts, precision, 0.0).sum(1) / counts.sum(1)
            result[in_block] = torch.where(n_negative[at] > 0, mean, torch.nan).cpu().numpy()
    return result
