"""Paired differences between encoders on the same units, with intervals and p values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.evaluation.estimate import Estimate
from phenolens.evaluation.shared_noise import NOTHING_SHARED, SharedNoise
from phenolens.metrics import (
    cluster_bootstrap,
    minimum_detectable_effect,
    percentile_interval,
    sign_flip_p,
    sign_flip_variance,
    small_sample_widening,
    stratified_mean,
)
from phenolens.tasks import Score, clusters_of

UnitValues: TypeAlias = pd.DataFrame
"""Columns ``value``, ``weight`` and perhaps ``cluster``, indexed by (unit, stratum); see `clusters_of`."""

UNIT_KEY = ["unit", "stratum"]
_N_DRAWS = 2000


def values_by_unit(score: Score) -> UnitValues:
    """Return a score's values, weights and clusters by (unit, stratum)."""
    units = score.units.assign(cluster=clusters_of(score.units))
    return units.set_index(UNIT_KEY)[["value", "weight", "cluster"]].sort_index()


def mean_by_unit(tables: list[pd.DataFrame]) -> UnitValues:
    """Return the mean of several tables with values and weights of units, such as those of seeds."""
    rows = pd.concat(tables).groupby(UNIT_KEY, sort=True)
    means = rows[["value", "weight"]].mean()
    return means.join(rows["cluster"].first()) if "cluster" in tables[0] else means


@dataclass(frozen=True, eq=False)
class JointDraws:
    """Scores of m encoders on their shared units, and joint bootstrap draws of these.

    Attributes
    ----------
    mean
        (m,) scores; NaN with fewer than two clusters.
    draws
        (b, m) cluster-bootstrap draws; none with fewer than two clusters.
    n_units, n_clusters
        The number of shared units, and of clusters of those that are not independent.
    """

    mean: NDArray[np.float64]
    draws: NDArray[np.float64]
    n_units: int
    n_clusters: int


def joint_draws(values: Mapping[str, UnitValues], rng: np.random.Generator, *, se_inflation: float = 1.0) -> JointDraws:
    """Bootstrap the scores of several encoders jointly, over their shared units.

    Parameters
    ----------
    values
        Name -> values by unit; clusters and weights are those of the first.
    rng
        The source of randomness.
    se_inflation
        Factor by which the standard error exceeds that of the bootstrap over clusters; see `Score.se_inflation`.
    """
    table = pd.concat({name: each["value"] for name, each in values.items()}, axis=1, join="inner")
    shared = next(iter(values.values())).loc[table.index]
    strata, weights = table.index.get_level_values("stratum").to_numpy(), shared["weight"].to_numpy()
    clusters = clusters_of(shared).to_numpy()
    n_units, n_clusters = table.index.get_level_values("unit").nunique(), len(np.unique(clusters))
    if n_clusters < 2:
        return JointDraws(np.full(len(values), np.nan), np.empty((0, len(values))), n_units, n_clusters)
    mean = stratified_mean(table.to_numpy(), weights, strata)
    drawn = cluster_bootstrap(table.to_numpy(), clusters, weights=weights, strata=strata, n_draws=_N_DRAWS, rng=rng)
    # Centred on the mean of the draws: draws over few unequal clusters are biased; inflation would multiply the bias.
    widening = se_inflation * small_sample_widening(n_clusters)
    return JointDraws(mean, mean + widening * (drawn - drawn.mean(axis=0)), n_units, n_clusters)


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two encoders on their shared units.

    Attributes
    ----------
    estimate
        One minus the other.
    detectable
        The minimum detectable difference (80 % power).
    """

    estimate: Estimate
    detectable: float


def paired_difference(
    one: UnitValues,
    other: UnitValues,
    rng: np.random.Generator,
    *,
    se_inflation: float = 1.0,
    noise: SharedNoise = NOTHING_SHARED,
) -> PairedDifference:
    """Return the difference one - other on their shared units.

    Parameters
    ----------
    one, other
        Values by unit.
    rng
        The source of randomness.
    se_inflation
        As in `joint_draws`.
    noise
        What all units share, such as plates and controls, varies the difference by this.
    """
    joint = joint_draws({"one": one, "other": other}, rng, se_inflation=se_inflation)
    if joint.n_clusters < 2:
        return PairedDifference(Estimate(n_units=joint.n_units), float("nan"))
    difference = float(joint.mean[0] - joint.mean[1])
    drawn = joint.draws[:, 0] - joint.draws[:, 1]
    drawn = noise.widen(drawn, difference)
    estimate = Estimate(difference, *percentile_interval(drawn), joint.n_units)
    return PairedDifference(estimate, minimum_detectable_effect(float(drawn.std())))


def paired_p(
    one: UnitValues,
    other: UnitValues,
    rng: np.random.Generator,
    *,
    se_inflation: float = 1.0,
    noise: SharedNoise = NOTHING_SHARED,
) -> float:
    """Return the p value of the difference one - other; parameters as in `paired_difference`."""
    table = one.join(other, how="inner", rsuffix="_other")
    strata, clusters = table.index.get_level_values("stratum").to_numpy(), clusters_of(table).to_numpy()
    if len(np.unique(clusters)) < 2:
        return float("nan")
    difference, weights = (table["value"] - table["value_other"]).to_numpy(), table["weight"].to_numpy()
    # The null distribution of random signs is what the shared noise is added to.
    variance = se_inflation**2 * sign_flip_variance(difference, clusters, weights=weights, strata=strata)
    se_inflation *= noise.widening(variance)
    return sign_flip_p(difference, clusters, weights=weights, strata=strata, se_inflation=se_inflation, rng=rng)
