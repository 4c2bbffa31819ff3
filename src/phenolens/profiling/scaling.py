"""Profilers that move and scale each feature by itself, within each batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler, ControlScaler, mean_alone, median_and_mad


class RobustZ(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Subtract the median of each batch's controls and divide by their median absolute deviation.

    The deviation is scaled by 1.4826, so that it estimates a standard deviation. Where more than half of the controls
    are equal the mean absolute deviation, scaled likewise, stands in for it; a constant feature keeps its scale.
    """

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        self.scaler_ = ControlScaler(median_and_mad).fit(x, controls, batches)

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        return self.scaler_.transform(x, batches)


class BatchCentre(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Subtract the mean of each batch's controls, and nothing else."""

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        self.scaler_ = ControlScaler(mean_alone).fit(x, controls, batches)

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        return self.scaler_.transform(x, batches)
