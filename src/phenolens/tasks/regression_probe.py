"""Regression probe: can numbers, such as gene expression, be predicted from the embeddings of unseen groups?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.metrics import ridge_path
from phenolens.tasks.base import Contract
from phenolens.tasks.columns import numbers, required_column, usable_rows
from phenolens.tasks.probe_task import ProbeTask, standardise
from phenolens.tasks.score import Note, Score, notes_of, unit_table

if TYPE_CHECKING:
    from anndata import AnnData

_HEST_COMPONENTS = 256
_FEWEST_ROWS = 10  # of a group, for a correlation within it
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
    folds
        The number of folds; the number of groups if there are fewer.
    level
        Whether sites are averaged to wells first.

    Source: Jaume et al., HEST-1k, NeurIPS 2024.
    """

    contract: ClassVar[Contract] = Contract(
        question="Can numbers such as gene expression be predicted from the embeddings of unseen groups?",
        match="a prediction that increases with the number",
        non_match="a prediction that does not",
        chance="zero correlation",
        controls="positive: a number that is obvious to the eye, such as cell count; negative: permuted numbers",
        least_data=f"two groups of {_FEWEST_ROWS} rows",
    )

    task: Literal["regression-probe"] = "regression-probe"
    targets: tuple[str, ...] = Field(min_length=1)
    group: str
    form: Literal["tuned", "hest"] = "tuned"
    folds: int = Field(5, ge=2)
    level: Literal["well", "site"] = "site"

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "form"})

    @property
    def id(self) -> str:
        """E.g. ``regression-probe:tuned|grouped by patient``."""
        return f"{self.task}:{self.form}|grouped by {self.group}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return (*self.targets, self.group)

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return correlations, with one unit per group and one stratum per target; see `Task.score`."""
        from sklearn.model_selection import GroupKFold

        notes: tuple[Note, ...] = ()
        for column in self.targets:
            usable, note = usable_rows(profiles, column, self.id)
            profiles = profiles[usable]
            notes += notes_of(rows_without_target=note)
        groups = required_column(profiles, self.group, self.id).to_numpy()
        sizes = {name: int((groups == name).sum()) for name in np.unique(groups)}
        large = [name for name, size in sizes.items() if size >= _FEWEST_ROWS]
        if len(large) < 2:
            raise TaskNotApplicable(f"{self.id}: needs at least two groups of {_FEWEST_ROWS} rows, found {len(large)}")
        y = np.stack([numbers(profiles.obs[column], self.id) for column in self.targets], axis=1)
        x = np.asarray(profiles.X, dtype=np.float64)
        predicted = np.empty_like(y)
        for train, test in GroupKFold(min(self.folds, len(sizes))).split(x, y, groups):
            predicted[test] = self._fit(x, y, groups, train, test)
        rows = [
            (name, target, _correlate(y[groups == name, number], predicted[groups == name, number]))
            for number, target in enumerate(self.targets)
            for name in large
        ]
        kept = [row for row in rows if not np.isnan(row[2])]
        if not kept:
            raise TaskNotApplicable(f"{self.id}: {', '.join(self.targets)} do not vary within any group")
        left_out = len(sizes) - len(large)
        notes += notes_of(
            few_rows=f"{left_out} groups with fewer than {_FEWEST_ROWS} rows not scored" if left_out else ""
        )
        units, strata, values = zip(*kept, strict=True)
        return Score(
            "Pearson's correlation",
            self.group,
            unit_table(units, values, chance=0.0, strata=strata),
            notes,
            folds=min(self.folds, len(sizes)),
            bounds=(-1, 1),
            strata_are="targets" if len(self.targets) > 1 else "",
        )

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


def _correlate(y: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return Pearson's correlation; NaN if the truth is constant, 0 if only the prediction is."""
    if np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(y, predicted)[0, 1]) if np.ptp(predicted) > 0 else 0.0
