"""Features of the shapes of nuclei and of the types of cells."""

import numpy as np
from numpy.typing import NDArray

from phenolens.datasets import Cells
from phenolens.encoders.cell_graph.graph import Graph
from phenolens.encoders.cell_graph.pairs import RADII, Pairs

Features = dict[str, float]


def morphology(cells: Cells, graph: Graph, names: tuple[str, ...]) -> Features:
    """Return mean and standard deviation of each measurement, and its correlation between neighbours.

    The correlation over the ends of edges is Moran's I for a graph; 0 if cells do not differ.
    """
    features: Features = {}
    measured = cells.morphology if cells.morphology is not None else np.empty((len(cells), len(names)))
    for name, values in zip(names, measured.T, strict=True):
        features[f"{name}_mean"] = float(values.mean()) if len(values) else 0.0
        features[f"{name}_sd"] = float(values.std()) if len(values) else 0.0
        features[f"{name}_neighbours"] = _assortativity(values, graph)
    return features


def _assortativity(values: NDArray[np.float64], graph: Graph) -> float:
    """Return the correlation of a number between both ends of all edges, in both directions."""
    ends = values[graph.edges]
    centred = ends - ends.mean() if len(ends) else ends
    variance = float((centred**2).mean()) if len(ends) else 0.0
    if variance <= 1e-12 * max(1.0, float(np.abs(values).max(initial=0.0)) ** 2):
        return 0.0
    return float((centred[:, 0] * centred[:, 1]).mean()) / variance


def composition(cells: Cells, names: tuple[str, ...]) -> Features:
    """Return the share of each type, and their entropy.

    Shares are centred log-ratios with half a cell added per type (Aitchison, J. R. Stat. Soc. B 44, 1982): plain shares
    are dominated by common types and add up to 1.
    """
    counts = np.bincount(cells.types if cells.types is not None else [], minlength=len(names)).astype(float)
    logarithm = np.log(counts + 0.5)
    positive = counts[counts > 0] / max(1.0, counts.sum())
    return {
        **{f"log_share_{name}": float(one) for name, one in zip(names, logarithm - logarithm.mean(), strict=True)},
        "type_entropy": float(-(positive * np.log(positive)).sum()),
    }


def neighbourhoods(cells: Cells, graph: Graph, pairs: Pairs, names: tuple[str, ...]) -> Features:
    """Return which types are neighbours: enrichment over edges, assortativity, and co-occurrence by distance.

    Counts are compared with their expectation under permutation of types over the same positions, in closed form, as
    a log2 ratio with a pseudocount of one pair: composition alone has no effect, and few cells have little.
    """
    k = len(names)
    types = cells.types if cells.types is not None else np.empty(0, np.intp)
    counts = np.bincount(types, minlength=k).astype(float)
    expected = _expected_if_permuted(counts)
    found = _contacts(types[graph.edges], k)
    enrichment = _log_ratio(found, len(graph.edges) * expected)
    upper = np.triu_indices(k)
    features = {f"contact_{names[a]}_{names[b]}": float(enrichment[a, b]) for a, b in zip(*upper, strict=True)}
    features["type_assortativity"] = _type_assortativity(found)
    for ring, radius in enumerate(RADII):
        in_ring = pairs.cells[pairs.ring == ring]
        near = _contacts(types[in_ring], k)
        ratio = _log_ratio(near, len(in_ring) * expected)
        features |= {f"together_{name}_{radius:g}": float(ratio[code, code]) for code, name in enumerate(names)}
    return features


def _expected_if_permuted(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability (k, k) that a pair of cells has types a and b, in either order, if types are permuted."""
    n = counts.sum()
    if n < 2:
        return np.zeros((len(counts), len(counts)))
    both = 2 * np.outer(counts, counts)
    np.fill_diagonal(both, counts * (counts - 1))
    return both / (n * (n - 1))


def _contacts(ends: NDArray[np.intp], k: int) -> NDArray[np.float64]:
    """Return the number of pairs (k, k) with types a and b, in either order; symmetric."""
    low, high = np.sort(ends.reshape(-1, 2), axis=1).T
    found = np.bincount(low * k + high, minlength=k * k).reshape(k, k).astype(float)
    return found + np.triu(found, 1).T


def _log_ratio(found: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log2((found + 1) / (expected + 1))


def _type_assortativity(found: NDArray[np.float64]) -> float:
    """Return the assortativity coefficient of types over edges (Newman, 2003)."""
    mixed = found / 2
    np.fill_diagonal(mixed, np.diag(found))  # from either end, a pair of different types counts once per order
    total = mixed.sum()
    if total == 0:
        return 0.0
    mixed = mixed / total
    chance = float((mixed.sum(axis=0) * mixed.sum(axis=1)).sum())
    return (float(np.trace(mixed)) - chance) / (1 - chance) if chance < 1 - 1e-12 else 0.0
