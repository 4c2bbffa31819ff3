"""Profiling: from embeddings to comparable profiles, by averages and scikit-learn transformers fitted on controls."""

from phenolens.profiling.aggregate import AVERAGES, Average, aggregate
from phenolens.profiling.arm_centre import ArmCentre, GeneArms
from phenolens.profiling.controls import ControlProfiler
from phenolens.profiling.harmony import Harmony
from phenolens.profiling.inverse_normal import InverseNormal
from phenolens.profiling.pca_centre_scale import PCACentreScale
from phenolens.profiling.pipeline import PROFILERS, RAW, parse_profiling
from phenolens.profiling.profile import FITTED_ON, Level, profile
from phenolens.profiling.random_fourier_features import RandomFourierFeatures
from phenolens.profiling.regress_out import RegressOut
from phenolens.profiling.scaling import BatchCentre, RobustZ
from phenolens.profiling.sphering import Sphering
from phenolens.profiling.tvn import TVN

__all__ = [
    "AVERAGES",
    "FITTED_ON",
    "PROFILERS",
    "RAW",
    "TVN",
    "ArmCentre",
    "Average",
    "BatchCentre",
    "ControlProfiler",
    "GeneArms",
    "Harmony",
    "InverseNormal",
    "Level",
    "PCACentreScale",
    "RandomFourierFeatures",
    "RegressOut",
    "RobustZ",
    "Sphering",
    "aggregate",
    "parse_profiling",
    "profile",
]
