"""PCA, then centring and scaling on negative controls."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted, validate_data

from phenolens.profiling.controls import ControlScaler, check_batch, check_controls


class PCACentreScale(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Rotate onto principal components, then centre and scale each on the negative controls.

    The rotation is learned from all profiles, without their labels: controls alone would hide whatever
    perturbations change and controls do not.

    Parameters
    ----------
    n_components
        As in scikit-learn's PCA: a number of components, or the share of variance to keep.

    Source: the PCA-CS pipeline of Celik et al., PLoS Comput. Biol. 2024 (EFAAR).
    """

    def __init__(self, n_components: int | float | None = 0.98) -> None:
        self.n_components = n_components

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        controls: NDArray[Any] | None = None,
        batch: NDArray[Any] | None = None,
    ) -> Self:
        """Learn the components of `X` (n, d), and location and scale of its controls in each batch.

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
        mask = check_controls(X, controls)
        labels = check_batch(X, batch)
        self.pca_ = PCA(self.n_components, svd_solver="full").fit(X)
        self.scaler_ = ControlScaler().fit(self.pca_.transform(X), mask, labels)
        self._n_features_out = self.pca_.n_components_
        return self

    def transform(self, X: Any, *, batch: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the profiles (n, n_components) in units of the controls' standard deviation."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self.scaler_.transform(self.pca_.transform(X), check_batch(X, batch))

    def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> NDArray[Any]:
        """Fit to `X` and return its profiles; takes what `fit` takes."""
        return self.fit(X, y, **fit_params).transform(X, batch=fit_params.get("batch"))
