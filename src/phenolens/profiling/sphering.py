"""Sphering (whitening) on negative controls."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin

from phenolens.core.errors import ProfilingError, did_you_mean
from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler
from phenolens.profiling.whitening import spectrum_of_controls

METHODS = ("zca", "pca", "zca-cor", "pca-cor")


class Sphering(OneToOneFeatureMixin, ControlProfiler):  # type: ignore[misc]
    """Centre on the controls and transform linearly so that their covariance becomes I.

    Parameters
    ----------
    method
        ``zca`` stays closest to the original features, ``pca`` gives principal components; with ``-cor``, features are
        scaled to unit variance first. Without shrinkage, all methods agree up to a rotation.
    shrinkage
        Share of the isotropic covariance, 0..1; "ledoit-wolf" estimates it from the controls alone, without
        labels of the evaluation.

    Raises
    ------
    ProfilingError
        On fitting with an unknown method, or without shrinkage on too few controls.

    Notes
    -----
    Source: Kessy, Lewin & Strimmer, Am. Stat. 72 (2018).
    """

    def __init__(self, method: str = "zca", shrinkage: float | str = "ledoit-wolf") -> None:
        self.method = method
        self.shrinkage = shrinkage

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        if self.method not in METHODS:
            raise ProfilingError(f"no sphering method '{self.method}'{did_you_mean(self.method, METHODS)}")
        centred = x[controls].astype(np.float64)
        mean = centred.mean(axis=0)
        centred -= mean
        # A power of two changes no digit, and keeps squares of large and of small numbers finite.
        scale = np.full(x.shape[1], 2.0 ** np.frexp(np.abs(centred).max(initial=0))[1])
        if self.method.endswith("-cor"):
            sd = centred.std(axis=0, ddof=1)
            scale = np.where(sd > 10 * np.finfo(x.dtype).eps * np.abs(x[controls]).max(axis=0), sd, 1)
        centred /= scale
        values, vectors, self.shrinkage_ = spectrum_of_controls(centred, len(centred) - 1, self.shrinkage, "sphering")
        whitening = vectors / np.sqrt(values)
        if self.method.startswith("zca"):
            whitening = whitening @ vectors.T
        else:
            # The sign of an eigenvector is arbitrary; a positive diagonal fixes it.
            whitening = (whitening * np.where(np.diag(vectors) < 0, -1, 1))[:, ::-1]
        self.mean_ = mean
        self.whitening_ = whitening / scale[:, None]

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        return ((x - self.mean_) @ self.whitening_).astype(x.dtype, copy=False)
