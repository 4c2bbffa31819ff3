"""What a tie is among cosines, and what a group of ties is worth: the mean over all its orders."""

import numpy as np
import torch

TIE = 5e-7  # float32 cosines of equal directions differ by rounding: nearer than this they tie


def harmonic_numbers(n: int, device: str = "cpu") -> torch.Tensor:
    """Return the harmonic numbers H(0) .. H(n)."""
    return torch.from_numpy(np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])).to(device)


def count_reaching(ascending: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how many of each sorted row (q, n) lie above each value (q, k), and how many tie with it."""
    n = ascending.shape[1]
    above = n - torch.searchsorted(ascending, values + TIE, right=True)
    reaching = n - torch.searchsorted(ascending, values - TIE, right=False)
    return above, reaching - above


def expected_precision(
    negatives_above: torch.Tensor,
    negatives_tied: torch.Tensor,
    positives_above: torch.Tensor,
    positives_tied: torch.Tensor,
    harmonic: torch.Tensor,
) -> torch.Tensor:
    """Return the expected precision at each positive's place, over all orders of the items that tie with it.

    Parameters
    ----------
    negatives_above, negatives_tied, positives_above, positives_tied
        Counts of any one shape; `positives_tied` includes the positive itself.
    harmonic
        The harmonic numbers H(0) .. H(n).

    Source: McSherry & Najork, ECIR 2008.
    """
    rank = negatives_above + positives_above
    tie = negatives_tied + positives_tied
    span = harmonic[rank + tie] - harmonic[rank]
    # Sum over places i = 1..t of (s + 1 + (i - 1) (p - 1) / (t - 1)) / (r + i), divided by t.
    step = (positives_tied - 1) / (tie - 1).clamp(min=1)
    return ((positives_above + 1) * span + step * (tie - (rank + 1) * span)) / tie
