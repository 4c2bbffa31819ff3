"""Phantoms: simulated microscopy whose truth is known."""

from phenolens.datasets.phantom.biology import PRESETS
from phenolens.datasets.phantom.factors import FACTORS, LEVELS, TRUTH, Level, truth_columns
from phenolens.datasets.phantom.render import CELL_PAINTING, STAINS
from phenolens.datasets.phantom.screen import simulate_cells
from phenolens.datasets.phantom.slides import CLASSES, simulate_tissue

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
