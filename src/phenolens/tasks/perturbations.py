"""One profile per perturbation, averaged over its wells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import treated
from phenolens.profiling import Average, aggregate
from phenolens.tasks.columns import required_column

if TYPE_CHECKING:
    from anndata import AnnData


def perturbation_profiles(profiles: AnnData, column: str, average: Average, task: str) -> AnnData:
    """Return the average profile of each value of a metadata column among the treated wells.

    Parameters
    ----------
    profiles
        Wells (n, d).
    column
        The column that names perturbations; the index of the result holds its values.
    average
        As in `aggregate`.
    task
        The task's name, for messages.

    Raises
    ------
    TaskNotApplicable
        If the column is missing or has gaps, or there are no treated wells.
    """
    wells = profiles[treated(profiles.obs).to_numpy()]
    if not len(wells):
        raise TaskNotApplicable(f"{task}: no row is treated")
    required_column(wells, column, task)
    averaged = aggregate(wells, [column], average)
    averaged.obs_names = averaged.obs[column].astype(str)
    return averaged
