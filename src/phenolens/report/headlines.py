"""Each question under the post-processing under which it is shown first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import MetricRange
from phenolens.report.scores import Scored, TaskScores


@dataclass(frozen=True)
class Headline:
    """One question with the post-processing under which it is shown first.

    This is the one under which the best baseline scores highest between chance and ceiling: what is hardest to beat,
    and chosen without a look at the encoders under test.
    """

    scores: TaskScores
    range: MetricRange

    def at(self, value: float) -> float:
        """Return where a score lies between chance (0) and the ceiling (1)."""
        return (value - self.range.chance) / (self.range.ceiling - self.range.chance)

    @property
    def profiling(self) -> str:
        """The post-processing."""
        return self.range.profiling

    @property
    def task(self) -> str:
        """The task's id."""
        return self.scores.task

    def scored(self, encoder: str) -> Scored | None:
        """Return the score of an encoder, if it has one."""
        for each in self.scores.scored:
            if each.profiling == self.profiling and each.row.encoder == encoder:
                return each
        return None


def headlines(evidence: Evidence, tasks: Sequence[TaskScores]) -> list[Headline]:
    """Return each question about biology under one post-processing, in the order of the page."""
    first_metric: dict[str, TaskScores] = {}
    for task in tasks:
        first_metric.setdefault(task.task, task)
    by_task: dict[str, list[Headline]] = {}
    for found in evidence.of(MetricRange):
        if found.task in first_metric and abs(found.ceiling - found.chance) > 0:
            headline = Headline(first_metric[found.task], found)
            by_task.setdefault(found.task, []).append(headline)
    return [max(by_task[task], key=_baseline_at) for task in first_metric if task in by_task]


def _baseline_at(headline: Headline) -> float:
    """Return where the best baseline lies; the lowest of all where none was scored."""
    at = headline.at(headline.range.best_baseline_value)
    return -math.inf if math.isnan(at) else at


def of_questions(part: int, whole: int) -> str:
    """Say of how many questions something holds.

    Examples
    --------
    >>> of_questions(1, 3), of_questions(2, 2), of_questions(3, 3)
    ('1 of 3 questions', 'both questions', 'all 3 questions')
    """
    if whole == 1:
        return "the one question"
    if part == whole:
        return "both questions" if whole == 2 else f"all {whole} questions"
    return f"{part} of {whole} questions"
