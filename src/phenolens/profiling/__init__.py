"""Vectors to comparable profiles: scikit-learn transformers fitted on negative controls, and averages."""

from phenolens.profiling.aggregate import aggregate
from phenolens.profiling.pca_centre_scale import PCACentreScale
from phenolens.profiling.profile import FITTED_ON, PROFILINGS, Level, Profiling, profile
from phenolens.profiling.tvn import TVN

__all__ = ["FITTED_ON", "PROFILINGS", "TVN", "Level", "PCACentreScale", "Profiling", "aggregate", "profile"]
