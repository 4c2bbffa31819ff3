"""PCA, then centring and scaling on negative controls."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler, ControlScaler


class PCACentreScale(ClassNamePrefixFeaturesOutMixin, ControlProfiler):  # type: ignore[misc]
    """Rotate onto principal components, then centre and scale each on the negative controls.

    The rotation is fitted on all profiles, without labels: components of the controls alone would miss what varies
    only under perturbation.

    Parameters
    ----------
    n_components
        As in scikit-learn's PCA: a number of components, or the share of variance to keep.

    Notes
    -----
    Source: the PCA-CS pipeline of Celik et al., PLoS Comput. Biol. 2024 (EFAAR).
    """

    def __init__(self, n_components: int | float | None = 0.98) -> None:
        self.n_components = n_components

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        from sklearn.decomposition import PCA

        with np.errstate(invalid="ignore"):  # shares are undefined if there is no variance
            self.pca_ = PCA(self.n_components, svd_solver="full").fit(x.astype(np.float64))
        self.scaler_ = ControlScaler().fit(self._rotate(x), controls, batches)
        self._n_features_out = self.pca_.n_components_

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        return self.scaler_.transform(self._rotate(x), batches)

    def _rotate(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the scores of rows on the components, computed in float64: the mean may be large beside them."""
        return np.asarray(self.pca_.transform(x.astype(np.float64)), dtype=x.dtype)
