"""Bins of cosines, so that all pairs of many rows can be counted without being held in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenolens.metrics.directions import Directions

if TYPE_CHECKING:
    import torch

_SAMPLE = 1024  # rows whose cosines tell where the bins must be narrow


class CosineBins:
    """Bins that cosines fall into: of equal width from -1 to 1, or of equal counts where float32 is not enough.

    Cosines that need float64 lie close together, in one place (vectors with a large common part) or in several (one
    large component). Bins of equal width would hold them all.

    Parameters
    ----------
    found
        The directions whose cosines are binned.
    n_bins
        The number of bins, at most.
    """

    def __init__(self, found: Directions, n_bins: int = 2**16) -> None:
        import torch

        self.n_bins = n_bins
        self._edges: torch.Tensor | None = None  # lower edges of all bins but the first
        if not found.tolerance.is_fixed:
            n = len(found.unit)
            rows = np.random.default_rng(0).choice(n, _SAMPLE, replace=False) if n > _SAMPLE else np.arange(n)
            some = found.unit[torch.from_numpy(rows).to(found.unit.device)]
            cosines = (some @ some.T)[tuple(torch.triu_indices(len(some), len(some), 1))].sort().values
            spread = cosines[:: max(1, -(-len(cosines) // (n_bins - 1)))]
            self._edges = (spread - found.tolerance.at(spread)).unique()  # below a cosine and what rounding makes of it

    def of(self, cosines: torch.Tensor) -> torch.Tensor:
        """Return the number of the bin of each cosine, as int32; rounding may take one just beyond -1 or 1."""
        import torch

        if self._edges is None:
            return cosines.add(1).mul_((self.n_bins - 1) / 2).round_().clamp_(0, self.n_bins - 1).to(torch.int32)
        return torch.bucketize(cosines, self._edges, out_int32=True, right=True)

    def edge(self, number: int) -> float:
        """Return the lower edge of a bin; infinite below the first and above the last."""
        if self._edges is None:
            return (number - 0.5) / (self.n_bins - 1) * 2 - 1
        if number <= 0:
            return -np.inf
        return float(self._edges[number - 1]) if number <= len(self._edges) else np.inf
