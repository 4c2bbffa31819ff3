"""Ridge regression under every candidate penalty from one decomposition."""

import numpy as np
from numpy.typing import NDArray


def ridge_path(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    new: NDArray[np.float64],
    penalties: tuple[float, ...],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return what ridge regression with an intercept predicts for new rows, for each penalty.

    Parameters
    ----------
    x, y
        (n, d) vectors and (n, t) targets of the training rows.
    new
        (m, d) vectors.
    penalties
        As multiples of the mean squared singular value of `x`, so that they mean the same for every encoder.
    weights
        (n,) weight of each training row; one if None.

    Returns
    -------
    (len(penalties), m, t) predictions.
    """
    weights = np.ones(len(x)) if weights is None else weights
    root = np.sqrt(weights)[:, None]
    centre, middle = np.average(x, axis=0, weights=weights), np.average(y, axis=0, weights=weights)
    left, values, right = np.linalg.svd(root * (x - centre), full_matrices=False)
    projected, seen = left.T @ (root * (y - middle)), (new - centre) @ right.T
    scale = float(np.mean(values**2)) or 1.0
    return np.stack([seen * (values / (values**2 + penalty * scale)) @ projected + middle for penalty in penalties])
