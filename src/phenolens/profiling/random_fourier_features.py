"""Random Fourier features of a few numbers, so that the cosine depends on their distances."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlProfiler, mean_and_sd

_WAVES = 128


class RandomFourierFeatures(ControlProfiler):
    """Add random Fourier features to a few numbers, so that the cosine depends on their distance, not only direction.

    The cosine of one number is its sign, and of two an angle: a cell count could then hardly retrieve its replicates.
    Each number is standardised over all rows, and cosines and sines at fixed normal frequencies are added (Rahimi and
    Recht, NeurIPS 2007; quasi-random, so that nothing is drawn). Their inner product is approximately
    ``exp(-distance^2 / (2 d))``, with the distance in standard deviations and d numbers. Rows that deviate in the same
    direction stay similar, and those that also deviate equally far are most similar.
    """

    uses_controls: ClassVar[bool] = False

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Batches) -> None:
        self.mean_, sd = mean_and_sd(x.astype(np.float64))
        self.sd_ = np.where(sd > 1e-12 * np.maximum(1, np.abs(self.mean_)), sd, 1.0)
        uniform = qmc.Sobol(x.shape[1], scramble=True, rng=np.random.default_rng(0)).random(_WAVES)
        self.frequencies_ = norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6)).T / np.sqrt(x.shape[1])

    def _transform(self, x: NDArray[Any], batches: Batches) -> NDArray[Any]:
        z = (x - self.mean_) / self.sd_
        angle = z @ self.frequencies_
        waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) / np.sqrt(_WAVES)
        return np.concatenate([z / np.sqrt(x.shape[1]), waves], axis=1).astype(x.dtype)
