"""Probes: can a simple classifier predict a label from the embeddings of unseen groups?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.metrics import stratified_mean
from phenolens.tasks.base import Contract, LessData, Restricted
from phenolens.tasks.classifiers import predict_linear, predict_nearest, predict_ridge
from phenolens.tasks.columns import required_column, usable_rows
from phenolens.tasks.less_data import fewer_shots
from phenolens.tasks.probe_task import ProbeTask, standardise
from phenolens.tasks.restricted.probe import Predicted, RestrictedProbe
from phenolens.tasks.score import Score, notes_of, unit_table
from phenolens.tasks.sides import Grouping, Sides, choose_sides
from phenolens.tasks.split import Split, SplitKind, make_splits

if TYPE_CHECKING:
    from anndata import AnnData

_TUNING_FOLDS = 4
_CLASSIFIERS: dict[str, tuple[Callable[..., NDArray[np.intp]], tuple[float, ...]]] = {
    "linear-probe": (predict_linear, tuple(10.0**power for power in range(-4, 2))),
    "ridge-probe": (predict_ridge, tuple(10.0**power for power in range(4, -5, -1))),
    "knn-probe": (predict_nearest, (1, 3, 5, 10, 20, 50)),
}


class Probe(ProbeTask):
    """Cross-validated balanced accuracy of a classifier that is tuned inside the training folds.

    Parameters
    ----------
    task
        ``linear-probe``: logistic regression with a tuned penalty. ``ridge-probe``: ridge regression on the classes
        with a tuned penalty. ``knn-probe``: nearest neighbours by cosine, their number tuned. All use vectors
        standardised on the training rows.
    label
        The metadata column to predict.
    group
        The metadata column whose groups are kept on one side of a split: movie, donor, slide, source image. It is the
        unit of replication, unless labels belong to perturbations that are in several groups. Without it every row is a
        group, unless labels belong to something.
    split
        ``grouped``, or ``random``, which ignores all groups and shows the effect of leakage.
    keep_together
        Whether rows of a perturbation are kept on one side too if the label belongs to it, as a mechanism does to a
        compound; without a group, also rows of a patient, a slide or a well. Otherwise such rows on both sides are
        named as a leak.
    folds
        The number of folds; the number of groups if there are fewer.
    least_rows
        The least number of rows of a class, of which fewer are left out; the number of folds if None.
    seed
        The seed by which rows or groups are assigned to folds.
    level
        Whether sites are averaged to wells first.
    shots
        The number of training rows per class; all if None. Several tasks with increasing numbers give a few-shot
        curve.
    pca
        The number of principal components of the training rows to which vectors are reduced, so that encoders of
        different dimensions are compared at the same dimension; no reduction if None.
    """

    contract: ClassVar[Contract] = Contract(
        question="Can a simple classifier predict the label from the embeddings of unseen groups?",
        match="predicted label equal to the true one; all classes have the same weight",
        non_match="any other predicted label",
        chance="closed form: one over the number of classes",
        controls="positive: a label that is obvious to the eye; negative: the label permuted over groups",
        least_data="two classes, each in two groups and with as many rows as folds",
    )

    task: Literal["linear-probe", "ridge-probe", "knn-probe"]
    label: str
    group: str | None = None
    split: SplitKind = "grouped"
    keep_together: bool = True
    folds: int = Field(5, ge=2)
    least_rows: int | None = Field(None, ge=2)
    seed: int = 0
    level: Literal["well", "site"] = "site"
    shots: int | None = Field(None, ge=1)
    pca: int | None = Field(None, ge=1)

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "pca"})

    @property
    def takes_less_data(self) -> Literal["shots", "replicates"] | None:
        """Training rows of each class, unless their number is an option already."""
        return "shots" if self.shots is None else None

    def with_less_data(self, profiles: AnnData, score: Score, seed: int) -> LessData | None:
        """Return how it is scored when trained on fewer rows of each class."""
        return fewer_shots(self, score.folds, profiles, score) if self.takes_less_data else None

    def restricted(self, seed: int) -> Restricted:
        """Return the probe among rows matched on, or separated by, a covariate."""
        return RestrictedProbe(self)

    def grouped(self) -> Self | None:
        """Return the probe with a split on which nothing straddles."""
        return self.model_copy(update={"split": "grouped", "keep_together": True})

    @property
    def id(self) -> str:
        """E.g. ``linear-probe:phenotype|grouped by movie``, ``knn-probe:phenotype|random|5 shots``."""
        parts = [f"{self.task}:{self.label}"]
        if self.group is not None:
            parts.append("random" if self.split == "random" else f"grouped by {self.group}")
        if not self.keep_together:
            parts.append("not kept together")
        if self.shots is not None:
            parts.append(f"{self.shots} shots")
        if self.pca is not None:
            parts.append(f"PCA {self.pca}")
        return "|".join(parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return (self.label, self.group) if self.group else (self.label,)

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return balanced accuracy, with one unit per group; see `Task.score`."""
        predicted = self.predict(profiles)
        rows = predicted.rows
        cells = rows.groupby(["unit", "stratum"], sort=True)["correct"].agg(value="mean", weight="size").reset_index()
        units = unit_table(
            cells["unit"],
            cells["value"],
            chance=1 / cells["stratum"].nunique(),
            strata=cells["stratum"],
            weights=cells["weight"].astype(float),
        )
        return Score(
            "balanced accuracy",
            predicted.unit,
            units,
            predicted.notes,
            predicted.leak,
            folds=predicted.folds,
            bounds=(0, 1),
            confusion=_confusion(rows),
        )

    def sides(self, obs: pd.DataFrame) -> Sides:
        """Return how labelled rows are split.

        Raises
        ------
        TaskNotApplicable
            If a column is missing or has gaps.
        """
        named = None
        if self.group is not None:
            named = Grouping(self.group, required_column(obs, self.group, self.id).to_numpy(), self.folds)
        labels = obs[self.label].astype(str).to_numpy()
        return choose_sides(
            obs, labels, self.label, named, kind=self.split, folds=self.folds, keep_together=self.keep_together
        )

    def sides_without_shared(self, profiles: AnnData, column: str) -> tuple[Sides, Sides]:
        """Return how rows are split if training rows may, and may not, share the value of a column with tested rows.

        Raises
        ------
        TaskNotApplicable
            If the split separates the values of the column already, or cannot be crossed with them.
        """
        labelled, _ = usable_rows(profiles, self.label, self.id)
        obs = profiles.obs[labelled]
        values = required_column(obs, column, self.id).to_numpy()
        return self.sides(obs).without_shared(Grouping(column, values, self.folds))

    def predict(self, profiles: AnnData, sides: Sides | None = None) -> Predicted:
        """Predict the class of every row by cross-validation.

        Parameters
        ----------
        profiles
            Rows (n, d).
        sides
            How the labelled rows are split instead.

        Returns
        -------
        The predictions for the rows whose class can be learned.

        Raises
        ------
        TaskNotApplicable
            If these data do not allow it.
        """
        labelled, missing = usable_rows(profiles, self.label, self.id)
        profiles = profiles[labelled]
        label = profiles.obs[self.label].astype(str).to_numpy()
        sides = sides or self.sides(profiles.obs)
        kept, note = self._usable(label, sides)
        sides = sides.of(kept)
        classes, y = np.unique(label[kept], return_inverse=True)
        splits = sides.split(y, self.seed)
        tested = np.zeros(len(y), dtype=bool)
        tested[np.concatenate([split.test for split in splits])] = True
        predicted = self._predict(np.asarray(profiles.X)[kept], y, splits, kind=sides.kind)
        columns = {"unit": sides.unit.of_row, "stratum": classes[y], "predicted": classes[predicted]}
        rows = pd.DataFrame({**columns, "correct": predicted == y}, index=profiles.obs_names[kept])
        alone = "" if tested.all() else f"{(~tested).sum()} rows left out, whose class has no training rows"
        notes = notes_of(few_rows=note, rows_without_label=missing, rows_without_training=alone)
        return Predicted(
            rows[tested], (*notes, *sides.notes), sides.find_leak(splits), unit=sides.unit.name, folds=sides.folds
        )

    def foresee(self, obs: pd.DataFrame) -> tuple[str, ...]:
        """Return what metadata alone say of the question; see `Task.foresee`."""
        labelled, missing = usable_rows(obs, self.label, self.id)
        obs = obs[labelled]
        sides = self.sides(obs)
        kept, note = self._usable(obs[self.label].astype(str).to_numpy(), sides)
        notes = (*notes_of(few_rows=note, rows_without_label=missing), *sides.of(kept).notes)
        return tuple(note.text for note in notes)

    def _usable(self, label: NDArray[Any], sides: Sides) -> tuple[NDArray[np.bool_], str]:
        """Return the rows whose class can be learned from other groups, and a note on other rows."""
        first = sides.groupings[0]
        # A split into fewer folds needs fewer rows of a class.
        folds = min(first.folds, first.n_groups) if sides.kind == "grouped" else first.folds
        least = folds if self.least_rows is None else self.least_rows
        by_class = pd.Series(label).groupby(label)
        rows = by_class.size()
        groups = [pd.Series(each.of_row).groupby(label).nunique() for each in sides.groupings]
        usable = rows.index[(rows >= least) & (np.minimum.reduce([each.to_numpy() for each in groups]) >= 2)]
        if len(usable) < 2:
            where = " and ".join(f"in two {each.plural}" for each in sides.groupings)
            raise TaskNotApplicable(
                f"{self.id}: needs at least two classes with {least} rows {where}, found {len(usable)} of {len(rows)}"
                f"{self._way_out(sides)}"
            )
        left_out = sorted(set(rows.index) - set(usable))
        note = ""
        if left_out:
            note = f"classes with too few rows or groups left out: {', '.join(left_out)}"
        return np.isin(label, usable), note

    def _way_out(self, sides: Sides) -> str:
        """Return how the question can be asked nevertheless, with its leak; empty if there is no such way."""
        if sides.watched is None or sides.watched.name == self.group or not self.keep_together:
            return ""
        return f"; keep_together: false lets a {sides.watched.name} be on both sides, which leaks"

    def _predict(
        self, x: NDArray[Any], y: NDArray[np.intp], splits: list[Split], *, kind: SplitKind | None = None
    ) -> NDArray[np.intp]:
        """Return the class predicted for each row in the fold that tests it; -1 if none does."""
        classify, settings = _CLASSIFIERS[self.task]
        predicted = np.full_like(y, -1)
        if not np.ptp(x, axis=0).any():
            # Vectors that do not vary say nothing: any class is as good, as long as it is the same everywhere.
            predicted[np.concatenate([split.test for split in splits])] = 0
            return predicted
        for number, whole in enumerate(splits):
            split = whole if self.shots is None else self._limit(whole, y, number)
            inner = self._tuning_split(y, split, kind or self.split)
            chosen = settings[len(settings) // 2]
            if inner is not None:
                guesses = classify(*self._prepare(x, y, inner), settings)
                right = (guesses == y[inner.test]).astype(float)
                chosen = settings[int(np.argmax(stratified_mean(right.T, strata=y[inner.test])))]
            predicted[split.test] = classify(*self._prepare(x, y, split), (chosen,))[0]
        return predicted

    def _limit(self, split: Split, y: NDArray[np.intp], number: int) -> Split:
        """Keep `shots` random training rows of each class."""
        order = spawn(self.seed, "shots", str(number)).permutation(split.train)
        kept = [order[y[order] == code][: self.shots] for code in np.unique(y)]
        return Split(np.sort(np.concatenate(kept)), split.test, split.groups)

    def _tuning_split(self, y: NDArray[np.intp], split: Split, kind: SplitKind) -> Split | None:
        """Hold out part of the training rows by the same kind of split; None if there are too few.

        Of two groupings that are crossed, only the first is: fewer rows would be left to tune on.
        """
        groups = split.groups[split.train]
        most = int(np.bincount(y[split.train]).max())
        if kind == "grouped":
            most = min(most, len(set(groups)))
        if most < 2:
            return None
        inner = make_splits(y[split.train], groups, kind=kind, folds=min(_TUNING_FOLDS, most), seed=self.seed)[0]
        if set(y[split.train[inner.train]]) != set(y[split.train]):
            return None  # a class in a single group would be unknown to the tuned classifier
        return Split(split.train[inner.train], split.train[inner.test], split.groups)

    def _prepare(
        self, x: NDArray[Any], y: NDArray[np.intp], split: Split
    ) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[Any]]:
        """Return training vectors, training classes and test vectors, scaled and reduced on the training rows."""
        train, test = standardise(x[split.train], x[split.test], components=self.pca)
        return train, y[split.train], test


def _confusion(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows of each class are taken for each."""
    classes = sorted(set(rows["stratum"]) | set(rows["predicted"]))
    counts = pd.crosstab(rows["stratum"], rows["predicted"])
    return counts.reindex(index=classes, columns=classes, fill_value=0)
