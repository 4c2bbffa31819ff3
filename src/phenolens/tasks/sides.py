"""What is kept on one side of a split: named groups, and what a label belongs to, such as perturbations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks.score import Leak, Note, notes_of
from phenolens.tasks.split import Split, SplitKind, cross_splits, make_splits, straddling

# What a label may belong to: its rows have more than the label in common, and may be recognised by that.
_ORIGINS = ("perturbation", "patient", "slide", "well")
_BELONGS = 0.5  # of the agreement beyond chance
_MOST_CROSSED = 3  # folds of groups that are crossed with others: each of them multiplies the fits


@dataclass(frozen=True, eq=False)
class Grouping:
    """Groups of rows.

    Attributes
    ----------
    name
        What the groups are, such as ``plate``.
    of_row
        (n,) group of each row.
    folds
        The number of folds that the groups are dealt into.
    """

    name: str
    of_row: NDArray[Any]
    folds: int

    @property
    def plural(self) -> str:
        """What the groups are called."""
        return f"{self.name}s" if self.name in _ORIGINS else "groups"

    @property
    def n_groups(self) -> int:
        """The number of groups."""
        return len(np.unique(self.of_row))

    def is_within(self, other: Grouping) -> bool:
        """Whether each group is within one group of another grouping."""
        outer = pd.Series(other.of_row).groupby(self.of_row).nunique()
        return bool((outer <= 1).all())

    def at_most(self, folds: int) -> Grouping:
        """Return the grouping with no more than so many folds."""
        return replace(self, folds=min(self.folds, folds))

    def of(self, rows: NDArray[np.bool_]) -> Grouping:
        """Return the grouping of some rows."""
        return replace(self, of_row=self.of_row[rows])


@dataclass(frozen=True, eq=False)
class Sides:
    """How rows are split.

    Two groupings are crossed: training rows then share neither group with the tested rows, as for new compounds on new
    plates.

    Attributes
    ----------
    kind
        ``grouped`` or ``random``.
    groupings
        What is kept on one side; what is ignored, if the split is random.
    unit
        The groups that are the units of replication.
    watched
        The groups that leak if they are on both sides; None if rows are independent as far as is known.
    notes
        What a reader must know.

    Notes
    -----
    Source: Pahikkala et al., Brief. Bioinform. 16 (2015), on the prediction of new drugs for new targets.
    """

    kind: SplitKind
    groupings: tuple[Grouping, ...]
    unit: Grouping
    watched: Grouping | None
    notes: tuple[Note, ...] = ()

    @property
    def folds(self) -> int:
        """The number of folds of a plain cross-validation with the same share of training rows, rounded down."""
        trained = float(np.prod([1 - 1 / each.folds for each in self.groupings]))
        return max(2, int(1 / (1 - trained) + 1e-9))

    def of(self, rows: NDArray[np.bool_]) -> Sides:
        """Return how some of the rows are split: into fewer folds if they have fewer groups, which is noted."""
        groupings = [each.of(rows) for each in self.groupings]
        lowered = ""
        if self.kind == "grouped":
            asked = groupings[0].folds
            groupings = [each.at_most(each.n_groups) for each in groupings]
            first = groupings[0]
            if first.folds < asked:
                lowered = f"{first.folds} folds instead of {asked}: there are {first.n_groups} groups by {first.name}"
        return replace(
            self,
            groupings=tuple(groupings),
            unit=self.unit.of(rows),
            watched=None if self.watched is None else self.watched.of(rows),
            notes=(*self.notes, *notes_of(folds_lowered=lowered)),
        )

    def split(self, labels: NDArray[np.intp], seed: int) -> list[Split]:
        """Return the splits, which together test each row once; where groupings are crossed, at most once."""
        first, *others = self.groupings
        found = make_splits(labels, first.of_row, kind=self.kind, folds=first.folds, seed=seed)
        for other in others:
            crossed = make_splits(labels, other.of_row, kind="grouped", folds=other.folds, seed=seed)
            found = cross_splits(found, crossed, labels)
        return found

    def find_leak(self, splits: list[Split]) -> Leak | None:
        """Return the watched groups that are on both sides of any split; None if there are none."""
        if self.watched is None:
            return None
        found = straddling(splits, self.watched.of_row)
        return Leak(len(found), self.watched.n_groups, self.watched.plural) if found else None

    def without_shared(self, other: Grouping) -> tuple[Sides, Sides]:
        """Return splits whose training rows may, and may not, share a group of another grouping with the tested rows.

        Both have about the same share of training rows, for a probe with fewer is worse in any case.

        Raises
        ------
        TaskNotApplicable
            If this split separates these groups already, or cannot be crossed with them.
        """
        other = other.at_most(other.n_groups)
        if self.kind == "random":
            together = replace(self, groupings=(self.groupings[0].at_most(other.folds),))
            return together, replace(self, kind="grouped", groupings=(other,))
        for each in self.groupings:
            if other.is_within(each):
                raise TaskNotApplicable(f"a split by {each.name} already separates every {other.name}")
        inner = [each for each in self.groupings if each.is_within(other)]
        crossing = [each for each in self.groupings if not each.is_within(other)]
        if not crossing:
            together = replace(self, groupings=tuple(each.at_most(other.folds) for each in inner))
            return together, replace(self, groupings=(other,))
        if len(crossing) > 1 or crossing[0] is not self.watched:
            raise TaskNotApplicable(f"some {crossing[-1].name} has several values of {other.name}")
        other = other.at_most(_MOST_CROSSED)
        beside = inner[0] if inner else Grouping("row", np.arange(len(other.of_row)), other.folds)
        together = replace(self, groupings=(crossing[0], beside.at_most(other.folds)))
        return together, replace(self, groupings=(crossing[0], other))


def choose_sides(
    obs: pd.DataFrame,
    labels: NDArray[Any],
    column: str,
    named: Grouping | None,
    *,
    kind: SplitKind,
    folds: int,
    keep_together: bool,
    are_classes: bool = True,
) -> Sides:
    """Return what is kept on one side of a split: the named groups, and the perturbations that labels belong to.

    Labels that belong to perturbations are read from compounds or genes that were not seen in training. Where named
    groups, such as plates, hold several perturbations that are in several of them, the two are crossed. Without named
    groups, patients, slides and wells are kept together likewise. Labels that only rename perturbations are not.

    Parameters
    ----------
    obs
        Metadata of n labelled rows.
    labels, column
        (n,) labels, and the column that they come from.
    named
        The groups that were named; None if none were.
    kind
        ``grouped``, or ``random``, which ignores all groups.
    folds
        The number of folds.
    keep_together
        Whether to keep together what was not named.
    are_classes
        Whether labels are classes, which must be found in several perturbations; numbers need not be.
    """
    origin, notes = _find_origin(obs, labels, column, named, folds, are_classes=are_classes)
    rows = named or Grouping("row", obs.index.to_numpy(), folds)
    if origin is None:
        return Sides(kind, (rows,), rows, named, notes)
    groupings: tuple[Grouping, ...] = (origin,)
    unit, together = origin, f"no {origin.name} is on both sides of the split"
    if named is not None and origin.is_within(named):
        groupings, unit, together = (named,), named, ""
    elif named is not None and not named.is_within(origin):
        groupings = (origin, named.at_most(_MOST_CROSSED))
        together = f"neither {origin.name} nor {named.name} is on both sides of the split"
    if kind == "random" or not keep_together:
        return Sides(kind, (rows,), unit, origin, notes)
    reason = f"{together}, for '{column}' belongs to each {origin.name}" if together else ""
    return Sides(kind, groupings, unit, origin, notes_of(kept_together=reason))


def _find_origin(
    obs: pd.DataFrame, labels: NDArray[Any], column: str, named: Grouping | None, folds: int, *, are_classes: bool
) -> tuple[Grouping | None, tuple[Note, ...]]:
    """Return what the labels belong to, if anything, and a note if they only rename perturbations."""
    notes: tuple[Note, ...] = ()
    for name in _ORIGINS if named is None else _ORIGINS[:1]:
        if name not in obs or name == column or (named is not None and name == named.name):
            continue
        values = obs[name].astype(object)
        missing = values.isna() | (values.astype(str) == "")
        of_row = values.astype(str)
        if name == "well" and "plate" in obs:
            of_row = obs["plate"].astype(str) + " " + of_row
        of_row = of_row.where(~missing, pd.Series([f"row {i}" for i in range(len(obs))], index=obs.index))
        grouping = Grouping(name, of_row.to_numpy().astype(str), folds)
        if not _belong(labels, grouping.of_row):
            continue
        if are_classes and _rename(labels, grouping.of_row):
            text = f"each class is one {name}, which may be recognised instead of '{column}'"
            notes = notes_of(class_is_origin=text)
            continue
        return grouping, notes
    return None, notes


def _belong(labels: NDArray[Any], groups: NDArray[Any]) -> bool:
    """Return whether rows of one group mostly share their label, beyond how many share it with other groups.

    The measure is the agreement of labels within groups, scaled so that 0 is the agreement between groups and 1 is one
    label for each group. Half of it suffices, so that a few wrong labels do not matter.
    """
    table = pd.DataFrame({"label": labels, "group": groups})
    of_group = table.groupby("group")["label"].transform("size").to_numpy()
    of_label = table.groupby("label")["group"].transform("size").to_numpy()
    of_both = table.groupby(["group", "label"])["label"].transform("size").to_numpy()
    several = (of_group > 1) & (of_group < len(table))
    if not several.any():
        return False
    within = float(((of_both - 1)[several] / (of_group - 1)[several]).mean())
    between = float(((of_label - of_both)[several] / (len(table) - of_group)[several]).mean())
    return between < 1 and (within - between) / (1 - between) >= _BELONGS


def _rename(labels: NDArray[Any], groups: NDArray[Any]) -> bool:
    """Return whether no label is the most frequent one of two groups."""
    most = pd.Series(labels).groupby(groups).agg(lambda values: values.value_counts().index[0])
    return not bool(most.duplicated().any())
