"""Clusters of entities that are related to each other, such as genes of a complex, for resampling them whole."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

CROSSED = 2.0
"""How many clusters each pair involves where every entity is one."""

_FEWEST = 6  # clusters: of fewer, no choice of signs is rare
_MOST_SHARE = 1 / 16  # of all ends of pairs in a cluster, beyond which it is divided if it can be
_MOST_CONDUCTANCE = 0.1  # share of a cluster's ends of pairs that a division may cut
_LEAST_SHARE = 0.05  # of a cluster's ends of pairs in either part of it
_DENSE = 200  # entities, up to which all eigenvectors are cheap


def network_clusters(pairs: NDArray[np.intp], n: int) -> tuple[NDArray[np.intp], float]:
    """Return clusters of entities within which, and hardly between which, pairs are.

    A mean over pairs is not one over independent pairs: those of a complex share its genes and its phenotype. Clusters
    are the connected components; one that holds more than a sixteenth of the pairs is divided where a cut parts at most
    a tenth of them from the smaller side. Resampled whole, clusters of low conductance give valid errors for dependence
    along the network (Leung, Econometrica 91, 2023). Cuts are sought along the second eigenvector of the normalised
    Laplacian (Shi & Malik, IEEE Trans. Pattern Anal. 22, 2000).

    Where no six clusters of equal weight would be worth as many, pairs are crossed: each entity is then a cluster, and
    each pair involves two (Hoeffding, Ann. Math. Stat. 19, 1948). That takes what pairs without a common entity have in
    common for nothing.

    Parameters
    ----------
    pairs
        (m, 2) distinct related pairs of numbers below `n`.
    n
        The number of entities.

    Returns
    -------
    The cluster (n,) of each entity, and the mean number of clusters that a pair involves, from 1 to 2.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = np.arange(12).reshape(6, 2)
    >>> network_clusters(pairs, 12)
    (array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]), 1.0)
    >>> network_clusters(np.array([[0, 1], [1, 2]]), 3)
    (array([0, 1, 2]), 2.0)
    """
    pairs = np.ascontiguousarray(pairs, dtype=np.int64)
    clusters, order = _cluster(pairs.tobytes(), n)
    return clusters.copy(), order


@lru_cache(maxsize=16)
def _cluster(content: bytes, n: int) -> tuple[NDArray[np.intp], float]:
    pairs = np.frombuffer(content, dtype=np.int64).reshape(-1, 2)
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    graph = csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    degree = np.bincount(ends[:, 0], minlength=n).astype(np.float64)
    clusters = np.empty(n, np.intp)
    for number, members in enumerate(_divide(graph, degree)):
        clusters[members] = number
    clusters = _by_first_appearance(clusters)
    if effective_number(clusters, degree) < _FEWEST:
        return np.arange(n), CROSSED
    return clusters, 1 + float((clusters[pairs[:, 0]] != clusters[pairs[:, 1]]).mean())


def effective_number(clusters: NDArray[np.intp], weights: NDArray[np.float64]) -> float:
    """Return how many clusters of equal weight are worth as many as these (Kish, Survey Sampling, 1965).

    Parameters
    ----------
    clusters, weights
        (n,) cluster and weight of each entity.
    """
    share = np.bincount(clusters, weights=weights)
    return float(share.sum() ** 2 / (share**2).sum()) if share.any() else 0.0


def _by_first_appearance(clusters: NDArray[np.intp]) -> NDArray[np.intp]:
    _, first, codes = np.unique(clusters, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[codes]


def _divide(graph: Any, degree: NDArray[np.float64]) -> Iterator[NDArray[np.intp]]:
    """Yield the members of each cluster."""
    components = connected_components(graph, directed=False)[1]
    order = np.argsort(components, kind="stable")
    waiting = np.split(order, np.flatnonzero(np.diff(components[order])) + 1)
    most = _MOST_SHARE * degree.sum()
    while waiting:
        members = waiting.pop()
        side = _sparse_cut(graph[members][:, members]) if degree[members].sum() > most else None
        if side is None:
            yield members
        else:
            waiting += [members[side], members[~side]]


def _sparse_cut(graph: Any) -> NDArray[np.bool_] | None:
    """Return one side (n,) of the cut of least conductance along the second eigenvector; None if it parts too many."""
    n = graph.shape[0]
    degree = np.asarray(graph.sum(axis=1)).ravel()
    if n < 4 or not (degree > 0).all():
        return None
    scale = diags_array(1 / np.sqrt(degree))
    affinity = scale @ graph @ scale
    if n <= _DENSE:
        vector = np.linalg.eigh(affinity.toarray())[1][:, -2]
    else:
        vector = eigsh(affinity, k=2, which="LA", v0=np.sqrt(degree) + np.linspace(0, 1, n), tol=1e-4)[1][:, 0]
    order = np.argsort(vector / np.sqrt(degree), kind="stable")
    arranged = graph[order][:, order].tocoo()
    # An edge between places i < j is cut by each cut after i and before j.
    upper = arranged.row < arranged.col
    change = np.bincount(arranged.row[upper], minlength=n) - np.bincount(arranged.col[upper], minlength=n)
    cut = np.cumsum(change)[:-1]
    before = np.cumsum(degree[order])[:-1]
    smaller = np.minimum(before, degree.sum() - before)
    conductance = np.where(smaller >= _LEAST_SHARE * degree.sum(), cut / smaller, np.inf)
    best = int(np.argmin(conductance))
    if conductance[best] > _MOST_CONDUCTANCE:
        return None
    side = np.zeros(n, dtype=bool)
    side[order[: best + 1]] = True
    return side
