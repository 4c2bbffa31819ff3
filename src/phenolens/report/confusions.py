"""What classifiers take each class for, as matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from phenolens.report.scores import TaskScores

MOST_CLASSES = 30
"""More do not fit onto a page."""


@dataclass(frozen=True)
class Confusion:
    """The rows of each class (k rows) by what they are taken for (k columns).

    Attributes
    ----------
    encoder, profiling
        Whose predictions they are.
    classes
        Their k names.
    counts
        (k, k) how many.
    shares
        (k, k) of the rows of a class; 0 where it has none.
    """

    encoder: str
    profiling: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[float, ...], ...]


def confusions_by_task(
    records: Sequence[Mapping[str, Any]], tasks: Sequence[TaskScores], profilings: Mapping[str, str]
) -> dict[str, list[Confusion]]:
    """Return the matrices of each task: of encoders under test or, where there are none, of the best baseline.

    Parameters
    ----------
    records
        As in :class:`~phenolens.report.results.Results`; those of the seeds of an encoder are added up.
    tasks
        All scores, the best encoder first.
    profilings
        Task -> the post-processing under which it is shown; of other tasks, the first one.
    """
    found: dict[str, list[Confusion]] = {}
    for task in tasks:
        profiling = profilings.get(task.task, task.profilings[0])
        encoders = [row.encoder for row in task.rows if not row.baseline] or [row.encoder for row in task.rows][:1]
        for encoder in encoders:
            wanted = (task.task, profiling, encoder)
            own = [each for each in records if (each["task"], each["profiling"], each["encoder"]) == wanted]
            if own and len(own[0]["classes"]) <= MOST_CLASSES and all(e["classes"] == own[0]["classes"] for e in own):
                counts = np.sum([each["counts"] for each in own], axis=0)
                found.setdefault(task.task, []).append(_matrix(encoder, profiling, own[0]["classes"], counts))
    return found


def _matrix(encoder: str, profiling: str, classes: Sequence[str], counts: np.ndarray) -> Confusion:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return Confusion(
        encoder,
        profiling,
        tuple(classes),
        tuple(tuple(map(int, row)) for row in counts),
        tuple(tuple(map(float, row)) for row in shares),
    )
