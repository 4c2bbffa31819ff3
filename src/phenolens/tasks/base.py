"""What every task declares, and the score that it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from phenolens.core.errors import TaskNotApplicable, did_you_mean
from phenolens.metrics import benjamini_hochberg, cluster_bootstrap, nadeau_bengio, percentile_interval, stratified_mean
from phenolens.profiling import Level

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST_PERMUTATIONS = 20
"""The smallest number of permutations that any task accepts."""
UNIT_COLUMNS = ("unit", "stratum", "value", "weight", "chance", "p", "p_adjusted")


@dataclass(frozen=True)
class Contract:
    """What a task claims to measure, in words.

    Attributes
    ----------
    question
        The biological question.
    match, non_match
        Which pairs of rows should be similar (or which predictions count as correct), and which should not.
    chance
        How the chance level is computed.
    controls
        The positive and the negative control that show whether the task works on a data set.
    least_data
        The minimum data it needs.
    """

    question: str
    match: str
    non_match: str
    chance: str
    controls: str
    least_data: str


@dataclass(frozen=True)
class Note:
    """What a reader must know before believing a score.

    Attributes
    ----------
    code
        The kind of note, such as ``controls_stand_apart``; not shown to users.
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
    """Groups whose rows are on both sides of a split.

    Attributes
    ----------
    straddling, total
        The number of such groups, and the number of all groups.
    """

    straddling: int
    total: int

    @property
    def text(self) -> str:
        """The leak as shown to users."""
        return f"{self.straddling} of {self.total} groups are on both sides of the split"


@dataclass(frozen=True, eq=False)
class Score:
    """The score of one encoder in one task.

    Attributes
    ----------
    metric
        The name of the metric.
    unit
        The unit of replication, which confidence intervals and paired tests resample.
    units
        One row per unit and stratum: unit, stratum, value, weight, chance, p, p_adjusted (NaN where not
        defined). `Score.value` is the mean over strata of the weighted mean over units.
    notes
        What a reader must know before believing it.
    leak
        The groups on both sides of the split; None if there are none.
    higher_is_better
        Whether a higher value is better.
    order
        The number of units that each value involves: 2 where it belongs to a pair of units. Half of the value is then
        assigned to each unit of the pair; to first order the score varies twice as much as the mean over units does
        (Hoeffding, Ann. Math. Stat. 19, 1948).
    folds
        The number of cross-validation folds of a regression; 0 where none was fitted.
    strata_are
        What the strata are, where each is reported as a separate score, such as ``sources``; empty where they are not.
    details
        Stratum -> name -> further numbers; numbers about the whole score are under the empty stratum.
    """

    metric: str
    unit: str
    units: pd.DataFrame
    notes: tuple[Note, ...] = ()
    leak: Leak | None = None
    higher_is_better: bool = True
    order: int = 1
    folds: int = 0
    strata_are: str = ""
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def caveat(self) -> str:
        """What a reader must know before believing it, in one line; empty if nothing."""
        leak = [] if self.leak is None else [f"leaking: {self.leak.text}"]
        return "; ".join([*leak, *(note.text for note in self.notes)])

    @property
    def value(self) -> float:
        """The score."""
        return self._mean("value")

    @property
    def chance(self) -> float:
        """The score of an embedding that contains no information on the question."""
        return self._mean("chance")

    @property
    def n_units(self) -> int:
        """The number of units."""
        return int(self.units["unit"].nunique())

    @property
    def se_inflation(self) -> float:
        """Factor by which the standard error of a difference of two scores exceeds that of the bootstrap over units.

        The bootstrap draws units and fits nothing again; the variance due to fitting on other rows is added by the
        correction of `nadeau_bengio`.
        """
        return self.order * (nadeau_bengio(self.folds) if self.folds else 1.0)

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
        return self.value + self.order * (drawn - drawn.mean())  # draws of a mean over few unequal units are biased

    def interval(self, rng: np.random.Generator, *, n_draws: int = 2000) -> tuple[float, float]:
        """Return the 95 % cluster-bootstrap interval over units; NaN with fewer than two units."""
        return percentile_interval(self.draws(rng, n_draws=n_draws))

    def _mean(self, column: str) -> float:
        return float(
            stratified_mean(
                self.units[column].to_numpy(),
                self.units["weight"].to_numpy(),
                self.units["stratum"].to_numpy(),
            )[0]
        )


class Task(BaseModel, ABC):
    """One biological question, which scores profiles; its options are validated and immutable.

    Each task declares what else a diagnosis can do with it: whether it can be scored on a sample of rows, without
    p values, with less data, or among restricted candidates. A diagnosis skips what a task does not support, and
    reports that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    contract: ClassVar[Contract]
    protocol_options: ClassVar[frozenset[str]] = frozenset({"task"})
    """Options that change how the question is measured, but not the question itself."""

    task: str

    @property
    @abstractmethod
    def id(self) -> str:
        """The kind of task and the options that distinguish it from other tasks of that kind."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""

    @property
    @abstractmethod
    def aggregation(self) -> Level:
        """Whether it scores profiles of wells or of sites."""

    @abstractmethod
    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Score profiles (n, d).

        Raises
        ------
        TaskNotApplicable
            If these data do not allow it; the message gives the reason.
        """

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return False

    @property
    def split_by(self) -> str | None:
        """The metadata column whose groups are kept on one side of a split; None if there is no grouped split."""
        return None

    @property
    def measures_activity(self) -> bool:
        """Whether each unit's p value tests that a perturbation differs from controls (phenotypic activity)."""
        return False

    @property
    def retrieves_replicates(self) -> bool:
        """Whether it retrieves replicates by ranking wells by similarity."""
        return False

    @property
    def takes_less_data(self) -> Literal["shots", "replicates"] | None:
        """What the task can be scored with fewer of; None if of nothing."""
        return None

    @property
    def units_have_strength(self) -> bool:
        """Whether its units differ in phenotypic strength, as perturbations do."""
        return True

    @property
    def subject(self) -> tuple[str, str]:
        """What is measured: equal for tasks that differ only in their protocol options."""
        return type(self).__name__, self.model_dump_json(exclude=set(self.protocol_options))

    def without_p(self) -> Self:
        """Return the task with few permutations, for its value alone; its p values must not be used."""
        if "n_permutations" not in type(self).model_fields:
            return self
        return self.model_copy(update={"n_permutations": FEWEST_PERMUTATIONS})

    def grouped(self) -> Self | None:
        """Return the task with a grouped split; None if its split is not random."""
        return None

    def sample(self, rows: AnnData, most: int, rng: np.random.Generator) -> AnnData:
        """Return a sample of rows (m, d) that is cheaper to score; all rows if a sample would change the question."""
        return rows

    def with_less_data(self, profiles: AnnData, score: Score, seed: int) -> LessData | None:
        """Return how the task can be scored with less data; None if it cannot.

        Parameters
        ----------
        profiles, score
            The profiles, and their score with all data.
        seed
            The seed of all draws.

        Raises
        ------
        TaskNotApplicable
            If the task supports it, but these data do not allow it.
        """
        return None

    def restricted(self, seed: int) -> Restricted | None:
        """Return the task among candidates matched on, or separated by, a covariate; None if unsupported."""
        return None


class WellTask(Task):
    """A task that scores profiles of wells."""

    @property
    def aggregation(self) -> Level:
        """Wells: they are the units that are treated and replicated."""
        return "well"


@dataclass(frozen=True, eq=False)
class LessData:
    """How a task is scored with less data.

    Attributes
    ----------
    kind
        What is reduced: ``shots``, training rows per class, or ``replicates``, wells per perturbation.
    amounts
        The reduced amounts, in increasing order.
    whole
        The full amount.
    scored
        Whether the score itself rests on the full amount; if False, the full amount must be scored too, on a sample.
    note
        What a reader must know; empty if nothing.
    draws
        Returns, for an amount, the tasks and rows of one or several draws of that amount.
    """

    kind: Literal["shots", "replicates"]
    amounts: tuple[int, ...]
    whole: int
    scored: bool
    note: str
    draws: Callable[[int], list[tuple[Task, AnnData]]]


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """Values of units before and after a restriction.

    Attributes
    ----------
    before, after
        Value and weight by (unit, stratum).
    chance
        The chance level before.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    chance: float


class Restricted(Protocol):
    """A task among restricted rows; all encoders are scored on the same draws."""

    def meet(self, profiles: AnnData) -> None:
        """Set the profiles of the encoder that is scored next."""
        ...

    def matched(self, name: str, covariates: pd.DataFrame) -> BeforeAfter:
        """Score among rows matched on covariates (indexed by row name); `name` is what these measure."""
        ...

    def left_out(self, column: str) -> BeforeAfter:
        """Score without comparing rows that share the value of a metadata column."""
        ...


def numbers(column: pd.Series[Any], of: str) -> pd.Series[float]:
    """Return a column as numbers.

    Raises
    ------
    TaskNotApplicable
        If it holds text that is not a number.
    """
    found = pd.to_numeric(column.astype(object), errors="coerce").astype(float)
    text = column[found.isna() & column.notna()]
    if len(text):
        raise TaskNotApplicable(f"{of}: column '{column.name}' holds '{text.iloc[0]}', which is not a number")
    return found


def required_column(profiles: AnnData, column: str, task: str) -> pd.Series[str]:
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
    """Return which rows have a value in a metadata column, and a note on rows without one.

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
    """Return a score's table of units, with p values adjusted within each stratum."""
    table = pd.DataFrame(
        {"unit": units, "stratum": strata, "value": values, "weight": weights, "chance": chance, "p": p}
    )
    table["p_adjusted"] = np.nan
    for _, rows in table.groupby("stratum", sort=False).groups.items():
        table.loc[rows, "p_adjusted"] = benjamini_hochberg(table.loc[rows, "p"].to_numpy(dtype=float))
    return table[list(UNIT_COLUMNS)]
