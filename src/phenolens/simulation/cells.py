"""Populations of cells drawn from the factors of a well, and their true factors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from phenolens.simulation.factors import Factors, scaled
from phenolens.simulation.placement import place

REFERENCE_SIZE = 256
MARGIN = 32
"""Width of the margin in which cells are drawn too, so that cells overlap the border of the image."""

STATES = ("interphase", "mitotic", "dying")

# Relative standard deviation of each factor between the cells of a well.
_CELL_SD = {
    "intensity": 0.2,
    "dna_amount": 0.1,
    "er_amount": 0.1,
    "rna_amount": 0.1,
    "agp_amount": 0.1,
    "mito_amount": 0.1,
    "nuclear_area": 0.16,
    "body_area": 0.2,
    "elongation": 0.35,
    "irregularity": 0.1,
    "texture": 0.15,
    "nucleoli": 0.15,
    "mito_spacing": 0.15,
    "fibres": 0.15,
    "golgi_spread": 0.15,
}
_SHARED_SIZE_SD = 0.15
# Ratios by state. Cells in mitosis round up around condensed chromosomes, dying cells shrink.
_STATE_RATIOS: Mapping[str, Mapping[str, float]] = {
    "mitotic": {"nuclear_area": 0.5, "body_area": 0.75, "dna_amount": 2.0, "irregularity": 0.4, "nucleoli": 0.1},
    "dying": {
        "nuclear_area": 0.3, "body_area": 0.35, "dna_amount": 2.2, "irregularity": 1.8,
        "er_amount": 0.6, "rna_amount": 0.5, "agp_amount": 0.7, "mito_amount": 0.3, "nucleoli": 0.1,
    },
}  # fmt: skip
_STATE_ELONGATION = {"mitotic": 2.4, "dying": 1.1}
# Cells are of two kinds that differ in textures but not in mean intensity, so that their arrangement has no effect on
# averages over cells or pixels.
_KIND_RATIOS = {"texture": (0.72, 1.39), "mito_spacing": (1.39, 0.72)}
_NUCLEAR_HARMONICS = (2, 3, 4, 5)
_BODY_HARMONICS = (2, 3, 4, 5, 6)
_ALONG_SD = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The n cells of one site, including those in its margin.

    Parameters
    ----------
    centres
        Positions (y, x) in pixels of the field, shape (n, 2); those in the margin are outside [0, size).
    inside
        Whether the centre is in the field, shape (n,).
    angle
        Direction of the long axis in radians, shape (n,).
    values
        Each factor of single cells, as in `FACTORS`, shape (n,).
    body_elongation
        Ratio of the axes of the body, shape (n,).
    nuclear_outline, body_outline
        Complex amplitudes of the harmonics 2, 3, ... of the outlines, shape (n, harmonics).
    kind, state
        Index of one of two kinds, and into `STATES`, shape (n,).
    responds
        Whether the perturbation took effect, shape (n,).
    seed
        The seed of structures that several stains share, such as nucleoli.
    """

    centres: NDArray[np.float64]
    inside: NDArray[np.bool_]
    angle: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]
    body_elongation: NDArray[np.float64]
    nuclear_outline: NDArray[np.complex128]
    body_outline: NDArray[np.complex128]
    kind: NDArray[np.intp]
    state: NDArray[np.intp]
    responds: NDArray[np.bool_]
    seed: int

    def __len__(self) -> int:
        return len(self.centres)


def draw_cells(
    factors: Factors, ratios: Mapping[str, float], penetrance: float, size: int, rng: np.random.Generator
) -> Cells:
    """Draw the cells of one site of a well.

    Parameters
    ----------
    factors
        The factors of the well without perturbation.
    ratios
        Factor -> ratio by which the perturbation changes it in a responding cell.
    penetrance
        The share of cells that respond. Factors of the whole population change by that share of the log ratio.
    size
        Side of the square field in pixels.
    rng
        Source of randomness.

    Returns
    -------
    Cells
        At least one cell, so that means are defined for every site.
    """
    whole = scaled(factors, {name: ratio**penetrance for name, ratio in ratios.items()})
    changed = scaled(factors, ratios)
    density = whole["count"] / REFERENCE_SIZE**2
    count = max(1, int(rng.poisson(density * size**2)))
    outside = int(rng.poisson(density * ((size + 2 * MARGIN) ** 2 - size**2)))
    centres, inside = place(count, outside, size, MARGIN, whole["clustering"], rng)
    n = len(centres)
    responds = rng.random(n) < penetrance
    kind = _kinds(centres, whole["segregation"], size, rng)
    state = _states(
        np.where(responds, changed["mitotic"], factors["mitotic"]),
        np.where(responds, changed["dying"], factors["dying"]),
        rng,
    )
    # Larger cells have larger nuclei: part of the variation between cells is shared by both.
    shared = _lognormal(_SHARED_SIZE_SD, n, rng)
    values = {}
    for name, relative_sd in _CELL_SD.items():
        mean = np.where(responds, changed[name], factors[name])
        variation = _lognormal(relative_sd, n, rng)
        values[name] = 1.0 + (mean - 1.0) * variation if name == "elongation" else mean * variation
    for name in ("nuclear_area", "body_area"):
        values[name] *= shared
    for name, pair in _KIND_RATIOS.items():
        values[name] *= np.asarray(pair)[kind]
    body_elongation = 1.0 + 0.7 * (values["elongation"] - 1.0)  # bodies are less elongated than nuclei
    for code, state_name in enumerate(STATES[1:], start=1):
        in_state = state == code
        for name, ratio in _STATE_RATIOS[state_name].items():
            values[name][in_state] *= ratio
        values["elongation"][in_state] = _STATE_ELONGATION[state_name]
        body_elongation[in_state] = 1.05
    rough = values["irregularity"][:, None]
    return Cells(
        centres=centres,
        inside=inside,
        angle=_angles(centres, whole["alignment"], size, rng),
        values=values,
        body_elongation=body_elongation,
        nuclear_outline=_outlines(_NUCLEAR_HARMONICS, 0.035, n, rng) * rough,
        body_outline=_outlines(_BODY_HARMONICS, 0.11, n, rng) * rough,
        kind=kind,
        state=state,
        responds=responds,
        seed=int(rng.integers(2**32)),
    )


def truth(cells: Cells) -> dict[str, float]:
    """Return the true factors of a site: its count, and means over the cells whose centre is in the field.

    Returns
    -------
    dict
        ``true_count``; ``true_<factor>`` for each factor of single cells; ``true_mitotic`` and ``true_dying``, shares;
        ``true_neighbour_distance``, pixels; ``true_alignment``, the mean cosine of twice the angle between a cell and
        its nearest neighbour; ``true_segregation``, the share of cells whose nearest neighbour is of their kind. The
        last three are NaN if there is only one cell.
    """
    inside = cells.inside
    facts = {"true_count": float(inside.sum())}
    facts |= {f"true_{name}": float(values[inside].mean()) for name, values in cells.values.items()}
    facts |= {f"true_{name}": float((cells.state[inside] == STATES.index(name)).mean()) for name in STATES[1:]}
    distance, nearest = (part[:, 1] for part in cKDTree(cells.centres).query(cells.centres[inside], k=2))
    if not np.isfinite(distance).all():
        return facts | dict.fromkeys(("true_neighbour_distance", "true_alignment", "true_segregation"), float("nan"))
    along = np.cos(2.0 * (cells.angle[inside] - cells.angle[nearest]))
    return facts | {
        "true_neighbour_distance": float(distance.mean()),
        "true_alignment": float(along.mean()),
        "true_segregation": float((cells.kind[inside] == cells.kind[nearest]).mean()),
    }


def cell_table(cells: Cells, site_id: str) -> pd.DataFrame:
    """Return one row per cell whose centre is in the field: its position, kind, state and factors."""
    inside = cells.inside
    columns: dict[str, Any] = {
        "site_id": site_id,
        "y": cells.centres[inside, 0],
        "x": cells.centres[inside, 1],
        "angle": cells.angle[inside],
        "kind": cells.kind[inside],
        "state": np.asarray(STATES)[cells.state[inside]],
        "responds": cells.responds[inside],
    }
    return pd.DataFrame(columns | {name: values[inside] for name, values in cells.values.items()})


def _states(mitotic: NDArray[np.float64], dying: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the state of each cell; mitosis takes precedence if the shares exceed one."""
    draw = rng.random(len(mitotic))
    return np.where(draw < mitotic, 1, np.where(draw < mitotic + dying, 2, 0)).astype(np.intp)


def _kinds(centres: NDArray[np.float64], segregation: float, size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the kind of each cell, half of each: that of its region, or random."""
    n = len(centres)
    # Two broad waves across the field make its regions.
    direction, phase = rng.uniform(0.0, 2.0 * math.pi, (2, 2))
    waves = np.stack([np.sin(direction), np.cos(direction)]) * 2.0 * math.pi / (1.1 * size)
    region = np.cos(centres @ waves + phase).sum(axis=1)
    score = np.where(rng.random(n) < segregation, region, rng.permutation(region))
    return (np.argsort(np.argsort(score, kind="stable"), kind="stable") * 2 >= n).astype(np.intp)


def _angles(centres: NDArray[np.float64], alignment: float, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the direction of each cell: along a slowly turning direction of the field, or random."""
    n = len(centres)
    start, turn = rng.uniform(0.0, math.pi), rng.normal(0.0, 0.8, 2) / size
    along = start + centres @ turn + rng.normal(0.0, _ALONG_SD, n)
    free = rng.uniform(0.0, math.pi, n)
    return np.where(rng.random(n) < alignment, along, free) % math.pi


def _lognormal(relative_sd: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw positive numbers with mean 1 and approximately this relative standard deviation."""
    return rng.lognormal(-0.5 * relative_sd**2, relative_sd, n)


def _outlines(harmonics: tuple[int, ...], roughness: float, n: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Draw the amplitudes of smooth random outlines, smaller for higher harmonics."""
    sd = roughness * 2.0 / np.asarray(harmonics)
    shape = (n, len(harmonics))
    real, imaginary = rng.normal(0.0, sd, shape), rng.normal(0.0, sd, shape)
    return np.asarray((real + 1j * imaginary) / math.sqrt(2.0), dtype=np.complex128)
