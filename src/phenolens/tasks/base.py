"""What every task declares and returns."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.errors import TaskNotApplicable, did_you_mean
from phenolens.metrics import cluster_bootstrap, percentile_interval, stratified_mean

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
    """

    metric: str
    unit: str
    units: pd.DataFrame
    caveat: str = ""
    higher_is_better: bool = True

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

    def interval(self, rng: np.random.Generator, *, n_draws: int = 2000) -> tuple[float, float]:
        """Return the 95 % cluster-bootstrap interval over units; NaN with fewer than two units."""
        if self.n_units < 2:
            return float("nan"), float("nan")
        draws = cluster_bootstrap(
            self.units["value"].to_numpy(),
            self.units["unit"].to_numpy(),
            weights=self.units["weight"].to_numpy(),
            strata=self.units["stratum"].to_numpy(),
            n_draws=n_draws,
            rng=rng,
        )
        return percentile_interval(draws[:, 0])

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
