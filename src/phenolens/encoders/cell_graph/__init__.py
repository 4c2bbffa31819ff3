"""Structural representations: what the places of cells tell, then their shapes, then their types, step by step."""

from phenolens.encoders.cell_graph.encoder import STEPS, cell_graph
from phenolens.encoders.cell_graph.graph import Graph, build_graph

__all__ = ["STEPS", "Graph", "build_graph", "cell_graph"]
