"""Biology against batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.diagnosis.records import BiologyBesideNuisance
from phenolens.plot.style import BASELINE, COLOURS, MARKERS, QUIET, HasEvidence, axes_for, legend, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def biology_and_batch(
    found: HasEvidence, profiling: str | None = None, nuisance: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw how well encoders find rows of the same biology against how well they find rows of the same batch.

    Dashed lines are the scores of a random order. Upper left is best: much biology, little batch.

    Parameters
    ----------
    found
        A card, or the results of a study.
    profiling, nuisance
        The profiling, and the column of the batch; by default the first.
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    PhenolensError
        If there is no such profiling or column, or it was not evaluated, or matplotlib is not installed.
    """
    rows = found.evidence.of(BiologyBesideNuisance)
    if not rows:
        raise PhenolensError("there is nothing to draw: biology was not compared with batch; see what was skipped")
    for name, asked in (("profiling", profiling), ("nuisance", nuisance)):
        known = list(dict.fromkeys(getattr(each, name) for each in rows))
        wanted = known[0] if asked is None else asked
        if wanted not in known:
            raise PhenolensError(f"biology and batch: no {name} '{wanted}'{did_you_mean(wanted, known)}")
        rows = [each for each in rows if getattr(each, name) == wanted]
    ax = axes_for(ax)
    ax.axvline(rows[0].nuisance_chance, color=QUIET, linestyle="--")
    ax.axhline(rows[0].biology_chance, color=QUIET, linestyle="--")
    tested = [row for row in rows if row.under_test]
    others = [row for row in rows if not row.under_test]
    x, y = ([getattr(row, kind).value for row in others] for kind in ("nuisance_score", "biology_score"))
    ax.plot(x, y, "s", color=BASELINE, fillstyle="none", label="baselines")
    for nth, row in enumerate(tested):
        colour, marker = COLOURS[nth % len(COLOURS)], MARKERS[nth % len(MARKERS)]
        batch, biology = row.nuisance_score, row.biology_score
        ax.plot([batch.low, batch.high], [biology.value] * 2, color=colour, linewidth=1)
        ax.plot([batch.value] * 2, [biology.low, biology.high], color=colour, linewidth=1)
        ax.plot(batch.value, biology.value, marker, color=colour, label=plain(row.encoder))
    ax.set_xlabel(plain(f"rows of the same {rows[0].nuisance}, mean average precision"))
    ax.set_ylabel(plain(f"rows of the same {rows[0].biology}, mAP"))
    ax.set_title(plain(rows[0].profiling), loc="left", fontsize="medium")
    legend(ax)
    return ax
