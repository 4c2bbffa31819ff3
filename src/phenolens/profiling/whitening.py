"""The covariance of controls, shrunk so that it can be inverted."""

import warnings

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import PhenolensWarning, ProfilingError
from phenolens.metrics import ledoit_wolf


def spectrum_of_controls(
    centred: NDArray[np.float64], freedom: int, shrinkage: float | str, what: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the eigenvalues (d,) and eigenvectors (d, d) of the shrunk covariance of the controls, and the shrinkage.

    Parameters
    ----------
    centred
        (m, d) controls minus their mean.
    freedom
        The degrees of freedom after centring.
    shrinkage
        Share of the isotropic covariance, 0..1; "ledoit-wolf" estimates it from the controls alone.
    what
        The profiler's name, for messages.

    Raises
    ------
    ProfilingError
        If the shrinkage is not valid, or too small for the covariance to be invertible.
    """
    share = _choose_shrinkage(centred, freedom, shrinkage, what)
    values, vectors = np.linalg.eigh(centred.T @ centred / freedom)
    values = (1 - share) * np.clip(values, 0, None) + share * values.mean()
    if values[0] <= np.finfo(np.float64).eps * values[-1] * len(values):
        raise ProfilingError(
            f"the covariance of {len(centred)} controls in {centred.shape[1]} dimensions is not invertible; "
            "use shrinkage='ledoit-wolf', or reduce the dimensions first"
        )
    return values, vectors, share


def _choose_shrinkage(centred: NDArray[np.float64], freedom: int, shrinkage: float | str, what: str) -> float:
    if shrinkage != "ledoit-wolf":
        if isinstance(shrinkage, str) or not 0 <= shrinkage <= 1:
            raise ProfilingError(f"shrinkage must be 'ledoit-wolf' or 0..1, found {shrinkage!r}")
        return float(shrinkage)
    if freedom < centred.shape[1]:
        warnings.warn(
            # Without the number of dimensions, which differs between encoders: one note then holds for all of them.
            f"{what}: {len(centred)} negative controls are fewer than the dimensions, so that their covariance is "
            "shrunk towards a multiple of the identity",
            PhenolensWarning,
            stacklevel=5,
        )
    return ledoit_wolf(centred)
