"""Profilers that shift and scale each feature separately, within each batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler, ControlScaler, mean_alone, median_and_mad


class RobustZ(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Subtract the median of each batch's controls and divide by their median absolute deviation (MAD).

    The MAD is multiplied by 1.4826 to estimate a standard deviation. If more than half of the controls are equal, the
    scaled mean absolute deviation replaces it; a constant feature is not scaled.
    """

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        self.scaler_ = ControlScaler(median_and_mad).fit(x, controls, batches)

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        return self.scaler_.transform(x, batches)


class BatchCentre(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Subtract the mean of each batch's controls, without scaling."""

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        self.scaler_ = ControlScaler(mean_alone).fit(x, controls, batches)

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        return self.scaler_.transform(x, batches)
