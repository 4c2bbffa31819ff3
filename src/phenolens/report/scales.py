"""A linear scale for the drawings that need no script: values become percentages of a width."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_INSET = 4.0  # per cent left free at both ends, so that a dot on the limit is not cut


@dataclass(frozen=True)
class Scale:
    """Maps values onto 0..100 per cent of a drawing's width."""

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    def at(self, value: float) -> float:
        """Return the position of `value` in per cent, held inside the drawing."""
        share = (value - self.low) / (self.high - self.low)
        return round(_INSET + min(1.0, max(0.0, share)) * (100 - 2 * _INSET), 2)


def scale_over(values: Iterable[float], ticks: int = 4) -> Scale:
    """Make a scale that holds all finite values, with about `ticks` round marks.

    Examples
    --------
    >>> scale_over([0.02, 0.31]).ticks
    (0.1, 0.2, 0.3)
    """
    known = [v for v in values if math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        pad = max(abs(high) * 0.1, 0.05)
        low, high = low - pad, high + pad
    rough = (high - low) / max(ticks, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 2.5, 5) if rough <= m * power * 1.0001), 10 * power)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if not math.isclose(step, round(step, decimals)):
        decimals += 1
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    marks = tuple(round(i * step, decimals) + 0.0 for i in range(first, last + 1))
    return Scale(low, high, marks, decimals)
