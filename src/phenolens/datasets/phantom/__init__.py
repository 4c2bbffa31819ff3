"""Phantoms: simulated microscopy whose truth is known."""

from phenolens.datasets.phantom.screen import simulate_cells

__all__ = ["simulate_cells"]
