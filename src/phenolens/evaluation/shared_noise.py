"""The noise that all units of a score share, such as that of plates and of their controls."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t


@dataclass(frozen=True)
class SharedNoise:
    """The variance of a score, or of a difference of two, that its units share.

    Attributes
    ----------
    variance
        Beyond what clusters of units that are independent of each other explain; at least 0.
    n_parts
        From how many parts it is estimated.
    """

    variance: float = 0.0
    n_parts: int = 0

    def widening(self, variance: float) -> float:
        """Return the factor by which limits exceed those of draws of clusters that have this variance.

        The two variances are added; Student's t allows for the few parts, with the degrees of freedom of the sum
        (Satterthwaite, Biometrics Bull. 2, 1946).

        Examples
        --------
        >>> round(SharedNoise(variance=1.0, n_parts=4).widening(1.0), 2), SharedNoise().widening(1.0)
        (1.57, 1.0)
        """
        if not (self.variance > 0 and variance > 0):
            return 1.0
        total = variance + self.variance
        degrees = total**2 / (self.variance**2 / (self.n_parts - 1))
        return float(np.sqrt(total / variance) * t.ppf(0.975, degrees) / norm.ppf(0.975))

    def widen(self, draws: NDArray[np.float64], centre: float) -> NDArray[np.float64]:
        """Return draws (b,) over clusters, farther from their centre by what is shared."""
        return centre + self.widening(float(draws.var())) * (draws - centre)


NOTHING_SHARED = SharedNoise()
"""That of units which share nothing, or of which it is not known."""
