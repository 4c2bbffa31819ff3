"""Probes among rows matched on a covariate, or sharing no value of a column with the training rows."""

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
    """Predictions of a probe for unseen rows.

    Attributes
    ----------
    rows
        By row name: ``unit`` (group), ``stratum`` (class) and whether the prediction is ``correct``.
    notes
        What a reader must know.
    leak
        The groups on both sides of the split; None if there are none.
    """

    rows: pd.DataFrame
    notes: tuple[Note, ...]
    leak: Leak | None


class PredictingTask(Protocol):
    """A task that predicts the class of unseen rows."""

    @property
    def group(self) -> str | None:
        """The metadata column whose groups are kept on one side of a split."""
        ...

    @property
    def folds(self) -> int:
        """The number of folds."""
        ...

    def predict(self, profiles: AnnData, *, apart: str | None = None) -> Predicted:
        """Predict every row; see `Probe.predict`."""
        ...

    def model_copy(self, *, update: dict[str, Any]) -> Self:
        """Return the task with other options."""
        ...


class RestrictedProbe:
    """A probe among matched rows, or among rows that share no value of a column with the training rows."""

    def __init__(self, task: PredictingTask) -> None:
        self._task = task

    def meet(self, profiles: AnnData) -> None:
        """Set the profiles of the encoder that is scored next."""
        self._profiles = profiles
        self._rows = self._task.predict(profiles).rows
        self._chance = 1 / self._rows["stratum"].nunique()

    def matched(self, name: str, covariates: pd.DataFrame) -> BeforeAfter:
        """Score rows weighted so that classes are balanced in the covariates."""
        return BeforeAfter(*match_predictions(self._rows, covariates), self._chance)

    def left_out(self, column: str) -> BeforeAfter:
        """Score rows that do not share the value of a column with the training rows."""
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
    """Return a probe's predictions, unrestricted and for rows whose value of a column is not in the training rows.

    If a column has fewer values than the probe has folds, both use that number of folds, for a probe with less training
    data is worse in any case.

    Parameters
    ----------
    task
        The probe.
    profiles
        The profiles to predict.
    column
        The metadata column.
    rows
        Its unrestricted predictions.

    Raises
    ------
    TaskNotApplicable
        If the probe's groups already separate the values of the column, or a group has several of them.
    """
    obs = profiles.obs
    group = obs[task.group].astype(str) if task.group else obs.index.to_series()
    other = obs[column].astype(str)
    if (group.groupby(other).nunique() <= 1).all():
        raise TaskNotApplicable(f"a split by {task.group or 'row'} already separates every {column}")
    if (other.groupby(group).nunique() > 1).any():
        raise TaskNotApplicable(f"some {task.group} has several values of {column}")
    few = task.model_copy(update={"folds": min(task.folds, other.nunique())})
    return rows if few.folds == task.folds else few.predict(profiles).rows, few.predict(profiles, apart=column).rows
