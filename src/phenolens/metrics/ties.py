"""Ties between cosines, which count by the mean over all orders of a group of ties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

TIE = 5e-7  # float32 cosines of equal directions differ by rounding; closer than this, they are ties
_FEW = 8  # so few are compared one by one faster than searched
_APART = 4.0  # larger than any difference of cosines


def harmonic_numbers(n: int, device: str = "cpu") -> torch.Tensor:
    """Return the harmonic numbers H(0) .. H(n)."""
    import torch

    return torch.from_numpy(np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])).to(device)


def count_reaching(ascending: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of items of each sorted row (q, n) above each value (q, k), and tied with it."""
    import torch

    n = ascending.shape[1]
    if n <= _FEW:
        above, reaching = torch.zeros_like(values, dtype=torch.long), torch.zeros_like(values, dtype=torch.long)
        for one in ascending[:, :, None].unbind(1):
            above += one > values + TIE
            reaching += one >= values - TIE
        return above, reaching - above
    above = n - torch.searchsorted(ascending, values + TIE, right=True)
    reaching = n - torch.searchsorted(ascending, values - TIE, right=False)
    return above, reaching - above


def count_reaching_in_row(
    ascending: torch.Tensor, row: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of cosines in the sorted `row` (of q, n) of each value (m, k) above it, and tied with it.

    Numbers of values per row differ widely, so that all rows are searched together.
    """
    import torch

    q, n = ascending.shape
    shift = _APART * torch.arange(q, dtype=torch.float64, device=ascending.device)
    line = (ascending.double().clamp(min=-_APART / 2) + shift[:, None]).flatten()
    wanted = values.double() + shift[row][:, None]
    end = (n * (row + 1))[:, None]
    above = end - torch.searchsorted(line, wanted + TIE, right=True)
    reaching = end - torch.searchsorted(line, wanted - TIE, right=False)
    return above, reaching - above


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

    Source: McSherry & Najork, ECIR 2008.
    """
    rank = negatives_above + positives_above
    tie = negatives_tied + positives_tied
    span = harmonic[rank + tie] - harmonic[rank]
    # Sum over positions i = 1..t of (s + 1 + (i - 1) (p - 1) / (t - 1)) / (r + i), divided by t.
    step = (positives_tied - 1) / (tie - 1).clamp(min=1)
    return ((positives_above + 1) * span + step * (tie - (rank + 1) * span)) / tie
