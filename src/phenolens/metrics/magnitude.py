"""Distances of a group of rows from a reference: energy distance, maximum mean discrepancy, Mahalanobis distance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from phenolens.metrics.shrinkage import ledoit_wolf

_BLOCK_CELLS = 4_000_000  # dissimilarities within sets that are held at a time


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

    Notes
    -----
    Source: Gretton et al., JMLR 13 (2012).
    """
    bandwidth = float(np.median(squareform(between, checks=False))) if bandwidth is None else bandwidth
    # If all rows are equal, any scale will do.
    found: NDArray[np.float64] = -np.exp(-((between / (bandwidth or 1.0)) ** 2) / 2)
    np.fill_diagonal(found, 0)
    return found


def two_sample_statistic(
    dissimilarity: NDArray[Any], sets: NDArray[np.intp], others: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the U-statistic 2 E d(x, y) - E d(x, x') - E d(y, y') of sets of rows x, each against other rows y.

    On Euclidean distances it is the energy distance, on `gaussian_dissimilarities` the squared maximum mean
    discrepancy. No row is compared with itself, so that its expectation is 0 if both come from the same distribution.

    Parameters
    ----------
    dissimilarity
        (n, n) symmetric, with zero diagonal.
    sets
        (b, k) row numbers of x, distinct within a set.
    others
        (m,) row numbers of y; those that are in a set are not in its y.

    Returns
    -------
    (b,) the statistic of each set; NaN if a side has fewer than two rows.

    Notes
    -----
    Source: Szekely & Rizzo, J. Stat. Plan. Inference 143 (2013).
    """
    k = sets.shape[1]
    is_other = np.zeros(len(dissimilarity))
    is_other[others] = 1
    members, place = np.unique(sets, return_inverse=True)
    to_others = dissimilarity[np.ix_(members, others)].sum(axis=1)
    among_others = dissimilarity[np.ix_(others, others)].sum()
    result = np.empty(len(sets))
    per_block = max(1, _BLOCK_CELLS // k**2)
    for block in (slice(start, start + per_block) for start in range(0, len(sets), per_block)):
        rows, sums = sets[block], to_others[place.reshape(sets.shape)[block]]
        leaving = is_other[rows]  # members that are not in y, although they are among the others
        pairs = dissimilarity[rows[:, :, None], rows[:, None, :]]
        within_x, to_leaving = pairs.sum(axis=(1, 2)), np.einsum("bij,bj->bi", pairs, leaving)
        between = sums.sum(axis=1) - to_leaving.sum(axis=1)
        within_y = among_others - 2 * (sums * leaving).sum(axis=1) + (to_leaving * leaving).sum(axis=1)
        n_y = len(others) - leaving.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = 2 * between / (k * n_y) - within_x / (k * (k - 1)) - within_y / (n_y * (n_y - 1))
            result[block] = np.where((k > 1) & (n_y > 1), statistic, np.nan)
    return result


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
