"""Stains: the light emitted in each channel of a site, before optics."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from phenolens.simulation.cells import MARGIN, Cells
from phenolens.simulation.geometry import Territory
from phenolens.simulation.texture import TILE, lay, random_field

Painter = Callable[[Cells, Territory, np.random.Generator], NDArray[np.float32]]

_MESH_SPACING = 8.0
_EXPRESSION_SD = 0.12  # of the logarithm, between cells


def paint_dna(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint nuclei: bright, with a mottled chromatin and darker nucleoli."""
    owner = territory.nucleus
    dy, dx = _offsets(cells, owner, rng)
    chromatin = lay(random_field(6.0, rng), dy, dx)
    light = _amount(cells, "dna_amount", owner, rng) * (1.0 + 0.13 * chromatin)
    light *= 1.0 - 0.45 * _nucleoli(cells, territory)
    # A nucleus is shaped like a flat lens: thinner, and therefore dimmer, towards its rim.
    thickness = 0.7 + 0.3 * np.clip(territory.nuclear_depth / 6.0, 0.0, 1.0)
    return np.asarray(light * thickness * _step(territory.nuclear_depth * 1.6), dtype=np.float32)


def paint_rna(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint RNA: bright nucleoli in a dim nucleus, and a diffuse cytoplasm that thins towards the rim."""
    owner = territory.body
    dy, dx = _offsets(cells, owner, rng)
    grain = 1.0 + 0.16 * lay(random_field(4.0, rng), dy, dx)
    cytoplasm = 0.25 + 0.45 * np.exp(-np.maximum(-territory.nuclear_depth, 0.0) / 14.0)
    inside = _step(territory.nuclear_depth * 1.4)
    light = cytoplasm * grain * (1.0 - 0.35 * inside) + 0.95 * _nucleoli(cells, territory)
    light *= _amount(cells, "rna_amount", owner, rng)
    return np.asarray(light * _edge(territory), dtype=np.float32)


def paint_er(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint endoplasmic reticulum: a mesh, dense around the nucleus, thin at the periphery, absent in the nucleus.

    The spacing of the mesh is the texture factor of the cell; mean intensity does not depend on it.
    """
    gradient = 0.22 + 0.95 * np.exp(-np.maximum(-territory.nuclear_depth, 0.0) / 8.0)
    hollow = 1.0 - 0.72 * _step(territory.nuclear_depth * 1.2)
    mesh = _network(cells, "texture", territory.body, 1.6, rng)
    light = _amount(cells, "er_amount", territory.body, rng) * mesh * gradient * hollow
    return np.asarray(light * _edge(territory), dtype=np.float32)


def paint_mito(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint mitochondria: a network of thin bright threads in the cytoplasm, with the spacing of the cell.

    Their mean intensity does not depend on the spacing.
    """
    gradient = 0.18 + 0.9 * np.exp(-np.maximum(-territory.nuclear_depth, 0.0) / 11.0)
    hollow = 1.0 - 0.92 * _step(territory.nuclear_depth * 1.6)
    threads = _network(cells, "mito_spacing", territory.body, 3.2, rng)
    light = _amount(cells, "mito_amount", territory.body, rng) * threads * gradient * hollow
    return np.asarray(light * _edge(territory), dtype=np.float32)


def paint_actin(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint actin: stress fibres along the cell, a bright cortex at its rim, and a diffuse background."""
    owner = territory.body
    dy, dx = _offsets(cells, owner, rng)
    tilt = np.asarray(cells.angle + rng.normal(0.0, 0.25, len(cells)), dtype=np.float32)[owner]
    contrast = np.asarray(0.9 * cells.values["fibres"], dtype=np.float32)[owner]
    fibres = np.exp(contrast * lay(random_field(5.5, rng, fibrous=True), dy, dx, angle=tilt) - 0.5 * contrast**2)
    patches = np.exp(0.5 * lay(random_field(22.0, rng), dy, dx) - 0.5 * 0.5**2)
    rim = np.minimum(territory.body_depth, territory.border_depth)
    cortex = np.exp(-0.5 * ((rim - 1.2) / 1.2) ** 2)
    light = 0.16 + 0.42 * fibres * patches + 0.75 * cortex * patches
    amount = _amount(cells, "agp_amount", owner, rng)
    return np.asarray(amount * light * _step(territory.body_depth * 1.4), dtype=np.float32)


def paint_golgi(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint the Golgi apparatus: a compact patch beside the nucleus, fainter if it is wider."""
    owner = territory.body
    radius = np.sqrt(cells.values["nuclear_area"] / math.pi)
    side = cells.angle + rng.normal(0.0, 0.5, len(cells)) + math.pi * rng.integers(2, size=len(cells))
    centre = cells.centres + (0.95 * radius)[:, None] * np.stack([np.sin(side), np.cos(side)], axis=1)
    width = np.asarray(4.5 * cells.values["golgi_spread"], dtype=np.float32)
    dy, dx = _from(centre + MARGIN, owner)
    patch = np.exp(-0.5 * (dy**2 + dx**2) / width[owner] ** 2) * (4.5 / width[owner]) ** 2
    grain = np.exp(0.5 * lay(random_field(4.5, rng), dy, dx) - 0.5 * 0.5**2)
    light = 2.6 * _amount(cells, "agp_amount", owner, rng) * patch * grain
    return np.asarray(light * _edge(territory), dtype=np.float32)


def paint_agp(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint actin, Golgi and plasma membrane in one channel, as Cell Painting does."""
    return paint_actin(cells, territory, rng) + 0.8 * paint_golgi(cells, territory, rng)


STAINS: Mapping[str, Painter] = {
    "dna": paint_dna,
    "er": paint_er,
    "rna": paint_rna,
    "agp": paint_agp,
    "mito": paint_mito,
    "actin": paint_actin,
    "golgi": paint_golgi,
}
CELL_PAINTING = ("dna", "er", "rna", "agp", "mito")


def _nucleoli(cells: Cells, territory: Territory) -> NDArray[np.float32]:
    """Return a map of nucleoli, 0..1, which is the same in every stain."""
    rng = np.random.default_rng(cells.seed)
    dy, dx = _offsets(cells, territory.nucleus, rng)
    blobs = lay(random_field(16.0, rng), dy, dx)
    # Larger nucleoli have a lower threshold of the field.
    level = np.asarray(1.25 / np.maximum(cells.values["nucleoli"], 0.05) ** 0.6, dtype=np.float32)[territory.nucleus]
    return _step((blobs - level) * 4.0) * _step((territory.nuclear_depth - 2.5) * 1.5)


def _network(
    cells: Cells, factor: str, owner: NDArray[np.intp], sharpness: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a network of mean 1: the zero lines of a random field, with a local density drawn from another field."""
    dy, dx = _offsets(cells, owner, rng)
    zoom = np.asarray(cells.values[factor] / _MESH_SPACING, dtype=np.float32)[owner]
    lines = _mesh(lay(random_field(_MESH_SPACING, rng), dy, dx, zoom=zoom), sharpness)
    return lines * np.exp(
        0.45 * lay(random_field(2.0 * _MESH_SPACING, rng), dy, dx, zoom=zoom) - np.float32(0.5 * 0.45**2)
    )


def _edge(territory: Territory) -> NDArray[np.float32]:
    """Return 1 inside bodies, decreasing towards their rims and the borders between them."""
    return _step((np.minimum(territory.body_depth, territory.border_depth + 1.5) - 1.5) * 0.9)


def _step(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rise smoothly from 0 to 1 around 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(depth), dtype=np.float32)


def _mesh(field: NDArray[np.float32], sharpness: float) -> NDArray[np.float32]:
    """Turn a Gaussian field into bright lines at its zero crossings, with mean 1."""
    mean = 2.0 * math.exp(0.5 * sharpness**2) * float(ndtr(-sharpness))
    return np.asarray(np.exp(-sharpness * np.abs(field)) / mean, dtype=np.float32)


def _amount(cells: Cells, stain: str, owner: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the amount of stain of the owner of each pixel, with the variation of this channel between cells."""
    expression = rng.lognormal(-0.5 * _EXPRESSION_SD**2, _EXPRESSION_SD, len(cells))
    return np.asarray(cells.values["intensity"] * cells.values[stain] * expression, dtype=np.float32)[owner]


def _offsets(
    cells: Cells, owner: NDArray[np.intp], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the offsets of each pixel from a random origin of its owner, so that no two cells share a texture."""
    return _from(cells.centres + rng.uniform(0.0, TILE, (len(cells), 2)), owner)


def _from(origin: NDArray[np.float64], owner: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the offsets (dy, dx) of each pixel from the origin of its owner."""
    origin = origin.astype(np.float32)
    y = np.arange(owner.shape[0], dtype=np.float32)[:, None]
    x = np.arange(owner.shape[1], dtype=np.float32)[None, :]
    return y - origin[owner, 0], x - origin[owner, 1]
