"""What every task declares, and what else can be done with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from phenolens.profiling import Level
from phenolens.tasks.clusters import cluster_of_units
from phenolens.tasks.score import Score

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST_PERMUTATIONS = 20
"""The least number of permutations that tasks accept."""


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
        How the chance level is determined.
    controls
        The positive and the negative control that show that the task works on these data.
    least_data
        The minimum data that it needs.
    """

    question: str
    match: str
    non_match: str
    chance: str
    controls: str
    least_data: str


class Task(BaseModel, ABC):
    """One biological question that profiles are scored on; its options are validated and immutable.

    A task declares what else can be done with it: whether it can be scored on fewer rows, without p values, with less
    data, or among restricted candidates. What a task does not declare, the diagnosis skips, with a reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    contract: ClassVar[Contract]
    protocol_options: ClassVar[frozenset[str]] = frozenset({"task"})
    """Options of the protocol; they do not change the question."""

    task: str

    @property
    @abstractmethod
    def id(self) -> str:
        """The kind of task, and the options that distinguish it from others of its kind."""

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

    def foresee(self, obs: pd.DataFrame) -> tuple[str, ...]:
        """Return what the metadata of rows show before any image is read: what would be left out or done otherwise.

        Parameters
        ----------
        obs
            Metadata of sites.

        Raises
        ------
        TaskNotApplicable
            If these rows do not allow the task, as far as metadata show.
        """
        return ()

    @property
    def needs_controls(self) -> bool:
        """Whether it needs negative controls."""
        return False

    @property
    def asks_controls_alone(self) -> bool:
        """Whether nothing but negative controls is scored."""
        return False

    @property
    def split_by(self) -> str | None:
        """The metadata column whose groups are kept on one side of a split; None if it does not split by groups."""
        return None

    @property
    def measures_activity(self) -> bool:
        """Whether each unit's p value says that a perturbation differs from controls (phenotypic activity)."""
        return False

    @property
    def retrieves_replicates(self) -> bool:
        """Whether it ranks wells by similarity to retrieve replicates."""
        return False

    @property
    def gives_away(self) -> str:
        """What a high score gives away, for sentences, where a lower one is better."""
        return "the nuisance"

    @property
    def takes_less_data(self) -> Literal["shots", "replicates"] | None:
        """Of what it can be scored with less; None if it cannot."""
        return None

    @property
    def is_of_perturbations(self) -> bool:
        """Whether units are perturbations, or made of them, so that all of them share the noise of plates."""
        return False

    @property
    def units_have_strength(self) -> bool:
        """Whether its units differ in phenotypic strength, as perturbations do."""
        return True

    @property
    def subject(self) -> tuple[str, str]:
        """The question without its protocol: equal for tasks that differ in protocol alone."""
        return type(self).__name__, self.model_dump_json(exclude=set(self.protocol_options))

    def without_p(self) -> Self:
        """Return the task with few permutations, for its value alone: its p values are not to be used."""
        if "n_permutations" not in type(self).model_fields:
            return self
        return self.model_copy(update={"n_permutations": FEWEST_PERMUTATIONS})

    def without_null(self) -> Self:
        """Return the task for its values alone: neither p values nor chance are to be used."""
        return self.without_p()

    def n_refits(self, obs: pd.DataFrame, batches: Collection[str]) -> int:
        """Return how often rows are permuted, post-processed and scored anew for its null; 0 if that is not needed.

        Post-processing that is fitted on some rows of each batch makes the others of that batch alike. Labels that are
        exchanged afterwards do not show that; `permuted` rows do.

        Parameters
        ----------
        obs
            Metadata of the rows.
        batches
            The columns whose combinations are the batches of post-processing.
        """
        return 0

    def permuted(self, rows: AnnData, rng: np.random.Generator) -> AnnData:
        """Return rows (n, d), as they are before post-processing, without what is asked for."""
        return rows

    def grouped(self) -> Self | None:
        """Return the task with a grouped split; None if it has no random split."""
        return None

    def sample(self, rows: AnnData, most: int, rng: np.random.Generator) -> AnnData:
        """Return fewer rows (m, d), which cost less to score; all of them if that would change the question."""
        return rows

    def with_less_data(self, profiles: AnnData, score: Score, seed: int) -> LessData | None:
        """Return how it is scored with less data; None if it cannot be.

        Parameters
        ----------
        profiles, score
            The profiles, and their score with all data.
        seed
            The seed of random draws.

        Raises
        ------
        TaskNotApplicable
            If these data do not allow it.
        """
        return None

    def restricted(self, seed: int) -> Restricted | None:
        """Return the task among rows matched on, or separated by, a covariate; None if it has no such form."""
        return None


class WellTask(Task):
    """A task that scores profiles of wells."""

    @property
    def aggregation(self) -> Level:
        """Wells, which are treated and replicated."""
        return "well"


class PerturbationTask(WellTask):
    """A task whose units are perturbations, or are made of them.

    Parameters
    ----------
    cluster
        The metadata column that says which units are not independent of each other, such as the gene that several
        guides target, or a complex; None for the perturbation, whose doses are not independent.
    """

    cluster: str | None = None

    @property
    def is_of_perturbations(self) -> bool:
        """They are."""
        return True

    def clusters(self, rows: AnnData, units: Any) -> Mapping[str, str]:
        """Return unit -> cluster, from rows (n, d) and the unit (n,) of each; see `cluster_of_units`."""
        return cluster_of_units(rows, units, self.cluster or "perturbation", self.id)

    @property
    def cluster_column(self) -> tuple[str, ...]:
        """The metadata column that is to name clusters, if any."""
        return (self.cluster,) if self.cluster else ()


@dataclass(frozen=True, eq=False)
class LessData:
    """How a task is scored with less data.

    Attributes
    ----------
    kind
        Of what there is less: ``shots``, training rows of each class, or ``replicates``, wells of each perturbation.
    amounts
        The reduced amounts, in increasing order.
    whole
        The full amount.
    scored
        Whether the score itself rests on the full amount; if False, the full amount must be scored too, on a sample.
    note
        What a reader must know; empty if nothing.
    draws
        Returns the tasks and rows of one or several random draws of an amount.
    """

    kind: Literal["shots", "replicates"]
    amounts: tuple[int, ...]
    whole: int
    scored: bool
    note: str
    draws: Callable[[int], list[tuple[Task, AnnData]]]


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """Values before and after rows were restricted.

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
    """A task among restricted rows; all encoders are scored on the same random draws, one after the other."""

    def meet(self, profiles: AnnData) -> None:
        """Set the profiles of the encoder that is scored next."""
        ...

    def matched(self, name: str, covariates: pd.DataFrame) -> BeforeAfter:
        """Score among rows matched on covariates, by row name; `name` says what they measure."""
        ...

    def left_out(self, column: str) -> BeforeAfter:
        """Score without rows that share the value of a metadata column."""
        ...
