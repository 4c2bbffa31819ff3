"""Every task asked of every encoder under every profiling, and what could not be asked."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import EmbeddingError, PhenolensWarning, ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.embedding import NOTE, PROVENANCE
from phenolens.encoders import EncoderName, form_of, is_baseline
from phenolens.metrics import minimum_detectable_effect, percentile_interval
from phenolens.profiling import profile
from phenolens.tasks.base import Score, Task
from phenolens.tasks.registry import refuse_repeated
from phenolens.tasks.rows import share_rows


@dataclass(frozen=True, eq=False)
class Answer:
    """A score, and what it is the score of.

    Attributes
    ----------
    encoder, profiling, task
        What was asked of what.
    score
        The answer.
    low, high
        The 95 % interval of its value.
    detectable
        The smallest distance from chance that data such as these find four times in five.
    parts
        The answers of the strata that are answers of their own, such as sources of relations.
    """

    encoder: str
    profiling: str
    task: Task
    score: Score
    low: float
    high: float
    detectable: float = float("nan")
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The encoder's name without its seed."""
        return EncoderName.parse(self.encoder).family


@dataclass(frozen=True)
class Skipped:
    """A question that could not be answered, and why."""

    task: str
    profiling: str
    encoder: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """All answers to all questions.

    Attributes
    ----------
    answers
        What could be answered.
    skipped
        What could not.
    """

    answers: list[Answer]
    skipped: list[Skipped]

    def scores(self) -> pd.DataFrame:
        """Return one row per answer: value, chance, 95 % interval, number of units, caveat."""
        return pd.DataFrame(
            [
                {
                    "encoder": answer.encoder,
                    "family": answer.family,
                    "baseline": is_baseline(answer.encoder),
                    "profiling": answer.profiling,
                    "task": answer.task.id,
                    "metric": answer.score.metric,
                    "unit": answer.score.unit,
                    "value": answer.score.value,
                    "chance": answer.score.chance,
                    "low": answer.low,
                    "high": answer.high,
                    "detectable": answer.detectable,
                    "n_units": answer.score.n_units,
                    "higher_is_better": answer.score.higher_is_better,
                    "caveat": answer.score.caveat,
                }
                for answer in self.answers
            ]
        )

    def summaries(self) -> list[dict[str, Any]]:
        """Return one plain dictionary per answer: what `scores` has, further numbers, and the answers of its parts."""
        result = []
        for answer, row in zip(self.answers, self.scores().to_dict("records"), strict=True):
            interval = [row.pop("low"), row.pop("high")]
            summary = {**row, "interval": interval, **answer.score.details.get("", {})}
            if answer.parts:
                summary[answer.score.strata_are] = answer.parts
            result.append(summary)
        return result

    def parts(self) -> list[dict[str, Any]]:
        """Return one plain dictionary per answer and stratum that is an answer of its own, such as a source."""
        return [
            {
                "encoder": answer.encoder,
                "family": answer.family,
                "profiling": answer.profiling,
                "task": answer.task.id,
                "part": part,
                **numbers,
            }
            for answer in self.answers
            for part, numbers in answer.parts.items()
        ]

    def units(self) -> pd.DataFrame:
        """Return the per-unit values behind every answer."""
        return pd.concat(
            [
                answer.score.units.assign(
                    encoder=answer.encoder,
                    family=answer.family,
                    profiling=answer.profiling,
                    task=answer.task.id,
                )
                for answer in self.answers
            ],
            ignore_index=True,
        )


def evaluate(
    embeddings: Mapping[str, AnnData],
    tasks: Sequence[Task],
    *,
    profilings: Sequence[str] = ("raw",),
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Ask every task of every encoder under every profiling.

    Parameters
    ----------
    embeddings
        Encoder name -> its vectors of the same sites.
    tasks
        The questions.
    profilings
        The ways of post-processing, the same for every encoder.
    batch_by
        The metadata columns that tell the batches of post-processing apart; the plate if None.
    seed
        The seed of permutations and bootstrap.

    Returns
    -------
    Answers with 95 % intervals, of the rows that all encoders have. A question that these data cannot answer is in
    `skipped`, with the reason.

    Raises
    ------
    EmbeddingError
        If vectors hold NaN or infinite values.
    PhenolensError
        If two tasks have the same name.
    """
    refuse_repeated(tasks)
    answers: list[Answer] = []
    skipped: list[Skipped] = []
    embeddings, unshared = share_rows(embeddings)
    for encoder, sites in embeddings.items():
        gaps = "; ".join(filter(None, [_check(encoder, sites), unshared]))
        for how in profilings:
            for level, hold_out in sorted({(task.level, task.needs_controls) for task in tasks}):
                asked = [task for task in tasks if (task.level, task.needs_controls) == (level, hold_out)]
                try:
                    with warnings.catch_warnings(record=True) as caught:
                        warnings.simplefilter("always", PhenolensWarning)
                        profiles = profiles_for(asked[0], encoder, sites, how, batch_by=batch_by, seed=seed)
                except ProfilingError as error:
                    skipped += [Skipped(task.id, how, encoder, str(error)) for task in asked]
                    continue
                notes = [gaps, *(str(w.message) for w in caught if issubclass(w.category, PhenolensWarning))]
                for task in asked:
                    try:
                        answers.append(_answer(encoder, how, task, profiles, notes, seed))
                    except TaskNotApplicable as error:
                        skipped.append(Skipped(task.id, how, encoder, str(error)))
    return Evaluation(answers, skipped)


def profiles_for(
    task: Task,
    encoder: str,
    sites: AnnData,
    how: str,
    *,
    batch_by: Sequence[str] | None = None,
    fit_on: Collection[str] | None = None,
    seed: int = 0,
) -> AnnData:
    """Return the profiles that a task is asked of; parameters and errors as of `evaluate` and `profile`."""
    return profile(
        sites,
        how,
        level=task.level,
        batch_by=batch_by,
        hold_out=task.needs_controls,
        fit_on=fit_on,
        form=form_of(encoder),
        seed=seed,
    )


def _check(encoder: str, vectors: AnnData) -> str:
    """Refuse vectors that no question can be asked of; return a note on those that say nothing."""
    x = np.asarray(vectors.X)
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise EmbeddingError(
            f"{encoder}: {bad.sum()} of {len(bad)} rows hold NaN or infinite values, the first is row "
            f"'{vectors.obs_names[bad][0]}'; leave them out first"
        )
    # Measurements are standardised first: of them, a row of zeros is a row like any other.
    zero = int((~x.any(axis=1)).sum()) if form_of(encoder) == "vectors" else 0
    notes = [str(vectors.uns.get(PROVENANCE, {}).get(NOTE, ""))]
    notes.append(f"{zero} of {len(x)} rows are all zero and like nothing" if zero else "")
    return "; ".join(filter(None, notes))


def _answer(encoder: str, how: str, task: Task, profiles: AnnData, notes: Sequence[str], seed: int) -> Answer:
    # The encoder is left out of the names: every encoder meets the same permutations and the same draws.
    score = task.score(profiles, spawn(seed, "score", task.id, how))
    caveat = "; ".join(part for part in (score.caveat, *notes) if part)
    score = replace(score, caveat=caveat)
    draws = score.draws(spawn(seed, "interval", task.id, how))
    low, high = percentile_interval(draws)
    detectable = minimum_detectable_effect(float(draws.std()))
    return Answer(
        encoder, how, task, score, low, high, detectable, score.by_stratum(spawn(seed, "parts", task.id, how))
    )
