"""What post-processing changes of a score, on the same rows."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from phenolens.core.random import spawn
from phenolens.diagnosis.parts.differences.probes import LeftOutByEncoder
from phenolens.diagnosis.records import ProfilingDifference
from phenolens.evaluation import (
    Evaluation,
    Question,
    SharedNoise,
    noise_of_difference,
    paired_difference,
    paired_p,
    values_by_unit,
)
from phenolens.profiling import FITTED_ON
from phenolens.tasks import Score

RAW = "raw"


def compare_profilings(
    evaluation: Evaluation, of_probes: Mapping[tuple[str, str], LeftOutByEncoder]
) -> Iterator[ProfilingDifference]:
    """Yield the paired difference that each post-processing makes to raw vectors, for every encoder under test.

    Differences have 95 % cluster-bootstrap intervals over units, widened by what other plates and controls would
    change, and the p value that the two scores of a unit could as well be exchanged. Of an encoder with several seeds,
    the first is taken.
    """
    for question in evaluation.claiming:
        raw = evaluation.questions.get((question.task.id, RAW))
        if question.profiling == RAW or raw is None:
            continue
        for mean in question.tested:
            if mean.encoder in raw.one_seed:
                left_out = [of_probes.get(each.key, each.left_out).get(mean.encoder) for each in (question, raw)]
                yield _compare(raw, question, mean.encoder, evaluation, noise_of_difference(*left_out))


def _compare(
    raw: Question, question: Question, encoder: str, evaluation: Evaluation, noise: SharedNoise
) -> ProfilingDifference:
    before, after = _on_the_same_rows(raw, question, encoder, evaluation), question.one_seed[encoder].score
    pair = values_by_unit(after), values_by_unit(before)
    seed = evaluation.settings.seed
    inflation = after.se_inflation
    found = paired_difference(*pair, spawn(seed, "profiling", *question.key), se_inflation=inflation, noise=noise)
    p = paired_p(*pair, spawn(seed, "profiling exchange", *question.key), se_inflation=inflation, noise=noise)
    estimate = replace(found.estimate, p=p)
    return ProfilingDifference(estimate, *question.key, encoder, raw_value=before.value, value=after.value)


def _on_the_same_rows(raw: Question, question: Question, encoder: str, evaluation: Evaluation) -> Score:
    """Return the score of raw vectors without the controls that the profiler was fitted on."""
    scored, task = raw.one_seed[encoder], question.task
    fitted = evaluation.profiles.for_task(task, question.one_seed[encoder].info.id, question.profiling).obs
    if FITTED_ON not in fitted or not task.needs_controls:
        return scored.score
    rows = evaluation.profiles.for_task(task, scored.info.id, RAW)
    kept = rows[~rows.obs_names.isin(fitted.index[fitted[FITTED_ON].to_numpy()])]
    return task.without_p().score(kept, spawn(evaluation.settings.seed, "score", task.id, RAW))
