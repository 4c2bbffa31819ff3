"""What other controls would change: all perturbations are compared with the same ones, and post-processed by them."""

from collections.abc import Mapping, Sequence

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.comparison import OtherControls
from phenolens.evaluation import EncoderScore, Evaluation, Profiles, Question, shared_names
from phenolens.profiling import FITTED_ON, parse_profiling
from phenolens.tasks import Task

_PARTS = 10
_MOST_WELLS = 2000


def ask_without_controls(evaluation: Evaluation, *, seed: int = 0) -> tuple[OtherControls, dict[str, str]]:
    """Ask questions in which controls take part, or their post-processing does, without a tenth of them at a time.

    Perturbations are what intervals and p values resample. The noise of controls moves all of them together, in each
    encoder by itself, and would pass for a difference between encoders.

    Parameters
    ----------
    evaluation
        The scores: encoders under test, the best baseline and the best untrained network are asked, one seed of each.
    seed
        Deals controls into parts, and names the permutations, as in `evaluate`.

    Returns
    -------
    Question -> encoder -> scores without each part of the controls, the same for all encoders; and why questions were
    not asked.
    """
    profiles = evaluation.profiles
    found: OtherControls = {}
    missing = {}
    for question in evaluation.claiming:
        task, profiling = question.task, question.profiling
        fitted = any(step.on_controls for step in parse_profiling(profiling))
        if not (task.needs_controls or fitted):
            continue
        asked = _claimed_of(question)
        wells = {name: profiles.averaged(each.info.id, task.aggregation) for name, each in asked.items()}
        try:
            parts = _deal_controls(wells, seed)
            found[question.key] = {
                name: _scores(task, each.info.id, wells[name], parts, profiling, profiles, seed)
                for name, each in asked.items()
            }
        except (TaskNotApplicable, ProfilingError) as error:
            missing[f"other controls, {task.id}, {profiling}"] = str(error)
    return found, missing


def _claimed_of(question: Question) -> dict[str, EncoderScore]:
    """Return encoder -> the score of its first seed, of those that claims are made of."""
    references = question.references
    return {name: each for name, each in question.one_seed.items() if each.info.is_tested or name in references}


def _deal_controls(wells: Mapping[str, AnnData], seed: int) -> list[NDArray[np.str_]]:
    """Return the names of the controls that all have, dealt into parts."""
    obs = next(iter(wells.values())).obs.loc[shared_names([each.obs_names for each in wells.values()])]
    controls = np.sort(obs.index[(obs["role"] == NEGATIVE_CONTROL).to_numpy()].to_numpy(dtype=str))
    if not len(controls):
        raise TaskNotApplicable("no negative control is in all encoders")
    return np.array_split(spawn(seed, "parts of controls").permutation(controls), min(_PARTS, len(controls)))


def _scores(
    task: Task,
    encoder: str,
    wells: AnnData,
    parts: Sequence[NDArray[np.str_]],
    profiling: str,
    profiles: Profiles,
    seed: int,
) -> NDArray[np.float64]:
    """Return the score of one encoder without each part of the controls."""
    if len(wells) > _MOST_WELLS:
        raise TaskNotApplicable(f"controls of {len(wells)} wells are not left out in turn; those of {_MOST_WELLS} are")
    whole = profiles.make(task, encoder, wells, profiling)
    fit_on = whole.obs_names[whole.obs[FITTED_ON].to_numpy()] if FITTED_ON in whole.obs else None
    quick = task.without_p()
    values = []
    for part in parts:
        rest = wells[~wells.obs_names.isin(part)]
        left = profiles.make(task, encoder, rest, profiling, fit_on=fit_on)
        values.append(quick.score(left, spawn(seed, "score", task.id, profiling)).value)
    return np.array(values)
