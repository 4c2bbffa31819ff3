"""Lines over doses, amounts of data, post-processings or ranks, drawn without a script."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phenolens.core.numbers import number
from phenolens.report.scales import scale_over

BASELINE = 9
"""The look of baselines: grey and dashed."""
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 420, 230, 46, 14, 10, 26
_MOST_MARKED = 40


@dataclass(frozen=True)
class Values:
    """The values of one encoder along an axis; limits may be NaN.

    Attributes
    ----------
    label, look
        Its name, and the number of its colour and shape.
    xs, ys, lows, highs
        Of the same length.
    """

    label: str
    look: int
    xs: Sequence[float]
    ys: Sequence[float]
    lows: Sequence[float] = ()
    highs: Sequence[float] = ()


@dataclass(frozen=True)
class Series:
    """One line as it is drawn."""

    label: str
    look: int
    points: tuple[tuple[float, float], ...]
    limits: tuple[tuple[float, float, float], ...]
    is_marked: bool


@dataclass(frozen=True)
class Chart:
    """A drawing of a few lines, in units of its own view box."""

    title: str
    note: str
    series: tuple[Series, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    words: str
    chance: float = math.nan
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT


def draw(
    title: str, note: str, lines: Sequence[Values], x_labels: Mapping[float, str], chance: float = math.nan
) -> Chart:
    """Draw lines; values that are not known are left out.

    Parameters
    ----------
    title, note
        What is shown.
    lines
        The lines.
    x_labels
        What stands at which place of the horizontal axis.
    chance
        The chance level; NaN if there is none to draw.
    """
    every_y = [chance]
    every_x = list(x_labels)
    for line in lines:
        every_y += [*line.ys, *line.lows, *line.highs]
        every_x += list(line.xs)
    scale = scale_over(every_y)
    low_x, high_x = min(every_x, default=0.0), max(every_x, default=1.0)

    def x_at(value: float) -> float:
        share = (value - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        return round(_LEFT + 14 + share * (_WIDTH - _LEFT - _RIGHT - 28), 1)

    def y_at(value: float) -> float:
        return round(_TOP + (1 - scale.at(value) / 100) * (_HEIGHT - _TOP - _BOTTOM), 1)

    series = []
    for line in lines:
        known = [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if math.isfinite(y)]
        points = tuple((x_at(x), y_at(y)) for x, y in known)
        limits = []
        for x, low, high in zip(line.xs, line.lows, line.highs, strict=False):
            if math.isfinite(low) and math.isfinite(high):
                limits.append((x_at(x), y_at(low), y_at(high)))
        series.append(Series(line.label, line.look, points, tuple(limits), len(points) <= _MOST_MARKED))
    return Chart(
        title,
        note,
        tuple(series),
        tuple((x_at(x), text) for x, text in x_labels.items()),
        tuple((y_at(y), number(y, scale.decimals)) for y in scale.ticks),
        f"{title}. " + " ".join(map(_in_words, lines)),
        y_at(chance) if math.isfinite(chance) else math.nan,
    )


def _in_words(line: Values) -> str:
    """Say where a line starts and ends."""
    known = [y for y in line.ys if math.isfinite(y)]
    if not known:
        return f"{line.label}: not known."
    return f"{line.label}: from {number(known[0], 2)} to {number(known[-1], 2)}."
