"""Typical variation normalisation: what varies among negative controls is made to count for nothing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from phenolens.core.errors import ProfilingError
from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler, ControlScaler
from phenolens.profiling.whitening import spectrum_of_controls


class TVN(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Centre and scale on the controls of each batch, then whiten all of them together.

    After fitting, the controls have mean 0 and, without shrinkage, covariance I. With fewer controls than
    features their covariance has no inverse; shrinking it towards a multiple of I keeps every dimension and
    bounds how much directions in which controls happen not to vary are inflated.

    Parameters
    ----------
    shrinkage
        Share of the isotropic covariance, 0..1; "ledoit-wolf" estimates it from the controls alone.
    coral
        If above 0, the covariance of each batch's controls is aligned with that of all controls as well (CORAL), both
        with this multiple of I added, which keeps few controls from fitting themselves.

    Raises
    ------
    ProfilingError
        On fitting without shrinkage on too few controls to whiten.

    Source: Ando, McLean & Berndl, bioRxiv 161422 (2017); Kraus et al., CVPR 2024. Shrinkage: Ledoit & Wolf,
    J. Multivar. Anal. 88 (2004). CORAL: Sun, Feng & Saenko, AAAI 2016.
    """

    def __init__(self, shrinkage: float | str = "ledoit-wolf", coral: float = 0.0) -> None:
        self.shrinkage = shrinkage
        self.coral = coral

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        if isinstance(self.coral, str) or self.coral < 0:
            raise ProfilingError(f"coral is a number of at least 0, not {self.coral!r}")
        self.scaler_ = ControlScaler().fit(x, controls, batches)
        scaled = self.scaler_.transform(x, batches)
        # Each batch's mean was estimated from its own controls.
        freedom = int(controls.sum()) - len(self.scaler_.locations_)
        values, vectors, self.shrinkage_ = spectrum_of_controls(
            scaled[controls].astype(np.float64), freedom, self.shrinkage, "TVN"
        )
        self.whitening_ = ((vectors / np.sqrt(values)) @ vectors.T).astype(x.dtype)
        self.alignments_: dict[Any, NDArray[Any]] = {}
        if self.coral:
            for label, rows in batches:
                own = scaled[rows[controls[rows]]] @ self.whitening_
                covariance = own.T @ own / (len(own) - 1)  # its mean is zero
                values, vectors = np.linalg.eigh(covariance)
                # Weighted by 1 + coral, a batch whose controls have covariance I stays as it is.
                factor = np.sqrt((1 + self.coral) / (np.clip(values, 0, None) + self.coral))
                self.alignments_[label] = ((vectors * factor) @ vectors.T).astype(x.dtype)

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        white = self.scaler_.transform(x, batches) @ self.whitening_
        if self.coral:
            for label, rows in batches:
                white[rows] = white[rows] @ self.alignments_[label]
        return white
