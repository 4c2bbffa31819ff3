"""Phenotypic consistency: are perturbations of the same mechanism, target or complex similar to each other?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import treated
from phenolens.metrics import (
    Apart,
    chance_average_precision,
    mean_defined,
    multilabel_average_precision,
    replicate_ceiling,
    set_average_precision,
)
from phenolens.profiling import Average
from phenolens.tasks.base import Contract, PerturbationTask
from phenolens.tasks.columns import usable_rows
from phenolens.tasks.exclusion import ExcludesSame
from phenolens.tasks.label_null import exchange_labels
from phenolens.tasks.perturbations import perturbation_profiles
from phenolens.tasks.plates import Exchange, exchange_within_plates
from phenolens.tasks.score import Score, notes_of, unit_table

if TYPE_CHECKING:
    from anndata import AnnData


class PhenotypicConsistency(ExcludesSame, PerturbationTask):
    """Mean average precision with which a perturbation retrieves others of the same mechanism, target or complex.

    Wells are averaged to one profile per perturbation, so that the similarity of replicates does not count.
    Perturbations that share only another label with the query are neither positives nor negatives.

    Parameters
    ----------
    label
        The metadata column with the labels.
    separator
        The text that separates several labels of a perturbation.
    average
        How the wells of a perturbation are averaged.
    n_permutations
        The number of random sets of perturbations for a p value, which compares the perturbations of a label with
        others of the same plates, including those that share another label; where a label has too few of these, with
        all others, unless its perturbations are together on plates more than others are.
    exclude_same
        As in `ExcludesSame`, for profiles of perturbations: those with a batch in common are not compared.
    cluster
        The metadata column that says which labels are not independent of each other; None for each label by itself.

    Notes
    -----
    Source: Kalinin et al., Nat. Commun. 2025 (copairs), with ties in expectation.
    """

    contract: ClassVar[Contract] = Contract(
        question="Are different perturbations of the same mechanism, target or complex similar to each other?",
        match="perturbations that share the label",
        non_match="perturbations that share no label with the query",
        chance="mean over the exchanges of labels that give p; closed form if perturbations have several labels",
        controls="positive: mechanisms that most screens find, such as tubulin inhibitors; negative: permuted labels",
        least_data="two perturbations of one label and one without it",
    )

    protocol_options: ClassVar[frozenset[str]] = frozenset({"task", "exclude_same"})

    task: Literal["phenotypic-consistency"] = "phenotypic-consistency"
    label: str
    separator: str = "|"
    average: Average = "mean"
    n_permutations: int = Field(2000, ge=20)

    @property
    def id(self) -> str:
        """E.g. ``phenotypic-consistency:moa``."""
        return f"{self.task}:{self.label}{self.restriction}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", self.label, *self.exclude_same, *self.cluster_column)

    def without_null(self) -> Self:
        """Return the task without exchanges of labels, on which no value rests."""
        return self.model_copy(update={"n_permutations": 0})

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return mAP, with one unit per label; see `Task.score`."""
        wells = profiles[treated(profiles.obs).to_numpy()]
        usable, note = usable_rows(wells, self.label, self.id)
        perturbations = perturbation_profiles(wells[usable], "perturbation", self.average, self.id)
        if self.label not in perturbations.obs:
            raise TaskNotApplicable(
                f"{self.id}: some perturbation has different values of '{self.label}' in different rows"
            )
        carried = perturbations.obs[self.label].astype(str).map(self._split)
        marks = [(row, label) for row, labels in enumerate(carried) for label in labels]
        rows, labels = np.array([row for row, _ in marks], dtype=np.intp), np.array([label for _, label in marks])
        x = np.asarray(perturbations.X)
        apart = self.apart(wells[usable], self.id, wells.obs["perturbation"][usable].astype(str).to_numpy())
        table = pd.DataFrame(
            {"row": rows, "label": labels, "ap": multilabel_average_precision(x, rows, labels, apart=apart)}
        )
        table = table.join(self._count(table, len(x)) if apart is None else _count_apart(table, apart))
        table["chance"] = [
            chance_average_precision(int(k), int(m)) if k and m else np.nan
            for k, m in zip(table["n_positive"], table["n_negative"], strict=True)
        ]
        units = table[table["ap"].notna()].groupby("label", sort=True)
        if not units.ngroups:
            raise TaskNotApplicable(
                f"{self.id}: none of {table['label'].nunique()} labels has two perturbations, and one without it"
                f"{self.with_restriction}"
            )
        means = units[["ap", "chance"]].mean()
        # Kept apart from all others of its label, a row is still one that others, of other batches, should retrieve.
        ranked = table["ap"].notna() if apart is None else table["label"].isin(means.index)
        members = [sharing.to_numpy() for _, sharing in table[ranked].groupby("label", sort=True)["row"]]

        if apart is None:
            exchange = exchange_within_plates(wells[usable].obs, perturbations.obs_names, members)
        else:
            exchange = Exchange([(apart.pattern, np.arange(len(members)))], "")
        p, chance = self._exchange(x, members, exchange, apart, rng)
        if (carried.map(len) > 1).any():
            # Scores then leave out what shares another label with the query, which the null does not.
            chance = means["chance"].to_numpy()
        alone = table["label"].nunique() - len(means)
        n_perturbations = table["row"].nunique()
        dependent = (
            f"{len(means)} labels share {n_perturbations} perturbations and are not independent, so that the interval "
            "is too narrow"
        )
        notes = notes_of(
            rows_without_label=note,
            single_perturbations=f"{alone} labels with a single perturbation left out" if alone else "",
            dependent_labels=dependent if len(means) > n_perturbations else "",
            label_is_plate=exchange.note,
        )
        ceiling = replicate_ceiling(np.asarray(wells.X), wells.obs["perturbation"].astype(str), rng=rng)
        return Score(
            "mAP",
            self.label,
            unit_table(
                means.index.astype(str),
                means["ap"].to_numpy(),
                chance=chance,
                p=p,
                clusters=self._clusters(perturbations, table, means.index),
            ),
            notes,
            bounds=(0, 1),
            details={"": {"replicate_ceiling": ceiling}},
        )

    def _exchange(
        self,
        x: NDArray[Any],
        members: list[NDArray[np.intp]],
        exchange: Exchange,
        apart: Apart | None,
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Return p values and chance levels (2, labels); NaN without exchanges."""
        result = np.full((2, len(members)), np.nan)
        if self.n_permutations == 0:
            return result

        def statistic(sets: NDArray[np.intp]) -> NDArray[np.float64]:
            return mean_defined(set_average_precision(x, sets, apart=apart))

        observed = np.empty(len(members))
        sizes = np.array([len(each) for each in members])
        for size in np.unique(sizes):
            numbers = np.flatnonzero(sizes == size)
            observed[numbers] = statistic(np.stack([members[number] for number in numbers]))
        for strata, numbers in exchange.parts:
            result[:, numbers] = exchange_labels(
                observed[numbers],
                [members[number] for number in numbers],
                np.ones(len(x), dtype=bool),
                strata,
                statistic,
                n_permutations=self.n_permutations,
                rng=rng,
            )
        return result

    def _clusters(self, perturbations: AnnData, marks: pd.DataFrame, labels: pd.Index[str]) -> list[str] | None:
        """Return the cluster of each label, where a column names it; None where each label is one."""
        if self.cluster is None:
            return None
        clusters = self.clusters(perturbations[marks["row"].to_numpy()], marks["label"].to_numpy())
        return [clusters[label] for label in labels]

    def _split(self, text: str) -> list[str]:
        parts = (part.strip() for part in text.split(self.separator))
        return sorted({part for part in parts if part})

    def _count(self, marks: pd.DataFrame, n: int) -> pd.DataFrame:
        """Return the number of positives and of negatives, of `n` perturbations, for each row and label."""
        carriers = marks.groupby("label")["row"].agg(set)
        by_row = marks.groupby("row")["label"]
        sharing = by_row.agg(lambda labels: len(set().union(*(carriers[label] for label in labels))))
        return pd.DataFrame(
            {
                "n_positive": marks["label"].map(carriers.map(len)) - 1,
                "n_negative": n - marks["row"].map(sharing),
            }
        )


def _count_apart(marks: pd.DataFrame, apart: Apart) -> pd.DataFrame:
    """Return the number of positives and of negatives that are compared with each row and label."""
    codes = pd.factorize(marks["label"])[0]
    carries = np.zeros((len(apart.pattern), codes.max() + 1), dtype=bool)
    carries[marks["row"], codes] = True
    n_positive, n_negative = np.empty((2, len(marks)), np.intp)
    for mark, (row, code) in enumerate(zip(marks["row"], codes, strict=True)):
        compared = ~apart.together(np.array([row]))[0]
        n_positive[mark] = (compared & carries[:, code]).sum()
        n_negative[mark] = (compared & ~carries[:, carries[row]].any(axis=1)).sum()
    return pd.DataFrame({"n_positive": n_positive, "n_negative": n_negative}, index=marks.index)
