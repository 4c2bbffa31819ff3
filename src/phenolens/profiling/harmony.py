"""Harmony: batches are mixed within soft clusters."""

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

    It corrects the rows that it is given and knows no rule for others: `transform` takes the rows of `fit` again. It
    sees no controls and may take biology that differs between batches for batch effect.

    Parameters
    ----------
    theta
        How strongly clusters are to hold all batches.
    seed
        The seed of its clustering.

    Raises
    ------
    ProfilingError
        If there is a single batch, or `transform` gets other rows than `fit` did.

    Source: Korsunsky et al., Nat. Methods 16 (2019).
    """

    uses_controls: ClassVar[bool] = False

    def __init__(self, theta: float = 2.0, seed: int = 0) -> None:
        self.theta = theta
        self.seed = seed

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        if len(batches.names) < 2:
            raise ProfilingError("Harmony mixes batches, and there is only one")
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
            raise ProfilingError("Harmony has no rule for new rows: fit it on all rows that are to be corrected")
        return self.corrected_.copy()
