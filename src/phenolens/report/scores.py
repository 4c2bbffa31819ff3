"""The scores as the page shows them: per task one drawing and one table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.numbers import decimals_for, interval, number
from phenolens.report.scales import Scale, scale_over
from phenolens.report.text import caveat_word, task_words


@dataclass(frozen=True)
class Mark:
    """One family's score under one profiling: the mean over its seeds."""

    value: float
    low: float
    high: float
    chance: float
    n_units: int | None
    seeds: tuple[float, ...]
    caveat: str

    @property
    def known(self) -> bool:
        """Whether there is a value to draw."""
        return math.isfinite(self.value)

    @property
    def interval_known(self) -> bool:
        """Whether there is an interval to draw."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def caveat_word(self) -> str:
        """The caveat in one word, or nothing."""
        return caveat_word(self.caveat) if self.caveat else ""


@dataclass(frozen=True)
class Row:
    """One family across the profilings; None where it was not scored."""

    family: str
    baseline: bool
    marks: tuple[Mark | None, ...]


@dataclass(frozen=True)
class Caveat:
    """A caveat and how many of a task's scores it touches."""

    text: str
    touched: int
    total: int

    @property
    def scope(self) -> str:
        """Which scores the caveat touches, in words."""
        return "all scores" if self.touched == self.total else f"{self.touched} of {self.total} scores"


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
        scored = [
            (m.value, r, p) for r in self.rows for m, p in zip(r.marks, self.profilings, strict=True) if m and m.known
        ]
        if not scored:
            return "No score is known."
        value, row, profiling = (max if self.higher_is_better else min)(scored, key=lambda s: s[0])
        what = "highest" if self.higher_is_better else "lowest (best)"
        return f"The {what} value, {number(value, self.decimals)}, belongs to {row.family} ({profiling})."


def task_scores(scores: pd.DataFrame) -> list[TaskScores]:
    """Gather the scores by task and metric, in the order in which the tasks were asked.

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
    bases = list(dict.fromkeys(t.partition("|")[0] for t in tasks))
    tasks.sort(key=lambda t: bases.index(t.partition("|")[0]))
    found = []
    for task in tasks:
        of_task = scores[scores["task"] == task]
        found += [
            _one(task, metric, of_task[of_task["metric"] == metric]) for metric in dict.fromkeys(of_task["metric"])
        ]
    return found


def caveats_by_task(tasks: Sequence[TaskScores]) -> dict[str, tuple[Caveat, ...]]:
    """Return the caveats of each task, over all its metrics, for the sections that show it again."""
    found: dict[str, dict[str, Caveat]] = {}
    for task in tasks:
        for caveat in task.caveats:
            found.setdefault(task.task, {}).setdefault(caveat.text, caveat)
    return {task: tuple(caveats.values()) for task, caveats in found.items()}


@dataclass(frozen=True)
class Part:
    """An answer within an answer: of one source of relations, or one target."""

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
    """Return the answers within each task's answers."""
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
    for family in dict.fromkeys(scores["family"]):
        own = scores[scores["family"] == family]
        marks = tuple(_mark(own[own["profiling"] == p]) for p in profilings)
        rows.append(Row(family, bool(own["baseline"].all()), marks))
    rows.sort(key=lambda r: _rank(r, higher))
    # A score may carry several, and most are shared by scores that differ in another.
    carried = [text.split("; ") for text in scores["caveat"]]
    caveats = tuple(
        Caveat(text, sum(text in own for own in carried), len(scores))
        for text in dict.fromkeys(part for own in carried for part in own)
        if text
    )
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
        caveats=caveats,
        scale=scale_over(shown, ticks=4 if len(profilings) < 3 else 3),
        decimals=decimals,
        chance_text=_chance_text(scores["chance"], decimals),
        has_seeds=any(m is not None and len(m.seeds) > 1 for r in rows for m in r.marks),
    )


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
        caveat="; ".join(dict.fromkeys(c for c in scores["caveat"] if c)),
    )


def _rank(row: Row, higher_is_better: bool) -> tuple[float, str]:
    values = [m.value for m in row.marks if m and m.known]
    mean = sum(values) / len(values) if values else math.inf
    return (-mean if higher_is_better and values else mean), row.family


def _chance_text(chance: pd.Series, decimals: int) -> str:
    known = sorted({number(c, decimals) for c in chance if math.isfinite(c)}, key=len)
    if not known:
        return "no chance level is known"
    return f"chance {known[0]}" if len(known) == 1 else "chance differs between scores"


def mark_title(row: Row, profiling: str, mark: Mark, decimals: int) -> str:
    """Say in one line what a drawn score stands for."""
    parts = [
        f"{row.family}, {profiling}: {number(mark.value, decimals)} {interval(mark.low, mark.high, decimals)}".strip(),
        f"chance {number(mark.chance, decimals)}",
    ]
    if len(mark.seeds) > 1:
        parts.append(f"{len(mark.seeds)} seeds: {', '.join(number(s, decimals) for s in mark.seeds)}")
    if mark.n_units is not None:
        parts.append(f"{mark.n_units} units")
    return "; ".join([*parts, *([mark.caveat] if mark.caveat else [])])
