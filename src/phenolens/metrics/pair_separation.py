"""Separation of pairs of rows with the same label from pairs with different labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.cosine_bins import CosineBins
from phenolens.metrics.directions import directions
from phenolens.metrics.similarity import unit_rows

_BLOCK_CELLS = 2**21
_N_BINS = 2**16


@dataclass(frozen=True)
class Separation:
    """Separation of pairs within labels from pairs between labels.

    Attributes
    ----------
    auroc
        The probability that a pair within a label is more similar than a pair between labels, counting ties as half;
        cosines in the same of 65,536 bins are ties (`CosineBins`).
    gap
        The mean cosine within labels minus that between labels.
    n_within, n_between
        The numbers of pairs.
    """

    auroc: float
    gap: float
    n_within: int
    n_between: int


def separation(x: NDArray[Any], labels: NDArray[Any], *, device: str = "cpu") -> Separation:
    """Compare the cosines of all pairs of rows with the same label and of all others.

    Parameters
    ----------
    x
        (n, d) vectors.
    labels
        (n,) label of each row.
    device
        The device to compute on.

    Raises
    ------
    ValueError
        If no two rows share a label, or all do; if lengths differ, or `x` is not a matrix of finite numbers.
    """
    import torch

    if len(labels) != len(x):
        raise ValueError(f"{len(x)} rows but {len(labels)} labels")
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    counts = np.bincount(codes)
    n, n_within = len(codes), int((counts * (counts - 1) // 2).sum())
    n_between = n * (n - 1) // 2 - n_within
    if n_within == 0 or n_between == 0:
        raise ValueError(f"{n} rows with {len(counts)} labels have {n_within} pairs within and {n_between} between")
    unit = unit_rows(x)
    found, label = directions(x, device=device), torch.from_numpy(codes).to(device)
    vectors, binned = found.unit, CosineBins(found, _N_BINS)
    histogram = torch.zeros(2 * _N_BINS, dtype=torch.int64, device=device)
    per_block = max(1, _BLOCK_CELLS // n)
    for start in range(0, n, per_block):
        rows = vectors[start : start + per_block]
        similarity = rows @ vectors[start:].T
        bins = binned.of(similarity)
        bins += _N_BINS * (label[start : start + per_block, None] == label[None, start:])
        # Above the diagonal, each pair occurs once.
        above = torch.ones_like(bins, dtype=torch.bool).triu(1)
        histogram += torch.bincount(bins[above], minlength=2 * _N_BINS)
    between, within = histogram.cpu().double().numpy().reshape(2, _N_BINS)
    lower = np.cumsum(between) - between / 2
    auroc = float((within * lower).sum() / (n_within * n_between))

    sums = np.zeros((len(counts), unit.shape[1]))
    np.add.at(sums, codes, unit)
    squares = (unit**2).sum()
    total_within = ((sums**2).sum() - squares) / 2
    total = ((unit.sum(axis=0) ** 2).sum() - squares) / 2
    gap = total_within / n_within - (total - total_within) / n_between
    return Separation(auroc, float(gap), n_within, n_between)
