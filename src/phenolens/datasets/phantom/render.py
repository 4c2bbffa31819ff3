"""Stains: the light that each channel of a site sends out, before any optics."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from phenolens.datasets.phantom.cells import Cells
from phenolens.datasets.phantom.geometry import Territory
from phenolens.datasets.phantom.texture import TILE, lay, random_field

Painter = Callable[[Cells, Territory, np.random.Generator], NDArray[np.float32]]

_MESH_SPACING = 8.0
_EXPRESSION_SPREAD = 0.12


def paint_dna(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint nuclei: bright, with a mottled chromatin and darker nucleoli."""
    owner = territory.nucleus
    dy, dx = _offsets(cells, owner, rng)
    chromatin = lay(random_field(6.0, rng), dy, dx)
    blobs = lay(random_field(16.0, rng), dy, dx)
    nucleoli = _step((blobs - 1.25) * 4.0) * _step((territory.nuclear_depth - 2.5) * 1.5)
    light = _amount(cells, owner, rng) * (1.0 + 0.13 * chromatin) * (1.0 - 0.45 * nucleoli)
    # A nucleus is a flat lens: thinner, and so dimmer, towards its rim.
    thickness = 0.7 + 0.3 * np.clip(territory.nuclear_depth / 6.0, 0.0, 1.0)
    return np.asarray(light * thickness * _step(territory.nuclear_depth * 1.6), dtype=np.float32)


def paint_er(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint endoplasmic reticulum: a mesh, dense around the nucleus, thin at the periphery, absent in the nucleus.

    The spacing of the mesh is the cell's texture; its mean intensity does not depend on it.
    """
    owner = territory.body
    dy, dx = _offsets(cells, owner, rng)
    zoom = np.asarray(cells.texture / _MESH_SPACING, dtype=np.float32)[owner]
    # The zero lines of a random field make a mesh, another field makes it dense here and sparse there.
    mesh = _mesh(lay(random_field(_MESH_SPACING, rng), dy, dx, zoom=zoom))
    dense = np.exp(0.45 * lay(random_field(2.0 * _MESH_SPACING, rng), dy, dx, zoom=zoom) - 0.5 * 0.45**2)
    outside = np.maximum(-territory.nuclear_depth, 0.0)
    gradient = 0.22 + 0.95 * np.exp(-outside / 8.0)
    hollow = 1.0 - 0.72 * _step(territory.nuclear_depth * 1.2)
    light = _amount(cells, owner, rng) * mesh * dense * gradient * hollow
    edge = _step((np.minimum(territory.body_depth, territory.border_depth + 1.5) - 1.5) * 0.9)
    return np.asarray(light * edge, dtype=np.float32)


def paint_actin(cells: Cells, territory: Territory, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint actin: stress fibres along the cell, a bright cortex at its rim, and a diffuse rest."""
    owner = territory.body
    dy, dx = _offsets(cells, owner, rng)
    tilt = np.asarray(cells.angle + rng.normal(0.0, 0.25, len(cells)), dtype=np.float32)[owner]
    fibres = np.exp(0.9 * lay(random_field(5.5, rng, fibrous=True), dy, dx, angle=tilt) - 0.5 * 0.9**2)
    patches = np.exp(0.5 * lay(random_field(22.0, rng), dy, dx) - 0.5 * 0.5**2)
    rim = np.minimum(territory.body_depth, territory.border_depth)
    cortex = np.exp(-0.5 * ((rim - 1.2) / 1.2) ** 2)
    light = 0.16 + 0.42 * fibres * patches + 0.75 * cortex * patches
    return np.asarray(_amount(cells, owner, rng) * light * _step(territory.body_depth * 1.4), dtype=np.float32)


STAINS: Mapping[str, Painter] = {"dna": paint_dna, "er": paint_er, "actin": paint_actin}


def _step(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rise smoothly from 0 to 1 around 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(depth), dtype=np.float32)


def _mesh(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn a Gaussian field into bright lines where it crosses zero, of mean 1."""
    sharpness = 1.6
    mean = 2.0 * math.exp(0.5 * sharpness**2) * float(ndtr(-sharpness))
    return np.asarray(np.exp(-sharpness * np.abs(field)) / mean, dtype=np.float32)


def _amount(cells: Cells, owner: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the amount of stain of the owner of each pixel, with the spread of this one channel."""
    expression = rng.lognormal(-0.5 * _EXPRESSION_SPREAD**2, _EXPRESSION_SPREAD, len(cells))
    return np.asarray(cells.intensity * expression, dtype=np.float32)[owner]


def _offsets(
    cells: Cells, owner: NDArray[np.intp], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the offsets of each pixel from a random origin of its owner, so that no two cells share a texture."""
    origin = (cells.centres + rng.uniform(0.0, TILE, (len(cells), 2))).astype(np.float32)
    y = np.arange(owner.shape[0], dtype=np.float32)[:, None]
    x = np.arange(owner.shape[1], dtype=np.float32)[None, :]
    return y - origin[owner, 0], x - origin[owner, 1]
