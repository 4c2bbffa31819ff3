"""Cell graphs: features of the positions of cells, then of their shapes, then of their types."""

from phenolens.encoders.cell_graph.encoder import STEPS, cell_graph
from phenolens.encoders.cell_graph.graph import Graph, build_graph

__all__ = ["STEPS", "Graph", "build_graph", "cell_graph"]
