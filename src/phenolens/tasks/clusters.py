"""Which units of a score are not independent of each other: doses of a compound, guides of a gene, related genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.metrics import CROSSED, distinct_pairs, network_clusters
from phenolens.tasks.columns import required_column

if TYPE_CHECKING:
    from anndata import AnnData


def cluster_of_units(rows: AnnData, units: Any, column: str, task: str) -> Mapping[str, str]:
    """Return unit -> its value in a metadata column, which names the clusters of units that are not independent.

    Parameters
    ----------
    rows
        The rows (n, d) that units are made of.
    units
        (n,) unit of each row.
    column
        The metadata column.
    task
        The task's name, for messages.

    Raises
    ------
    TaskNotApplicable
        If the column is missing or has gaps, or a unit has several values.
    """
    values = required_column(rows, column, task).groupby(np.asarray(units, dtype=str))
    several = values.nunique() > 1
    if several.any():
        raise TaskNotApplicable(
            f"{task}: '{several.idxmax()}' has different values of '{column}', which is to name its cluster"
        )
    return dict(values.first())


def related_clusters(pairs: NDArray[np.intp], names: NDArray[Any]) -> tuple[dict[str, str], float, bool]:
    """Return the cluster of each entity by its relations, how many clusters a relation has, and if they are crossed.

    Parameters
    ----------
    pairs
        (m, 2) related pairs of numbers of entities.
    names
        (n,) names of the entities.

    Returns
    -------
    Name -> the cluster, which is called as its first member; the number of clusters; and whether relations do not fall
    into groups, so that each entity is a cluster. See `network_clusters`.
    """
    clusters, order = network_clusters(distinct_pairs(pairs), len(names))
    first = np.unique(clusters, return_index=True)[1]
    named = dict(zip(names.tolist(), names[first][clusters].tolist(), strict=True))
    return named, order, order == CROSSED
