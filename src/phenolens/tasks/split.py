"""Splits into training and test rows, and groups that are on both sides of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.tasks.score import Leak

SplitKind = Literal["grouped", "random"]


@dataclass(frozen=True, eq=False)
class Split:
    """Training and test rows, and the groups that must be on one side only.

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
    """Return stratified folds, which together test every row once.

    Parameters
    ----------
    labels, groups
        (n,) class and group of each row.
    kind
        ``grouped`` keeps each group on one side; ``random`` ignores the groups.
    folds
        The number of splits.
    seed
        The seed by which rows or groups are assigned to folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if kind == "grouped":
        dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    else:
        dealt = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    return [Split(train, test, groups) for train, test in dealt]


def find_leak(splits: Sequence[Split]) -> Leak | None:
    """Return the groups that are on both sides of any split; None if there are none."""
    straddling = set().union(*(split.straddling for split in splits))
    return Leak(len(straddling), len(set(splits[0].groups))) if straddling else None
