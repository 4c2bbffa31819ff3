"""Splits into training and test rows, and groups that are on both sides of them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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

    with warnings.catch_warnings():
        # A class with fewer rows than folds is missing from some folds only.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        if kind == "grouped":
            dealt = list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups))
        else:
            dealt = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels))
    return [Split(train, test, groups) for train, test in dealt]


def cross_splits(ones: Sequence[Split], others: Sequence[Split], labels: NDArray[Any] | None = None) -> list[Split]:
    """Return splits whose training rows are on the training side, and tested rows on the test side, of two splits.

    Rows of a class without training rows are not tested, and no split has training rows of a single class.

    Parameters
    ----------
    ones, others
        The splits that are crossed, each with each.
    labels
        (n,) class of each row, if any.
    """
    found = []
    for one in ones:
        for other in others:
            train = np.intersect1d(one.train, other.train)
            test = np.intersect1d(one.test, other.test)
            if labels is not None:
                trained = np.unique(labels[train])
                test = test[np.isin(labels[test], trained) & (len(trained) > 1)]
            if len(train) and len(test):
                found.append(Split(train, test, one.groups))
    return found


def straddling(splits: Sequence[Split], groups: NDArray[Any]) -> set[Any]:
    """Return the groups (n,) that have rows on both sides of any split."""
    found: set[Any] = set()
    for split in splits:
        found |= set(groups[split.train]) & set(groups[split.test])
    return found
