"""Scores between chance and the ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from phenolens.diagnosis.records import BaselineDifference, MetricRange
from phenolens.evaluation import Evaluation, tabulate_scores
from phenolens.plot.style import (
    BASELINE,
    QUIET,
    TESTED,
    UNTRAINED,
    axes_for,
    label_rows,
    legend,
    of_one_question,
    title,
)
from phenolens.report import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class _Row:
    """The score of an encoder, the mean over its seeds."""

    task: str
    profiling: str
    metric: str
    encoder: str
    role: str
    value: float
    low: float
    high: float
    chance: float


_LOOKS = {"tested": (TESTED, "o", "under test"), "baseline": (BASELINE, "s", "baseline")}
_LOOKS["untrained"] = (UNTRAINED, "D", "untrained network")


def scores(
    found: Results | Evaluation,
    task: str | None = None,
    profiling: str | None = None,
    *,
    every: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the scores of a question with 95 % intervals, chance, and the ceiling where it is known.

    Parameters
    ----------
    found
        The results of a study, or an evaluation.
    task, profiling
        The question; by default the first.
    every
        Whether to draw all encoders, and not only those under test, the best baseline and the best untrained network.
        If none is under test, all are drawn.
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    PhenolensError
        If there is no such question, or matplotlib is not installed.
    """
    rows = of_one_question(_rows(found), task, profiling, "scores")
    rows.sort(key=lambda row: -row.value)
    if not every and any(row.role == "tested" for row in rows):
        untrained = [row for row in rows if row.role == "untrained"]
        baselines = [row for row in rows if row.role != "tested"]
        rows = [row for row in rows if row.role == "tested" or row in (*baselines[:1], *untrained[:1])]
    ax = axes_for(ax, len(rows))
    first = rows[0]
    ax.axvline(first.chance, color=QUIET, linestyle="--", label="chance")
    ceiling = _ceiling(found, first)
    if ceiling is not None:
        ax.axvline(ceiling.ceiling, color=QUIET, linestyle=":", label=f"ceiling ({ceiling.ceiling_is})")
    labelled: set[str] = set()
    for place, row in enumerate(rows):
        colour, marker, label = _LOOKS[row.role]
        ax.plot([row.low, row.high], [place, place], color=colour, linewidth=1.5)
        ax.plot(row.value, place, marker, color=colour, label=None if row.role in labelled else label)
        labelled.add(row.role)
    label_rows(ax, [row.encoder for row in rows])
    ax.set_xlabel(first.metric)
    legend(ax)
    title(ax, first.task, first.profiling)
    return ax


def _rows(found: Results | Evaluation) -> list[_Row]:
    if isinstance(found, Evaluation):
        table = tabulate_scores(found)
        untrained = {info.name for info in found.profiles.infos.values() if info.role == "untrained"}
    else:
        table = found.scores
        untrained = {each.baseline for each in found.evidence.of(BaselineDifference) if each.untrained}
    means = table.groupby(["task", "profiling", "metric", "encoder", "baseline"], sort=False, as_index=False)[
        ["value", "low", "high", "chance"]
    ].mean()
    return [_row(each, untrained) for each in means.dropna(subset=["value"]).to_dict(orient="records")]


def _row(each: dict[Any, Any], untrained: set[str]) -> _Row:
    role = "baseline" if each.pop("baseline") else "tested"
    return _Row(role="untrained" if each["encoder"] in untrained else role, **each)


def _ceiling(found: Results | Evaluation, row: _Row) -> MetricRange | None:
    if isinstance(found, Evaluation):
        return None
    ranges = found.evidence.of(MetricRange)
    same = (each for each in ranges if (each.task, each.profiling) == (row.task, row.profiling))
    return next((each for each in same if pd.notna(each.ceiling)), None)
