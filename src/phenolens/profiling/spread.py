"""Few numbers spread over many, so that a cosine sees their distances."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler, mean_and_sd

_WAVES = 128


class Spread(ControlProfiler):
    """Map numbers to waves of many frequencies, so that the cosine of two rows falls with the distance between them.

    A cosine of one number is its sign, and of two an angle: a cell count could then hardly find its own replicates.
    Each number is standardised over all rows, and the rows are mapped to the cosines and sines of fixed normal
    frequencies (Rahimi and Recht, NeurIPS 2007; quasi-random, so that nothing is drawn): the cosine of two rows is then
    nearly ``exp(-distance^2 / (2 d))``, with the distance in standard deviations and d numbers.
    """

    uses_controls: ClassVar[bool] = False

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        self.mean_, sd = mean_and_sd(x.astype(np.float64))
        self.sd_ = np.where(sd > 1e-12 * np.maximum(1, np.abs(self.mean_)), sd, 1.0)
        uniform = qmc.Sobol(x.shape[1], scramble=True, rng=np.random.default_rng(0)).random(_WAVES)
        self.frequencies_ = norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6)).T / np.sqrt(x.shape[1])

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        angle = (x - self.mean_) / self.sd_ @ self.frequencies_
        return (np.concatenate([np.cos(angle), np.sin(angle)], axis=1) / np.sqrt(_WAVES)).astype(x.dtype)
