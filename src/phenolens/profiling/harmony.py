"""Harmony: batch correction within soft clusters."""

from typing import Any, ClassVar

import harmonypy
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from phenolens.core.errors import ProfilingError
from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler


class Harmony(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Harmony batch correction, through harmonypy.

    It corrects only the rows that it is fitted on: `transform` takes the same rows as `fit`. It does not use controls,
    and may remove biology that differs between batches.

    Parameters
    ----------
    theta
        The strength of the penalty on clusters that lack batches.
    seed
        The seed of its clustering.

    Raises
    ------
    ProfilingError
        If there is a single batch, or `transform` gets other rows than `fit` did.

    Notes
    -----
    Source: Korsunsky et al., Nat. Methods 16 (2019).
    """

    uses_controls: ClassVar[bool] = False

    def __init__(self, theta: float = 2.0, seed: int = 0) -> None:
        self.theta = theta
        self.seed = seed

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        if len(batches.names) < 2:
            raise ProfilingError("Harmony needs at least two batches, found 1")
        batch = np.empty(len(x), dtype=object)
        for label, rows in batches:
            batch[rows] = str(label)
        self.rows_ = x.copy()
        self.corrected_ = np.asarray(
            harmonypy.run_harmony(
                x.astype(np.float64),
                pd.DataFrame({"batch": batch}),
                "batch",
                theta=self.theta,
                random_state=self.seed,
                verbose=False,
            ).Z_corr
        ).astype(x.dtype)

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        if not np.array_equal(x, self.rows_):
            raise ProfilingError("Harmony cannot correct new rows: fit it on all rows to be corrected")
        return self.corrected_.copy()
