"""What the profilers share: how they are fitted on negative controls, and scaling on those of each batch."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

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


class ControlProfiler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn transformer that is fitted on the negative controls among the profiles, batch by batch.

    A profiler implements `_fit` and `_transform`, which get checked arrays.
    """

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        controls: NDArray[Any] | None = None,
        batch: NDArray[Any] | None = None,
    ) -> Self:
        """Learn from the controls among `X`.

        Parameters
        ----------
        X
            (n, d) profiles.
        y
            Ignored.
        controls
            (n,) mask of negative controls; all rows if None.
        batch
            (n,) batch of each row; one batch if None.

        Raises
        ------
        ProfilingError
            If there are too few controls, in all or in a batch.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._fit(X, check_controls(X, controls), check_batch(X, batch))
        return self

    def transform(self, X: Any, *, batch: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the profiles (n, k) of `X` (n, d), each row treated as its batch was."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._transform(X, check_batch(X, batch))

    def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and return its profiles; takes what `fit` takes."""
        return self.fit(X, y, **fit_params).transform(X, batch=fit_params.get("batch"))

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batch: NDArray[Any]) -> None:
        raise NotImplementedError

    def _transform(self, x: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError


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
