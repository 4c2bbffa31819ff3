"""A question asked again of changed vectors, for its value alone."""

from typing import Any

from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.precision import narrowed
from phenolens.core.random import spawn
from phenolens.tasks import Score, Task

MOST_ROWS = 4000


def sample_rows(task: Task, rows: AnnData, most: int = MOST_ROWS, *, seed: int = 0) -> AnnData:
    """Return rows on which a question costs less, as the task says: see `Task.sample`."""
    return task.sample(rows, most, spawn(seed, "sample of rows"))


def rescore(
    task: Task, rows: AnnData, x: NDArray[Any], profiling: str, *, with_chance: bool = False, seed: int = 0
) -> Score:
    """Return the score with vectors `x` (n, k) in the place of those of `rows`, without p values.

    Chance is only to be used if it is asked for, as that takes exchanges of labels.

    Raises
    ------
    TaskNotApplicable
        If these rows cannot answer it.
    """
    task = task.without_p() if with_chance else task.without_null()
    return task.score(AnnData(narrowed(x), obs=rows.obs), spawn(seed, "score", task.id, profiling))
