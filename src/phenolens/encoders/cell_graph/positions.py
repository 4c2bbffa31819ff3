"""Features of the positions of cells: density and arrangement."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial import ConvexHull, KDTree, QhullError

from phenolens.datasets import Cells
from phenolens.encoders.cell_graph.graph import Graph, once_each, sides_of
from phenolens.encoders.cell_graph.pairs import RADII, Pairs, ripley

Features = dict[str, float]


def density(cells: Cells) -> Features:
    """Return the number of cells, and their number per unit of area."""
    return {"cells": float(len(cells)), "density": len(cells) / (cells.extent[0] * cells.extent[1])}


def arrangement(cells: Cells, graph: Graph, pairs: Pairs) -> Features:
    """Return features of the spatial arrangement of cells; 0 if there are too few cells for a feature.

    Edges, degrees and triangles, nearest neighbours, Ripley's functions, Voronoi areas, spectrum, and persistence.
    """
    return {
        **_edges(graph),
        **_nearest(cells),
        **_ripley(cells, pairs),
        **_voronoi(cells, graph),
        **_spectrum(graph),
        **_persistence(cells, graph),
    }


def _edges(graph: Graph) -> Features:
    degree = graph.degree.astype(float)
    return {
        **_distribution("edge_length", graph.lengths),
        "degree_mean": _mean(degree),
        "degree_sd": _sd(degree),
        "isolated": _mean(degree == 0),
        "clustering": _clustering(graph),
    }


def _clustering(graph: Graph) -> float:
    """Return the clustering coefficient: the mean share of pairs of a cell's neighbours that are neighbours."""
    if not len(graph.edges):
        return 0.0
    adjacency = graph.adjacency()
    closed = (adjacency @ adjacency).multiply(adjacency).sum(axis=1)
    possible = graph.degree * (graph.degree - 1)
    return _mean(np.divide(closed, possible, out=np.zeros(graph.n), where=possible > 0))


def _nearest(cells: Cells) -> Features:
    """Return the distance of the nearest neighbour, also relative to complete randomness (Clark and Evans, 1954)."""
    if len(cells) < 2:
        return {"nearest_mean": 0.0, "nearest_cv": 0.0, "clark_evans": 0.0}
    distance = KDTree(cells.positions).query(cells.positions, 2)[0][:, 1]
    expected = 0.5 * np.sqrt(cells.extent[0] * cells.extent[1] / len(cells))
    return {
        "nearest_mean": _mean(distance),
        "nearest_cv": _cv(distance),
        "clark_evans": float(distance.mean() / expected),
    }


def _ripley(cells: Cells, pairs: Pairs) -> Features:
    besag, correlation = ripley(cells, pairs)
    return {
        **{f"ripley_l_{radius:g}": float(value) for radius, value in zip(RADII, besag, strict=True)},
        **{f"pair_correlation_{radius:g}": float(value) for radius, value in zip(RADII, correlation, strict=True)},
    }


def _voronoi(cells: Cells, graph: Graph) -> Features:
    """Return the variation of the Voronoi areas of cells, without those at the rim, whose areas are unknown."""
    area = voronoi_areas(cells.positions, graph.triangles)
    area = area[np.isfinite(area) & (area > 0)]
    if len(area) < 2:
        return {"voronoi_log_sd": 0.0, "voronoi_low": 0.0, "voronoi_high": 0.0}
    low, middle, high = np.log(np.quantile(area, [0.1, 0.5, 0.9]))
    return {"voronoi_log_sd": _sd(np.log(area)), "voronoi_low": middle - low, "voronoi_high": high - middle}


def voronoi_areas(positions: NDArray[np.float64], triangles: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the area of each cell's Voronoi polygon (n,), NaN for cells on the rim and those without a triangle.

    Each triangle contributes to the areas of its corners by the cotangents of its angles, negatively if the centre of
    the circumcircle is outside; around an inner cell these contributions add up to its polygon.
    """
    n = len(positions)
    total = np.full(n, np.nan)
    if not len(triangles):
        return total
    corners = positions[triangles]
    part = np.zeros((len(triangles), 3))
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        to_b, to_c = corners[:, b] - corners[:, a], corners[:, c] - corners[:, a]
        twice_area = np.abs(to_b[:, 0] * to_c[:, 1] - to_b[:, 1] * to_c[:, 0])
        cotangent = (to_b * to_c).sum(axis=1) / np.maximum(twice_area, 1e-300)
        eighth = ((corners[:, c] - corners[:, b]) ** 2).sum(axis=1) * cotangent / 8
        part[:, b] += eighth
        part[:, c] += eighth
    area = np.bincount(triangles.ravel(), part.ravel(), minlength=n)
    inner = np.bincount(triangles.ravel(), minlength=n) > 0
    try:
        inner[ConvexHull(positions).vertices] = False
    except QhullError:
        return total
    total[inner] = area[inner]
    return total


def _spectrum(graph: Graph) -> Features:
    """Return moments of the spectrum of the normalised Laplacian: return probabilities of a random walk after k steps.

    They are the k-th moments of the eigenvalues of the normalised adjacency (1 minus those of the Laplacian), computed
    exactly by sparse products: the trace of a product of two symmetric matrices is the sum of their entrywise product.
    """
    names = [f"walk_back_{k}" for k in (2, 3, 4)]
    if not len(graph.edges):
        return dict.fromkeys(names, 0.0)
    degree = graph.degree
    root = diags_array(np.divide(1, np.sqrt(degree), out=np.zeros(graph.n), where=degree > 0))
    one = csr_array(root @ graph.adjacency() @ root)
    two = csr_array(one @ one)
    traces = [(one * one).sum(), (one * two).sum(), (two * two).sum()]
    return {name: float(trace) / graph.n for name, trace in zip(names, traces, strict=True)}


def _persistence(cells: Cells, graph: Graph) -> Features:
    """Return the distances at which groups of cells merge: the deaths of zero-dimensional persistent homology.

    They are the edge lengths of the minimum spanning tree, which is part of the Delaunay triangulation.
    """
    if not len(graph.triangles):
        return {**_distribution("merging", np.empty(0)), "components": 0.0}
    i, j = once_each(sides_of(graph.triangles), graph.n).T
    length = np.linalg.norm(cells.positions[i] - cells.positions[j], axis=1)
    tree = minimum_spanning_tree(csr_array((length, (i, j)), (graph.n, graph.n)))
    components, _ = connected_components(graph.adjacency(), directed=False)
    return {**_distribution("merging", tree.data), "components": components / graph.n}


def _distribution(name: str, values: NDArray[np.float64]) -> Features:
    """Return the mean of lengths, their coefficient of variation, and two quantiles relative to the median."""
    if not len(values):
        return {f"{name}_{what}": 0.0 for what in ("mean", "cv", "low", "high")}
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    middle = middle or 1.0
    return {
        f"{name}_mean": _mean(values),
        f"{name}_cv": _cv(values),
        f"{name}_low": float(low / middle),
        f"{name}_high": float(high / middle),
    }


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _sd(values: NDArray[np.float64]) -> float:
    return float(values.std()) if len(values) else 0.0


def _cv(values: NDArray[np.float64]) -> float:
    mean = _mean(values)
    return _sd(values) / mean if mean > 0 else 0.0
