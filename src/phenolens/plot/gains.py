"""Paired differences to baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from phenolens.diagnosis.records import BaselineDifference
from phenolens.plot.style import (
    QUIET,
    TESTED,
    HasEvidence,
    axes_for,
    label_rows,
    legend,
    of_one_question,
    shorten,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def gains(found: HasEvidence, task: str | None = None, profiling: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw what encoders under test gain over the baselines that they are held against, with 95 % intervals.

    Filled dots have an adjusted p value of at most 5 %; hollow ones do not.

    Parameters
    ----------
    found
        A card, or the results of a study.
    task, profiling
        The question; by default the first.
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    PhenolensError
        If there is no such question, or no encoder under test in it, or matplotlib is not installed.
    """
    differences = [each for each in found.evidence.of(BaselineDifference) if each.is_claimed]
    rows = of_one_question(differences, task, profiling, "gains over baselines")
    rows.sort(key=lambda row: (row.encoder, row.estimate.value))
    ax = axes_for(ax, len(rows))
    ax.axvline(0, color=QUIET, linestyle="--")
    for place, row in enumerate(rows):
        estimate = row.estimate
        ax.plot([estimate.low, estimate.high], [place, place], color=TESTED, linewidth=1.5)
        fill: Literal["full", "none"] = "full" if row.is_significant else "none"
        ax.plot(estimate.value, place, "o", color=TESTED, fillstyle=fill)
    label_rows(ax, [f"{shorten(row.encoder, 24)} \u2212 {shorten(row.baseline, 28)}" for row in rows])
    for fill, label in (("full", "adjusted p \u2264 0.05"), ("none", "not significant")):
        ax.plot([], [], "o", color=TESTED, fillstyle=fill, label=label)
    ax.set_xlabel("difference of scores")
    legend(ax)
    title(ax, rows[0].task, rows[0].profiling)
    return ax
