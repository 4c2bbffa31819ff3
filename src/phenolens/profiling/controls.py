"""The base class of profilers, and scaling on the negative controls of each batch."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from phenolens.core.errors import ProfilingError
from phenolens.profiling.batches import Batches

_FEWEST_CONTROLS = 2
_MAD_TO_SD, _MEAN_AD_TO_SD = 1.4826, 1.2533  # of a normal distribution


def check_controls(x: NDArray[Any], controls: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Return the mask of controls; every row is a control if None.

    Raises
    ------
    ProfilingError
        If the mask does not match the rows or has fewer than two controls.
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
            f"profiling needs at least {_FEWEST_CONTROLS} negative controls, found {controls.sum()} among {len(x)} rows"
        )
    return controls


def check_batch(x: NDArray[Any], batch: NDArray[Any] | None) -> Batches:
    """Return the rows of each batch; one batch if None."""
    if batch is None:
        return Batches(np.zeros(len(x), dtype=np.intp))
    batch = np.asarray(batch)
    if batch.shape != (len(x),):
        raise ProfilingError(f"{len(x)} profiles but {len(batch)} batch labels")
    return Batches(batch)


class ControlProfiler(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn transformer that is fitted on the negative controls among the profiles, batch by batch.

    Subclasses implement `_fit` and `_transform`, which receive validated arrays.
    """

    uses_controls: ClassVar[bool] = True
    """Whether it is fitted on controls alone; if not, on all rows."""

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        controls: NDArray[Any] | None = None,
        batch: NDArray[Any] | None = None,
    ) -> Self:
        """Fit on the controls among `X`.

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
        """Return the profiles (n, k) of `X` (n, d), transformed as fitted for the batch of each row."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._transform(X, check_batch(X, batch))

    def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and return its profiles; parameters as in `fit`."""
        return self.fit(X, y, **fit_params).transform(X, batch=fit_params.get("batch"))

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        raise NotImplementedError

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        raise NotImplementedError


class ControlScaler:
    """Location and scale of the controls of each batch.

    Parameters
    ----------
    measure
        Maps rows (m, d) to their location (d,) and scale (d,).
    """

    def __init__(self, measure: Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]] | None = None) -> None:
        self.measure = measure or mean_and_sd

    def fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> "ControlScaler":
        """Fit the location and scale of the controls of each batch.

        Raises
        ------
        ProfilingError
            If a batch has fewer than two controls.
        """
        self.locations_: dict[Any, tuple[NDArray[Any], NDArray[Any]]] = {}
        for label, rows in batches:
            of_batch = x[rows[controls[rows]]]
            if len(of_batch) < _FEWEST_CONTROLS:
                raise ProfilingError(
                    f"batch '{label}' needs at least {_FEWEST_CONTROLS} negative controls, found "
                    f"{len(of_batch)}; leave the batch out, or profile without batches"
                )
            # In float32, a mean that is large beside what differs between rows would be rounded away.
            location, scale = self.measure(of_batch.astype(np.float64))
            # A feature that is constant among the controls is centred, and not scaled.
            flat = scale <= 10 * np.finfo(x.dtype).eps * np.abs(of_batch).max(axis=0)
            self.locations_[label] = (location, np.where(flat, 1, scale))
        return self

    def transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        """Return the rows centred and scaled within their batch.

        Raises
        ------
        ProfilingError
            If a batch was not seen when fitting.
        """
        result = np.empty_like(x)
        for label, rows in batches:
            if label not in self.locations_:
                raise ProfilingError(f"batch '{label}' was not among the rows that the profiler was fitted on")
            location, scale = self.locations_[label]
            result[rows] = (x[rows] - location) / scale
        return result


def mean_and_sd(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean and the sample standard deviation."""
    return rows.mean(axis=0), rows.std(axis=0, ddof=1)


def median_and_mad(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the median and the median absolute deviation, scaled to estimate a standard deviation.

    Where more than half of the rows are equal, this is zero and the mean absolute deviation replaces it: a feature with
    few values would otherwise be divided by zero and outweigh all others (Iglewicz & Hoaglin, 1993).
    """
    median = np.median(rows, axis=0)
    deviation = np.abs(rows - median)
    mad = np.median(deviation, axis=0)
    return median, np.where(mad > 0, _MAD_TO_SD * mad, _MEAN_AD_TO_SD * deviation.mean(axis=0))


def mean_alone(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean and a scale of one."""
    return rows.mean(axis=0), np.ones(rows.shape[1])
