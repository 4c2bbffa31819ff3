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
from phenolens.tasks.split import Split, SplitKind, find_leak, make_splits

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
        unit of replication. Without it every row is a group.
    split
        ``grouped`` by that column, or ``random``, which ignores it and shows the effect of leakage.
    folds
        The number of folds.
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
        least_data="two classes, each in two groups, and as many groups as folds",
    )

    task: Literal["linear-probe", "ridge-probe", "knn-probe"]
    label: str
    group: str | None = None
    split: SplitKind = "grouped"
    folds: int = Field(5, ge=2)
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
        return fewer_shots(self, self.folds, profiles, score) if self.takes_less_data else None

    def restricted(self, seed: int) -> Restricted:
        """Return the probe among rows matched on, or separated by, a covariate."""
        return RestrictedProbe(self)

    def grouped(self) -> Self | None:
        """Return the probe with a grouped split; None without groups."""
        return None if self.group is None else self.model_copy(update={"split": "grouped"})

    @property
    def id(self) -> str:
        """E.g. ``linear-probe:phenotype|grouped by movie``, ``knn-probe:phenotype|random|5 shots``."""
        parts = [f"{self.task}:{self.label}"]
        if self.group is not None:
            parts.append("random" if self.split == "random" else f"grouped by {self.group}")
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
        unit = self.group or "row"
        return Score("balanced accuracy", unit, units, predicted.notes, predicted.leak, folds=self.folds, bounds=(0, 1))

    def predict(self, profiles: AnnData, *, apart: str | None = None) -> Predicted:
        """Predict the class of every row by cross-validation.

        Parameters
        ----------
        profiles
            Rows (n, d).
        apart
            Another metadata column by which to split instead; each group of the probe must be within one of its
            values.

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
        group = (
            required_column(profiles, self.group, self.id).to_numpy() if self.group else profiles.obs_names.to_numpy()
        )
        held = required_column(profiles, apart, self.id).to_numpy() if apart else group
        kept, note = self._usable(label, held)
        classes, y = np.unique(label[kept], return_inverse=True)
        splits = make_splits(y, held[kept], kind=self.split, folds=self.folds, seed=self.seed)
        correct = self._predict(np.asarray(profiles.X)[kept], y, splits) == y
        rows = pd.DataFrame(
            {"unit": group[kept], "stratum": classes[y], "correct": correct}, index=profiles.obs_names[kept]
        )
        return Predicted(rows, notes_of(few_rows=note, rows_without_label=missing), find_leak(splits))

    def _usable(self, label: NDArray[Any], group: NDArray[Any]) -> tuple[NDArray[np.bool_], str]:
        """Return the rows whose class can be learned from other groups, and a note on other rows."""
        pairs = pd.DataFrame({"label": label, "group": group})
        per_class = pairs.groupby("label").agg(groups=("group", "nunique"), rows=("group", "size"))
        usable = per_class.index[(per_class["groups"] >= 2) & (per_class["rows"] >= self.folds)]
        if len(usable) < 2:
            raise TaskNotApplicable(
                f"{self.id}: needs at least two classes with {self.folds} rows in two groups, found {len(usable)} of "
                f"{len(per_class)}"
            )
        kept = np.isin(label, usable)
        if self.split == "grouped" and (n := len(set(group[kept]))) < self.folds:
            raise TaskNotApplicable(
                f"{self.id}: needs at least {self.folds} groups for {self.folds} folds, found {n}; lower folds"
            )
        left_out = sorted(set(per_class.index) - set(usable))
        note = f"classes with too few rows or groups left out: {', '.join(left_out)}" if left_out else ""
        return kept, note

    def _predict(self, x: NDArray[Any], y: NDArray[np.intp], splits: list[Split]) -> NDArray[np.intp]:
        """Return the class predicted for each row in the fold that tests it."""
        classify, settings = _CLASSIFIERS[self.task]
        predicted = np.empty_like(y)
        for number, whole in enumerate(splits):
            split = whole if self.shots is None else self._limit(whole, y, number)
            inner = self._tuning_split(y, split)
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

    def _tuning_split(self, y: NDArray[np.intp], split: Split) -> Split | None:
        """Hold out part of the training rows by the same kind of split; None if there are too few."""
        groups = split.groups[split.train]
        most = int(np.bincount(y[split.train]).max())
        if self.split == "grouped":
            most = min(most, len(set(groups)))
        if most < 2:
            return None
        inner = make_splits(y[split.train], groups, kind=self.split, folds=min(_TUNING_FOLDS, most), seed=self.seed)[0]
        if set(y[split.train[inner.train]]) != set(y[split.train]):
            return None  # a class in a single group would be unknown to the tuned classifier
        return Split(split.train[inner.train], split.train[inner.test], split.groups)

    def _prepare(
        self, x: NDArray[Any], y: NDArray[np.intp], split: Split
    ) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[Any]]:
        """Return training vectors, training classes and test vectors, scaled and reduced on the training rows."""
        train, test = standardise(x[split.train], x[split.test], components=self.pca)
        return train, y[split.train], test
