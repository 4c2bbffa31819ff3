"""Simulated tissue: glands in a stroma, cells of several types, and expression that depends on neighbourhoods."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

TYPES = ("epithelial", "fibroblast", "lymphocyte", "macrophage")
EXPRESSED = ("gene_immune", "gene_stroma", "gene_interface")
_EPITHELIAL = 0
_LYMPHOCYTE = 2
_SPACING = 15.0
_JITTER = 0.5
_SPARSE = 0.3  # share of positions in the stroma without a cell
RING = 18.0  # depth of the epithelium around a lumen
_NEIGHBOURS = 10
# Area in square pixels and elongation of nuclei, by type.
_NUCLEI = {
    "epithelial": (105.0, 1.35),
    "fibroblast": (70.0, 2.8),
    "lymphocyte": (52.0, 1.08),
    "macrophage": (92.0, 1.3),
}


@dataclass(frozen=True, slots=True)
class TissueFactors:
    """The factors of a piece of tissue.

    Attributes
    ----------
    shares
        The shares of fibroblasts, lymphocytes and macrophages among the cells of the stroma, which sum to 1.
    clustering
        From 0, lymphocytes of a tile at random positions, to 1, in a cluster; their number does not depend on it.
    nuclear_area
        The area of epithelial nuclei, relative to the default.
    stain
        The amounts of haematoxylin and eosin, relative to the default.
    glands
        Glands per million square pixels.
    """

    shares: tuple[float, float, float] = (0.6, 0.25, 0.15)
    clustering: float = 0.0
    nuclear_area: float = 1.0
    stain: tuple[float, float] = (1.0, 1.0)
    glands: float = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Tissue:
    """The n cells of a piece of tissue of `side` pixels, and its glands.

    Attributes
    ----------
    centres
        Positions (y, x) in pixels, shape (n, 2).
    kind
        Index into `TYPES`, shape (n,).
    area, elongation, angle
        Area of nuclei in square pixels, ratio of their axes, and direction in radians, shape (n,).
    depth
        Distance of each pixel from the nearest lumen's rim, negative inside, shape (side, side).
    lie
        Direction of the fibres of the stroma in radians.
    """

    centres: NDArray[np.float64]
    kind: NDArray[np.intp]
    area: NDArray[np.float64]
    elongation: NDArray[np.float64]
    angle: NDArray[np.float64]
    depth: NDArray[np.float32]
    lie: float

    def __len__(self) -> int:
        return len(self.centres)


def draw_tissue(factors: TissueFactors, side: int, tile: int, rng: np.random.Generator) -> Tissue:
    """Draw a piece of tissue.

    Parameters
    ----------
    factors
        Its factors.
    side
        Side of the square piece in pixels, a multiple of `tile`.
    tile
        Side of the tiles that it will be cut into. Cell types of the stroma are assigned tile by tile, so that their
        numbers in a tile do not depend on their arrangement.
    rng
        Source of randomness.
    """
    depth, nearest, middle = _glands(factors.glands, side, rng)
    centres = _lattice(side, rng)
    y, x = np.clip(centres.astype(int), 0, side - 1).T
    at = depth[y, x]
    # Lumina are empty, and cells of the stroma are sparse.
    kept = (at > -2.0) & ((at <= RING) | (rng.random(len(at)) >= _SPARSE))
    centres, at, y, x = centres[kept], at[kept], y[kept], x[kept]
    kind = np.full(len(centres), _EPITHELIAL, dtype=np.intp)
    stroma = np.flatnonzero(at > RING)
    kind[stroma] = _assign_types(centres[stroma], factors, tile, rng)
    areas, elongations = (np.array([_NUCLEI[name][part] for name in TYPES]) for part in (0, 1))
    area = areas[kind] * rng.lognormal(-0.5 * 0.18**2, 0.18, len(kind))
    area[kind == _EPITHELIAL] *= factors.nuclear_area
    elongation = 1.0 + (elongations[kind] - 1.0) * rng.lognormal(-0.5 * 0.2**2, 0.2, len(kind))
    lie = float(rng.uniform(0.0, math.pi))
    angle = rng.uniform(0.0, math.pi, len(kind))
    # Epithelial nuclei point towards their lumen, fibroblasts are parallel to the fibres.
    gland = middle[nearest[y, x]] if len(middle) else centres
    towards = np.arctan2(gland[:, 0] - centres[:, 0], gland[:, 1] - centres[:, 1])
    angle = np.where(kind == _EPITHELIAL, towards + rng.normal(0.0, 0.2, len(kind)), angle)
    angle = np.where(kind == TYPES.index("fibroblast"), lie + rng.normal(0.0, 0.25, len(kind)), angle)
    return Tissue(centres, kind, area, elongation, angle % math.pi, depth, lie)


def cell_rows(tissue: Tissue, site_id: str, top: int, left: int, tile: int) -> pd.DataFrame:
    """Return one row per cell of a tile: its position, type and nuclear shape; `instance` as in the mask."""
    cells = inside_tile(tissue, top, left, tile)
    return pd.DataFrame(
        {
            "site_id": site_id,
            "instance": cells + 1,
            "y": tissue.centres[cells, 0] - top,
            "x": tissue.centres[cells, 1] - left,
            "type": np.asarray(TYPES)[tissue.kind[cells]],
            "nuclear_area": tissue.area[cells],
            "elongation": tissue.elongation[cells],
        }
    )


def inside_tile(tissue: Tissue, top: int, left: int, tile: int) -> NDArray[np.intp]:
    """Return the cells whose centre is in a tile."""
    y, x = tissue.centres.T
    return np.flatnonzero((y >= top) & (y < top + tile) & (x >= left) & (x < left + tile))


def tile_truth(tissue: Tissue, top: int, left: int, tile: int) -> dict[str, float]:
    """Return the true factors of a tile.

    Returns
    -------
    dict
        ``true_count``; ``true_share_<type>``; ``true_nuclear_area``, the mean over epithelial nuclei in square pixels,
        NaN without any; ``true_clustering``, the share of a lymphocyte's ten nearest neighbours that are lymphocytes,
        minus their share of the tile.
    """
    cells = inside_tile(tissue, top, left, tile)
    kind = tissue.kind[cells]
    facts = {"true_count": float(len(cells))}
    facts |= {
        f"true_share_{name}": float((kind == code).mean()) if len(cells) else 0.0 for code, name in enumerate(TYPES)
    }
    epithelial = tissue.area[cells][kind == _EPITHELIAL]
    facts["true_nuclear_area"] = float(epithelial.mean()) if len(epithelial) else float("nan")
    around = _around(tissue)[cells]
    lymphocytes = around[kind == _LYMPHOCYTE][:, _LYMPHOCYTE]
    share = facts[f"true_share_{TYPES[_LYMPHOCYTE]}"]
    facts["true_clustering"] = float(lymphocytes.mean()) - share if len(lymphocytes) else float("nan")
    return facts


def expression(
    tissue: Tissue, top: int, left: int, tile: int, patient: NDArray[np.float64], rng: np.random.Generator
) -> dict[str, float]:
    """Return the expression of genes in a tile: the mean over its cells, which depends on their neighbourhoods.

    ``gene_immune`` increases with lymphocytes around lymphocytes, ``gene_stroma`` with the share of fibroblasts,
    ``gene_interface`` with lymphocytes around epithelial cells. The level of the patient and noise are added.
    """
    cells = inside_tile(tissue, top, left, tile)
    kind, around = tissue.kind[cells], _around(tissue)[cells]
    lymphocytes, fibroblasts = around[:, _LYMPHOCYTE], around[:, TYPES.index("fibroblast")]
    means = (
        _mean(lymphocytes[kind == _LYMPHOCYTE]),
        _mean(fibroblasts),
        _mean(lymphocytes[kind == _EPITHELIAL]),
    )
    return {
        name: float(6.0 * mean + level + 0.15 * rng.standard_normal())
        for name, mean, level in zip(EXPRESSED, means, patient, strict=True)
    }


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _around(tissue: Tissue) -> NDArray[np.float64]:
    """Return the share of each type (n, types) among the nearest neighbours of each cell."""
    nearest = cKDTree(tissue.centres).query(tissue.centres, k=min(_NEIGHBOURS + 1, len(tissue)))[1][:, 1:]
    return np.stack([(tissue.kind[nearest] == code).mean(axis=1) for code in range(len(TYPES))], axis=1)


def _glands(
    per_million: float, side: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.float64]]:
    """Return the distance outside the nearest lumen, the index of that lumen, and the centres of lumina."""
    n = int(rng.poisson(per_million * side**2 / 1e6))
    y, x = np.mgrid[:side, :side].astype(np.float32)
    depth, nearest = np.full((side, side), 1e3, dtype=np.float32), np.zeros((side, side), dtype=np.intp)
    middle = rng.uniform(0, side, (n, 2))
    for number, (cy, cx) in enumerate(middle):
        radius, stretch, tilt = rng.uniform(13, 32), rng.uniform(1.0, 1.7), rng.uniform(0, math.pi)
        waves, phase = rng.normal(0, 0.05, 3), rng.uniform(0, 2 * math.pi, 3)
        dy, dx = y - np.float32(cy), x - np.float32(cx)
        u = (dx * math.cos(tilt) + dy * math.sin(tilt)) / np.float32(stretch)
        v = (dy * math.cos(tilt) - dx * math.sin(tilt)) * np.float32(math.sqrt(stretch))
        turn = np.arctan2(v, u)
        rim = radius * (
            1 + sum(w * np.cos((k + 2) * turn + p) for k, (w, p) in enumerate(zip(waves, phase, strict=True)))
        )
        outside = (np.hypot(u, v) - rim).astype(np.float32)
        closer = outside < depth
        depth[closer], nearest[closer] = outside[closer], number
    return depth, nearest, middle


def _lattice(side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return positions near a hexagonal lattice: cells of tissue touch without overlap."""
    rows, columns = np.meshgrid(
        np.arange(0, side, _SPACING * math.sqrt(0.75)), np.arange(0, side, _SPACING), indexing="ij"
    )
    columns = columns + _SPACING / 2 * (np.arange(len(rows)) % 2)[:, None]
    places = np.stack([rows.ravel(), columns.ravel()], axis=1)
    places += rng.normal(0.0, _JITTER * _SPACING / 2, places.shape)
    return places[((places >= 0) & (places < side)).all(axis=1)]


def _assign_types(
    centres: NDArray[np.float64], factors: TissueFactors, tile: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the type of each cell of the stroma; the number of each type depends only on the cells in the tile."""
    kind = np.empty(len(centres), dtype=np.intp)
    tiles = (centres // tile).astype(int) @ np.array([10_000, 1])
    for number in np.unique(tiles):
        in_tile = np.flatnonzero(tiles == number)
        counts = np.floor(np.cumsum((0.0, *factors.shares)) * len(in_tile) + 0.5).astype(int)
        order = rng.permutation(len(in_tile))
        if factors.clustering > 0:
            # Clustered lymphocytes take the positions nearest to a focus.
            focus = centres[in_tile[order[0]]]
            near = np.argsort(((centres[in_tile] - focus) ** 2).sum(axis=1))
            lymphocytes = counts[2] - counts[1]
            gathered = near[: round(factors.clustering * int(lymphocytes))]
            rest = order[~np.isin(order, gathered)]
            order = np.concatenate([rest[: counts[1]], gathered, rest[counts[1] :]])
        for code in range(3):
            kind[in_tile[order[counts[code] : counts[code + 1]]]] = code + 1
    return kind
