"""Graphs with cells as nodes and neighbours as edges."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import Delaunay, KDTree, QhullError

Edges = Literal["delaunay", "knn", "radius"]


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph of n cells.

    Attributes
    ----------
    edges
        (m, 2) pairs of cells, each once, with the smaller index first.
    lengths
        (m,) lengths of the edges.
    triangles
        (t, 3) triangles of the Delaunay triangulation, for any kind of edges; none if cells are on a line.
    n
        The number of cells.
    """

    edges: NDArray[np.intp]
    lengths: NDArray[np.float64]
    triangles: NDArray[np.intp]
    n: int

    @property
    def degree(self) -> NDArray[np.intp]:
        """The number of neighbours of each cell (n,)."""
        return np.bincount(self.edges.ravel(), minlength=self.n)

    def adjacency(self, weights: NDArray[np.float64] | None = None) -> csr_array:
        """Return the symmetric adjacency matrix (n, n), with weights (m,) or ones."""
        w = np.ones(len(self.edges)) if weights is None else weights
        i, j = self.edges.T
        return csr_array((np.concatenate([w, w]), (np.concatenate([i, j]), np.concatenate([j, i]))), (self.n, self.n))


def build_graph(
    positions: NDArray[np.float64],
    kind: Edges = "delaunay",
    *,
    cap: float = 4.0,
    k: int = 6,
    radius: float | None = None,
) -> Graph:
    """Connect cells with their neighbours.

    Parameters
    ----------
    positions
        (n, 2) positions of cells; some may coincide.
    kind
        ``delaunay``: the Delaunay triangulation without its longest edges, which bridge empty space. ``knn``: each cell
        and its nearest neighbours, in either direction. ``radius``: all pairs of cells up to this distance.
    cap
        The longest edge of the triangulation that is kept, relative to the median edge.
    k
        The number of nearest neighbours.
    radius
        The distance, in the units of positions.
    """
    n = len(positions)
    triangles, coincident = _triangulate(positions)
    if kind == "delaunay":
        edges = np.concatenate([sides_of(triangles), coincident]) if len(triangles) else _chain(positions)
    elif kind == "knn":
        edges = _nearest(positions, k)
    else:
        edges = KDTree(positions).query_pairs(radius or 0.0, output_type="ndarray") if n else np.empty((0, 2), np.intp)
    edges = once_each(edges, n)
    lengths = np.linalg.norm(positions[edges[:, 0]] - positions[edges[:, 1]], axis=1)
    if kind == "delaunay" and len(edges):
        kept = lengths <= cap * np.median(lengths)
        edges, lengths = edges[kept], lengths[kept]
    return Graph(edges, lengths, triangles, n)


def sides_of(triangles: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the sides (3 t, 2) of triangles (t, 3); shared sides appear twice."""
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def once_each(edges: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return the distinct edges (m, 2) between n nodes, with the smaller node first."""
    low, high = np.sort(edges.astype(np.intp), axis=1).T
    key = np.unique(low * max(n, 1) + high)
    return np.stack([key // max(n, 1), key % max(n, 1)], axis=1)


def _triangulate(positions: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return triangles (t, 3), and pairs of coincident cells, of which the triangulation has only one."""
    none = np.empty((0, 3), np.intp), np.empty((0, 2), np.intp)
    if len(positions) < 3:
        return none
    try:
        found = Delaunay(positions - positions.mean(axis=0))
    except QhullError:  # all on one line
        return none
    return found.simplices.astype(np.intp), found.coplanar[:, [0, 2]].astype(np.intp)


def _chain(positions: NDArray[np.float64]) -> NDArray[np.intp]:
    """Connect consecutive cells, where all are on a line or there are fewer than three."""
    order = np.lexsort(positions.T)
    return np.stack([order[:-1], order[1:]], axis=1)


def _nearest(positions: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    n = len(positions)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((0, 2), np.intp)
    _, found = KDTree(positions).query(positions, k + 1)
    cells = np.repeat(np.arange(n), k + 1)
    pairs = np.stack([cells, found.ravel()], axis=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]
