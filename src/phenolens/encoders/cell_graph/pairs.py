"""Pairs of cells by distance, and Ripley's functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from phenolens.datasets import Cells

# Radii in units of 1 / sqrt(density), the side of a square with one cell on average.
RADII = np.array([0.5, 1.0, 1.5, 2.0, 3.0])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of cells up to the largest radius apart.

    Attributes
    ----------
    cells
        (p, 2) the two cells of each pair.
    ring
        (p,) index of the first of `RADII` that the distance does not exceed.
    weight
        (p,) border correction: the inverse of the probability that such a pair is inside the window.
    scale
        The length of one unit of `RADII`.
    """

    cells: NDArray[np.intp]
    ring: NDArray[np.intp]
    weight: NDArray[np.float64]
    scale: float


def close_pairs(cells: Cells) -> Pairs:
    """Return the pairs of cells that are near each other, each once."""
    width, height = cells.extent
    n = len(cells)
    if n < 2:
        return Pairs(np.empty((0, 2), np.intp), np.empty(0, np.intp), np.empty(0), 1.0)
    scale = float(np.sqrt(width * height / n))
    found = KDTree(cells.positions).query_pairs(RADII[-1] * scale, output_type="ndarray")
    apart = np.abs(cells.positions[found[:, 0]] - cells.positions[found[:, 1]])
    ring = np.searchsorted(RADII * scale, np.hypot(apart[:, 0], apart[:, 1]))
    ring = np.minimum(ring, len(RADII) - 1)
    # Ohser's translation correction: the share of the window in which both cells of such a pair can be.
    shared = np.maximum(width - apart[:, 0], 0.05 * width) * np.maximum(height - apart[:, 1], 0.05 * height)
    return Pairs(found.astype(np.intp), ring, width * height / shared, scale)


def ripley(cells: Cells, pairs: Pairs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Besag's L(r) / r - 1 at `RADII`, and the pair correlation minus 1 in the rings between; 0 if random.

    The K function is Ripley's (J. R. Stat. Soc. B 39, 1977) with the translation correction, over pairs of distinct
    cells.
    """
    n = len(cells)
    if n < 2:
        return np.zeros(len(RADII)), np.zeros(len(RADII))
    area = cells.extent[0] * cells.extent[1]
    # Each pair counts twice, once from either cell.
    counted = 2 * np.bincount(pairs.ring, pairs.weight, minlength=len(RADII)) * area / (n * (n - 1))
    radii = RADII * pairs.scale
    rings = np.pi * np.diff(radii**2, prepend=0)
    k = np.cumsum(counted)
    return np.sqrt(k / np.pi) / radii - 1, counted / rings - 1
