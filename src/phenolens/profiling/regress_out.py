"""Regressing out of covariates, such as cell count."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from phenolens.core.errors import ProfilingError
from phenolens.profiling.controls import ControlProfiler, check_batch, check_controls


class RegressOut(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Subtract from each feature its prediction by a linear regression on covariates.

    The regression is fitted on the controls: it learns how features depend on, say, cell count without perturbation.
    Fitted on all rows, it also removes perturbation effects that go along with a change of the covariate.
    """

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        controls: NDArray[Any] | None = None,
        batch: NDArray[Any] | None = None,
        covariates: NDArray[Any] | None = None,
    ) -> Self:
        """Learn from the controls among `X`.

        Parameters
        ----------
        X, y, controls, batch
            As in `ControlProfiler.fit`; batches are ignored.
        covariates
            (n, c) numbers; if None, `X` stays unchanged.

        Raises
        ------
        ProfilingError
            If the covariates do not match the rows, or are not finite.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_batch(X, batch)
        chosen = check_controls(X, controls)
        known = _check_covariates(X, covariates)
        self.centre_ = known[chosen].mean(axis=0)
        fitted = X[chosen].astype(np.float64)
        # The minimum-norm solution: constant or repeated covariates do no harm.
        self.slopes_ = np.linalg.lstsq(known[chosen] - self.centre_, fitted - fitted.mean(axis=0), rcond=None)[0]
        return self

    def transform(
        self, X: Any, *, batch: NDArray[Any] | None = None, covariates: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return the rows (n, d) adjusted to the mean covariates of the controls."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        check_batch(X, batch)
        known = _check_covariates(X, covariates)
        if known.shape[1] != len(self.centre_):
            raise ProfilingError(f"{known.shape[1]} covariates, but the regression was fitted on {len(self.centre_)}")
        return (X - (known - self.centre_) @ self.slopes_).astype(X.dtype, copy=False)

    def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and return its adjusted rows; parameters as in `fit`."""
        return self.fit(X, y, **fit_params).transform(X, covariates=fit_params.get("covariates"))


def _check_covariates(x: NDArray[Any], covariates: NDArray[Any] | None) -> NDArray[np.float64]:
    if covariates is None:
        return np.zeros((len(x), 0))
    covariates = np.asarray(covariates, dtype=np.float64).reshape(len(covariates), -1)
    if len(covariates) != len(x):
        raise ProfilingError(f"{len(x)} profiles but {len(covariates)} rows of covariates")
    if not np.isfinite(covariates).all():
        row = int(np.flatnonzero(~np.isfinite(covariates).all(axis=1))[0])
        raise ProfilingError(f"row {row} has a covariate that is missing or infinite; remove such rows first")
    return covariates
