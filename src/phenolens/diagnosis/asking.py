"""A question asked again: of vectors that were changed, and of no more rows than are needed."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import BaseModel

from phenolens.core.errors import PhenolensWarning
from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL, condition_names, treated
from phenolens.diagnosis.sampling import draw_whole
from phenolens.profiling import FITTED_ON
from phenolens.tasks import (
    PerturbationStrength,
    Probe,
    RegressionProbe,
    ReplicateRetrieval,
    Score,
    Task,
    profiles_for,
    shared_names,
)

_FEWEST_PERMUTATIONS = 20  # that any task takes
_COARSE_PERMUTATIONS = 100
_MOST_ROWS = 4000


def rows_asked(
    task: Task, encoder: str, sites: AnnData, how: str, *, batch_by: Sequence[str] | None = None, seed: int = 0
) -> AnnData:
    """Return the profiles that a question is asked of, less those that a profiler was fitted on.

    Parameters and errors are those of `profiles_for`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PhenolensWarning)  # the evaluation has noted them
        profiles = profiles_for(task, encoder, sites, how, batch_by=batch_by, seed=seed)
    return profiles[~profiles.obs[FITTED_ON].to_numpy()] if FITTED_ON in profiles.obs else profiles


def shared_rows(profiles: Mapping[str, AnnData]) -> dict[str, AnnData]:
    """Return the rows that all have, in one order; errors as of `shared_names`."""
    shared = shared_names([own.obs_names for own in profiles.values()])
    return {name: own[shared] for name, own in profiles.items()}


def sample_rows(task: Task, rows: AnnData, most: int = _MOST_ROWS, *, seed: int = 0) -> AnnData:
    """Return rows on which a question costs less.

    Where replicates are looked for: whole perturbations and doses with at most so many wells, and at most so many
    controls where they take part. For a probe: at most so many rows. Other questions get all rows: relations between
    perturbations would become fewer by the square.
    """
    rng = spawn(seed, "sample of rows")
    if isinstance(task, Probe | RegressionProbe):
        return rows[_at_most(np.arange(len(rows)), most, rng)]
    if not isinstance(task, ReplicateRetrieval | PerturbationStrength):
        return rows
    wells = np.flatnonzero(treated(rows.obs))
    names = condition_names(rows.obs).to_numpy()[wells]
    kept = wells[draw_whole(names, most, rng, of_each=most)]
    if task.needs_controls:
        controls = np.flatnonzero(rows.obs["role"] == NEGATIVE_CONTROL)
        kept = np.sort(np.concatenate([kept, _at_most(controls, most, rng)]))
    return rows[kept]


def _at_most(rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows


def without_p(task: Task) -> Task:
    """Return the task asked for its value alone: with few permutations, of which p values are not to be used.

    The value of perturbation strength rests on them: it is asked with 100.
    """
    if not isinstance(task, BaseModel) or "n_permutations" not in type(task).model_fields:
        return task
    if isinstance(task, PerturbationStrength):
        return task.model_copy(update={"n_permutations": _COARSE_PERMUTATIONS})
    quick: dict[str, object] = {"n_permutations": _FEWEST_PERMUTATIONS}
    if isinstance(task, ReplicateRetrieval):
        quick["exchange_with"] = "treatments"  # of use to p values alone, and one null serves all perturbations
    return task.model_copy(update=quick)


def ask_again(task: Task, rows: AnnData, x: NDArray[Any], how: str, *, seed: int = 0) -> Score:
    """Return the score with vectors `x` (n, k) in the place of the rows' own, asked `without_p`.

    Raises
    ------
    TaskNotApplicable
        If these rows cannot answer it.
    """
    task = without_p(task)
    return task.score(AnnData(x.astype(np.float32), obs=rows.obs), spawn(seed, "score", task.id, how))


def by_unit(score: Score) -> pd.DataFrame:
    """Return values and weights by (unit, stratum), as `family_values` does for families."""
    return score.units.set_index(["unit", "stratum"])[["value", "weight"]].sort_index()
