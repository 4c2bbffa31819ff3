"""What the profilers share: centring and scaling on negative controls, within each batch if asked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.errors import ProfilingError

_FEWEST_CONTROLS = 2


def check_controls(x: NDArray[Any], controls: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Return the mask of controls; every row is a control if None.

    Raises
    ------
    ProfilingError
        If the mask does not fit the rows or leaves fewer than two controls.
    """
    if controls is None:
        return np.ones(len(x), dtype=bool)
    controls = np.asarray(controls)
    if controls.dtype != np.bool_ or controls.shape != (len(x),):
        raise ProfilingError(
            f"controls must be a mask of {len(x)} booleans, found {controls.dtype} of shape {controls.shape}"
        )
    if controls.sum() < _FEWEST_CONTROLS:
        raise ProfilingError(
            f"{controls.sum()} negative controls among {len(x)} profiles; at least {_FEWEST_CONTROLS} are "
            "needed to centre and scale on them"
        )
    return controls


def check_batch(x: NDArray[Any], batch: NDArray[Any] | None) -> NDArray[Any]:
    """Return the batch of each row; one batch if None."""
    if batch is None:
        return np.zeros(len(x), dtype=np.intp)
    batch = np.asarray(batch)
    if batch.shape != (len(x),):
        raise ProfilingError(f"{len(x)} profiles but {len(batch)} batch labels")
    return batch


class ControlScaler:
    """Location and scale of the controls of each batch."""

    def fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batch: NDArray[Any]) -> "ControlScaler":
        """Learn the mean and standard deviation of each batch's controls.

        Raises
        ------
        ProfilingError
            If a batch has fewer than two controls.
        """
        self.locations_: dict[Any, tuple[NDArray[Any], NDArray[Any]]] = {}
        for label in np.unique(batch):
            own = x[controls & (batch == label)]
            if len(own) < _FEWEST_CONTROLS:
                raise ProfilingError(
                    f"batch '{label}' has {len(own)} negative controls; {_FEWEST_CONTROLS} are needed to "
                    "centre and scale on them: leave the batch out, or profile without batches"
                )
            sd = own.std(axis=0, ddof=1)
            # A feature that is constant among the controls is centred and left at its own scale.
            flat = sd <= 10 * np.finfo(x.dtype).eps * np.abs(own).max(axis=0)
            self.locations_[label] = (own.mean(axis=0), np.where(flat, 1, sd))
        return self

    def transform(self, x: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        """Return the rows centred and scaled by their batch.

        Raises
        ------
        ProfilingError
            If a batch was not seen when fitting.
        """
        result = np.empty_like(x)
        for label in np.unique(batch):
            if label not in self.locations_:
                raise ProfilingError(f"batch '{label}' was not there when the profiler was fitted")
            mean, sd = self.locations_[label]
            rows = batch == label
            result[rows] = (x[rows] - mean) / sd
        return result
