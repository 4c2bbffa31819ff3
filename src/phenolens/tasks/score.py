"""What a task returns: a score with the units that it rests on, and notes on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.metrics import (
    benjamini_hochberg,
    cluster_bootstrap,
    nadeau_bengio,
    percentile_interval,
    permutation_p,
    small_sample_widening,
    stratified_mean,
)

UNIT_COLUMNS = ("unit", "stratum", "cluster", "value", "weight", "chance", "p", "p_adjusted")
_NO_ROOM = 1e-9  # between chance and a perfect score


@dataclass(frozen=True)
class Note:
    """What must be known of a score.

    Attributes
    ----------
    code
        The kind of note, such as ``controls_stand_apart``; never shown.
    text
        The note as shown to users.
    """

    code: str
    text: str


def notes_of(**texts: str) -> tuple[Note, ...]:
    """Return a note for each text that is not empty, with the keyword as its code."""
    return tuple(Note(code, text) for code, text in texts.items() if text)


@dataclass(frozen=True)
class Leak:
    """Groups that are on both sides of a split.

    Attributes
    ----------
    straddling, total
        How many groups are, of how many.
    of
        What the groups are, in the plural.
    """

    straddling: int
    total: int
    of: str = "groups"

    @property
    def text(self) -> str:
        """The leak as shown to users."""
        return f"{self.straddling} of {self.total} {self.of} are on both sides of the split"


@dataclass(frozen=True, eq=False)
class Score:
    """The score of one encoder in one task.

    Attributes
    ----------
    metric
        The name of the metric.
    unit
        What a value is of, such as a perturbation at a dose.
    units
        One row per unit and stratum: unit, stratum, cluster, value, weight, chance, p, p_adjusted (NaN where not
        defined). `Score.value` is the mean over strata of the weighted mean over units. A cluster holds the units that
        are not independent of each other, such as the doses of a compound: intervals and paired tests resample
        clusters. Without that column, each unit is a cluster.
    notes
        What a reader must know before believing it.
    leak
        The groups on both sides of the split; None if there are none.
    higher_is_better
        Whether a higher score is better.
    order
        How many clusters each value involves: 2 for a value of a pair of units that are clusters of their own. Half of
        such a value is assigned to either, and both are resampled: to first order, the score then varies twice as much
        as the mean over units does (Hoeffding, Ann. Math. Stat. 19, 1948). Between 1 and 2 where both units of some
        pairs are in one cluster.
    folds
        The number of folds of a cross-validated model; 0 without one.
    strata_are
        What the strata are, where each is a score by itself, such as ``sources``; empty where they are not.
    bounds
        The least and the largest value that the metric can take.
    details
        Stratum -> name -> further numbers; those of the whole score under the empty stratum.
    null
        The scores of the same rows with what is asked for permuted before post-processing; empty where that is not
        asked. Encoders have the same permutations.
    confusion
        How many rows of each class (k rows) are taken for each (k columns), of classifiers; None for other tasks.
    """

    metric: str
    unit: str
    units: pd.DataFrame
    notes: tuple[Note, ...] = ()
    leak: Leak | None = None
    higher_is_better: bool = True
    order: float = 1
    folds: int = 0
    strata_are: str = ""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    null: tuple[float, ...] = ()
    confusion: pd.DataFrame | None = None

    @property
    def caveat(self) -> str:
        """What must be known of it, in one line; empty if nothing."""
        leak = [] if self.leak is None else [f"leaking: {self.leak.text}"]
        return "; ".join([*leak, *(note.text for note in self.notes)])

    @property
    def value(self) -> float:
        """The score."""
        return self._mean("value")

    @property
    def chance(self) -> float:
        """The score of a representation without information."""
        return self._mean("chance")

    @property
    def normalised(self) -> float:
        """The score between chance (0) and a perfect one (1), the mean over the units that chance leaves room.

        Units with other numbers of replicates and controls have other chance levels, so that their plain values must
        not be averaged with each other. NaN if there is no such unit.
        """
        room = 1 - self.units["chance"].to_numpy(dtype=float)
        kept = room > _NO_ROOM
        if not kept.any():
            return float("nan")
        gained = (self.units["value"] - self.units["chance"]).to_numpy(dtype=float)
        return _mean_over(self.units[kept], gained[kept] / room[kept])

    @property
    def p(self) -> float:
        """The p value of the whole score against its null; NaN without one."""
        return permutation_p(self.value, np.array(self.null)) if self.null else float("nan")

    def against(self, null: Sequence[float]) -> "Score":
        """Return the score with this null, whose mean is chance."""
        if not null:
            return self
        units = self.units.assign(chance=float(np.mean(null)))
        return replace(self, units=units, null=tuple(float(value) for value in null))

    @property
    def n_units(self) -> int:
        """The number of units."""
        return int(self.units["unit"].nunique())

    @property
    def n_clusters(self) -> int:
        """The number of clusters of units that are independent of each other."""
        return int(clusters_of(self.units).nunique())

    @property
    def se_inflation(self) -> float:
        """The factor by which the standard error of a difference of two such scores exceeds that over drawn clusters.

        Clusters are resampled without fitting again; the variance of the fits is added by `nadeau_bengio`.
        """
        return self.order * (nadeau_bengio(self.folds) if self.folds else 1.0)

    def draws(self, rng: np.random.Generator, *, n_draws: int = 2000) -> NDArray[np.float64]:
        """Return cluster-bootstrap draws (n_draws,) of the value; NaN with fewer than two clusters."""
        clusters = clusters_of(self.units)
        n_clusters = clusters.nunique()
        if n_clusters < 2:
            return np.full(n_draws, np.nan)
        drawn = cluster_bootstrap(
            self.units["value"].to_numpy(),
            clusters.to_numpy(),
            weights=self.units["weight"].to_numpy(),
            strata=self.units["stratum"].to_numpy(),
            n_draws=n_draws,
            rng=rng,
        )[:, 0]
        widening = self.order * small_sample_widening(n_clusters)
        return self.value + widening * (drawn - drawn.mean())  # draws of a mean over few unequal clusters are biased

    def interval(self, rng: np.random.Generator, *, n_draws: int = 2000) -> tuple[float, float]:
        """Return the 95 % cluster-bootstrap interval; NaN with fewer than two clusters."""
        return self.limits(self.draws(rng, n_draws=n_draws))

    def limits(self, draws: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
        """Return the central interval that holds `level` of the draws of a score, within the range of the metric."""
        low, high = np.clip(percentile_interval(draws, level), *self.bounds)
        return float(low), float(high)

    def _mean(self, column: str) -> float:
        return _mean_over(self.units, self.units[column].to_numpy())


def _mean_over(units: pd.DataFrame, values: NDArray[Any]) -> float:
    """Return the mean over strata of the weighted mean over units."""
    return float(stratified_mean(values, units["weight"].to_numpy(), units["stratum"].to_numpy())[0])


def clusters_of(table: pd.DataFrame) -> "pd.Series[Any]":
    """Return the cluster of each row of a table of units, a column or an index level; the units where none is named.

    Where every unit is a cluster, its name is that of the unit: random draws do not depend on what it is called.
    """
    units = table["unit"] if "unit" in table else table.index.get_level_values("unit").to_series(index=table.index)
    if "cluster" not in table or table["cluster"].nunique() == units.nunique():
        return units
    return table["cluster"]


def unit_table(
    units: Any,
    values: Any,
    *,
    chance: Any,
    strata: Any = "",
    weights: Any = 1.0,
    p: Any = np.nan,
    clusters: Any = None,
) -> pd.DataFrame:
    """Return a score's table of units, with p values adjusted within each stratum.

    Parameters
    ----------
    units, values, chance, strata, weights, p
        The columns, or one value for all rows; see `Score`.
    clusters
        The cluster of each row, outside of which it is independent; each unit is a cluster if None.
    """
    table = pd.DataFrame(
        {"unit": units, "stratum": strata, "value": values, "weight": weights, "chance": chance, "p": p}
    )
    table["cluster"] = table["unit"] if clusters is None else clusters
    table["p_adjusted"] = np.nan
    for _, rows in table.groupby("stratum", sort=False).groups.items():
        table.loc[rows, "p_adjusted"] = benjamini_hochberg(table.loc[rows, "p"].to_numpy(dtype=float))
    return table[list(UNIT_COLUMNS)]
