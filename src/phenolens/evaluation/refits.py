"""Nulls of a score for which rows are permuted, post-processed and scored anew."""

from __future__ import annotations

import numpy as np

from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.evaluation.profiles import Profiles
from phenolens.profiling import parse_profiling
from phenolens.tasks import Task


def refitted_null(task: Task, encoder: str, profiling: str, profiles: Profiles, seed: int) -> tuple[float, ...]:
    """Return the scores of an encoder without what is asked for, made in the same way as the score.

    Parameters
    ----------
    task, encoder, profiling
        What is asked of which vectors.
    profiles
        The embeddings, and how they are post-processed.
    seed
        The seed of the permutations, which all encoders share.

    Returns
    -------
    One score per permutation; none where labels can as well be exchanged after post-processing.

    Raises
    ------
    ProfilingError, TaskNotApplicable
        If permuted rows cannot be post-processed or scored.
    """
    steps = parse_profiling(profiling)
    if not steps or not task.n_refits(profiles.embeddings[encoder].obs, profiles.batches(encoder)):
        return ()
    rows = profiles.averaged(encoder, task.aggregation)
    # Controls are then post-processed as if nothing stood beside them.
    apart = profiles.infos[encoder].feature_type == "vectors" and all(step.on_controls for step in steps)
    if apart and task.asks_controls_alone:
        rows = rows[(rows.obs["role"] == NEGATIVE_CONTROL).to_numpy()].copy()
    rng = spawn(seed, "permuted before post-processing", task.id, profiling)
    null = []
    for _ in range(task.n_refits(rows.obs, profiles.batches(encoder))):
        permuted = task.permuted(rows, rng)
        made = profiles.make(task, encoder, permuted, profiling)
        null.append(task.score(made, np.random.default_rng(rng.integers(2**63))).value)
    return tuple(null)
