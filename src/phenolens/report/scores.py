"""The scores as the page shows them: per task one drawing and one table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.numbers import decimals_for, interval, number
from phenolens.report.scales import Scale, scale_over
from phenolens.report.text import task_words


@dataclass(frozen=True)
class Mark:
    """One encoder's score under one profiling: the mean over its seeds."""

    value: float
    low: float
    high: float
    chance: float
    n_units: int | None
    seeds: tuple[float, ...]
    leak: str
    notes: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether there is a value to draw."""
        return math.isfinite(self.value)

    @property
    def interval_known(self) -> bool:
        """Whether there is an interval to draw."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What must be known of the score, a leak first."""
        return (f"leaking split: {self.leak}", *self.notes) if self.leak else self.notes


@dataclass(frozen=True)
class Row:
    """One encoder across the profilings; None where it was not scored."""

    encoder: str
    baseline: bool
    marks: tuple[Mark | None, ...]


@dataclass(frozen=True)
class Scored:
    """One score, and whose it is."""

    row: Row
    profiling: str
    mark: Mark


@dataclass(frozen=True)
class Caveat:
    """A caveat and to how many of a task's scores it applies."""

    text: str
    is_leak: bool
    n_scores: int
    total: int

    @property
    def scope(self) -> str:
        """To which scores the caveat applies, in words."""
        return "all scores" if self.n_scores == self.total else f"{self.n_scores} of {self.total} scores"


@dataclass(frozen=True)
class TaskScores:
    """All scores of one task in one metric."""

    task: str
    title: str
    split: str
    metric: str
    unit: str
    higher_is_better: bool
    profilings: tuple[str, ...]
    rows: tuple[Row, ...]
    caveats: tuple[Caveat, ...]
    scale: Scale
    decimals: int
    chance_text: str
    has_seeds: bool = field(default=False)

    @property
    def lead(self) -> str:
        """One sentence that says who comes out on top, for readers who do not see the drawing."""
        scored = self.scored
        if not scored:
            return "No score is known."
        best = (max if self.higher_is_better else min)(scored, key=lambda each: each.mark.value)
        what = "highest" if self.higher_is_better else "lowest (best)"
        value = number(best.mark.value, self.decimals)
        return f"The {what} value, {value}, is that of {best.row.encoder} ({best.profiling})."

    @property
    def scored(self) -> list["Scored"]:
        """All known scores of the task, profiling by profiling."""
        found = []
        for place, profiling in enumerate(self.profilings):
            for row in self.rows:
                mark = row.marks[place]
                if mark is not None and mark.known:
                    found.append(Scored(row, profiling, mark))
        return found


def task_scores(scores: pd.DataFrame) -> list[TaskScores]:
    """Gather the scores by task and metric, in the order of the table.

    Parameters
    ----------
    scores
        The scores table of :class:`~phenolens.report.results.Results`.

    Returns
    -------
    list of TaskScores
        Tasks that differ only in their split stand next to each other.
    """
    tasks = list(dict.fromkeys(scores["task"]))
    bases = [task.partition("|")[0] for task in tasks]
    tasks.sort(key=lambda task: bases.index(task.partition("|")[0]))
    found = []
    for task in tasks:
        of_task = scores[scores["task"] == task]
        for metric in dict.fromkeys(of_task["metric"]):
            found.append(_one(task, metric, of_task[of_task["metric"] == metric]))
    return found


@dataclass(frozen=True)
class Part:
    """The score of one part of a question, such as a source of relations or a target."""

    encoder: str
    profiling: str
    name: str
    value: float
    low: float
    high: float
    chance: float
    n_units: int
    p: float


def parts_by_task(parts: Sequence[Mapping[str, Any]]) -> dict[str, list[Part]]:
    """Return the scores of the parts of each task."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        low, high = (_known(limit) for limit in part["interval"])
        found.setdefault(str(part["task"]), []).append(
            Part(
                str(part["encoder"]),
                str(part["profiling"]),
                str(part["part"]),
                _known(part["value"]),
                low,
                high,
                _known(part["chance"]),
                int(part["n_units"]),
                _known(part.get("p_labels_permuted")),
            )
        )
    return found


def _known(value: float | None) -> float:
    """Undo what JSON does to NaN."""
    return math.nan if value is None else float(value)


def _one(task: str, metric: str, scores: pd.DataFrame) -> TaskScores:
    profilings = tuple(dict.fromkeys(scores["profiling"]))
    higher = bool(scores["higher_is_better"].iloc[0])
    rows = []
    for encoder in dict.fromkeys(scores["encoder"]):
        of_encoder = scores[scores["encoder"] == encoder]
        marks = tuple(_mark(of_encoder[of_encoder["profiling"] == profiling]) for profiling in profilings)
        rows.append(Row(encoder, bool(of_encoder["baseline"].all()), marks))
    rows.sort(key=lambda r: _rank(r, higher))
    decimals = decimals_for(scores["high"] - scores["low"])
    shown = np.concatenate([scores[c].to_numpy(float) for c in ("value", "chance", "low", "high")])
    title, split = task_words(task)
    return TaskScores(
        task=task,
        title=title,
        split=split,
        metric=metric,
        unit=str(scores["unit"].iloc[0]),
        higher_is_better=higher,
        profilings=profilings,
        rows=tuple(rows),
        caveats=_caveats(scores),
        scale=scale_over(shown, ticks=4 if len(profilings) < 3 else 3),
        decimals=decimals,
        chance_text=_chance_text(scores["chance"], decimals),
        has_seeds=any(m is not None and len(m.seeds) > 1 for r in rows for m in r.marks),
    )


def _caveats(scores: pd.DataFrame) -> tuple[Caveat, ...]:
    """Count leaks and notes: most are shared by scores that differ in another."""
    leaks = scores["leak"][scores["leak"] != ""].value_counts(sort=False)
    notes = scores["notes"].explode().dropna().value_counts(sort=False)
    found = [Caveat(f"leaking split: {text}", True, int(n), len(scores)) for text, n in leaks.items()]
    found += [Caveat(str(text), False, int(n), len(scores)) for text, n in notes.items()]
    return tuple(found)


def _mark(scores: pd.DataFrame) -> Mark | None:
    if scores.empty:
        return None
    # The mean of the limits is a little wider than the interval of the mean: the cautious side.
    mean = scores[["value", "low", "high", "chance"]].mean()
    n_units = scores["n_units"].dropna()
    return Mark(
        value=float(mean["value"]),
        low=float(mean["low"]),
        high=float(mean["high"]),
        chance=float(mean["chance"]),
        n_units=int(n_units.iloc[0]) if len(n_units) else None,
        seeds=tuple(float(v) for v in scores["value"] if math.isfinite(v)),
        leak=scores["leak"].max(),
        notes=tuple(dict.fromkeys(scores["notes"].explode().dropna())),
    )


def _rank(row: Row, higher_is_better: bool) -> tuple[float, str]:
    values = [m.value for m in row.marks if m and m.known]
    mean = sum(values) / len(values) if values else math.inf
    return (-mean if higher_is_better and values else mean), row.encoder


def _chance_text(chance: pd.Series, decimals: int) -> str:
    known = {number(value, decimals) for value in chance.dropna()}
    if not known:
        return "chance is not known"
    return f"chance {known.pop()}" if len(known) == 1 else "chance differs between scores"


def mark_title(row: Row, profiling: str, mark: Mark, decimals: int) -> str:
    """Say in one line what a drawn score stands for."""
    parts = [
        f"{row.encoder}, {profiling}: {number(mark.value, decimals)} {interval(mark.low, mark.high, decimals)}".strip(),
        f"chance {number(mark.chance, decimals)}",
    ]
    if len(mark.seeds) > 1:
        parts.append(f"{len(mark.seeds)} seeds: {', '.join(number(s, decimals) for s in mark.seeds)}")
    if mark.n_units is not None:
        parts.append(f"{mark.n_units} units")
    return "; ".join([*parts, *mark.caveats])
