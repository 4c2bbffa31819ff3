"""Typical variation normalisation (TVN): variation among negative controls is scaled to unit variance."""

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

    Afterwards the controls have mean 0 and, without shrinkage, covariance I. With fewer controls than features, their
    covariance is not invertible; shrinkage towards a multiple of I keeps every dimension and limits the inflation of
    directions in which controls happen not to vary.

    Parameters
    ----------
    shrinkage
        Share of the isotropic covariance, 0..1; "ledoit-wolf" estimates it from the controls alone.
    coral
        If above 0, the covariance of the controls of each batch is also aligned with that of all controls (CORAL). This
        multiple of I is added to both, which limits overfitting to few controls.

    Raises
    ------
    ProfilingError
        On fitting without shrinkage on too few controls to whiten.

    Notes
    -----
    Source: Ando, McLean & Berndl, bioRxiv 161422 (2017); Kraus et al., CVPR 2024. Shrinkage: Ledoit & Wolf,
    J. Multivar. Anal. 88 (2004). CORAL: Sun, Feng & Saenko, AAAI 2016.
    """

    def __init__(self, shrinkage: float | str = "ledoit-wolf", coral: float = 0.0) -> None:
        self.shrinkage = shrinkage
        self.coral = coral

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        if isinstance(self.coral, str) or self.coral < 0:
            raise ProfilingError(f"coral must be a number of at least 0, found {self.coral!r}")
        self.scaler_ = ControlScaler().fit(x, controls, batches)
        scaled = self.scaler_.transform(x, batches)
        # The mean of each batch takes one degree of freedom.
        freedom = int(controls.sum()) - len(self.scaler_.locations_)
        values, vectors, self.shrinkage_ = spectrum_of_controls(
            scaled[controls].astype(np.float64), freedom, self.shrinkage, "TVN"
        )
        self.whitening_ = (vectors / np.sqrt(values)) @ vectors.T
        self.alignments_: dict[Any, NDArray[Any]] = {}
        if self.coral:
            for label, rows in batches:
                white = scaled[rows[controls[rows]]] @ self.whitening_
                covariance = white.T @ white / (len(white) - 1)  # the mean is zero
                values, vectors = np.linalg.eigh(covariance)
                # With 1 + coral, a batch whose controls have covariance I stays unchanged.
                factor = np.sqrt((1 + self.coral) / (np.clip(values, 0, None) + self.coral))
                self.alignments_[label] = (vectors * factor) @ vectors.T

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        white = self.scaler_.transform(x, batches) @ self.whitening_
        if self.coral:
            for label, rows in batches:
                white[rows] = white[rows] @ self.alignments_[label]
        return white.astype(x.dtype, copy=False)
