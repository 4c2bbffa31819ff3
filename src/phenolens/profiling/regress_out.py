"""What named covariates, such as cell count, explain linearly is taken away."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from phenolens.core.errors import ProfilingError
from phenolens.profiling.controls import ControlProfiler, check_batch, check_controls


class RegressOut(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Subtract from each feature what a linear regression on covariates predicts of it.

    The regression is fitted on the controls: it learns how features follow, say, cell count when nothing is perturbed.
    Fitted on all rows it also takes every effect away that goes with a change of the covariate.
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
            As in `ControlProfiler.fit`; batches play no part.
        covariates
            (n, c) numbers; None for none, which leaves `X` as it is.

        Raises
        ------
        ProfilingError
            If the covariates do not fit the rows, or are not finite.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_batch(X, batch)
        chosen = check_controls(X, controls)
        known = _check_covariates(X, covariates)
        self.centre_ = known[chosen].mean(axis=0)
        own = X[chosen].astype(np.float64)
        # The least-squares solution of least norm: covariates that are constant or repeated do no harm.
        self.slopes_ = np.linalg.lstsq(known[chosen] - self.centre_, own - own.mean(axis=0), rcond=None)[0]
        return self

    def transform(
        self, X: Any, *, batch: NDArray[Any] | None = None, covariates: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return the rows (n, d) as they would be at the controls' mean covariates."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        check_batch(X, batch)
        known = _check_covariates(X, covariates)
        if known.shape[1] != len(self.centre_):
            raise ProfilingError(f"{known.shape[1]} covariates, but the regression was fitted on {len(self.centre_)}")
        return X - ((known - self.centre_) @ self.slopes_).astype(X.dtype)

    def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and return its rows; takes what `fit` takes."""
        return self.fit(X, y, **fit_params).transform(X, covariates=fit_params.get("covariates"))


def _check_covariates(x: NDArray[Any], covariates: NDArray[Any] | None) -> NDArray[np.float64]:
    if covariates is None:
        return np.zeros((len(x), 0))
    covariates = np.asarray(covariates, dtype=np.float64).reshape(len(covariates), -1)
    if len(covariates) != len(x):
        raise ProfilingError(f"{len(x)} profiles but {len(covariates)} rows of covariates")
    if not np.isfinite(covariates).all():
        row = int(np.flatnonzero(~np.isfinite(covariates).all(axis=1))[0])
        raise ProfilingError(f"row {row} has a covariate that is missing or infinite; leave such rows out first")
    return covariates
