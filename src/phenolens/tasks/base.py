"""What every task declares and returns."""

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
from phenolens.metrics import benjamini_hochberg, cluster_bootstrap, percentile_interval, refitted, stratified_mean
from phenolens.profiling import Level

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST_PERMUTATIONS = 20
"""That any task takes."""
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


@dataclass(frozen=True)
class Note:
    """What a reader must know before believing a score.

    Attributes
    ----------
    code
        Which kind of note it is, such as ``controls_stand_apart``; never shown.
    text
        The note in words.
    """

    code: str
    text: str


def notes_of(**texts: str) -> tuple[Note, ...]:
    """Return a note for each text that is not empty, with the keyword as its code."""
    return tuple(Note(code, text) for code, text in texts.items() if text)


@dataclass(frozen=True)
class Leak:
    """Groups that stand on both sides of a split.

    Attributes
    ----------
    straddling, total
        How many groups do, of how many.
    """

    straddling: int
    total: int

    @property
    def text(self) -> str:
        """The leak in words."""
        return f"{self.straddling} of {self.total} groups stand on both sides of the split"


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
    notes
        What a reader must know before believing it.
    leak
        The groups that the split has on both sides; None if there are none.
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
        """The score of a representation that knows nothing."""
        return self._mean("chance")

    @property
    def n_units(self) -> int:
        """How many units it rests on."""
        return int(self.units["unit"].nunique())

    @property
    def se_inflation(self) -> float:
        """By how much the standard error of a difference of two such scores exceeds that over drawn units.

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

    def _mean(self, column: str) -> float:
        return float(
            stratified_mean(
                self.units[column].to_numpy(),
                self.units["weight"].to_numpy(),
                self.units["stratum"].to_numpy(),
            )[0]
        )


class Task(BaseModel, ABC):
    """One biological question asked of profiles; its options are checked and do not change.

    A task says itself what else can be done with it: whether it may be asked of fewer rows, without p values, with less
    data or of restricted candidates. What it does not say, the diagnosis leaves out, and says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    contract: ClassVar[Contract]
    protocol_options: ClassVar[frozenset[str]] = frozenset({"task"})
    """Options that say how something is asked, and not what."""

    task: str

    @property
    @abstractmethod
    def id(self) -> str:
        """The kind and the options that tell this task from others of its kind."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""

    @property
    @abstractmethod
    def aggregation(self) -> Level:
        """Whether it is asked of wells or of sites."""

    @abstractmethod
    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Answer the question from profiles (n, d).

        Raises
        ------
        TaskNotApplicable
            If these data cannot answer it; the message says why.
        """

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return False

    @property
    def split_by(self) -> str | None:
        """The metadata column whose values must not straddle a split; None if nothing is split by one."""
        return None

    @property
    def measures_activity(self) -> bool:
        """Whether each unit's p value says that a perturbation differs from controls (phenotypic activity)."""
        return False

    @property
    def retrieves_replicates(self) -> bool:
        """Whether it ranks wells by their similarity to find replicates among them."""
        return False

    @property
    def takes_less_data(self) -> Literal["shots", "replicates"] | None:
        """What it can be asked with less of; None if of nothing."""
        return None

    @property
    def units_have_strength(self) -> bool:
        """Whether its units are perturbations and the like, of which some are found more easily than others."""
        return True

    @property
    def subject(self) -> tuple[str, str]:
        """What is asked, however it is: equal for tasks that differ in their protocol alone."""
        return type(self).__name__, self.model_dump_json(exclude=set(self.protocol_options))

    def without_p(self) -> Self:
        """Return the task asked for its value alone, with few permutations, of which p values are not to be used."""
        if "n_permutations" not in type(self).model_fields:
            return self
        return self.model_copy(update={"n_permutations": FEWEST_PERMUTATIONS})

    def grouped(self) -> Self | None:
        """Return the task with a split that nothing straddles; None if it splits nothing at random."""
        return None

    def sample(self, rows: AnnData, most: int, rng: np.random.Generator) -> AnnData:
        """Return rows (m, d) on which the question costs less; all of them if fewer would be another question."""
        return rows

    def with_less_data(self, profiles: AnnData, score: Score, seed: int) -> LessData | None:
        """Return how it can be asked with less data; None if it cannot.

        Parameters
        ----------
        profiles, score
            What it was asked of, and what it said.
        seed
            Of what is drawn.

        Raises
        ------
        TaskNotApplicable
            If it could, and these data leave no way.
        """
        return None

    def restricted(self, seed: int) -> Restricted | None:
        """Return the question among those alike in, or apart from, something; None if it cannot be asked so."""
        return None


class WellTask(Task):
    """A task that is asked of wells."""

    @property
    def aggregation(self) -> Level:
        """Wells: they are what is treated and replicated."""
        return "well"


@dataclass(frozen=True, eq=False)
class LessData:
    """How a question is asked with less and less data.

    Attributes
    ----------
    kind
        What there is less of: ``shots``, rows of each class to learn from, or ``replicates``, wells of a perturbation.
    amounts
        Rising, less than all.
    whole
        How much there is in all.
    scored
        Whether all of it is what the score itself rests on; if not, a sample is, and is to be asked as well.
    note
        What a reader must know; empty if nothing.
    draws
        From an amount to the tasks and rows of one or several draws of so much.
    """

    kind: Literal["shots", "replicates"]
    amounts: tuple[int, ...]
    whole: int
    scored: bool
    note: str
    draws: Callable[[int], list[tuple[Task, AnnData]]]


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """Values before and after something was taken away.

    Attributes
    ----------
    before, after
        Value and weight by (unit, stratum).
    chance
        Before.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    chance: float


class Restricted(Protocol):
    """A question among fewer rows; it meets the profiles of one encoder after the other, and draws once for all."""

    def meet(self, profiles: AnnData) -> None:
        """Take the profiles of the next encoder."""
        ...

    def matched(self, name: str, covariates: pd.DataFrame) -> BeforeAfter:
        """Ask among rows that are alike in covariates, by row name; `name` says what they measure."""
        ...

    def left_out(self, column: str) -> BeforeAfter:
        """Ask without rows that share the value of a metadata column."""
        ...


def numbers(column: pd.Series[Any], of: str) -> pd.Series[float]:
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
