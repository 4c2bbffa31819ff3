"""Splits, and what straddles them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.tasks.score import Leak

SplitKind = Literal["grouped", "random"]


@dataclass(frozen=True, eq=False)
class Split:
    """Train and test rows, and the groups that must not straddle them.

    Attributes
    ----------
    train, test
        Row numbers.
    groups
        (n,) group of each row of the data set.
    """

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    groups: NDArray[Any]

    @property
    def straddling(self) -> set[Any]:
        """The groups that have rows on both sides."""
        return set(self.groups[self.train]) & set(self.groups[self.test])


def make_splits(labels: NDArray[Any], groups: NDArray[Any], *, kind: SplitKind, folds: int, seed: int) -> list[Split]:
    """Return stratified folds that together test every row once.

    Parameters
    ----------
    labels, groups
        (n,) class and group of each row.
    kind
        ``grouped`` keeps each group on one side; ``random`` ignores the groups, so that they may straddle.
    folds
        How many splits.
    seed
        The order in which rows or groups are dealt out.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if kind == "grouped":
        dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    else:
        dealt = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    return [Split(train, test, groups) for train, test in dealt]


def find_leak(splits: Sequence[Split]) -> Leak | None:
    """Return the groups that straddle any of the splits; None if none does."""
    straddling = set().union(*(split.straddling for split in splits))
    return Leak(len(straddling), len(set(splits[0].groups))) if straddling else None
