"""What other controls would change: all perturbations are compared with the same ones, and post-processed by them."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.errors import PhenolensWarning, ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.asking import without_p
from phenolens.diagnosis.claims import best_baselines, supports_gains
from phenolens.diagnosis.comparison import OtherControls, by_question
from phenolens.encoders import is_baseline
from phenolens.profiling import FITTED_ON, parse_profiling, profile
from phenolens.tasks import Answer, Evaluation, Task, profiles_for, shared_names

_PARTS = 10
_MOST_WELLS = 2000


def ask_without_controls(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[OtherControls, dict[str, str]]:
    """Ask questions in which controls take part, or their post-processing does, without a tenth of them at a time.

    Perturbations are what intervals and p values resample. The noise of controls moves all of them together, in each
    encoder by itself, and would pass for a difference between encoders.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of sites.
    evaluation
        The answers: encoders under test, the best baseline and the best untrained network are asked, one seed of each.
    batch_by, seed
        As in `evaluate`; the seed also deals controls into parts.

    Returns
    -------
    Question -> family -> scores without each part of the controls, the same for all families; and why questions were
    not asked.
    """
    found: OtherControls = {}
    missing = {}
    for (name, how), answers in by_question(evaluation.answers).items():
        task = answers[0].task
        fitted = any(step.on_controls for step in parse_profiling(how))
        if not supports_gains(answers) or not (task.needs_controls or fitted):
            continue
        encoders = _encoders(answers)
        wells = {family: profile(embeddings[encoder], "raw", level=task.level) for family, encoder in encoders.items()}
        try:
            parts = _deal_controls(wells, seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PhenolensWarning)  # the evaluation has noted them
                found[name, how] = {
                    family: _scores(task, encoder, wells[family], parts, how, batch_by, seed)
                    for family, encoder in encoders.items()
                }
        except (TaskNotApplicable, ProfilingError) as error:
            missing[f"other controls, {name}, {how}"] = str(error)
    return found, missing


def _encoders(answers: Sequence[Answer]) -> dict[str, str]:
    """Return family -> encoder of those that claims are made of."""
    families = {answer.family: answer.encoder for answer in reversed(answers)}
    baselines = best_baselines(answers)
    return {name: encoder for name, encoder in families.items() if not is_baseline(name) or name in baselines}


def _deal_controls(wells: Mapping[str, AnnData], seed: int) -> list[NDArray[np.str_]]:
    """Return the names of the controls that all have, dealt into parts."""
    obs = next(iter(wells.values())).obs.loc[shared_names([own.obs_names for own in wells.values()])]
    controls = np.sort(obs.index[(obs["role"] == NEGATIVE_CONTROL).to_numpy()].to_numpy(dtype=str))
    if not len(controls):
        raise TaskNotApplicable("no negative control is in all encoders")
    return np.array_split(spawn(seed, "parts of controls").permutation(controls), min(_PARTS, len(controls)))


def _scores(
    task: Task,
    encoder: str,
    wells: AnnData,
    parts: Sequence[NDArray[np.str_]],
    how: str,
    batch_by: Sequence[str] | None,
    seed: int,
) -> NDArray[np.float64]:
    """Return the score of one encoder without each part of the controls."""
    if len(wells) > _MOST_WELLS:
        raise TaskNotApplicable(f"controls of {len(wells)} wells are not left out in turn; those of {_MOST_WELLS} are")
    whole = profiles_for(task, encoder, wells, how, batch_by=batch_by, seed=seed)
    fit_on = whole.obs_names[whole.obs[FITTED_ON].to_numpy()] if FITTED_ON in whole.obs else None
    quick = without_p(task)
    values = []
    for part in parts:
        rest = wells[~wells.obs_names.isin(part)]
        profiles = profiles_for(task, encoder, rest, how, batch_by=batch_by, fit_on=fit_on, seed=seed)
        values.append(quick.score(profiles, spawn(seed, "score", task.id, how)).value)
    return np.array(values)
