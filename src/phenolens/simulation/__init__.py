"""Phantoms: simulated microscopy images with known true factors."""

from phenolens.simulation.biology import PRESETS
from phenolens.simulation.factors import FACTORS, LEVELS, TRUTH, Level, truth_columns
from phenolens.simulation.render import CELL_PAINTING, STAINS
from phenolens.simulation.screen import simulate_cells
from phenolens.simulation.slides import CLASSES, simulate_tissue

__all__ = [
    "CELL_PAINTING",
    "CLASSES",
    "FACTORS",
    "LEVELS",
    "PRESETS",
    "STAINS",
    "TRUTH",
    "Level",
    "simulate_cells",
    "simulate_tissue",
    "truth_columns",
]
