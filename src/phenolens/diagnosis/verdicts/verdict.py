"""A verdict: a sentence and the evidence that it rests on."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "degenerate",
    "metric",
    "leak",
    "gain",
    "twins",
    "pair",
    "baselines",
    "activity",
    "nuisance",
    "robustness",
    "shortcut",
    "use",
    "level",
    "unknown",
    "component",
    "where",
    "layer",
]


@dataclass(frozen=True)
class Verdict:
    """A claim and its evidence.

    Attributes
    ----------
    kind
        ``degenerate``: vectors that say nothing. ``metric``: a metric that cannot tell encoders apart, or little.
        ``leak``: a split lets groups straddle. ``gain``: an encoder against the best baseline; ``twins``: against the
        best untrained network; ``pair``: against another encoder under test. ``baselines``: which baselines are best.
        ``activity``: how many perturbations can be told from controls. ``nuisance``: how well batch, plate or position
        can be read off; ``robustness``: whether neighbours agree in biology or in nuisance. ``shortcut``: what explains
        part of a score. ``use``: what it needs of the pixels. ``level``: a level that an encoder knows; ``unknown``:
        levels of which it knows nothing measurable. ``component``: what the largest part of its variance follows.
        ``where``: a gain that stands on strong phenotypes alone.
        ``layer``: a layer that is better than the last.
    title
        What the kind is called where a reader meets it.
    claim
        The sentence.
    effect, low, high
        The effect and its 95 % interval; NaN where there is none.
    p_adjusted
        The p value, adjusted over all claims of the card; NaN where the verdict makes no claim.
    encoder, baseline
        The families compared; empty where there is none.
    task, profiling
        The question.
    """

    kind: Kind
    title: str = field(default="", kw_only=True)
    claim: str
    encoder: str
    baseline: str = ""
    task: str = ""
    profiling: str = ""
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p_adjusted: float = float("nan")


def units_shared(n: int) -> str:
    """Return why two cannot be compared, as a sentence has it."""
    return "they share one unit only" if n == 1 else "they share no unit"
