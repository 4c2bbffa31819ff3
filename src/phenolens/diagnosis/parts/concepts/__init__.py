"""Which concepts, from cell density to texture, the vectors of an encoder encode, each beyond all others."""

from phenolens.diagnosis.parts.concepts.compare import compare_concepts
from phenolens.diagnosis.parts.concepts.data import ConceptData, draw_rows
from phenolens.diagnosis.parts.concepts.probe import probe_concepts
from phenolens.diagnosis.parts.concepts.variance import explained_variance

__all__ = ["ConceptData", "compare_concepts", "draw_rows", "explained_variance", "probe_concepts"]
