"""How much of a score shortcuts explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenolens.diagnosis.records import WithoutShortcut
from phenolens.plot.style import (
    COLOURS,
    MARKERS,
    QUIET,
    HasEvidence,
    axes_for,
    label_rows,
    legend,
    of_one_question,
    plain,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LEAST, _MOST = -0.5, 1.5  # what is left beside little can be any multiple


def shortcuts(
    found: HasEvidence, task: str | None = None, profiling: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw which share of the scores of encoders under test is lost without each shortcut, with 95 % intervals.

    The share is of the distance from chance: 1 if nothing is left without the shortcut, 0 if it explains nothing. It is
    drawn from -0.5 to 1.5; intervals are cut there, and an arrow stands for a share beyond.

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
        If there is no such question, or no shortcut was tried in it, or matplotlib is not installed.
    """
    tried = [each for each in found.evidence.of(WithoutShortcut) if each.under_test and each.is_known]
    rows = of_one_question(tried, task, profiling, "scores without shortcuts")
    encoders = list(dict.fromkeys(row.encoder for row in rows))
    names = list(dict.fromkeys(_what(row) for row in rows))
    ax = axes_for(ax, max(len(names) * len(encoders) // 2, len(names), len(encoders)))
    ax.axvline(0, color=QUIET, linestyle="--")
    ax.axvline(1, color=QUIET, linestyle=":")
    step = 0.7 / max(len(encoders), 1)
    for nth, encoder in enumerate(encoders):
        own = [row for row in rows if row.encoder == encoder]
        places = [names.index(_what(row)) + (nth - (len(encoders) - 1) / 2) * step for row in own]
        colour, marker = COLOURS[nth % len(COLOURS)], MARKERS[nth % len(MARKERS)]
        ax.hlines(places, [1 - row.estimate.high for row in own], [1 - row.estimate.low for row in own], color=colour)
        for row, place in zip(own, places, strict=True):
            share = 1 - row.estimate.value
            beyond = "<" if share < _LEAST else ">" if share > _MOST else marker
            ax.plot(min(max(share, _LEAST), _MOST), place, beyond, color=colour, clip_on=False)
        ax.plot([], [], marker, color=colour, label=plain(encoder))
    label_rows(ax, names)
    ax.set_xlim(_LEAST, _MOST)
    ax.set_xlabel("share of the score explained")
    legend(ax)
    title(ax, rows[0].task, rows[0].profiling)
    return ax


def _what(row: WithoutShortcut) -> str:
    fit = f" (fitted on {row.fit})" if row.fit else ""
    return f"{row.shortcut}, {row.way}{fit}"
