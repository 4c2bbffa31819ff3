"""Images of tissue: haematoxylin and eosin by optical density, or fluorescent markers of cell types."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from phenolens.simulation.texture import lay, random_field
from phenolens.simulation.tissue import RING, TYPES, Tissue

MARKERS = ("dna", "panck", "vimentin", "cd3", "cd68")
# Optical densities of the two stains in red, green and blue (Ruifrok & Johnston, 2001).
_HAEMATOXYLIN, _EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
_CHROMATIN = {"epithelial": 0.95, "fibroblast": 1.15, "lymphocyte": 1.6, "macrophage": 0.85}


@dataclass(frozen=True, slots=True)
class Scanner:
    """A slide scanner: brightness of each colour, contrast, and blur in pixels."""

    white: tuple[float, float, float]
    gamma: float
    blur: float


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scanner."""
    white = 242.0 + rng.normal(0.0, 3.0, 3)
    return Scanner((white[0], white[1], white[2]), float(rng.lognormal(0.0, 0.06)), float(rng.uniform(0.6, 1.1)))


def instance_mask(tissue: Tissue, side: int) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Return the nucleus of each pixel (0 for none, i + 1 for cell i), and the depth inside the nucleus, 0..1."""
    mask, depth = np.zeros((side, side), np.uint16), np.zeros((side, side), np.float32)
    radius = np.sqrt(tissue.area / math.pi)
    for number, (y, x) in enumerate(tissue.centres):
        reach = math.ceil(radius[number] * math.sqrt(tissue.elongation[number]) + 1)
        rows = slice(max(0, int(y) - reach), min(side, int(y) + reach + 1))
        columns = slice(max(0, int(x) - reach), min(side, int(x) + reach + 1))
        dy = np.arange(rows.start, rows.stop)[:, None] - y
        dx = np.arange(columns.start, columns.stop)[None, :] - x
        cos, sin = math.cos(tissue.angle[number]), math.sin(tissue.angle[number])
        stretch = math.sqrt(tissue.elongation[number])
        u, v = (dx * cos + dy * sin) / (radius[number] * stretch), (dy * cos - dx * sin) * stretch / radius[number]
        inside = np.clip(1.0 - (u**2 + v**2), 0.0, None).astype(np.float32)
        deeper = inside > depth[rows, columns]
        depth[rows, columns][deeper] = inside[deeper]
        mask[rows, columns][deeper] = number + 1
    return mask, depth


def stain_he(
    tissue: Tissue,
    mask: NDArray[np.uint16],
    depth: NDArray[np.float32],
    amounts: tuple[float, float],
    scanner: Scanner,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return red, green and blue (3, side, side) of tissue stained with haematoxylin and eosin."""
    side = len(mask)
    y, x = (axis.astype(np.float32) for axis in np.mgrid[:side, :side])
    chromatin = np.array([0.0, *(_CHROMATIN[TYPES[kind]] for kind in tissue.kind)], dtype=np.float32)[mask]
    grain = 1.0 + 0.25 * lay(random_field(5.0, rng), y, x)
    rim = np.sqrt(depth)  # nuclei are shaped like lenses
    haematoxylin = chromatin * (0.55 + 0.45 * rim) * grain + 0.05
    fibres = np.exp(0.55 * lay(random_field(9.0, rng, fibrous=True), y, x, angle=tissue.lie) - 0.15)
    patches = np.exp(0.3 * lay(random_field(40.0, rng), y, x))
    stroma, lumen = _rise(tissue.depth - RING), _rise(-tissue.depth - 1.0)
    eosin = (0.34 * (1 - stroma) + 0.24 * fibres * patches * stroma) * (1 - lumen) * (1 - 0.6 * (mask > 0))
    density = (
        amounts[0] * haematoxylin * (1 - lumen) * _HAEMATOXYLIN[:, None, None]
        + amounts[1] * (eosin + 0.02) * _EOSIN[:, None, None]
    )
    light = np.stack([gaussian_filter(np.exp(-colour), scanner.blur) for colour in density]) ** scanner.gamma
    light = light * np.array(scanner.white)[:, None, None] + rng.normal(0.0, 1.6, light.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def stain_markers(
    tissue: Tissue,
    mask: NDArray[np.uint16],
    depth: NDArray[np.float32],
    amounts: tuple[float, float],
    scanner: Scanner,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Return fluorescence of DNA and of a marker of each cell type (5, side, side), as 12-bit counts.

    A marker surrounds the nuclei of its type; `amounts` are those of DNA stain and of markers.
    """
    side = len(mask)
    y, x = (axis.astype(np.float32) for axis in np.mgrid[:side, :side])
    channels = [amounts[0] * np.sqrt(depth) * (1.0 + 0.15 * lay(random_field(5.0, rng), y, x))]
    kind = np.array([-1, *tissue.kind])[mask]
    for code in range(len(TYPES)):
        body = gaussian_filter((kind == code).astype(np.float32), 3.0)
        grain = np.exp(0.3 * lay(random_field(4.0, rng), y, x))
        channels.append(amounts[1] * 1.2 * body * grain * (1 - 0.6 * (kind == code)))
    light = np.stack([gaussian_filter(np.maximum(channel, 0.0), scanner.blur) for channel in channels])
    electrons = rng.poisson(260.0 * light * np.array([*scanner.white, 242.0, 242.0])[:, None, None] / 242.0 + 12.0)
    counts = 100.0 + 4.0 * (electrons + 2.0 * rng.standard_normal(electrons.shape))
    return np.clip(np.rint(counts), 0, 4095).astype(np.uint16)


def _rise(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rise smoothly from 0 to 1 around 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(depth / 1.5), dtype=np.float32)
