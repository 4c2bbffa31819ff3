"""Typical variation normalisation: what varies among negative controls is made to count for nothing."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.utils.validation import check_is_fitted, validate_data

from phenolens.errors import PhenolensWarning, ProfilingError
from phenolens.profiling.controls import ControlScaler, check_batch, check_controls


class TVN(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Centre and scale on the controls of each batch, then whiten all of them together.

    After fitting, the controls have mean 0 and, without shrinkage, covariance I. With fewer controls than
    features their covariance has no inverse; shrinking it towards a multiple of I keeps every dimension and
    bounds how much directions in which controls happen not to vary are inflated.

    Parameters
    ----------
    shrinkage
        Share of the isotropic covariance, 0..1; "ledoit-wolf" estimates it from the controls alone.

    Source: Ando, McLean & Berndl, bioRxiv 161422 (2017); Kraus et al., CVPR 2024. Shrinkage: Ledoit & Wolf,
    J. Multivar. Anal. 88 (2004).
    """

    def __init__(self, shrinkage: float | str = "ledoit-wolf") -> None:
        self.shrinkage = shrinkage

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        controls: NDArray[Any] | None = None,
        batch: NDArray[Any] | None = None,
    ) -> Self:
        """Learn location, scale and covariance of the controls among `X` (n, d).

        Parameters
        ----------
        X
            (n, d) profiles.
        y
            Ignored.
        controls
            (n,) mask of negative controls; all rows if None.
        batch
            (n,) batch of each row, in which it is centred and scaled; one batch if None.

        Raises
        ------
        ProfilingError
            If there are too few controls, in all or in a batch, or too few to whiten without shrinkage.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        mask = check_controls(X, controls)
        labels = check_batch(X, batch)
        self.scaler_ = ControlScaler().fit(X, mask, labels)
        own = self.scaler_.transform(X[mask], labels[mask]).astype(np.float64)
        # Each batch's mean was estimated from its own controls.
        freedom = len(own) - len(self.scaler_.locations_)
        covariance = own.T @ own / freedom
        self.shrinkage_ = self._choose_shrinkage(own, freedom)
        values, vectors = np.linalg.eigh(covariance)
        values = (1 - self.shrinkage_) * np.clip(values, 0, None) + self.shrinkage_ * values.mean()
        if values[0] <= np.finfo(np.float64).eps * values[-1] * len(values):
            raise ProfilingError(
                f"the covariance of {len(own)} controls in {X.shape[1]} dimensions has no inverse; "
                "use shrinkage='ledoit-wolf', or reduce the dimensions first"
            )
        self.whitening_ = ((vectors / np.sqrt(values)) @ vectors.T).astype(X.dtype)
        return self

    def _choose_shrinkage(self, own: NDArray[np.float64], freedom: int) -> float:
        if self.shrinkage != "ledoit-wolf":
            if isinstance(self.shrinkage, str) or not 0 <= self.shrinkage <= 1:
                raise ProfilingError(f"shrinkage is 'ledoit-wolf' or 0..1, not {self.shrinkage!r}")
            return float(self.shrinkage)
        if freedom < own.shape[1]:
            warnings.warn(
                f"TVN: {len(own)} negative controls are fewer than the dimensions; their covariance is shrunk "
                "towards a multiple of the identity",
                PhenolensWarning,
                stacklevel=3,
            )
        return float(ledoit_wolf_shrinkage(own, assume_centered=True))

    def transform(self, X: Any, *, batch: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the whitened profiles (n, d)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self.scaler_.transform(X, check_batch(X, batch)) @ self.whitening_

    def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and return its profiles; takes what `fit` takes."""
        return self.fit(X, y, **fit_params).transform(X, batch=fit_params.get("batch"))
