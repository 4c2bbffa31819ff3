"""A verdict: a sentence and the evidence that it rests on."""

from dataclasses import dataclass
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
    claim: str
    encoder: str
    baseline: str = ""
    task: str = ""
    profiling: str = ""
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p_adjusted: float = float("nan")


def percent(share: float) -> str:
    """Return a share as a sentence has it."""
    return f"{round(share, 2) + 0.0:.0%}"  # -0.0 becomes 0.0


def share_within(share: float, low: float, high: float) -> str:
    """Return a share and its limits as a sentence has them."""
    return f"{percent(share)} [{percent(low)}, {percent(high)}]"


def difference_within(difference: float, low: float, high: float) -> str:
    """Return a difference and its limits as a sentence has them: as many decimals as tell its limits apart."""
    decimals = 2 if max(abs(low), abs(high)) >= 0.02 or not abs(difference) > 0 else 3
    return f"{difference:+.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def units_shared(n: int) -> str:
    """Return why two cannot be compared, as a sentence has it."""
    return "they share one unit only" if n == 1 else "they share no unit"


def p_words(p: float) -> str:
    """Return a p value as a sentence has it."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"
