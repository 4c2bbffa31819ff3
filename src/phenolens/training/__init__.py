"""Training of encoders: objectives, data and checkpoints; independent of tasks."""

from typing import TYPE_CHECKING

from phenolens.core.lazy import import_lazily

if TYPE_CHECKING:
    from phenolens.training.data import CropStream, stream_loader
    from phenolens.training.estimate import Estimate, estimate
    from phenolens.training.objective import NotFiniteError, Objective
    from phenolens.training.options import MOST_FAILED, DataOptions, ModelOptions, OptimiserOptions, RunOptions
    from phenolens.training.push import push
    from phenolens.training.train import train

__all__ = [
    "MOST_FAILED",
    "CropStream",
    "DataOptions",
    "Estimate",
    "ModelOptions",
    "NotFiniteError",
    "Objective",
    "OptimiserOptions",
    "RunOptions",
    "estimate",
    "push",
    "stream_loader",
    "train",
]

import_lazily(
    __name__,
    {
        "data": ("CropStream", "stream_loader"),
        "estimate": ("Estimate", "estimate"),
        "objective": ("NotFiniteError", "Objective"),
        "options": ("MOST_FAILED", "DataOptions", "ModelOptions", "OptimiserOptions", "RunOptions"),
        "push": ("push",),
        "train": ("train",),
    },
)
