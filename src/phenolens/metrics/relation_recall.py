"""Recall of known relationships: are similarities of related pairs in the tails of those of all pairs?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.apart import Apart
from phenolens.metrics.cosine_bins import CosineBins
from phenolens.metrics.directions import directions

if TYPE_CHECKING:
    import torch

_BLOCK_CELLS = 2**21  # of similarities held at a time
_N_BINS = 2**16
_TIED_SHARE = 1e-4  # of all pairs at a threshold: more than continuous data have there


@dataclass(frozen=True, eq=False)
class PairTails:
    """The position of the similarity of each pair (m,) among those of all pairs.

    Attributes
    ----------
    lower, upper
        1 for a pair below the lower or above the upper threshold, else 0; between 0 and 1 for a pair in a group of ties
        with a threshold.
    percentile
        The share of all pairs that are less similar; ties, in 65,536 bins (`CosineBins`), count half.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    percentile: NDArray[np.float64]


class PairNull:
    """The distribution of similarities of all pairs of rows: their histogram and two exact quantiles.

    Only a block of the n x n similarities is held in memory: a first pass fills a histogram, a second one collects the
    values in the two bins of the thresholds.

    Parameters
    ----------
    x
        (n, d) vectors, n >= 3.
    tail
        The share of all pairs in each tail.
    apart
        Rows whose pairs are left out of all pairs; None if there are none.
    device
        The device to compute on.

    Attributes
    ----------
    thresholds
        The lower and the upper threshold; infinite if a tail is too small for one pair.

    Raises
    ------
    ValueError
        If there are fewer than three rows, no pair is left, or `x` is not a matrix of finite numbers.

    Notes
    -----
    Source: the recall of Celik et al., PLoS Comput. Biol. 2024 (EFAAR), and Kraus et al., CVPR 2024.
    """

    def __init__(self, x: NDArray[Any], *, tail: float = 0.05, apart: Apart | None = None, device: str = "cpu") -> None:
        found = directions(x, device=device)
        self.vectors, self._tolerance = found
        self._bins = CosineBins(found, _N_BINS)
        if len(self.vectors) < 3:
            raise ValueError(f"a null distribution of pairs needs at least 3 rows, found {len(self.vectors)}")
        self._apart = apart
        self._histogram = self._fill_histogram()
        self._below = np.concatenate([[0], np.cumsum(self._histogram)])
        total = int(self._below[-1])
        if not total:
            raise ValueError(f"no pair of {len(self.vectors)} rows is left: all share a value")
        # A pair is in the lower tail if at most tail * total pairs are as low as it; likewise in the upper tail.
        splits = (int(np.floor(tail * total)), int(np.ceil((1 - tail) * total)))
        self.thresholds, self._tie_credit = self._find_thresholds(splits, tail * total)

    def place(self, pairs: NDArray[np.intp]) -> PairTails:
        """Return the positions of pairs of row numbers (m, 2)."""
        import torch

        similarity = self._similarity(pairs)
        lower, upper = (similarity < self.thresholds[0]).astype(float), (similarity > self.thresholds[1]).astype(float)
        for tail, threshold, credit in zip((lower, upper), self.thresholds, self._tie_credit, strict=True):
            if credit is not None:
                tail[np.abs(similarity - threshold) <= self._width(threshold)] = credit
        return PairTails(lower, upper, self.percentiles(torch.from_numpy(similarity)))

    def percentiles(self, similarity: torch.Tensor) -> NDArray[np.float64]:
        """Return the share of all pairs that are less similar than each of some cosines (m,); see `PairTails`."""
        bins = self._bins.of(similarity.to(self.vectors.device)).cpu().numpy()
        return (self._below[bins] + self._histogram[bins] / 2) / self._below[-1]

    def _width(self, cosine: float) -> float:
        """Return how far from it another cosine may be to be a tie."""
        return float(self._tolerance.at(np.float64(cosine)))

    def _similarity(self, pairs: NDArray[np.intp]) -> NDArray[Any]:
        import torch

        result = np.empty(len(pairs), np.float32 if self._tolerance.is_fixed else np.float64)
        per_part = max(1, _BLOCK_CELLS // self.vectors.shape[1])
        for start in range(0, len(pairs), per_part):
            part = pairs[start : start + per_part]
            product = torch.einsum("md,md->m", self.vectors[part[:, 0]], self.vectors[part[:, 1]])
            result[start : start + per_part] = product.cpu().numpy()
        return result

    def _blocks(self) -> Any:
        """Yield the similarities above the diagonal, some rows at a time, as flat vectors."""
        import torch

        n = len(self.vectors)
        per_block = max(1, _BLOCK_CELLS // n)
        for start in range(0, n, per_block):
            rows = self.vectors[start : start + per_block]
            block = rows @ self.vectors[start:].T
            if self._apart is not None:
                numbers = np.arange(start, n)
                left = ~self._apart.together(numbers[: len(rows)], numbers) & (numbers > numbers[: len(rows), None])
                yield block[torch.from_numpy(left).to(block.device)]
                continue
            if len(rows) < block.shape[1]:
                yield block[:, len(rows) :].reshape(-1)
            yield block[:, : len(rows)][tuple(torch.triu_indices(len(rows), len(rows), 1))]

    def _fill_histogram(self) -> NDArray[np.int64]:
        import torch

        histogram = torch.zeros(_N_BINS, dtype=torch.int64, device=self.vectors.device)
        for values in self._blocks():
            histogram += torch.bincount(self._bins.of(values), minlength=_N_BINS)
        return histogram.cpu().numpy()

    def _find_thresholds(
        self, splits: tuple[int, int], in_tail: float
    ) -> tuple[tuple[float, float], list[float | None]]:
        """Return the values that separate the lowest `splits` pairs from the others, and the credit of ties with each.

        A threshold is midway between two neighbouring order statistics, so that rounding moves no pair across it.
        """
        import torch

        total = int(self._below[-1])
        ranges = []
        for split in splits:
            first, last = (np.searchsorted(self._below, np.array([split - 1, split]), side="right") - 1).clip(0)
            # One more bin on either side, into which ties may reach.
            ranges.append((int(first), int(last), self._bins.edge(int(first) - 1), self._bins.edge(int(last) + 2)))
        found: list[list[torch.Tensor]] = [[], []]
        for values in self._blocks():
            for near, (_, _, low, high) in zip(found, ranges, strict=True):
                near.append(values[(values > low) & (values < high)])
        thresholds = [-np.inf, np.inf]
        credit: list[float | None] = [None, None]
        for which, (split, near, (first, _, _, _)) in enumerate(zip(splits, found, ranges, strict=True)):
            if split in (0, total):
                continue
            close = torch.cat(near).sort().values
            bins = self._bins.of(close)
            below = int(self._below[first]) - int((bins < first).sum())  # pairs lower than all that were collected
            lower, upper = float(close[split - 1 - below]), float(close[split - below])
            thresholds[which] = (lower + upper) / 2
            width = self._width(thresholds[which])
            tied = int(((close - thresholds[which]).abs() <= width).sum())
            if upper - lower <= width and tied > max(1, _TIED_SHARE * total):
                beneath = below + int((close < thresholds[which] - width).sum())
                beyond = beneath if which == 0 else total - beneath - tied
                credit[which] = (in_tail - beyond) / tied
        return (thresholds[0], thresholds[1]), credit


def distinct_pairs(pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the distinct pairs (m, 2), with the smaller number first, without pairs of a row with itself."""
    pairs = np.sort(np.asarray(pairs).reshape(-1, 2), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def rewire(pairs: NDArray[np.intp], rng: np.random.Generator, *, sweeps: int = 10) -> NDArray[np.intp]:
    """Return random pairs (m, 2) in which every row has as many partners as before.

    Two pairs (a, b), (c, d) become (a, d), (c, b) unless that would pair a row with itself or repeat a pair.

    Parameters
    ----------
    pairs
        (m, 2) distinct pairs, as returned by `distinct_pairs`.
    rng
        The source of randomness.
    sweeps
        The average number of attempted swaps per pair.

    Notes
    -----
    Source: Maslov & Sneppen, Science 296 (2002).
    """
    pairs = pairs.copy()
    n = int(pairs.max()) + 1 if len(pairs) else 0
    half = len(pairs) // 2
    for _ in range(2 * sweeps):
        order = rng.permutation(len(pairs))
        one, two = order[:half], order[half : 2 * half]
        # Either end of the second pair may be taken.
        flip = rng.random(half) < 0.5
        second = np.where(flip[:, None], pairs[two][:, ::-1], pairs[two])
        swapped = np.stack([pairs[one, 0], second[:, 1], second[:, 0], pairs[one, 1]], axis=1).reshape(half, 2, 2)
        swapped.sort(axis=2)
        key = swapped[:, :, 0] * n + swapped[:, :, 1]
        taken = pairs[:, 0] * n + pairs[:, 1]
        proposed, times = np.unique(key, return_counts=True)
        allowed = (swapped[:, :, 0] != swapped[:, :, 1]) & ~np.isin(key, taken) & ~np.isin(key, proposed[times > 1])
        accepted = allowed.all(axis=1)
        pairs[one[accepted]] = swapped[accepted, 0]
        pairs[two[accepted]] = swapped[accepted, 1]
    return pairs
