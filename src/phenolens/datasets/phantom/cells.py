"""A population of cells: the factors that cause it, the cells drawn from them, and their truth."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from phenolens.datasets.phantom.placement import place

REFERENCE_SIZE = 256
MARGIN = 32
"""Pixels around the field in which cells are drawn too, so that cells straddle the border of the image."""

# Relative spread of each factor between wells that are treated alike.
_WELL_SPREAD = {
    "count": 0.11,
    "intensity": 0.075,
    "nuclear_area": 0.06,
    "elongation": 0.04,
    "texture": 0.08,
    "clustering": 0.25,
}
_BODY_AREA = 1500.0
_NUCLEAR_HARMONICS = (2, 3, 4, 5)
_BODY_HARMONICS = (2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class Factors:
    """What causes the look of a well; the defaults are those of an untreated one.

    Parameters
    ----------
    count
        Expected number of cells in a field of 256 x 256 pixels.
    intensity
        Amount of stain per cell, 1 in untreated cells; multiplies every channel.
    nuclear_area
        Mean area of a nucleus in square pixels.
    elongation
        Mean ratio of the long to the short axis of a nucleus, at least 1; the cell body follows.
    texture
        Mean spacing in pixels of the meshwork of the endoplasmic reticulum; its mean intensity does not follow.
    clustering
        Probability that a cell settles next to another one, rather than where there is room.
    """

    count: float = 38.0
    intensity: float = 1.0
    nuclear_area: float = 370.0
    elongation: float = 1.45
    texture: float = 5.0
    clustering: float = 0.15

    def scaled(self, ratios: Mapping[str, float]) -> "Factors":
        """Return the factors with some of them multiplied, kept within what they can mean."""
        values = asdict(self)
        for name, ratio in ratios.items():
            values[name] *= ratio
        values["elongation"] = max(values["elongation"], 1.0)
        values["clustering"] = min(values["clustering"], 1.0)
        return Factors(**values)

    def varied(self, rng: np.random.Generator) -> "Factors":
        """Return the factors of one well: these, with the variation between wells that are treated alike."""
        return self.scaled({name: _lognormal(spread, 1, rng)[0] for name, spread in _WELL_SPREAD.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The n cells of one site, those of its margin included.

    Parameters
    ----------
    centres
        Positions (y, x) in pixels of the field, shape (n, 2); those of the margin lie outside [0, size).
    inside
        Whether the centre lies in the field, shape (n,).
    angle, elongation, nuclear_area, body_area, intensity, texture
        One value per cell, shape (n,): radians, ratio, square pixels, square pixels, ratio, pixels.
    nuclear_outline, body_outline
        Complex amplitudes of the harmonics 2, 3, ... of the outlines, shape (n, harmonics).
    """

    centres: NDArray[np.float64]
    inside: NDArray[np.bool_]
    angle: NDArray[np.float64]
    elongation: NDArray[np.float64]
    nuclear_area: NDArray[np.float64]
    body_area: NDArray[np.float64]
    intensity: NDArray[np.float64]
    texture: NDArray[np.float64]
    nuclear_outline: NDArray[np.complex128]
    body_outline: NDArray[np.complex128]

    def __len__(self) -> int:
        return len(self.centres)


def draw_cells(factors: Factors, size: int, rng: np.random.Generator) -> Cells:
    """Draw the cells of one site of a well.

    Parameters
    ----------
    factors
        The factors of the well.
    size
        Side of the square field in pixels.
    rng
        Source of randomness.

    Returns
    -------
    Cells
        At least one cell, so that every site has a truth to average.
    """
    density = factors.count / REFERENCE_SIZE**2
    count = max(1, int(rng.poisson(density * size**2)))
    outside = int(rng.poisson(density * ((size + 2 * MARGIN) ** 2 - size**2)))
    centres, inside = place(count, outside, size, MARGIN, factors.clustering, rng)
    n = len(centres)
    # Larger cells have larger nuclei: a part of the variation between cells is shared by the two.
    shared = _lognormal(0.15, n, rng)
    return Cells(
        centres=centres,
        inside=inside,
        angle=rng.uniform(0.0, math.pi, n),
        elongation=1.0 + (factors.elongation - 1.0) * _lognormal(0.35, n, rng),
        nuclear_area=factors.nuclear_area * shared * _lognormal(0.16, n, rng),
        body_area=_BODY_AREA * shared * _lognormal(0.2, n, rng),
        intensity=factors.intensity * _lognormal(0.2, n, rng),
        texture=factors.texture * _lognormal(0.15, n, rng),
        nuclear_outline=_outlines(_NUCLEAR_HARMONICS, 0.035, n, rng),
        body_outline=_outlines(_BODY_HARMONICS, 0.11, n, rng),
    )


def truth(cells: Cells) -> dict[str, float]:
    """Return the true factors of a site: its count, and means over the cells whose centre is in the field.

    Parameters
    ----------
    cells
        The cells of the site.

    Returns
    -------
    dict
        ``true_count``, ``true_intensity``, ``true_nuclear_area``, ``true_elongation``, ``true_texture`` in the units
        of `Factors`, and ``true_neighbour_distance`` in pixels, NaN where a cell has no neighbour.
    """
    inside = cells.inside
    neighbours = cKDTree(cells.centres).query(cells.centres[inside], k=2)[0][:, 1]
    return {
        "true_count": float(inside.sum()),
        "true_intensity": float(cells.intensity[inside].mean()),
        "true_nuclear_area": float(cells.nuclear_area[inside].mean()),
        "true_elongation": float(cells.elongation[inside].mean()),
        "true_texture": float(cells.texture[inside].mean()),
        "true_neighbour_distance": float(neighbours.mean()) if np.isfinite(neighbours).all() else math.nan,
    }


def _lognormal(spread: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw positive numbers of mean 1 and about this relative spread."""
    return rng.lognormal(-0.5 * spread**2, spread, n)


def _outlines(harmonics: tuple[int, ...], roughness: float, n: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Draw the amplitudes of smooth random outlines: the higher the harmonic, the smaller."""
    spread = roughness * 2.0 / np.asarray(harmonics)
    shape = (n, len(harmonics))
    real, imaginary = rng.normal(0.0, spread, shape), rng.normal(0.0, spread, shape)
    return np.asarray((real + 1j * imaginary) / math.sqrt(2.0), dtype=np.complex128)
