"""The geometry of an embedding, and the similarity of two embeddings of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, skew

from phenolens.metrics.similarity import cosine_similarity, unit_rows

_BLOCK_CELLS = 2**21


def variance_spectrum(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the variances (min(n, d),) of `x` (n, d) along its principal components, in decreasing order."""
    x = np.asarray(x, dtype=np.float64)
    centred = x - x.mean(axis=0)
    gram = centred.T @ centred if len(x) >= x.shape[1] else centred @ centred.T
    return np.clip(np.linalg.eigvalsh(gram)[::-1], 0, None) / max(len(x) - 1, 1)


def participation_ratio(spectrum: NDArray[Any]) -> float:
    """Return the effective number of dimensions, (sum v)^2 / sum v^2 of the variances; NaN for constant vectors."""
    total = float(np.sum(spectrum))
    return total**2 / float(np.sum(np.square(spectrum))) if total > 0 else float("nan")


def top_share(spectrum: NDArray[Any]) -> float:
    """Return the share of variance along the first principal component; NaN for constant vectors."""
    total = float(np.sum(spectrum))
    return float(np.max(spectrum)) / total if total > 0 else float("nan")


def uniformity(x: NDArray[Any], *, device: str = "cpu") -> float:
    """Return the log of the mean of exp(-2 |u - v|^2) over pairs of unit rows: 0 if all are equal, else lower.

    Source: Wang & Isola, ICML 2020.
    """
    import torch

    vectors = torch.from_numpy(unit_rows(x)).to(device)
    n = len(vectors)
    if n < 2:
        return float("nan")
    squares = (vectors**2).sum(1)
    total = 0.0
    per_block = max(1, _BLOCK_CELLS // n)
    for start in range(0, n, per_block):
        rows = slice(start, start + per_block)
        gap = squares[rows, None] + squares[None] - 2 * (vectors[rows] @ vectors.T)
        total += float(torch.exp(-2 * gap.clamp(min=0)).sum())
    return float(np.log((total - n) / (n * (n - 1))))  # each row was also compared with itself


def hubness(neighbours: NDArray[np.intp]) -> float:
    """Return the skewness of the number of times that a row is among the k nearest of others; 0 without hubs.

    Parameters
    ----------
    neighbours
        (n, k) as returned by `nearest_neighbours`.

    Notes
    -----
    Source: Radovanovic et al., JMLR 11 (2010).
    """
    counts = np.bincount(neighbours.ravel(), minlength=len(neighbours))
    return float(skew(counts)) if counts.std() > 0 else 0.0


def linear_cka(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return the linear centred kernel alignment, 0..1, of `x` (n, d) and `y` (n, e); NaN if one is constant.

    Source: Kornblith et al., ICML 2019.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} rows cannot be matched to {len(y)}")
    x, y = (np.asarray(a, dtype=np.float64) - np.mean(a, axis=0, dtype=np.float64) for a in (x, y))
    norms = float(np.linalg.norm(_gram(x)) * np.linalg.norm(_gram(y)))
    if norms == 0:
        return float("nan")
    shared = ((x @ x.T) * (y @ y.T)).sum() if len(x) < min(x.shape[1], y.shape[1]) else ((x.T @ y) ** 2).sum()
    return float(shared) / norms


def similarity_rank_correlation(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Return Spearman's correlation of the cosines of all pairs of rows in `x` (n, d) and in `y` (n, e).

    All n (n - 1) / 2 pairs are held in memory: pass a sample of more than about ten thousand rows.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} rows cannot be matched to {len(y)}")
    upper = np.triu_indices(len(x), 1)
    one, other = (rankdata(cosine_similarity(a)[upper]) for a in (x, y))
    if one.std() == 0 or other.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _gram(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smaller of the two products of `x` with itself; both have the same norm."""
    return x.T @ x if len(x) >= x.shape[1] else x @ x.T
