"""Average precision of sets of rows whose members should retrieve each other before rows of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.apart import Apart
from phenolens.metrics.directions import Directions, directions
from phenolens.metrics.ties import (
    count_reaching,
    count_reaching_each_other,
    count_reaching_in_row,
    expected_precision,
    harmonic_numbers,
    order_rows,
    sort_rows,
)

if TYPE_CHECKING:
    import torch

_BLOCK_CELLS = 4_000_000  # of similarities and of gathered vectors held at a time
_BELOW_ALL = -1.5  # less than any cosine
_GRAM_CELLS = 32_000_000  # below this, the similarities of all rows are held in memory


def set_average_precision(
    x: NDArray[Any],
    sets: NDArray[np.intp],
    *,
    negative: NDArray[np.bool_] | None = None,
    also: NDArray[np.intp] | None = None,
    plates: NDArray[Any] | None = None,
    apart: Apart | None = None,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the average precision with which each member of a set retrieves the others before the negatives.

    Observed replicates and thousands of permuted ones are all sets: each row that is a member of any set is compared
    with its negatives once. Ties count in expectation.

    Parameters
    ----------
    x
        (n, d) vectors.
    sets
        (s, k) row numbers, distinct within a set; sets may overlap.
    negative
        (n,) mask of the rows that may be negatives; all if None. The members of a set are never its negatives.
    also
        (s, e) further rows that may be negatives of each set; disjoint from `negative`.
    plates
        (n,) plate of each row: only negatives on the plate of the query count. None: all count.
    apart
        Rows that are neither positives nor negatives of each other; None if there are none. See `open_negatives`.
    device
        The device to compute on.

    Returns
    -------
    (s, k) average precision; NaN for a member without positives or negatives.

    Raises
    ------
    ValueError
        If `x` is not a matrix of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    >>> set_average_precision(x, np.array([[0, 1], [0, 2]]))
    array([[1.        , 1.        ],
           [0.33333333, 0.5       ]])
    """
    sets = np.asarray(sets)
    found = directions(x, device=device)
    result = np.full(sets.shape, np.nan)
    if sets.shape[1] < 2 or not len(sets):
        return result
    n = len(found.unit)
    cosines = _Cosines(found)
    negative = np.ones(n, dtype=bool) if negative is None else np.asarray(negative)
    codes = np.zeros(n, np.intp) if plates is None else np.unique(np.asarray(plates), return_inverse=True)[1]
    kinds = codes if apart is None else apart.within(codes)  # queries of one kind have the same negatives
    kind_of_query = kinds[sets]
    for kind in np.unique(kind_of_query):
        is_open = open_negatives(int(np.flatnonzero(kinds == kind)[0]), negative, codes, apart)
        if (negative & is_open).any():
            chosen, place = np.nonzero(kind_of_query == kind)
            further = None
            if also is not None:
                # Replicates stand in the order of their plates: few columns may be negatives of one kind of query.
                beside = also[:, is_open[also].any(axis=0)]
                further = _Further(beside, _are_left(beside, sets, is_open)).of(chosen)
            result[chosen, place] = _one_kind(cosines, sets[chosen], place, negative & is_open, further, apart)
    return result


def open_negatives(
    query: int, negative: NDArray[np.bool_], plates: NDArray[Any], apart: Apart | None
) -> NDArray[np.bool_]:
    """Return the rows that may be negatives of a query, as a mask (n,).

    These are rows of its plate that share no value with it. Where no negative is left on its plate, as if rows of the
    same batch are excluded, rows of other plates take their place: positives and negatives then come from the same
    plates.

    Parameters
    ----------
    query
        The row number of the query.
    negative, plates
        (n,) mask of the negatives, and plate of each row.
    apart
        Rows that are not negatives of each other; None if there are none.
    """
    on_plate = plates == plates[query]
    if apart is None:
        return on_plate
    free = ~apart.together(np.array([query]))[0]
    return on_plate & free if (negative & on_plate & free).any() else free


class _Further(NamedTuple):
    """Rows (m, e) that may be negatives of each query, and a mask of those that are."""

    rows: NDArray[np.intp]
    are: NDArray[np.bool_]

    def of(self, queries: NDArray[np.intp]) -> _Further:
        return _Further(self.rows[queries], self.are[queries])


def _are_left(also: NDArray[np.intp], sets: NDArray[np.intp], is_open: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which further rows (s, e) may be negatives and are not members of their set."""
    left = is_open[also]
    per_part = max(1, _BLOCK_CELLS // len(is_open))
    for part in (slice(start, start + per_part) for start in range(0, len(sets), per_part)):
        number = np.arange(len(sets[part]))[:, None]
        member = np.zeros((len(number), len(is_open)), dtype=bool)
        member[number, sets[part]] = True
        left[part] &= ~member[number, also[part]]
    return left


class _Cosines:
    """Similarities between rows: looked up if all fit in memory, else computed when needed."""

    def __init__(self, found: Directions) -> None:
        vectors, self.tolerance = found
        self.vectors = vectors
        self.device = str(vectors.device)
        self._all = vectors @ vectors.T if len(vectors) ** 2 <= _GRAM_CELLS else None

    def between(self, rows: NDArray[np.intp], others: NDArray[np.intp]) -> torch.Tensor:
        """Return the cosines (r, o) of each row with each other."""
        if self._all is not None:
            return self._all[rows[:, None], others]
        return self.vectors[rows] @ self.vectors[others].T

    def along(self, rows: NDArray[np.intp], others: NDArray[np.intp]) -> torch.Tensor:
        """Return the cosines (r, k) of each row with k rows of its choice (r, k)."""
        if self._all is not None:
            return self._all[rows[:, None], others]
        return _cosines_along(self.vectors, rows, others)


def _cosines_along(vectors: torch.Tensor, rows: NDArray[np.intp], others: NDArray[np.intp]) -> torch.Tensor:
    """Return the cosines (r, k) of each row of `vectors` (n, d) with k rows of its choice (r, k)."""
    import torch

    result = torch.empty(others.shape, dtype=vectors.dtype, device=vectors.device)
    per_part = max(1, _BLOCK_CELLS // (others.shape[1] * vectors.shape[1]))
    for part in (slice(i, i + per_part) for i in range(0, len(others), per_part)):
        result[part] = torch.einsum("mkd,md->mk", vectors[others[part]], vectors[rows[part]])
    return result


def _one_kind(
    cosines: _Cosines,
    sets: NDArray[np.intp],
    place: NDArray[np.intp],
    reference: NDArray[np.bool_],
    further: _Further | None,
    apart: Apart | None,
) -> NDArray[np.float64]:
    """Return the AP (m,) of the query at `place` (m,) of each of m sets against `reference`, and its further rows."""
    import torch

    rows = np.arange(len(sets))
    query = sets[rows, place]
    others = sets[np.arange(sets.shape[1]) != place[:, None]].reshape(len(sets), -1)
    counted = None
    if apart is not None:
        counted = ~apart.share[apart.pattern[query][:, None], apart.pattern[others]]
    candidates = np.flatnonzero(reference)
    position = np.full(len(reference), -1)
    position[candidates] = np.arange(len(candidates))
    n_further = 0 if further is None else further.rows.shape[1]
    harmonic = harmonic_numbers(len(candidates) + n_further + others.shape[1], cosines.device)

    result = np.empty(len(sets))
    order = np.argsort(query, kind="stable")
    distinct, first = np.unique(query[order], return_index=True)
    first = np.append(first, len(query))
    compared = (others.shape[1] + n_further) * len(query) // len(distinct)  # with each distinct query
    per_block = max(1, _BLOCK_CELLS // max(len(candidates), compared))
    for start in range(0, len(distinct), per_block):
        block = distinct[start : start + per_block]
        similarity = cosines.between(block, candidates)
        itself = np.flatnonzero(position[block] >= 0)
        similarity[itself, position[block[itself]]] = -torch.inf
        similarity = sort_rows(similarity)
        queries = order[first[start] : first[start + len(block)]]
        times = np.diff(first[start : start + len(block) + 1])
        of_block = None if further is None else further.of(queries)
        result[queries] = _score_block(
            cosines,
            similarity,
            query[queries],
            others[queries],
            None if counted is None else counted[queries],
            times,
            reference,
            of_block,
            harmonic,
        )
    return result


def _score_block(
    cosines: _Cosines,
    similarity: torch.Tensor,
    query: NDArray[np.intp],
    others: NDArray[np.intp],
    counted: NDArray[np.bool_] | None,
    times: NDArray[np.intp],
    reference: NDArray[np.bool_],
    further: _Further | None,
    harmonic: torch.Tensor,
) -> NDArray[np.float64]:
    """Return the AP (m,) of queries sorted by row, each row `times` (q,) times.

    Positives (m, k) that are not counted are ranked below all others, and left out of the mean; None: all are counted.
    """
    import torch

    positive = cosines.along(query, others)
    counts = None if counted is None else torch.from_numpy(counted).to(positive.device)
    if counts is not None:
        positive = torch.where(counts, positive, _BELOW_ALL)
    # The mean over positives is the same in any order; in this one they are found faster.
    positive, order = order_rows(positive)
    counts = None if counts is None else counts.gather(1, order)
    # Members among the reference are positives, not negatives.
    member = torch.from_numpy(reference[others]).to(positive.device).gather(1, order)
    row = torch.from_numpy(np.repeat(np.arange(len(times)), times)).to(positive.device)
    above, tied = count_reaching_in_row(similarity, row, positive, cosines.tolerance)
    positives_above, positives_tied = count_reaching_each_other(positive, tolerance=cosines.tolerance)
    if member.any():
        members_above, members_tied = count_reaching_each_other(positive, member, cosines.tolerance)
        above, tied = above - members_above, tied - members_tied
    itself = torch.from_numpy(reference[query]).to(positive.device)
    n_negative = similarity.shape[1] - member.sum(1) - itself.long()
    if further is not None:
        are = torch.from_numpy(further.are).to(positive.device)
        beside = sort_rows(torch.where(are, cosines.along(query, further.rows), -torch.inf))
        further_above, further_tied = count_reaching(beside, positive, cosines.tolerance)
        above, tied, n_negative = above + further_above, tied + further_tied, n_negative + are.sum(1)
    precision = expected_precision(above, tied, positives_above, positives_tied, harmonic)
    mean = precision.mean(1) if counts is None else torch.where(counts, precision, 0.0).sum(1) / counts.sum(1)
    return torch.where(n_negative > 0, mean, torch.nan).cpu().numpy()


def control_average_precision(
    x: NDArray[Any],
    labels: NDArray[Any],
    plates: NDArray[Any],
    control: NDArray[np.bool_],
    *,
    device: str = "cpu",
) -> NDArray[np.float64]:
    """Return the average precision with which each row retrieves the rows of its label before controls of its plate.

    Parameters
    ----------
    x
        (n, d) vectors.
    labels, plates
        (n,) label and plate of each row.
    control
        (n,) mask of the controls, which are negatives and neither queries nor positives.
    device
        The device to compute on.

    Returns
    -------
    (n,) average precision; NaN for controls, and for rows without others of their label or controls on their plate.

    Raises
    ------
    ValueError
        If lengths differ, or `x` is not a matrix of finite numbers.
    """
    control = np.asarray(control)
    if not len(x) == len(labels) == len(plates) == len(control):
        raise ValueError(f"{len(x)} rows, {len(labels)} labels, {len(plates)} plates and {len(control)} marks")
    result = np.full(len(x), np.nan)
    found = directions(x, device=device)
    codes = np.unique(plates, return_inverse=True)[1]
    on_plates = [np.flatnonzero(control & (codes == code)) for code in range(codes.max() + 1)]
    controls, filled = fill_up(on_plates)
    n_controls = filled.sum(axis=1)
    for members in rows_by_label(np.asarray(labels), ~control):
        k = members.shape[1]
        scored = np.flatnonzero(n_controls[codes[members.ravel()]]) if k > 1 else ()
        per_block = max(1, _BLOCK_CELLS // (max(k, controls.shape[1]) * found.unit.shape[1]))
        for start in range(0, len(scored), per_block):
            number, place = np.divmod(scored[start : start + per_block], k)
            queries = members[number, place]
            others = members[number][np.arange(k) != place[:, None]].reshape(len(queries), -1)
            plate = codes[queries]
            result[queries] = _before_own(found, queries, others, controls[plate], filled[plate])
    return result


def fill_up(rows: Sequence[NDArray[np.intp]]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return rows of several plates as one table (plates, most), and a mask of those that are no filling."""
    sizes = np.array([len(of_plate) for of_plate in rows])
    filled = np.arange(sizes.max()) < sizes[:, None]
    table = np.zeros(filled.shape, dtype=np.intp)
    table[filled] = np.concatenate(rows)
    return table, filled


def _before_own(
    found: Directions,
    queries: NDArray[np.intp],
    positives: NDArray[np.intp],
    negatives: NDArray[np.intp],
    counted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the AP (q,) of positives (q, k) before negatives (q, m) of each query, of which some are not counted."""
    import torch

    unit, tolerance = found
    positive = sort_rows(_cosines_along(unit, queries, positives))
    is_negative = torch.from_numpy(counted).to(unit.device)
    negative = sort_rows(torch.where(is_negative, _cosines_along(unit, queries, negatives), -torch.inf))
    above, tied = count_reaching(negative, positive, tolerance)
    positives_above, positives_tied = count_reaching(positive, positive, tolerance)
    harmonic = harmonic_numbers(positive.shape[1] + negative.shape[1], str(unit.device))
    return expected_precision(above, tied, positives_above, positives_tied, harmonic).mean(1).cpu().numpy()


def rows_by_label(labels: NDArray[Any], taking_part: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Return the rows of each label, as one (labels, k) array for each number k of rows that labels have."""
    rows = np.flatnonzero(taking_part)
    codes, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)[1:]
    order = rows[np.argsort(codes, kind="stable")]
    starts = np.cumsum(counts) - counts
    return [order[starts[counts == k][:, None] + np.arange(k)] for k in np.unique(counts)]
