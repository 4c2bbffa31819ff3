"""Ties between cosines, which count by the mean over all orders of a group of ties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

TIE = 5e-7  # float32 cosines of equal directions differ by rounding; closer than this, they are ties
_FEW = 128  # so few are compared one by one faster than searched; counts of them fit into a byte
_CACHED = 2**16  # so many values are compared with all items of their rows while they are in the cache
_APART = 4.0  # larger than any difference of cosines


class Tolerance(NamedTuple):
    """How far apart two cosines may be that are ties.

    Attributes
    ----------
    least
        The tolerance of cosines of equal directions.
    by_sine
        What the sine of the angle between the two rows adds to it: rounding of a row moves a cosine by so much. 0: the
        tolerance is the same for all cosines.
    """

    least: float
    by_sine: float = 0.0

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for all cosines."""
        return self.by_sine == 0

    def at(self, cosines: Any) -> Any:
        """Return the tolerance around each cosine (a number, an array or a tensor)."""
        if self.is_fixed:
            return self.least
        return self.least + self.by_sine * ((1 - cosines) * (1 + cosines)).clip(0) ** 0.5


SINGLE = Tolerance(TIE)
"""The tolerance of cosines in float32."""


def harmonic_numbers(n: int, device: str = "cpu") -> torch.Tensor:
    """Return the harmonic numbers H(0) .. H(n)."""
    import torch

    return torch.from_numpy(np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])).to(device)


def sort_rows(values: torch.Tensor) -> torch.Tensor:
    """Return a matrix with each row in increasing order.

    On a CPU, NumPy sorts numbers several times as fast as torch, which returns their former places as well.
    """
    import torch

    if values.device.type != "cpu":
        return values.sort(dim=1).values
    return torch.from_numpy(np.sort(values.numpy(), axis=1))


def order_rows(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a matrix with each row in increasing order, and the former places of its items."""
    import torch

    if values.device.type != "cpu":
        ascending, places = values.sort(dim=1)
        return ascending, places
    order = np.argsort(values.numpy(), axis=1)
    return torch.from_numpy(np.take_along_axis(values.numpy(), order, axis=1)), torch.from_numpy(order)


def count_reaching(
    ascending: torch.Tensor, values: torch.Tensor, tolerance: Tolerance = SINGLE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of items of each sorted row (q, n) above each value (q, k), and tied with it."""
    import torch

    n = ascending.shape[1]
    width = tolerance.at(values)
    if n <= _FEW and ascending.device.type == "cpu":
        return _count_one_by_one(ascending.numpy(), (values + width).numpy(), (values - width).numpy())
    above = n - torch.searchsorted(ascending, values + width, right=True)
    reaching = n - torch.searchsorted(ascending, values - width, right=False)
    return above, reaching - above


def count_reaching_each_other(
    ascending: torch.Tensor, chosen: torch.Tensor | None = None, tolerance: Tolerance = SINGLE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of `chosen` items (q, n; None: all) above each item of sorted rows (q, n), and tied with it.

    Each is tied with itself. Where neighbours are further apart than ties are, the numbers follow from the order.
    """
    import torch

    q, n = ascending.shape
    if chosen is None:
        above = torch.arange(n - 1, -1, -1, device=ascending.device).repeat(q, 1)
        tied = torch.ones((q, n), dtype=torch.long, device=ascending.device)
    else:
        tied = chosen.long()
        above = tied.sum(dim=1, keepdim=True) - tied.cumsum(dim=1)
    apart = 2 * (tolerance.least + tolerance.by_sine)
    near = (ascending[:, 1:] - ascending[:, :-1] <= apart).any(dim=1)
    if near.any():
        values = ascending[near]
        among = values if chosen is None else sort_rows(torch.where(chosen[near], values, -torch.inf))
        above[near], tied[near] = count_reaching(among, values, tolerance)
    return above, tied


def _count_one_by_one(
    items: NDArray[np.floating], highest: NDArray[np.floating], lowest: NDArray[np.floating]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of items of each row (q, n) above each of `highest` (q, k), and from `lowest` to that."""
    import torch

    above, reaching = np.zeros((2, *highest.shape), dtype=np.uint8)
    per_block = max(1, _CACHED // max(1, highest.shape[1]))
    for start in range(0, len(items), per_block):
        rows = slice(start, start + per_block)
        is_so = np.empty(highest[rows].shape, dtype=np.bool_)
        for one in items[rows].T[:, :, None]:
            above[rows] += np.greater(one, highest[rows], out=is_so)
            reaching[rows] += np.greater_equal(one, lowest[rows], out=is_so)
    return torch.from_numpy(above).long(), torch.from_numpy(reaching - above).long()


def count_reaching_in_row(
    ascending: torch.Tensor, row: torch.Tensor, values: torch.Tensor, tolerance: Tolerance = SINGLE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of cosines in the sorted `row` (of q, n) of each value (m, k) above it, and tied with it.

    Numbers of values per row differ widely, so that all rows are searched together; `row` is in increasing order.
    """
    import torch

    if not tolerance.is_fixed:
        return _count_row_by_row(ascending, row, values, tolerance)
    q, n = ascending.shape
    shift = _APART * torch.arange(q, dtype=torch.float64, device=ascending.device)
    line = (ascending.double().clamp(min=-_APART / 2) + shift[:, None]).flatten()
    wanted = values.double() + shift[row][:, None]
    end = (n * (row + 1))[:, None]
    above = end - torch.searchsorted(line, wanted + tolerance.least, right=True)
    reaching = end - torch.searchsorted(line, wanted - tolerance.least, right=False)
    return above, reaching - above


def _count_row_by_row(
    ascending: torch.Tensor, row: torch.Tensor, values: torch.Tensor, tolerance: Tolerance
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `count_reaching_in_row` does, without shifts of the rows, which round small differences away."""
    import torch

    times = torch.bincount(row, minlength=len(ascending)).tolist()
    found = [
        count_reaching(one[None], wanted.reshape(1, -1), tolerance)
        for one, wanted in zip(ascending, values.split(times), strict=True)
    ]
    above, tied = (torch.cat([counts.flatten() for counts in column]) for column in zip(*found, strict=True))
    return above.view(values.shape), tied.view(values.shape)


def expected_precision(
    negatives_above: torch.Tensor,
    negatives_tied: torch.Tensor,
    positives_above: torch.Tensor,
    positives_tied: torch.Tensor,
    harmonic: torch.Tensor,
) -> torch.Tensor:
    """Return the expected precision at the rank of each positive, over all orders of the items tied with it.

    Parameters
    ----------
    negatives_above, negatives_tied, positives_above, positives_tied
        Counts of the same shape; `positives_tied` includes the positive itself.
    harmonic
        The harmonic numbers H(0) .. H(n).

    Notes
    -----
    Source: McSherry & Najork, ECIR 2008.
    """
    rank = negatives_above + positives_above
    precision = (positives_above + 1) / (rank + 1).double()
    in_tie = (negatives_tied > 0) | (positives_tied > 1)
    if in_tie.all():
        return _mean_over_orders(rank, positives_above, negatives_tied, positives_tied, harmonic)
    if in_tie.any():
        precision[in_tie] = _mean_over_orders(
            rank[in_tie], positives_above[in_tie], negatives_tied[in_tie], positives_tied[in_tie], harmonic
        )
    return precision


def _mean_over_orders(
    rank: torch.Tensor,
    positives_above: torch.Tensor,
    negatives_tied: torch.Tensor,
    positives_tied: torch.Tensor,
    harmonic: torch.Tensor,
) -> torch.Tensor:
    """Return the mean precision of positives over all orders of the items tied with them; `rank` items are above."""
    tie = negatives_tied + positives_tied
    span = harmonic[rank + tie] - harmonic[rank]
    # Sum over positions i = 1..t of (s + 1 + (i - 1) (p - 1) / (t - 1)) / (r + i), divided by t.
    step = (positives_tied - 1) / (tie - 1).clamp(min=1)
    return ((positives_above + 1) * span + step * (tie - (rank + 1) * span)) / tie
