"""What every task declares and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from phenolens.core.errors import TaskNotApplicable, did_you_mean
from phenolens.metrics import benjamini_hochberg, cluster_bootstrap, percentile_interval, refitted, stratified_mean

UNIT_COLUMNS = ("unit", "stratum", "value", "weight", "chance", "p", "p_adjusted")


@dataclass(frozen=True)
class Contract:
    """What a task claims to measure, in words for a person to hold it to.

    Attributes
    ----------
    question
        The biological question.
    match, non_match
        What should be near, or counted as right, and what should not.
    chance
        Where the chance level comes from.
    controls
        The positive and the negative control that show that the task works on this data.
    least_data
        The least data it accepts.
    """

    question: str
    match: str
    non_match: str
    chance: str
    controls: str
    least_data: str


@dataclass(frozen=True, eq=False)
class Score:
    """One task's answer for one encoder.

    Attributes
    ----------
    metric
        What the value is.
    unit
        The unit of replication, which intervals and paired tests resample.
    units
        One row per unit and stratum: unit, stratum, value, weight, chance, p, p_adjusted (NaN where not
        defined). `value` is the mean over strata of the weighted mean of these.
    caveat
        What a reader must know before believing it; empty if nothing.
    higher_is_better
        The direction.
    order
        How many units each value involves: 2 where it belongs to a pair of them. Such a value stands, by half, with
        both, and both are drawn: by first order the score then varies twice as much as the mean over units does
        (Hoeffding, Ann. Math. Stat. 19, 1948).
    folds
        Into how many folds rows were dealt, where a regression was fitted to the others each time; 0 where none was.
    strata_are
        What the strata are, where each is an answer of its own: ``sources``; empty where they are not.
    details
        Stratum -> name -> further numbers; those on the whole under the empty stratum.
    """

    metric: str
    unit: str
    units: pd.DataFrame
    caveat: str = ""
    higher_is_better: bool = True
    order: int = 1
    folds: int = 0
    strata_are: str = ""
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The score."""
        return self._mean("value")

    @property
    def chance(self) -> float:
        """The score of a representation that knows nothing."""
        return self._mean("chance")

    @property
    def n_units(self) -> int:
        """How many units it rests on."""
        return int(self.units["unit"].nunique())

    @property
    def spread(self) -> float:
        """By how much a difference of two such scores varies more than its mean over drawn units does.

        Units are drawn, and nothing is fitted again: what fits on other rows would change comes on top, see `refitted`.
        """
        return self.order * (refitted(self.folds) if self.folds else 1.0)

    def draws(self, rng: np.random.Generator, *, n_draws: int = 2000) -> NDArray[np.float64]:
        """Return cluster-bootstrap draws (n_draws,) of the value; NaN with fewer than two units."""
        if self.n_units < 2:
            return np.full(n_draws, np.nan)
        drawn = cluster_bootstrap(
            self.units["value"].to_numpy(),
            self.units["unit"].to_numpy(),
            weights=self.units["weight"].to_numpy(),
            strata=self.units["stratum"].to_numpy(),
            n_draws=n_draws,
            rng=rng,
        )[:, 0]
        return self.value + self.order * (drawn - drawn.mean())  # a mean over few unequal units is drawn off its value

    def interval(self, rng: np.random.Generator, *, n_draws: int = 2000) -> tuple[float, float]:
        """Return the 95 % cluster-bootstrap interval over units; NaN with fewer than two units."""
        return percentile_interval(self.draws(rng, n_draws=n_draws))

    def by_stratum(self, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
        """Return, for each stratum that is an answer of its own, its value, chance, interval, n_units and details."""
        if not self.strata_are:
            return {}
        result = {}
        for stratum, units in self.units.groupby("stratum", sort=False):
            own = replace(self, units=units.assign(stratum=""))
            result[str(stratum)] = {
                "value": own.value,
                "chance": own.chance,
                "interval": list(own.interval(rng)),
                "n_units": own.n_units,
                **self.details.get(str(stratum), {}),
            }
        return result

    def _mean(self, column: str) -> float:
        return float(
            stratified_mean(
                self.units[column].to_numpy(),
                self.units["weight"].to_numpy(),
                self.units["stratum"].to_numpy(),
            )[0]
        )


class Task(Protocol):
    """One biological question asked of profiles."""

    contract: ClassVar[Contract]

    @property
    def task(self) -> str:
        """The kind of task, e.g. ``replicate-retrieval``."""
        ...

    @property
    def id(self) -> str:
        """The kind and the options that tell this task from others of its kind."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        ...

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        ...

    @property
    def level(self) -> Literal["well", "site"]:
        """Whether it is asked of wells or of sites."""
        ...

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Answer the question from profiles (n, d).

        Raises
        ------
        TaskNotApplicable
            If these data cannot answer it; the message says why.
        """
        ...


class Question(BaseModel):
    """What the tasks share: options that are checked and do not change, and no need of controls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    contract: ClassVar[Contract]

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return False


class WellQuestion(Question):
    """A task that is asked of wells."""

    @property
    def level(self) -> Literal["well", "site"]:
        """Wells: they are what is treated and replicated."""
        return "well"


def numbers(column: "pd.Series[Any]", of: str) -> "pd.Series[float]":
    """Return a column as numbers.

    Raises
    ------
    TaskNotApplicable
        If it holds text that is none.
    """
    found = pd.to_numeric(column.astype(object), errors="coerce").astype(float)
    text = column[found.isna() & column.notna()]
    if len(text):
        raise TaskNotApplicable(f"{of}: column '{column.name}' holds '{text.iloc[0]}' where a number is needed")
    return found


def required_column(profiles: AnnData, column: str, task: str) -> "pd.Series[str]":
    """Return a metadata column as text.

    Raises
    ------
    TaskNotApplicable
        If it is missing or has gaps.
    """
    if column not in profiles.obs:
        raise TaskNotApplicable(f"{task}: no column '{column}'{did_you_mean(column, profiles.obs.columns)}")
    values = profiles.obs[column]
    if values.isna().any():
        row = values.index[values.isna()][0]
        raise TaskNotApplicable(f"{task}: row '{row}' has no value in column '{column}'")
    return values.astype(str)


def usable_rows(profiles: AnnData, column: str, task: str) -> tuple[NDArray[np.bool_], str]:
    """Return which rows have a value in a metadata column, and a note on those that have none.

    Raises
    ------
    TaskNotApplicable
        If the column is missing, or empty in every row.
    """
    if column not in profiles.obs:
        raise TaskNotApplicable(f"{task}: no column '{column}'{did_you_mean(column, profiles.obs.columns)}")
    values = profiles.obs[column]
    usable = (values.notna() & (values.astype(str) != "")).to_numpy()
    if not usable.any():
        raise TaskNotApplicable(f"{task}: column '{column}' is empty")
    missing = int((~usable).sum())
    return usable, f"{missing} of {len(values)} rows have no value in '{column}' and are left out" if missing else ""


def unit_table(
    units: Any, values: Any, *, chance: Any, strata: Any = "", weights: Any = 1.0, p: Any = np.nan
) -> pd.DataFrame:
    """Return a score's table of units; p values are adjusted over those of one stratum."""
    table = pd.DataFrame(
        {"unit": units, "stratum": strata, "value": values, "weight": weights, "chance": chance, "p": p}
    )
    table["p_adjusted"] = np.nan
    for _, rows in table.groupby("stratum", sort=False).groups.items():
        table.loc[rows, "p_adjusted"] = benjamini_hochberg(table.loc[rows, "p"].to_numpy(dtype=float))
    return table[list(UNIT_COLUMNS)]
