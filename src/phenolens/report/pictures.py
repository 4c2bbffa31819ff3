"""Small pictures of a few values on one scale: drawn without a script, in the same form all over the page."""

import math
from dataclasses import dataclass, field

NAN = float("nan")
_INSET = 2.5  # per cent left free at both ends, so that a dot on the limit is not cut


@dataclass(frozen=True)
class Reference:
    """What a value is held against: ``kind`` is its shape, ``at`` where it stands in per cent of the width."""

    kind: str
    name: str
    at: float = NAN


@dataclass(frozen=True)
class Line:
    """One value of a picture.

    Attributes
    ----------
    label, value
        What stands left and right of it.
    at, low, high
        Where it and its limits stand, in per cent of the width; NaN where they are not known.
    sure
        Whether it is shown as a finding: filled, others are hollow.
    is_bar
        Whether it is drawn as a bar from the left end, or as a dot.
    reference_only
        Whether it is the value of a baseline.
    references
        What it is held against.
    title
        The whole in words.
    """

    label: str
    value: str
    at: float
    low: float = NAN
    high: float = NAN
    sure: bool = True
    is_bar: bool = False
    reference_only: bool = False
    references: tuple[Reference, ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Picture:
    """Values one above the other, on a scale from ``left`` to ``right``."""

    lines: tuple[Line, ...]
    left: str
    right: str
    legend: tuple[Reference, ...] = field(default=())

    @property
    def words(self) -> str:
        """The picture for readers who do not see it."""
        return "; ".join(f"{line.title or f'{line.label} {line.value}'}" for line in self.lines)


def place(share: float) -> float:
    """Return where a share of the scale stands, in per cent of the width and held inside it.

    Examples
    --------
    >>> place(0), place(0.5), place(7)
    (2.5, 50.0, 97.5)
    """
    if not math.isfinite(share):
        return NAN
    return round(_INSET + min(1.0, max(0.0, share)) * (100 - 2 * _INSET), 2)
