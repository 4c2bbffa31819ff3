"""Splits that let groups stand on both sides, and by how much that flatters the best encoder."""

from dataclasses import replace

from phenolens.core.random import spawn
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import SplitLeak
from phenolens.evaluation import Evaluation, Question, paired_difference


def find_leaks(evaluation: Evaluation) -> Found:
    """Hold the best score on every leaking split against that on groups that were not seen in training.

    Returns
    -------
    `SplitLeak` records.
    """
    records = []
    for question in evaluation.questions.values():
        if question.leak is None:
            continue
        best = question.best
        record = SplitLeak(*question.key, best.encoder, question.leak.text, best.value)
        grouped = _same_question_grouped(question, evaluation)
        if grouped is not None and best.encoder in grouped.values:
            rng = spawn(question.seed, "leak", *question.key)
            found = paired_difference(question.values[best.encoder], grouped.values[best.encoder], rng)
            record = replace(record, unseen_value=grouped.mean_of(best.encoder).value, estimate=found.estimate)
        records.append(record)
    return Found(tuple(records))


def _same_question_grouped(question: Question, evaluation: Evaluation) -> Question | None:
    """Return the same question on a split that no group straddles; None if it was not evaluated."""
    grouped = question.task.grouped()
    for other in evaluation.questions.values():
        if other.task == grouped and other.profiling == question.profiling:
            return other
    return None
