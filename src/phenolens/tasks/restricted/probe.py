"""A probe of rows that are alike in something, or share nothing with what it learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import pandas as pd

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks.base import BeforeAfter
from phenolens.tasks.restricted.matched import match_predictions
from phenolens.tasks.score import Leak, Note

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a probe predicts of rows that it has not seen.

    Attributes
    ----------
    rows
        By row name: ``unit`` (group), ``stratum`` (class) and whether the prediction is ``correct``.
    notes
        What a reader must know of it.
    leak
        The groups that the split has on both sides; None if there are none.
    """

    rows: pd.DataFrame
    notes: tuple[Note, ...]
    leak: Leak | None


class PredictingTask(Protocol):
    """A task that predicts the class of rows that it has not learned from."""

    @property
    def group(self) -> str | None:
        """The metadata column whose values must not straddle a split."""
        ...

    @property
    def folds(self) -> int:
        """How many folds."""
        ...

    def predict(self, profiles: AnnData, *, apart: str | None = None) -> Predicted:
        """Predict every row; see `Probe.predict`."""
        ...

    def model_copy(self, *, update: dict[str, Any]) -> Self:
        """Return the task with other options."""
        ...


class RestrictedProbe:
    """One probe, of rows that are alike, or share nothing with what it learned from."""

    def __init__(self, task: PredictingTask) -> None:
        self._task = task

    def meet(self, profiles: AnnData) -> None:
        """Take the profiles of the next encoder."""
        self._profiles = profiles
        self._rows = self._task.predict(profiles).rows
        self._chance = 1 / self._rows["stratum"].nunique()

    def matched(self, name: str, covariates: pd.DataFrame) -> BeforeAfter:
        """Ask of rows whose classes are alike in covariates."""
        return BeforeAfter(*match_predictions(self._rows, covariates), self._chance)

    def left_out(self, column: str) -> BeforeAfter:
        """Ask of rows that share nothing with what the probe learned from."""
        together, apart = predict_apart(self._task, self._profiles, column, self._rows)
        both = together.index.intersection(apart.index)
        before, after = (
            table.loc[both].groupby(["unit", "stratum"], sort=True)["correct"].agg(value="mean", weight="size")
            for table in (together, apart)
        )
        return BeforeAfter(before, after, self._chance)


def predict_apart(
    task: PredictingTask, profiles: AnnData, column: str, rows: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a probe's predictions as it is, and of rows with another value of a column than all that it learned from.

    Where a column has fewer values than the probe has folds, both learn from as few rows: a probe that learns from less
    is worse, whatever is shared.

    Parameters
    ----------
    task
        The probe.
    profiles
        What it is asked of.
    column
        The metadata column.
    rows
        Its predictions of them as it is.

    Raises
    ------
    TaskNotApplicable
        If there is one value, or the probe's own groups are no finer, so that nothing is shared as it is.
    """
    obs = profiles.obs
    group = obs[task.group].astype(str) if task.group else obs.index.to_series()
    other = obs[column].astype(str)
    if (group.groupby(other).nunique() <= 1).all():
        raise TaskNotApplicable(f"{task.group or 'rows'} are no finer than {column}, so that none is shared")
    if (other.groupby(group).nunique() > 1).any():
        raise TaskNotApplicable(f"a {task.group} stands in several values of {column}")
    few = task.model_copy(update={"folds": min(task.folds, other.nunique())})
    return rows if few.folds == task.folds else few.predict(profiles).rows, few.predict(profiles, apart=column).rows
