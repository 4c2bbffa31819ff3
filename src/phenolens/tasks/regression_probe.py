"""Regression probe: can numbers, such as gene expression, be predicted from the embeddings of unseen groups?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.metrics import ridge_path
from phenolens.tasks.base import Contract
from phenolens.tasks.columns import numbers, required_column, usable_rows
from phenolens.tasks.probe_task import ProbeTask, standardise
from phenolens.tasks.score import Note, Score, notes_of, unit_table
from phenolens.tasks.sides import Grouping, Sides, choose_sides
from phenolens.tasks.split import Split, cross_splits

if TYPE_CHECKING:
    from anndata import AnnData

_HEST_COMPONENTS = 256
_PENALTIES = tuple(10.0**power for power in range(4, -5, -1))


class RegressionProbe(ProbeTask):
    """Pearson's correlation, within each group, of numbers with their prediction by ridge regression on other groups.

    Parameters
    ----------
    targets
        The metadata columns to predict.
    group
        The metadata column whose groups are kept on one side of a split: patient, slide, plate.
    form
        ``hest``: the probe of HEST-Benchmark, ridge regression on 256 principal components with penalty
        100 / (components x targets) and no intercept. ``tuned``: ridge regression on the whole vectors with a penalty
        tuned on held-out groups of the training rows. The former depends on the dimension of the embedding; scoring
        both shows whether that matters.
    keep_together
        Whether rows of a perturbation are kept on one side too if the targets belong to it, as an assay of a compound
        does; otherwise such rows on both sides are named as a leak.
    folds
        The number of folds; the number of groups if there are fewer.
    least_rows
        The least number of rows of a group for a correlation within it. Groups with fewer are trained on, not scored.
    level
        Whether sites are averaged to wells first.

    Notes
    -----
    Source: Jaume et al., HEST-1k, NeurIPS 2024.
    """

    contract: ClassVar[Contract] = Contract(
        question="Can numbers such as gene expression be predicted from the embeddings of unseen groups?",
        match="a prediction that increases with the number",
        non_match="a prediction that does not",
        chance="zero correlation",
        controls="positive: a number that is obvious to the eye, such as cell count; negative: permuted numbers",
        least_data="two groups of ten rows, or of least_rows",
    )

    task: Literal["regression-probe"] = "regression-probe"
    targets: tuple[str, ...] = Field(min_length=1)
    group: str
    form: Literal["tuned", "hest"] = "tuned"
    keep_together: bool = True
    folds: int = Field(5, ge=2)
    least_rows: int = Field(10, ge=3)
    level: Literal["well", "site"] = "site"

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "form"})

    @property
    def id(self) -> str:
        """E.g. ``regression-probe:tuned|grouped by patient``."""
        ending = "" if self.keep_together else "|not kept together"
        return f"{self.task}:{self.form}|grouped by {self.group}{ending}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return (*self.targets, self.group)

    def grouped(self) -> Self | None:
        """Return the probe with a split on which nothing straddles."""
        return self.model_copy(update={"keep_together": True})

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return correlations, with one unit per group and one stratum per target; see `Task.score`."""
        rows, notes = self._usable(profiles.obs)
        profiles = profiles[rows]
        groups = profiles.obs[self.group].astype(str).to_numpy()
        y = np.stack([numbers(profiles.obs[column], self.id) for column in self.targets], axis=1)
        sides = self._sides(profiles.obs)
        splits = _split(sides, y)
        predicted = self._predict(np.asarray(profiles.X, dtype=np.float64), y, splits, crossed=len(sides.groupings) > 1)
        tested = ~np.isnan(predicted).any(axis=1)
        names, sizes = np.unique(groups[tested], return_counts=True)
        scored = []
        for number, target in enumerate(self.targets):
            for name in names[sizes >= self.least_rows]:
                of_group = tested & (groups == name)
                value = _correlate(y[of_group, number], predicted[of_group, number])
                if not np.isnan(value):
                    scored.append((name, target, value))
        if not scored:
            raise TaskNotApplicable(f"{self.id}: {', '.join(self.targets)} do not vary within any group")
        units, strata, values = zip(*scored, strict=True)
        return Score(
            "Pearson's correlation",
            self.group,
            unit_table(units, values, chance=0.0, strata=strata),
            (*notes, *sides.notes),
            sides.find_leak(splits),
            folds=sides.folds,
            bounds=(-1, 1),
            strata_are="targets" if len(self.targets) > 1 else "",
        )

    def foresee(self, obs: pd.DataFrame) -> tuple[str, ...]:
        """Return what metadata alone say of the question; see `Task.foresee`."""
        rows, notes = self._usable(obs)
        return tuple(note.text for note in (*notes, *self._sides(obs[rows]).notes))

    def _usable(self, obs: pd.DataFrame) -> tuple[NDArray[np.bool_], tuple[Note, ...]]:
        """Return the rows with all targets, and notes on others and on groups with few rows."""
        usable = np.ones(len(obs), dtype=bool)
        notes: tuple[Note, ...] = ()
        for column in self.targets:
            known, note = usable_rows(obs[usable], column, self.id)
            usable[usable] = known
            notes += notes_of(rows_without_target=note)
        groups = required_column(obs[usable], self.group, self.id)
        sizes = groups.value_counts()
        few = sorted(sizes.index[sizes < self.least_rows])
        if len(sizes) - len(few) < 2:
            raise TaskNotApplicable(
                f"{self.id}: needs at least two groups of {self.least_rows} rows, found {len(sizes) - len(few)} of "
                f"{len(sizes)}"
            )
        text = f"{len(few)} of {len(sizes)} groups with fewer than {self.least_rows} rows not scored: {', '.join(few)}"
        return usable, (*notes, *notes_of(few_rows=text if few else ""))

    def _sides(self, obs: pd.DataFrame) -> Sides:
        """Return how rows with all targets are split."""
        named = Grouping(self.group, required_column(obs, self.group, self.id).to_numpy(), self.folds)
        targets = obs[list(self.targets)].astype(str).agg(" ".join, axis=1).to_numpy()
        sides = choose_sides(
            obs,
            targets,
            ", ".join(self.targets),
            named,
            kind="grouped",
            folds=self.folds,
            keep_together=self.keep_together,
            are_classes=False,
        )
        return sides.of(np.ones(len(obs), dtype=bool))

    def _predict(
        self, x: NDArray[np.float64], y: NDArray[np.float64], splits: Sequence[Split], *, crossed: bool
    ) -> NDArray[np.float64]:
        """Return the targets predicted for each row; NaN for rows that no split tests.

        Where splits are crossed, several models predict the rows of a group. The mean of their training targets is
        taken off each: it is lower where the tested rows are high, which would make the correlation of noise negative.
        """
        predicted = np.full(y.shape, np.nan)
        for split in splits:
            found = self._fit(x, y, split.groups, split.train, split.test)
            predicted[split.test] = found - y[split.train].mean(axis=0) if crossed else found
        return predicted

    def _fit(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        groups: NDArray[Any],
        train: NDArray[np.intp],
        test: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Return the predicted targets of the test rows."""
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import GroupKFold, KFold

        components = _HEST_COMPONENTS if self.form == "hest" else None
        seen, unseen = standardise(x[train], x[test], components=components)
        if self.form == "hest":
            penalty = 100 / (seen.shape[1] * y.shape[1])
            return Ridge(penalty, fit_intercept=False).fit(seen, y[train]).predict(unseen).reshape(len(test), -1)
        if len(np.unique(groups[train])) > 1:
            inner = GroupKFold(min(4, len(np.unique(groups[train])))).split(seen, y[train], groups[train])
        else:
            inner = KFold(4).split(seen)
        error = np.zeros(len(_PENALTIES))
        for fit, tune in inner:
            guesses = ridge_path(seen[fit], y[train][fit], seen[tune], _PENALTIES)
            scale = y[train][fit].var(axis=0)
            scale[scale == 0] = 1
            error += (((guesses - y[train][tune]) ** 2) / scale).sum(axis=(1, 2))
        return ridge_path(seen, y[train], unseen, _PENALTIES)[int(np.argmin(error))]


def _split(sides: Sides, y: NDArray[np.float64]) -> list[Split]:
    """Return the splits of a regression, which are not stratified."""
    from sklearn.model_selection import GroupKFold

    parts = []
    for grouping in sides.groupings:
        folds = GroupKFold(grouping.folds).split(y, y, grouping.of_row)
        parts.append([Split(train, test, grouping.of_row) for train, test in folds])
    found, *others = parts
    for other in others:
        found = cross_splits(found, other)
    return found


def _correlate(y: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return Pearson's correlation; NaN if the truth is constant, 0 if only the prediction is."""
    if np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(y, predicted)[0, 1]) if np.ptp(predicted) > 0 else 0.0
