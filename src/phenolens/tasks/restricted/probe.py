"""Probes among rows matched on a covariate, or sharing no value of a column with the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks.base import BeforeAfter
from phenolens.tasks.restricted.matched import match_predictions
from phenolens.tasks.score import Leak, Note
from phenolens.tasks.sides import Sides

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of a probe for unseen rows.

    Attributes
    ----------
    rows
        By row name: ``unit`` (group), ``stratum`` (class), ``predicted`` (class) and whether that is ``correct``.
    notes
        What a reader must know.
    leak
        The groups on both sides of the split; None if there are none.
    unit
        What the groups are.
    folds
        The number of folds, or of as many as leave the same share of training rows.
    """

    rows: pd.DataFrame
    notes: tuple[Note, ...]
    leak: Leak | None
    unit: str
    folds: int


class PredictingTask(Protocol):
    """A task that predicts the class of unseen rows."""

    def sides_without_shared(self, profiles: AnnData, column: str) -> tuple[Sides, Sides]:
        """Return splits that may, and may not, share a column's values; see `Probe.sides_without_shared`."""
        ...

    def predict(self, profiles: AnnData, sides: Sides | None = None) -> Predicted:
        """Predict every row; see `Probe.predict`."""
        ...


class RestrictedProbe:
    """A probe among matched rows, or among rows that share no value of a column with the training rows."""

    def __init__(self, task: PredictingTask) -> None:
        self._task = task

    def meet(self, profiles: AnnData) -> None:
        """Set the profiles of the encoder that is scored next."""
        self._profiles = profiles
        predicted = self._task.predict(profiles)
        self._rows, self._leak = predicted.rows, predicted.leak
        self._chance = 1 / self._rows["stratum"].nunique()

    def matched(self, name: str, covariates: pd.DataFrame) -> BeforeAfter:
        """Score rows weighted so that classes are balanced in the covariates."""
        self._refuse_leak()
        return BeforeAfter(*match_predictions(self._rows, covariates), self._chance)

    def left_out(self, column: str) -> BeforeAfter:
        """Score rows that do not share the value of a column with the training rows."""
        self._refuse_leak()
        together, apart = predict_apart(self._task, self._profiles, column)
        both = together.index.intersection(apart.index)
        before, after = (
            table.loc[both].groupby(["unit", "stratum"], sort=True)["correct"].agg(value="mean", weight="size")
            for table in (together, apart)
        )
        return BeforeAfter(before, after, self._chance)

    def _refuse_leak(self) -> None:
        """Refuse a split that leaks: rows that were seen in training are recognised whatever is taken away."""
        if self._leak is not None:
            raise TaskNotApplicable(f"not evaluated on a split that leaks: {self._leak.text}")


def predict_apart(task: PredictingTask, profiles: AnnData, column: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a probe's predictions, unrestricted and for rows whose value of a column is not in the training rows.

    Both have about the same share of training rows, for a probe with fewer is worse in any case. If a column has fewer
    values than the probe has folds, for example, both use that number of folds.

    Parameters
    ----------
    task
        The probe.
    profiles
        The profiles to predict.
    column
        The metadata column.

    Raises
    ------
    TaskNotApplicable
        If the probe's split already separates the values of the column, or cannot be crossed with them.
    """
    together, apart = task.sides_without_shared(profiles, column)
    return task.predict(profiles, together).rows, task.predict(profiles, apart).rows
