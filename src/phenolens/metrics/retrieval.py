"""Average precision without inflation by ties."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def average_precision(
    similarity: NDArray[Any], positive: NDArray[np.bool_], negative: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the average precision of each query, in expectation over the order of ties.

    Ranking tied items by position favours the class that is listed first: a constant representation then scores up to
    1. Here a group of ties contributes the mean over all its orders (McSherry & Najork, ECIR 2008), so that a constant
    representation scores exactly `chance_average_precision`.

    Parameters
    ----------
    similarity
        (q, n) similarity of each query to each item; finite for items that are ranked.
    positive, negative
        (q, n) masks of items that should and should not be retrieved. Items in neither are not ranked.

    Returns
    -------
    (q,) average precision in (0, 1]; NaN for a query without positives or without negatives.

    Raises
    ------
    ValueError
        If shapes differ, an item is both positive and negative, or the similarity of a ranked item is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> similarity = np.array([[0.9, 0.5, 0.1]])
    >>> positive = np.array([[True, False, True]])
    >>> average_precision(similarity, positive, ~positive).round(4)
    array([0.8333])
    """
    similarity = np.asarray(similarity, dtype=np.float64)
    if not similarity.shape == positive.shape == negative.shape or similarity.ndim != 2:
        raise ValueError(f"expected three (q, n) arrays, found {similarity.shape}, {positive.shape}, {negative.shape}")
    if (positive & negative).any():
        raise ValueError("an item is both positive and negative for the same query")
    candidate = positive | negative
    if not np.isfinite(similarity[candidate]).all():
        raise ValueError("the similarity of a ranked item is NaN or infinite")

    # Items that are not ranked are sorted last.
    key = np.where(candidate, -similarity, np.inf)
    order = np.argsort(key, axis=1, kind="stable")
    key = np.take_along_axis(key, order, axis=1)
    hit = np.take_along_axis(positive, order, axis=1).astype(np.float64)
    takes_part = np.isfinite(key)

    q, n = key.shape
    index = np.broadcast_to(np.arange(n), (q, n))
    is_first = np.ones((q, n), dtype=bool)
    is_first[:, 1:] = key[:, 1:] != key[:, :-1]
    is_last = np.ones((q, n), dtype=bool)
    is_last[:, :-1] = is_first[:, 1:]
    first = np.maximum.accumulate(np.where(is_first, index, 0), axis=1)
    last = np.minimum.accumulate(np.where(is_last, index, n)[:, ::-1], axis=1)[:, ::-1]

    hits = np.concatenate([np.zeros((q, 1)), np.cumsum(hit, axis=1)], axis=1)
    hits_before = np.take_along_axis(hits, first, axis=1)
    hits_in_tie = np.take_along_axis(hits, last + 1, axis=1) - hits_before
    tie_size = last - first + 1.0
    # Given a hit at this position of the tie, each earlier position is a hit with probability (p - 1) / (t - 1).
    also_hits = (index - first) * (hits_in_tie - 1) / np.maximum(tie_size - 1, 1)
    precision = (hits_before + 1 + also_hits) / (index + 1)
    total = (hits_in_tie / tie_size * precision * takes_part).sum(axis=1)

    n_positive = positive.sum(axis=1)
    defined = (n_positive > 0) & negative.any(axis=1)
    return np.divide(total, n_positive, out=np.full(q, np.nan), where=defined)


def chance_average_precision(n_positive: int, n_negative: int) -> float:
    """Return the expected average precision of a random order, in closed form.

    Examples
    --------
    >>> round(chance_average_precision(1, 1), 4)
    0.75
    """
    if n_positive < 1 or n_negative < 0:
        raise ValueError(f"expected >= 1 positives and >= 0 negatives, found {n_positive} and {n_negative}")
    n = n_positive + n_negative
    rank = np.arange(1, n + 1)
    return float(np.mean((1 + (rank - 1) * (n_positive - 1) / max(n - 1, 1)) / rank))
