"""How much of a score goes with each shortcut, as it is drawn."""

from collections.abc import Sequence

from phenolens.core.numbers import percent, share_within
from phenolens.diagnosis.records import WithoutShortcut
from phenolens.diagnosis.rules import explaining
from phenolens.report.pictures import Line, place
from phenolens.report.text import capital, task_phrase

_FIRST = ("cell count", "intensity", "position", "batch", "plate")


def strongest(tried: Sequence[WithoutShortcut]) -> dict[str, tuple[WithoutShortcut, bool]]:
    """Return shortcut -> the adjustment that takes most of any score, and whether it is shown to take some.

    Parameters
    ----------
    tried
        The adjustments of one encoder whose share of the score is known.
    """
    found = {}
    for name in sorted({each.shortcut for each in tried}, key=_order):
        ways = [each for each in tried if each.shortcut == name]
        sure = explaining(ways)
        most = sure[0] if sure else min(ways, key=lambda each: each.estimate.value)
        found[name] = most, bool(sure)
    return found


def _order(name: str) -> tuple[int, str]:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), name


def shortcut_line(name: str, most: WithoutShortcut, sure: bool) -> Line:
    """Draw how much of a score goes with a shortcut; filled if it surely does."""
    explained = 1 - most.estimate.value
    low, high = 1 - most.estimate.high, 1 - most.estimate.low
    title = f"{name}, {most.way}: {share_within(explained, low, high)} of {task_phrase(most.task)}, {most.profiling}"
    return Line(
        label=capital(name),
        value=percent(min(1.0, max(0.0, explained))),
        at=place(explained),
        low=place(low),
        high=place(high),
        sure=sure,
        is_bar=True,
        title=title,
    )
