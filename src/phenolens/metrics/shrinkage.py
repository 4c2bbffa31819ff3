"""Shrinkage of covariances estimated from few rows."""

import numpy as np
from numpy.typing import NDArray


def ledoit_wolf(centred: NDArray[np.float64]) -> float:
    """Return the optimal share, 0..1, of the isotropic covariance for centred rows (n, d).

    Source: Ledoit & Wolf, J. Multivar. Anal. 88 (2004).
    """
    n, d = centred.shape
    gram = centred @ centred.T if n < d else centred.T @ centred
    squared_norm = float((gram**2).sum()) / n**2  # of the covariance, by whichever of the two products is smaller
    trace = float((centred**2).sum()) / n
    distance = squared_norm - trace**2 / d
    if distance <= 0:
        return 1.0
    sampling_error = float(((centred**2).sum(axis=1) ** 2).sum()) / n**2 - squared_norm / n
    return float(min(max(sampling_error / distance, 0.0), 1.0))
