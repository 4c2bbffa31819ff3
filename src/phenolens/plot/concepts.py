"""Concepts, against the untrained counterpart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.diagnosis.records import ENCODED_R, ConceptScore
from phenolens.plot.style import QUIET, TESTED, UNTRAINED, HasEvidence, axes_for, label_rows, legend, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def concepts(found: HasEvidence, encoder: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw how well concepts are read off an encoder beyond all others, beside its untrained counterpart.

    Parameters
    ----------
    found
        A card, or the results of a study.
    encoder
        The encoder under test; by default the first.
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    PhenolensError
        If there is no such encoder, or concepts were not probed, or matplotlib is not installed.
    """
    probed = [each for each in found.evidence.of(ConceptScore) if each.under_test]
    if not probed:
        raise PhenolensError("there is nothing to draw: the diagnosis probed no concepts; see what it skipped, and why")
    known = list(dict.fromkeys(each.encoder for each in probed))
    encoder = known[0] if encoder is None else encoder
    if encoder not in known:
        raise PhenolensError(f"no concepts of the encoder '{encoder}'{did_you_mean(encoder, known)}")
    rows = [each for each in probed if each.encoder == encoder]
    ax = axes_for(ax, len(rows))
    ax.axvline(0, color=QUIET, linestyle="--")
    ax.axvline(ENCODED_R, color=QUIET, linestyle=":", label="least for a factor to count as encoded")
    for place, row in enumerate(rows):
        first = place == 0
        value = row.estimate.value
        ax.plot([row.estimate.low, row.estimate.high], [place, place], color=TESTED, linewidth=1.5)
        ax.plot(value, place, "o", color=TESTED, label=plain(encoder) if first else None)
        if not math.isnan(row.counterpart_r):
            ax.plot(row.counterpart_r, place, "D", color=UNTRAINED, fillstyle="none")
    if any(not math.isnan(row.counterpart_r) for row in rows):
        ax.plot([], [], "D", color=UNTRAINED, fillstyle="none", label="its untrained counterpart")
    label_rows(ax, [f"{row.concept} ({row.encoding})" if row.encoding else row.concept for row in rows])
    ax.set_xlabel("correlation beyond all other concepts, mean of factors")
    legend(ax)
    return ax
