"""Rows that are not compared with each other, because they share a batch, a source or the like."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class Apart:
    """Which of n rows share a value, so that they are not compared with each other.

    Attributes
    ----------
    pattern
        (n,) number of the pattern of each row; rows with the same values have the same pattern.
    share
        (p, p) whether rows of two patterns share a value.
    """

    pattern: NDArray[np.intp]
    share: NDArray[np.bool_]

    def together(self, rows: NDArray[np.intp], others: NDArray[np.intp] | None = None) -> NDArray[np.bool_]:
        """Return whether each of `rows` (r,) shares a value with each of `others` (o,), as (r, o); all rows if None."""
        columns = self.pattern if others is None else self.pattern[others]
        return self.share[self.pattern[rows][:, None], columns]

    def pairs_together(self, pairs: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return whether the rows of each pair (m, 2) share a value, as (m,)."""
        return self.share[self.pattern[pairs[:, 0]], self.pattern[pairs[:, 1]]]

    def permute(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return the row (n,) whose label each row receives when labels are exchanged among rows of one pattern."""
        source = np.arange(len(self.pattern))
        for pattern in np.unique(self.pattern):
            rows = np.flatnonzero(self.pattern == pattern)
            source[rows] = rng.permutation(rows)
        return source

    def within(self, groups: NDArray[Any]) -> NDArray[np.intp]:
        """Return the number (n,) of each combination of a group and a pattern."""
        both = np.stack([np.unique(groups, return_inverse=True)[1], self.pattern])
        return np.unique(both, axis=1, return_inverse=True)[1]

    def among(self, rows: NDArray[np.intp]) -> Apart:
        """Return the same of some rows."""
        return Apart(self.pattern[rows], self.share)


def apart_by(values: Sequence[frozenset[Hashable]]) -> Apart:
    """Return which rows share a value.

    Parameters
    ----------
    values
        The values of each of n rows, such as its batches.

    Examples
    --------
    >>> apart = apart_by([frozenset("a"), frozenset("ab"), frozenset("b")])
    >>> apart.together(np.array([0]))
    array([[ True,  True, False]])
    """
    patterns = {row: number for number, row in enumerate(dict.fromkeys(values))}
    names = {name: number for number, name in enumerate({name: None for row in patterns for name in row})}
    ends = np.array([(patterns[row], names[name]) for row in patterns for name in row], dtype=np.intp).reshape(-1, 2)
    held = csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(patterns), len(names)))
    return Apart(np.array([patterns[row] for row in values], dtype=np.intp), (held @ held.T).toarray() > 0)
