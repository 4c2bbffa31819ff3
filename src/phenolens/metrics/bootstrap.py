"""Confidence intervals by resampling whole units (perturbations, movies, donors), never single rows of a unit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

_BLOCK = 500  # draws at a time: bounds memory at block x units counts
_LARGE_SAMPLE = 30  # clusters, from which on percentile limits hold what they say


def stratified_mean(
    values: NDArray[Any], weights: NDArray[Any] | None = None, strata: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return the mean over strata of the weighted mean of `values` (n, m) in each stratum, per column (m,).

    With one stratum it is the weighted mean; with the classes as strata and correctness as values it is
    balanced accuracy.
    """
    values, weights, strata_codes = _as_columns(values, weights, strata)
    numerator = np.zeros((strata_codes.max() + 1, values.shape[1]))
    np.add.at(numerator, strata_codes, values * weights[:, None])
    denominator = np.bincount(strata_codes, weights=weights)
    return np.asarray((numerator / denominator[:, None]).mean(axis=0))


def stratum_shares(weights: NDArray[Any] | None, strata: NDArray[Any] | None, *, n: int) -> NDArray[np.float64]:
    """Return the share (n,) of each row in a `stratified_mean`, which is the sum of values times shares.

    Examples
    --------
    >>> stratum_shares(np.array([1.0, 3.0, 1.0]), np.array(["a", "a", "b"]), n=3)
    array([0.125, 0.375, 0.5  ])
    """
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    codes = np.zeros(n, np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
    return np.asarray(weights / np.bincount(codes, weights=weights)[codes] / (codes.max() + 1), dtype=np.float64)


def cluster_bootstrap(
    values: NDArray[Any],
    units: NDArray[Any],
    *,
    weights: NDArray[Any] | None = None,
    strata: NDArray[Any] | None = None,
    n_draws: int = 2000,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return bootstrap draws (n_draws, m) of `stratified_mean`, resampling whole units.

    The columns of `values` are resampled together, so that the difference of two columns is a paired
    bootstrap of their difference.

    Parameters
    ----------
    values
        (n,) or (n, m) values, a column per model.
    units
        (n,) unit of each row; a unit's rows are drawn together.
    weights
        (n,) weight of each row in its stratum; one if None.
    strata
        (n,) stratum of each row; one stratum if None. Strata that are empty in a draw are left out of that draw's mean.
    n_draws
        The number of draws.
    rng
        The source of randomness.
    """
    values, weights, strata_codes = _as_columns(values, weights, strata)
    unit_codes = np.unique(np.asarray(units), return_inverse=True)[1]
    if len(unit_codes) != len(values):
        raise ValueError(f"{len(values)} values but {len(unit_codes)} units")
    n_units, n_strata, n_models = unit_codes.max() + 1, strata_codes.max() + 1, values.shape[1]
    cell = unit_codes * n_strata + strata_codes
    numerator = np.zeros((n_units * n_strata, n_models))
    np.add.at(numerator, cell, values * weights[:, None])
    numerator = numerator.reshape(n_units, n_strata * n_models)
    denominator = np.bincount(cell, weights=weights, minlength=n_units * n_strata).reshape(n_units, n_strata)

    draws = np.empty((n_draws, n_models))
    for start in range(0, n_draws, _BLOCK):
        size = min(_BLOCK, n_draws - start)
        drawn = rng.integers(n_units, size=(size, n_units)) + n_units * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units).astype(np.float64)
        total = (times @ denominator)[:, :, None]
        sums = (times @ numerator).reshape(size, n_strata, n_models)
        present = total > 0
        means = np.divide(sums, total, out=np.zeros_like(sums), where=present)
        draws[start : start + size] = means.sum(axis=1) / present.sum(axis=1)
    return draws


def nadeau_bengio(folds: int) -> float:
    """Return the factor by which the standard error of a cross-validated difference exceeds that of a bootstrap.

    The bootstrap draws test rows and fits nothing again. Training sets overlap, and the variance due to them is
    corrected by the ratio of test to training rows, 1 / (folds - 1) (Nadeau & Bengio, Mach. Learn. 52, 2003).
    """
    return float(np.sqrt(1 + folds / (folds - 1)))


def small_sample_widening(n_clusters: int) -> float:
    """Return the factor by which limits of few clusters exceed those of a percentile bootstrap; 1 from 30 clusters on.

    Draws of n clusters vary by a factor of sqrt((n - 1) / n) too little, and their quantiles are those of a normal
    distribution where Student's t with n - 1 degrees of freedom is due (Hesterberg, Am. Stat. 69, 2015; for clusters,
    Cameron, Gelbach & Miller, Rev. Econ. Stat. 90, 2008).

    Examples
    --------
    >>> round(small_sample_widening(8), 2), small_sample_widening(30)
    (1.29, 1.0)
    """
    if not 2 <= n_clusters < _LARGE_SAMPLE:
        return 1.0
    return float(np.sqrt(n_clusters / (n_clusters - 1)) * t.ppf(0.975, n_clusters - 1) / norm.ppf(0.975))


def percentile_interval(draws: NDArray[Any], level: float = 0.95) -> tuple[float, float]:
    """Return the central interval that holds `level` of the draws (b,)."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _as_columns(
    values: NDArray[Any], weights: NDArray[Any] | None, strata: NDArray[Any] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    values = np.asarray(values, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    n = len(values)
    if n == 0 or not np.isfinite(values).all():
        raise ValueError("values must be finite and there must be at least one")
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(weights) != n or not (weights > 0).all():
        raise ValueError(f"expected {n} positive weights")
    codes = np.zeros(n, np.intp) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    if len(codes) != n:
        raise ValueError(f"{n} values but {len(codes)} strata")
    return values, weights, codes
