"""Typical variation normalisation: what varies among negative controls is made to count for nothing."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin
from sklearn.covariance import ledoit_wolf_shrinkage

from phenolens.errors import PhenolensWarning, ProfilingError
from phenolens.profiling.controls import ControlProfiler, ControlScaler


class TVN(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Centre and scale on the controls of each batch, then whiten all of them together.

    After fitting, the controls have mean 0 and, without shrinkage, covariance I. With fewer controls than
    features their covariance has no inverse; shrinking it towards a multiple of I keeps every dimension and
    bounds how much directions in which controls happen not to vary are inflated.

    Parameters
    ----------
    shrinkage
        Share of the isotropic covariance, 0..1; "ledoit-wolf" estimates it from the controls alone.

    Raises
    ------
    ProfilingError
        On fitting without shrinkage on too few controls to whiten.

    Source: Ando, McLean & Berndl, bioRxiv 161422 (2017); Kraus et al., CVPR 2024. Shrinkage: Ledoit & Wolf,
    J. Multivar. Anal. 88 (2004).
    """

    def __init__(self, shrinkage: float | str = "ledoit-wolf") -> None:
        self.shrinkage = shrinkage

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batch: NDArray[Any]) -> None:
        self.scaler_ = ControlScaler().fit(x, controls, batch)
        own = self.scaler_.transform(x[controls], batch[controls]).astype(np.float64)
        # Each batch's mean was estimated from its own controls.
        freedom = len(own) - len(self.scaler_.locations_)
        covariance = own.T @ own / freedom
        self.shrinkage_ = self._choose_shrinkage(own, freedom)
        values, vectors = np.linalg.eigh(covariance)
        values = (1 - self.shrinkage_) * np.clip(values, 0, None) + self.shrinkage_ * values.mean()
        if values[0] <= np.finfo(np.float64).eps * values[-1] * len(values):
            raise ProfilingError(
                f"the covariance of {len(own)} controls in {x.shape[1]} dimensions has no inverse; "
                "use shrinkage='ledoit-wolf', or reduce the dimensions first"
            )
        self.whitening_ = ((vectors / np.sqrt(values)) @ vectors.T).astype(x.dtype)

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
                stacklevel=4,
            )
        return float(ledoit_wolf_shrinkage(own, assume_centered=True))

    def _transform(self, x: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        return self.scaler_.transform(x, batch) @ self.whitening_
