"""Inverse normal transform: each feature's ranks become normal quantiles."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler

_MOST_QUANTILES = 10_000


class InverseNormal(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Map each feature monotonically to a normal distribution over all rows.

    It is fitted on all rows: fitted on controls alone, all effects beyond their range would get the same value. The
    outliers that are frequent in Cell Painting features then no longer dominate cosines.
    """

    uses_controls: ClassVar[bool] = False

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        from sklearn.preprocessing import QuantileTransformer

        n_quantiles = min(len(x), _MOST_QUANTILES)
        self.quantiles_ = QuantileTransformer(
            n_quantiles=n_quantiles, output_distribution="normal", subsample=None
        ).fit(x.astype(np.float64))

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        return np.asarray(self.quantiles_.transform(x.astype(np.float64)), dtype=x.dtype)
