"""Scores of every encoder in every task after every profiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from phenolens.core.errors import EmbeddingError, ProfilingError, TaskNotApplicable
from phenolens.core.progress import progress_bar
from phenolens.core.random import spawn
from phenolens.embedding import NOTE, PROVENANCE, encoder_info
from phenolens.encoders.info import EncoderInfo
from phenolens.evaluation.estimate import Estimate
from phenolens.evaluation.left_out import leave_out
from phenolens.evaluation.profiles import Profiles
from phenolens.evaluation.question import EncoderScore, Question, StratumScore
from phenolens.evaluation.refits import refitted_null
from phenolens.evaluation.shared_noise import NOTHING_SHARED
from phenolens.evaluation.shared_rows import SharedRows, share_named_rows, share_rows
from phenolens.evaluation.skipped import Skipped
from phenolens.metrics import minimum_detectable_effect
from phenolens.tasks import Note, Score, Task, notes_of, refuse_repeated

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Settings:
    """The settings of an evaluation.

    Attributes
    ----------
    profilings
        The profilings, the same for every encoder.
    batch_by
        The metadata columns whose combinations define the batches of profiling; the plate if None.
    seed
        The seed of permutations and bootstrap.
    """

    profilings: tuple[str, ...] = ("raw",)
    batch_by: tuple[str, ...] | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of all encoders in all questions, with the profiles and settings that they were computed from.

    Attributes
    ----------
    scores
        One per encoder, seed and question.
    skipped
        What could not be evaluated.
    profiles
        The embeddings, and the profiles computed from them.
    settings
        The settings.
    """

    scores: list[EncoderScore]
    skipped: list[Skipped]
    profiles: Profiles
    settings: Settings

    @cached_property
    def questions(self) -> dict[tuple[str, str], Question]:
        """The questions by the names of task and profiling."""
        by_key: dict[tuple[str, str], list[EncoderScore]] = {}
        for each in self.scores:
            by_key.setdefault((each.task.id, each.profiling), []).append(each)
        return {key: Question(scores[0].task, key[1], scores, self.settings.seed) for key, scores in by_key.items()}

    @property
    def claiming(self) -> list[Question]:
        """The questions that support claims about encoders; see `Question.supports_claims`."""
        return [question for question in self.questions.values() if question.supports_claims]

    @property
    def tasks(self) -> list[Task]:
        """The tasks that could be scored."""
        return list({each.task.id: each.task for each in self.scores}.values())

    @property
    def answered_profilings(self) -> list[str]:
        """The profilings after which any task could be scored."""
        return list(dict.fromkeys(each.profiling for each in self.scores))

    def rescore(self, embeddings: Mapping[str, AnnData], tasks: Sequence[Task]) -> Evaluation:
        """Evaluate changed embeddings with the same settings; parameters and errors as in `evaluate`.

        The names of rows are those of this evaluation, so that rows are matched by them. Intervals leave out what units
        share: changed scores are compared with those before, which share it.
        """
        return _evaluate(share_named_rows(embeddings), tasks, self.settings, with_shared_noise=False)


def evaluate(
    embeddings: Mapping[str, AnnData],
    tasks: Sequence[Task],
    *,
    profilings: Sequence[str] = ("raw",),
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
    key: str | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score every encoder in every task after every profiling.

    Parameters
    ----------
    embeddings
        Encoder (with its seed) -> its embeddings of the same sites.
    tasks
        The tasks.
    profilings
        The profilings, the same for every encoder.
    batch_by
        The metadata columns whose combinations define the batches of profiling; the plate if None.
    seed
        The seed of permutations and bootstrap.
    key
        The metadata column by which rows of different encoders are matched; if None, it is found: site, the names of
        rows, or plate and well.
    progress
        Whether to show on stderr how far it is.

    Returns
    -------
    Scores with 95 % intervals, on the rows that all encoders have. What cannot be scored on these data is in `skipped`,
    with the reason.

    Raises
    ------
    EmbeddingError
        If embeddings hold NaN or infinite values, or rows of encoders cannot be matched.
    PhenolensError
        If two tasks have the same name.
    """
    used = sorted({column for task in tasks for column in task.columns})
    shared = share_rows(embeddings, key=key, columns=used)
    settings = Settings(tuple(profilings), None if batch_by is None else tuple(batch_by), seed)
    return _evaluate(shared, tasks, settings, progress=progress)


def _evaluate(
    shared: SharedRows,
    tasks: Sequence[Task],
    settings: Settings,
    *,
    with_shared_noise: bool = True,
    progress: bool = False,
) -> Evaluation:
    """Score every encoder on the rows that all have."""
    refuse_repeated(tasks)
    seed = settings.seed
    infos = {encoder: encoder_info(sites, encoder) for encoder, sites in shared.embeddings.items()}
    profiles = Profiles(shared.embeddings, infos, settings.batch_by, seed)
    # Tasks that use the same profiles follow each other.
    ordered = sorted(tasks, key=lambda task: (task.aggregation, task.needs_controls))
    scores: list[EncoderScore] = []
    skipped: list[Skipped] = []
    notes = {
        encoder: (*_check(infos[encoder], sites), *notes_of(rows_not_shared=shared.note))
        for encoder, sites in shared.embeddings.items()
    }
    asked = list(product(notes, settings.profilings, ordered))
    with progress_bar("evaluating", len(asked), shown=progress) as show:
        for number, (encoder, profiling, task) in enumerate(asked):
            show(number, f"{infos[encoder].name}, {task.id}, {profiling}")
            try:
                scored = _score(task, encoder, profiling, profiles, notes[encoder], seed, with_shared_noise)
                scores.append(scored)
            except (ProfilingError, TaskNotApplicable) as error:
                skipped.append(Skipped("score", str(error), task=task.id, profiling=profiling, encoder=encoder))
        show(len(asked))
    return Evaluation(scores, skipped, profiles, settings)


def _check(info: EncoderInfo, vectors: AnnData) -> tuple[Note, ...]:
    """Refuse embeddings with NaN or infinite values; return notes on rows that are all zero."""
    x = np.asarray(vectors.X)
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise EmbeddingError(
            f"{info.id}: {bad.sum()} of {len(bad)} rows hold NaN or infinite values, the first is row "
            f"'{vectors.obs_names[bad][0]}'; leave them out first"
        )
    # Measurements are standardised first, so that a row of zeros is no special case.
    zero = int((~x.any(axis=1)).sum()) if info.feature_type == "vectors" else 0
    return notes_of(
        provenance=str(vectors.uns.get(PROVENANCE, {}).get(NOTE, "")),
        zero_rows=f"{zero} of {len(x)} rows are all zero and have no similarity to any row" if zero else "",
    )


def _score(
    task: Task,
    encoder: str,
    profiling: str,
    profiles: Profiles,
    notes: tuple[Note, ...],
    seed: int,
    with_shared_noise: bool,
) -> EncoderScore:
    """Score one encoder in one task after one profiling."""
    scored = profiles.for_task(task, encoder, profiling)
    on_profiling = profiles.notes(encoder, profiling, task.aggregation, hold_out=task.needs_controls)
    # The encoder is not among the names: all encoders get the same permutations and draws.
    score = task.score(scored, spawn(seed, "score", task.id, profiling))
    score = score.against(refitted_null(task, encoder, profiling, profiles, seed))
    score = replace(score, notes=(*score.notes, *notes, *(Note("profiling", text) for text in on_profiling)))
    # Of models that are fitted by cross-validation, this is asked only where a claim rests on it.
    left_out = leave_out(task, encoder, profiling, profiles, seed) if with_shared_noise and not score.folds else None
    noise = NOTHING_SHARED if left_out is None else left_out.noise()
    draws = noise.widen(score.draws(spawn(seed, "interval", task.id, profiling)), score.value)
    return EncoderScore(
        profiles.infos[encoder],
        task,
        profiling,
        score,
        Estimate(score.value, *score.limits(draws), score.n_units, score.p),
        minimum_detectable_effect(float(draws.std())),
        score_strata(score, spawn(seed, "parts", task.id, profiling)),
        left_out,
    )


def score_strata(score: Score, rng: np.random.Generator) -> tuple[StratumScore, ...]:
    """Return the scores of strata that are reported separately, with intervals drawn by `rng`."""
    if not score.strata_are:
        return ()
    found = []
    for stratum, units in score.units.groupby("stratum", sort=False):
        alone = replace(score, units=units.assign(stratum=""))
        estimate = Estimate(alone.value, *alone.interval(rng), alone.n_units)
        found.append(StratumScore(str(stratum), estimate, alone.chance, score.details.get(str(stratum), {})))
    return tuple(found)
