"""Permutation p values, and their adjustment for multiple tests."""

from collections.abc import Sequence
from itertools import combinations, product
from math import comb, floor, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, false_discovery_control

from phenolens.metrics.bootstrap import stratum_shares

_BLOCK_CELLS = 2**22
_SMALLEST = 1e-12  # tails are not known beyond this
_TOLERANCE = 1e-9


def draw_sets(
    pools: Sequence[NDArray[np.intp]], taken: Sequence[int], n_draws: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], bool]:
    """Return random sets with `taken[i]` distinct members of `pools[i]`, and whether these are all such sets.

    If there are at most `n_draws` such sets, each is returned once.

    Parameters
    ----------
    pools
        Row numbers to draw from, for instance the wells of each plate; pools are disjoint.
    taken
        The number of members of a set from each pool.
    n_draws
        The number of sets to draw.
    rng
        The source of randomness; unused if all sets are enumerated.

    Returns
    -------
    Sets (s, sum(taken)), and True if they were enumerated.

    Raises
    ------
    ValueError
        If a pool is smaller than the number taken of it.
    """
    for pool, k in zip(pools, taken, strict=True):
        if k > len(pool):
            raise ValueError(f"{k} distinct rows cannot be drawn from {len(pool)}")
    if count_sets([len(pool) for pool in pools], taken) <= n_draws:
        choices = product(*(combinations(pool, k) for pool, k in zip(pools, taken, strict=True)))
        return np.array([[row for part in choice for row in part] for choice in choices], dtype=np.intp), True
    parts = [pool[_draw(len(pool), k, n_draws, rng)] for pool, k in zip(pools, taken, strict=True)]
    return np.concatenate(parts, axis=1), False


def count_sets(sizes: Sequence[int], taken: Sequence[int]) -> int:
    """Return the number of sets with `taken[i]` distinct members of a pool of `sizes[i]`."""
    return prod(comb(size, k) for size, k in zip(sizes, taken, strict=True))


def _draw(size: int, k: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return k distinct numbers below `size` in each of (n_draws, k) rows."""
    if k * k > size:
        return rng.random((n_draws, size)).argsort(axis=1)[:, :k]
    # Few of many: rows with repeated numbers are drawn again, which keeps all sets equally likely.
    drawn = rng.integers(size, size=(n_draws, k))
    while len(again := np.flatnonzero((np.diff(np.sort(drawn, axis=1), axis=1) == 0).any(axis=1))):
        drawn[again] = rng.integers(size, size=(len(again), k))
    return drawn


def count_reached(observed: float, null: NDArray[Any]) -> int:
    """Return how many permuted statistics reach the observed one; one that equals it, but for rounding, does."""
    return int((null >= observed - _TOLERANCE).sum())


def permutation_p(observed: float, null: NDArray[Any], *, exact: bool = False) -> float:
    """Return the p value of an observed statistic, where large values are extreme; never 0.

    Parameters
    ----------
    observed
        The statistic.
    null
        (b,) the statistic under permutation; NaN are dropped.
    exact
        Whether the null enumerates all permutations, including the observed one; to a random sample, the observed one
        is added.

    Returns
    -------
    p in (0, 1]; NaN if the statistic or its null is undefined.

    Notes
    -----
    Source: Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010).
    """
    null = null[~np.isnan(null)]
    if np.isnan(observed) or not len(null):
        return float("nan")
    reached = count_reached(observed, null)
    return reached / len(null) if exact else (1 + reached) / (1 + len(null))


def maximum_p(observed: float, null: NDArray[Any]) -> float:
    """Return the p value of an observed maximum, where large values are extreme, also beyond all drawn values.

    If any permuted maximum reaches it, this is `permutation_p`. Otherwise the tail is that of a Gumbel distribution
    with the mean and variance of the null: the limit of maxima, with a heavier tail than maxima of bounded or
    approximately normal variables.

    Parameters
    ----------
    observed
        The statistic.
    null
        (b,) the statistic under permutation, a sample; NaN are dropped.

    Notes
    -----
    Source: Winkler et al., NeuroImage 141 (2016), on tail approximations for permutation tests.

    Examples
    --------
    >>> import numpy as np
    >>> null = np.random.default_rng(0).normal(size=(500, 3)).max(axis=1)
    >>> maximum_p(1.0, null) == permutation_p(1.0, null)
    True
    >>> 0 < maximum_p(8.0, null) < permutation_p(8.0, null)
    True
    """
    p = permutation_p(observed, null)
    null = null[~np.isnan(null)]
    if np.isnan(p) or count_reached(observed, null):
        return p
    scale = null.std() * np.sqrt(6) / np.pi
    if scale == 0:
        return p
    place = null.mean() - np.euler_gamma * scale
    return float(min(p, max(-np.expm1(-np.exp(-(observed - place) / scale)), _SMALLEST)))


def sign_flip_p(
    differences: NDArray[Any],
    units: NDArray[Any],
    *,
    weights: NDArray[Any] | None = None,
    strata: NDArray[Any] | None = None,
    se_inflation: float = 1.0,
    n_draws: int = 10_000,
    rng: np.random.Generator,
) -> float:
    """Return the two-sided p value of the paired differences between two models.

    If the models do not differ, the differences of a unit could equally have the opposite sign. The statistic is their
    `stratified_mean`.

    Parameters
    ----------
    differences
        (n,) differences, one model minus the other.
    units
        (n,) unit of each row; a unit's rows change sign together.
    weights, strata
        (n,), as in `stratified_mean`.
    se_inflation
        Factor by which the standard error of the statistic exceeds that of a mean over independent units: 2 if each
        value belongs to a pair of units and half of it is assigned to each.
    n_draws
        The number of random choices of signs; all choices are enumerated if there are no more than that.
    rng
        The source of randomness; unused if all choices are enumerated.

    Returns
    -------
    p in (0, 1].

    Notes
    -----
    Source: Fisher, The Design of Experiments (1935).
    """
    parts = _parts_of_units(differences, units, weights, strata)
    exact = 2 ** len(parts) <= n_draws
    if exact:
        flipped = (np.arange(2 ** len(parts))[:, None] >> np.arange(len(parts)) & 1) @ parts
    else:
        per_block = max(1, _BLOCK_CELLS // len(parts))
        flipped = np.concatenate(
            [
                rng.integers(2, size=(min(per_block, n_draws - start), len(parts))) @ parts
                for start in range(0, n_draws, per_block)
            ]
        )
    total = float(parts.sum())
    # The null distribution is widened, and the observed statistic is not.
    null = se_inflation * np.abs(total - 2 * flipped)
    return permutation_p(abs(total), null, exact=exact)


def sign_flip_variance(
    differences: NDArray[Any],
    units: NDArray[Any],
    *,
    weights: NDArray[Any] | None = None,
    strata: NDArray[Any] | None = None,
) -> float:
    """Return the variance of the mean difference if signs are chosen at random; parameters as in `sign_flip_p`.

    Examples
    --------
    >>> sign_flip_variance(np.array([1.0, 1.0, -1.0, 1.0]), np.arange(4))
    0.25
    """
    return float(np.square(_parts_of_units(differences, units, weights, strata)).sum())


def _parts_of_units(
    differences: NDArray[Any], units: NDArray[Any], weights: NDArray[Any] | None, strata: NDArray[Any] | None
) -> NDArray[np.float64]:
    """Return what each unit contributes to the stratified mean of the differences."""
    differences = np.asarray(differences, dtype=np.float64)
    share = stratum_shares(weights, strata, n=len(differences))
    of_unit = np.unique(units, return_inverse=True)[1]
    return np.bincount(of_unit, weights=share * differences).astype(np.float64)


def least_sign_flip_p(n_units: int, *, se_inflation: float = 1.0) -> float:
    """Return the p value of `sign_flip_p`, by enumeration, where all units differ by the same amount.

    If even this p value is not small, there are too few units to claim anything. Without inflation no p value of so
    many units is smaller: two of all 2**n choices of signs reach any observed statistic.

    Parameters
    ----------
    n_units
        The number of units.
    se_inflation
        As in `sign_flip_p`.

    Examples
    --------
    >>> least_sign_flip_p(5), least_sign_flip_p(6), round(least_sign_flip_p(6, se_inflation=1.5), 3)
    (0.0625, 0.03125, 0.219)
    """
    flipped = floor(n_units * (1 - 1 / se_inflation) / 2 + _TOLERANCE)
    return float(min(1.0, 2 * binom.cdf(flipped, n_units, 0.5)))


def mean_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row (s, k) over its values that are not NaN; NaN if all are."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0).sum(axis=1)
    count = defined.sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def benjamini_hochberg(p: NDArray[Any]) -> NDArray[np.float64]:
    """Return p values (n,) adjusted to control the false discovery rate; NaN stay NaN and are ignored.

    Source: Benjamini & Hochberg, J. R. Stat. Soc. B 57 (1995).

    Examples
    --------
    >>> import numpy as np
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.04, 0.04])
    """
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    adjusted[tested] = false_discovery_control(p[tested])
    return adjusted
