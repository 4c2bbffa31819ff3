"""Where does it gain? Strata of phenotypes, amounts of data, layers and pooling."""

from phenolens.diagnosis.where.efficiency import data_efficiency
from phenolens.diagnosis.where.selection import choose_on_held_out, layer_variants
from phenolens.diagnosis.where.strata import compare_strata

__all__ = ["choose_on_held_out", "compare_strata", "data_efficiency", "layer_variants"]
