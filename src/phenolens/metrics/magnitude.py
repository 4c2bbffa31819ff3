"""Distances of a group of rows from a reference: energy distance, maximum mean discrepancy, Mahalanobis distance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from phenolens.metrics.shrinkage import ledoit_wolf


def distances(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the Euclidean distances (n, n) between the rows of `x` (n, d)."""
    return squareform(pdist(np.asarray(x, dtype=np.float64)))


def gaussian_dissimilarities(between: NDArray[Any], bandwidth: float | None = None) -> NDArray[np.float64]:
    """Return minus the Gaussian kernel (n, n) between rows, its diagonal zero.

    With it `two_sample_statistic` is the squared maximum mean discrepancy.

    Parameters
    ----------
    between
        (n, n) distances between the rows.
    bandwidth
        The standard deviation of the kernel; the median distance between two rows if None.

    Source: Gretton et al., JMLR 13 (2012).
    """
    bandwidth = float(np.median(squareform(between, checks=False))) if bandwidth is None else bandwidth
    # If all rows are equal, any scale will do.
    found: NDArray[np.float64] = -np.exp(-((between / (bandwidth or 1.0)) ** 2) / 2)
    np.fill_diagonal(found, 0)
    return found


def two_sample_statistic(
    dissimilarity: NDArray[Any], groups: NDArray[np.bool_], reference: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the U-statistic 2 E d(x, y) - E d(x, x') - E d(y, y') of each split of rows into x and y.

    On Euclidean distances it is the energy distance, on `gaussian_dissimilarities` the squared maximum mean
    discrepancy. No row is compared with itself, so that its expectation is 0 if both come from the same distribution.

    Parameters
    ----------
    dissimilarity
        (n, n) symmetric, with zero diagonal.
    groups
        (b, n) masks of x in b splits; at least two rows each.
    reference
        (n,) mask of y, which is disjoint from all x; the rows not in x if None.

    Returns
    -------
    (b,) the statistic of each split; NaN if a side has fewer than two rows.

    Source: Szekely & Rizzo, J. Stat. Plan. Inference 143 (2013).
    """
    inside = groups.astype(np.float64)
    n_x = inside.sum(axis=1)
    to_x = inside @ dissimilarity
    within_x = (to_x * inside).sum(axis=1)
    if reference is None:
        n_y = inside.shape[1] - n_x
        between = to_x.sum(axis=1) - within_x
        within_y = dissimilarity.sum() - within_x - 2 * between
    else:
        n_y = np.full(len(inside), float(reference.sum()))
        between = to_x[:, reference].sum(axis=1)
        within_y = np.full(len(inside), dissimilarity[np.ix_(reference, reference)].sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = 2 * between / (n_x * n_y) - within_x / (n_x * (n_x - 1)) - within_y / (n_y * (n_y - 1))
    return np.where((n_x > 1) & (n_y > 1), statistic, np.nan)


def mahalanobis(x: NDArray[Any], reference: NDArray[Any]) -> float:
    """Return the Mahalanobis distance of the mean of `x` (n, d) from that of `reference` (m, d).

    The covariance of the reference is shrunk towards a multiple of the identity, so that it is invertible for any
    number of rows; NaN if the reference is constant.
    """
    reference = np.asarray(reference, dtype=np.float64)
    centre = reference.mean(axis=0)
    gap = np.asarray(x, dtype=np.float64).mean(axis=0) - centre
    centred = reference - centre
    scale = float((centred**2).mean())
    if scale == 0:
        return float("nan")
    covariance = centred.T @ centred / len(reference)
    share = ledoit_wolf(centred)
    covariance = (1 - share) * covariance + share * scale * np.eye(len(gap))
    return float(np.sqrt(gap @ np.linalg.solve(covariance, gap)))
