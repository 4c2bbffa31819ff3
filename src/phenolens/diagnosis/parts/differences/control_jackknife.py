"""How much a difference between encoders varies with the choice of negative controls, by leaving parts of them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.evaluation import EncoderScore, Evaluation, Question, Skipped, shared_names
from phenolens.profiling import FITTED_ON, parse_profiling

_PARTS = 10
_MOST_WELLS = 2000

ScoresByPart = Mapping[str, NDArray[np.float64]]
"""Encoder -> its scores (parts,), each without one part of the controls, the same for all encoders."""


@dataclass(frozen=True, eq=False)
class ControlJackknife:
    """Scores without a tenth of the negative controls at a time.

    Perturbations are what intervals and p values resample. The noise of controls moves all of them together, in each
    encoder by itself, and would pass for a difference between encoders.

    Attributes
    ----------
    scores
        Question -> scores of its encoders, of questions that depend on controls.
    skipped
        Which of these questions were left out, and why.
    """

    scores: Mapping[tuple[str, str], ScoresByPart] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()

    def variance(self, question: Question, one: str, other: str) -> float:
        """Return the variance of the difference of two encoders by the choice of controls; 0 where it is not known."""
        scores = self.scores.get(question.key, {})
        if one not in scores or other not in scores:
            return 0.0
        differences = scores[one] - scores[other]
        n = len(differences)
        return float((n - 1) / n * ((differences - differences.mean()) ** 2).sum())


def leave_controls_out(evaluation: Evaluation) -> ControlJackknife:
    """Rescore the questions in which controls take part, or their post-processing does, without parts of them.

    Encoders under test, the best baseline and the best untrained network are rescored, one seed of each.
    """
    scores: dict[tuple[str, str], ScoresByPart] = {}
    skipped = []
    for question in evaluation.claiming:
        fitted_on_controls = any(step.on_controls for step in parse_profiling(question.profiling))
        if not (question.task.needs_controls or fitted_on_controls):
            continue
        try:
            scores[question.key] = _rescore(question, evaluation)
        except (TaskNotApplicable, ProfilingError) as error:
            task, profiling = question.key
            skipped.append(Skipped("control jackknife", str(error), task=task, profiling=profiling))
    return ControlJackknife(scores, tuple(skipped))


def _rescore(question: Question, evaluation: Evaluation) -> ScoresByPart:
    """Return the scores of the encoders that claims are made of."""
    profiles, seed = evaluation.profiles, evaluation.settings.seed
    claimed: dict[str, EncoderScore] = {}
    wells: dict[str, AnnData] = {}
    for name, scored in question.one_seed.items():
        if scored.info.is_tested or name in question.references:
            claimed[name] = scored
            wells[name] = profiles.averaged(scored.info.id, question.task.aggregation)
    parts = _deal_controls(wells, seed)
    return {name: _without_each_part(scored, wells[name], parts, evaluation) for name, scored in claimed.items()}


def _deal_controls(wells: Mapping[str, AnnData], seed: int) -> list[NDArray[np.str_]]:
    """Return the names of the controls that all encoders have, dealt into parts."""
    shared = shared_names([each.obs_names for each in wells.values()])
    obs = next(iter(wells.values())).obs.loc[shared]
    controls = np.sort(obs.index[(obs["role"] == NEGATIVE_CONTROL).to_numpy()].to_numpy(dtype=str))
    if not len(controls):
        raise TaskNotApplicable("no negative control is shared by all encoders")
    return np.array_split(spawn(seed, "parts of controls").permutation(controls), min(_PARTS, len(controls)))


def _without_each_part(
    scored: EncoderScore, wells: AnnData, parts: Sequence[NDArray[np.str_]], evaluation: Evaluation
) -> NDArray[np.float64]:
    """Return the scores (parts,) of one encoder without each part of the controls."""
    if len(wells) > _MOST_WELLS:
        raise TaskNotApplicable(f"leaving controls out in turn takes at most {_MOST_WELLS} wells, found {len(wells)}")
    profiles, task, profiling, encoder = evaluation.profiles, scored.task, scored.profiling, scored.info.id
    whole = profiles.make(task, encoder, wells, profiling)
    fit_on = whole.obs_names[whole.obs[FITTED_ON].to_numpy()] if FITTED_ON in whole.obs else None
    quick = task.without_p()
    values = []
    for part in parts:
        rest = wells[~wells.obs_names.isin(part)]
        left = profiles.make(task, encoder, rest, profiling, fit_on=fit_on)
        rng = spawn(evaluation.settings.seed, "score", task.id, profiling)
        values.append(quick.score(left, rng).value)
    return np.array(values)
