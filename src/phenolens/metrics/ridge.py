"""Ridge regression from one decomposition, for several penalties or with the best penalty for each target."""

import numpy as np
from numpy.typing import NDArray


def ridge_path(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    new: NDArray[np.float64],
    penalties: tuple[float, ...],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the predictions of ridge regression with an intercept for new rows, for each penalty.

    Parameters
    ----------
    x, y
        (n, d) vectors and (n, t) targets of the training rows.
    new
        (m, d) vectors.
    penalties
        Multiples of the mean squared singular value of `x`, so that they are comparable between encoders.
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


def ridge_by_target(
    x: NDArray[np.float64], y: NDArray[np.float64], new: NDArray[np.float64], penalties: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return the predictions of ridge regression without an intercept, with the best penalty for each target.

    Vectors and targets have an expected value of 0. The penalty of a target minimises generalised cross-validation
    error on the training rows. Thousands of targets, such as permutations of one, cost two matrix products.

    Parameters
    ----------
    x, y, new, penalties
        As in `ridge_path`.

    Returns
    -------
    (m, t) predictions.

    Notes
    -----
    Source: Golub, Heath & Wahba, Technometrics 21 (1979).
    """
    n = len(x)
    left, values, right = np.linalg.svd(x, full_matrices=False)
    projected, seen = left.T @ y, new @ right.T
    scale = float(np.mean(values**2)) or 1.0
    total = (y**2).sum(axis=0)
    error = np.empty((len(penalties), y.shape[1]))
    for number, penalty in enumerate(penalties):
        kept = values**2 / (values**2 + penalty * scale)
        residual = total - (2 * kept - kept**2) @ projected**2
        error[number] = residual / (n - kept.sum()) ** 2
    shrink = values[:, None] / (values[:, None] ** 2 + scale * np.asarray(penalties)[error.argmin(axis=0)])
    return np.asarray(seen @ (shrink * projected))
