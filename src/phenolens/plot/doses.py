"""Scores by dose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenolens.diagnosis.records import StratumGain
from phenolens.plot.style import (
    BASELINE,
    COLOURS,
    MARKERS,
    QUIET,
    HasEvidence,
    axes_for,
    legend,
    of_one_question,
    plain,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def dose_response(
    found: HasEvidence, task: str | None = None, profiling: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the scores of encoders under test at each dose, beside the best baseline and chance.

    Parameters
    ----------
    found
        A card, or the results of a study.
    task, profiling
        The question; by default the first that was scored by dose.
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    PhenolensError
        If there is no such question, or the data have no doses, or matplotlib is not installed.
    """
    by_dose = [each for each in found.evidence.of(StratumGain) if each.by == "dose"]
    rows = of_one_question(by_dose, task, profiling, "scores by dose")
    doses = list(dict.fromkeys(row.stratum for row in rows))
    ax = axes_for(ax)
    for nth, encoder in enumerate(dict.fromkeys(row.encoder for row in rows)):
        own = [row for row in rows if row.encoder == encoder]
        places = [doses.index(row.stratum) for row in own]
        colour, marker = COLOURS[nth % len(COLOURS)], MARKERS[nth % len(MARKERS)]
        ax.plot(places, [row.value for row in own], marker=marker, color=colour, label=plain(encoder))
    of_first = [row for row in rows if row.encoder == rows[0].encoder]
    places = [doses.index(row.stratum) for row in of_first]
    of_baseline: dict[str, Any] = {
        "color": BASELINE,
        "linestyle": "--",
        "label": plain(f"{rows[0].baseline} (best baseline)"),
    }
    ax.plot(places, [row.baseline_value for row in of_first], marker="s", fillstyle="none", **of_baseline)
    ax.plot(places, [row.chance for row in of_first], color=QUIET, linestyle=":", label="chance")
    ax.set_xticks(range(len(doses)), [plain(dose) for dose in doses])
    ax.set_xlabel("dose")
    ax.set_ylabel("score")
    legend(ax)
    title(ax, rows[0].task, rows[0].profiling)
    return ax
