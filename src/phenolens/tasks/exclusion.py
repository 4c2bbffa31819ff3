"""Retrieval without rows that share a batch, a source, a plate or the like with the query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

from phenolens.metrics import Apart, apart_by
from phenolens.tasks.columns import required_column

if TYPE_CHECKING:
    from anndata import AnnData


class ExcludesSame(BaseModel):
    """The option of retrieval tasks to compare only rows that do not share a batch, a source, a plate or the like.

    Parameters
    ----------
    exclude_same
        Metadata columns, such as batch, plate or source: rows that share the value of one of them are neither
        positives nor negatives of each other. A profile of several wells has the values of all of them. Labels are
        exchanged only among rows with the same values, so that p values hold under the same restriction.
    """

    exclude_same: tuple[str, ...] = ()

    @property
    def restriction(self) -> str:
        """The restriction as part of a task's id; empty if there is none."""
        return f"|not same {', '.join(self.exclude_same)}" if self.exclude_same else ""

    @property
    def with_restriction(self) -> str:
        """The restriction as part of a message; empty if there is none."""
        return f" that do not have the same {' or '.join(self.exclude_same)}" if self.exclude_same else ""

    def apart(self, rows: AnnData, task: str, units: NDArray[Any] | None = None) -> Apart | None:
        """Return which rows share a value; None if there is no restriction.

        Parameters
        ----------
        rows
            Rows (n, d).
        task
            The task's name, for messages.
        units
            (n,) unit that each row is averaged to; the result is then of units, in order of first appearance.

        Raises
        ------
        TaskNotApplicable
            If a column is missing or has gaps.
        """
        if not self.exclude_same:
            return None
        columns = [required_column(rows, column, task) for column in self.exclude_same]
        held = pd.Series([frozenset(enumerate(row)) for row in zip(*columns, strict=True)], dtype=object)
        if units is not None:
            held = held.groupby(units, sort=False).agg(lambda several: frozenset().union(*several))
        return apart_by(held.tolist())
