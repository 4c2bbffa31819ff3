"""Train encoders: objectives, data and checkpoints. It knows nothing of tasks."""

from phenolens.training.data import CropStream, stream_loader
from phenolens.training.objective import NotFiniteError, Objective
from phenolens.training.options import DataOptions, ModelOptions, OptimiserOptions, RunOptions
from phenolens.training.train import train

__all__ = [
    "CropStream",
    "DataOptions",
    "ModelOptions",
    "NotFiniteError",
    "Objective",
    "OptimiserOptions",
    "RunOptions",
    "stream_loader",
    "train",
]
