"""Statistics of nearest neighbours: label purity, mixing of batches, silhouettes, robustness to nuisances."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import chi2

from phenolens.metrics.similarity import DECIMALS, unit_rows

_BLOCK_CELLS = 2**22
_BISECTIONS = 50


def nearest_neighbours(x: NDArray[Any], k: int, *, device: str = "cpu") -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the k nearest other rows of each row by cosine, and their cosine distances, both (n, k).

    Rows that are equally near stand in random order, the same at each call: in order of their numbers, rows of one
    plate would be the neighbours of all rows where vectors have collapsed.

    Raises
    ------
    ValueError
        If there are not more than k rows, or `x` is not a matrix of finite numbers.
    """
    import torch

    vectors = torch.from_numpy(unit_rows(x)).to(device)
    n = len(vectors)
    if not 0 < k < n:
        raise ValueError(f"{k} nearest neighbours need more than {k} rows, found {n}")
    index, distance = np.empty((n, k), np.intp), np.empty((n, k))
    per_block = max(1, _BLOCK_CELLS // n)
    random = torch.Generator(device).manual_seed(0)
    for start in range(0, n, per_block):
        similarity = (vectors[start : start + per_block] @ vectors.T).round(decimals=DECIMALS)
        rows = torch.arange(len(similarity), device=device)
        similarity[rows, start + rows] = -torch.inf
        order = torch.rand(similarity.shape, generator=random, device=device, dtype=similarity.dtype)
        nearest = (similarity + order * 0.5 * 10.0**-DECIMALS).topk(k, dim=1).indices
        index[start : start + per_block] = nearest.cpu().numpy()
        distance[start : start + per_block] = (1 - similarity.gather(1, nearest)).clamp(min=0).cpu().numpy()
    return index, distance


def neighbour_purity(neighbours: NDArray[np.intp], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of each row's neighbours (n, k) that have its label; by chance, that label's share."""
    labels = np.asarray(labels)
    return (labels[neighbours] == labels[:, None]).mean(axis=1)


def lisi(
    neighbours: NDArray[np.intp],
    distance: NDArray[np.float64],
    labels: NDArray[Any],
    *,
    perplexity: float | None = None,
) -> NDArray[np.float64]:
    """Return the local inverse Simpson index: the effective number of labels around each row.

    Parameters
    ----------
    neighbours, distance
        (n, k) as returned by `nearest_neighbours`.
    labels
        (n,) label of each row.
    perplexity
        The effective number of neighbours under the Gaussian weights; a third of k if None.

    Returns
    -------
    (n,) from 1 (a single label) to the number of labels.

    Notes
    -----
    Source: Korsunsky et al., Nat. Methods 16 (2019).
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    target = np.log(neighbours.shape[1] / 3 if perplexity is None else perplexity)
    # The entropy of the weights exp(-beta d) decreases with beta, which is found by bisection of its logarithm, for
    # distances of any scale.
    scale = np.maximum(distance.mean(axis=1, keepdims=True), np.finfo(float).tiny)
    low, high = np.full((len(distance), 1), -20.0), np.full((len(distance), 1), 20.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        weights = softmax(-np.exp(middle) * distance / scale, axis=1)
        entropy = -(weights * np.log(np.maximum(weights, np.finfo(float).tiny))).sum(axis=1, keepdims=True)
        low, high = np.where(entropy > target, middle, low), np.where(entropy > target, high, middle)
    shares = np.zeros((len(codes), int(codes.max()) + 1))
    np.add.at(shares, (np.arange(len(codes))[:, None], codes[neighbours]), weights)
    return 1 / (shares**2).sum(axis=1)


def kbet(neighbours: NDArray[np.intp], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the p value of each row that its neighbours have the labels of all rows, by a chi-square test.

    The share of rows with p of at least 0.05 is the acceptance rate: 1 where batches are mixed everywhere, 0 where they
    are nowhere. Neighbours are taken for independent draws, which those of correlated rows are not.

    Parameters
    ----------
    neighbours
        (n, k) as returned by `nearest_neighbours`.
    labels
        (n,) label of each row, such as its batch.

    Raises
    ------
    ValueError
        If there are fewer than two labels.

    Notes
    -----
    Source: kBET, Büttner et al., Nat. Methods 16 (2019), with the same k for all rows, as in scib-metrics.

    Examples
    --------
    >>> import numpy as np
    >>> kbet(np.array([[1, 2], [0, 3], [0, 3], [1, 2]]), np.array(["a", "a", "b", "b"]))
    array([1., 1., 1., 1.])
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    n_labels = int(codes.max()) + 1
    if n_labels < 2:
        raise ValueError("mixing needs two labels")
    expected = np.bincount(codes) / len(codes) * neighbours.shape[1]
    observed = np.zeros((len(neighbours), n_labels))
    np.add.at(observed, (np.arange(len(neighbours))[:, None], codes[neighbours]), 1)
    return np.asarray(chi2.sf(((observed - expected) ** 2 / expected).sum(axis=1), n_labels - 1))


def cosine_silhouette(
    x: NDArray[Any], labels: NDArray[Any], *, between: Literal["nearest", "mean"] = "nearest"
) -> NDArray[np.float64]:
    """Return the silhouette of each row under cosine distance, in O(n labels d) by sums over classes.

    Parameters
    ----------
    x
        (n, d) vectors.
    labels
        (n,) label of each row; a label with one row has silhouette 0.
    between
        Whether the distance of a row to others is its mean distance to the nearest other class, or to all other rows.

    Raises
    ------
    ValueError
        If there are fewer than two labels.

    Notes
    -----
    Source: Rousseeuw, J. Comput. Appl. Math. 20 (1987).
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    counts = np.bincount(codes)
    if len(counts) < 2:
        raise ValueError("a silhouette needs two labels")
    unit = unit_rows(x)
    sums = np.zeros((len(counts), unit.shape[1]))
    np.add.at(sums, codes, unit)
    rows = np.arange(len(codes))
    total = counts - unit @ sums.T  # sums of distances to each class
    total[rows, codes] -= 1 - (unit**2).sum(axis=1)  # a row of zeros has distance 1 to itself
    others = counts - (codes[:, None] == np.arange(len(counts)))
    mean = np.divide(total, others, out=np.zeros_like(total), where=others > 0)
    within = mean[rows, codes]
    if between == "nearest":
        mean[rows, codes] = np.inf
        outside = mean.min(axis=1)
    else:
        outside = (total.sum(axis=1) - total[rows, codes]) / (len(codes) - counts[codes])
    larger = np.maximum(within, outside)
    silhouette = np.divide(outside - within, larger, out=np.zeros(len(codes)), where=larger > 0)
    return np.where(counts[codes] > 1, silhouette, 0.0)


def batch_silhouette(x: NDArray[Any], labels: NDArray[Any], batch: NDArray[Any]) -> dict[Any, float]:
    """Return the mixing of batches within each label: the mean of 1 - |silhouette by batch| over its rows.

    The distance to other batches is the mean over all their rows, since the nearest batch alone would hide batches that
    do not mix. Labels in a single batch, or with a batch for every row, are left out.

    Source: the BRAS of Rautenstrauch & Ohler, Nat. Biotechnol. (2025).
    """
    labels, batch = np.asarray(labels), np.asarray(batch)
    result = {}
    for label in np.unique(labels):
        chosen = labels == label
        if 1 < len(np.unique(batch[chosen])) < chosen.sum():
            result[label] = float(
                (1 - np.abs(cosine_silhouette(np.asarray(x)[chosen], batch[chosen], between="mean"))).mean()
            )
    return result


def robustness_index(neighbours: NDArray[np.intp], labels: NDArray[Any], nuisance: NDArray[Any]) -> float:
    """Return the share of neighbours that agree in biology only, among those that agree in exactly one of the two.

    1: neighbours share the label across nuisances; 0: they share the nuisance across labels; NaN if no neighbour
    agrees in exactly one.

    Parameters
    ----------
    neighbours
        (n, k) as returned by `nearest_neighbours`.
    labels, nuisance
        (n,) the biology and the nuisance (batch, hospital, plate) of each row.

    Notes
    -----
    Source: Kömen et al., PathoROB (2025).
    """
    labels, nuisance = np.asarray(labels), np.asarray(nuisance)
    same_label = labels[neighbours] == labels[:, None]
    same_nuisance = nuisance[neighbours] == nuisance[:, None]
    biology = int((same_label & ~same_nuisance).sum())
    confounder = int((~same_label & same_nuisance).sum())
    return biology / (biology + confounder) if biology + confounder else float("nan")
