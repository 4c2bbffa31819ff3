"""Phantoms as data sets, which are simulated when first opened."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phenolens.datasets import DatasetEntry, Manifest, read_manifest
from phenolens.simulation.biology import PRESETS
from phenolens.simulation.render import CELL_PAINTING
from phenolens.simulation.screen import simulate_cells
from phenolens.simulation.slides import CLASSES, Variant, simulate_tissue


def open_cells(
    folder: Path,
    *,
    preset: str = "one-factor",
    plates: int = 2,
    wells: int = 48,
    perturbations: int | None = None,
    size: int = 256,
    channels: Sequence[str] = CELL_PAINTING,
    seed: int = 0,
) -> Manifest:
    """Return a simulated screen; see `simulate_cells`."""
    options = {
        "preset": preset,
        "plates": plates,
        "wells": wells,
        "perturbations": perturbations,
        "size": size,
        "channels": tuple(channels),
        "seed": seed,
    }
    return _open(simulate_cells, folder, options)


def open_tissue(
    folder: Path,
    *,
    preset: str = "composition",
    variant: Variant = "he",
    patients: int = 6,
    slides: int = 2,
    tiles: int = 4,
    size: int = 256,
    seed: int = 0,
) -> Manifest:
    """Return simulated slides; see `simulate_tissue`."""
    options = {
        "preset": preset,
        "variant": variant,
        "patients": patients,
        "slides": slides,
        "tiles": tiles,
        "size": size,
        "seed": seed,
    }
    return _open(simulate_tissue, folder, options)


def _open(simulate: Any, folder: Path, options: dict[str, Any]) -> Manifest:
    """Read the phantom with these options, or simulate it first, in a separate folder."""
    digest = hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:8]
    out = folder / f"{options['preset']}-{digest}"
    manifest = out / "manifest.csv"  # written last
    return read_manifest(manifest if manifest.is_file() else simulate(out, **options))


CELLS = DatasetEntry(
    "a simulated fluorescence screen",
    open_cells,
    {name: preset.summary for name, preset in PRESETS.items()},
)
TISSUE = DatasetEntry(
    "simulated slides of patients, cut into tiles",
    open_tissue,
    {name: f"slides of two classes that differ in {name} alone" for name in CLASSES},
)
