"""Paired differences as matrices: encoder families against baselines."""

import math
from dataclasses import dataclass

import pandas as pd

from phenolens.core.numbers import decimals_for, interval, number
from phenolens.report.text import task_words


@dataclass(frozen=True)
class Cell:
    """One paired difference."""

    text: str
    limits: str
    better: bool
    settled: bool  # the interval excludes 0
    strength: int  # 0..100, the share of the largest difference in the matrix


@dataclass(frozen=True)
class Matrix:
    """The differences of one task: one block of rows per profiling."""

    task: str
    title: str
    split: str
    baselines: tuple[str, ...]
    blocks: tuple[tuple[str, tuple[tuple[str, tuple[Cell | None, ...]], ...]], ...]
    higher_is_better: bool
    n_units: str

    @property
    def counts(self) -> str:
        """How many intervals exclude zero, in words; which differences are claimed, the findings say."""
        cells = [c for _, rows in self.blocks for _, row in rows for c in row if c]
        better = sum(c.settled and c.better for c in cells)
        worse = sum(c.settled and not c.better for c in cells)
        return (
            f"Of {len(cells)} paired differences, each by itself, the interval of {better} lies on the side of the "
            f"encoder, of {worse} on that of the baseline, and of {len(cells) - better - worse} it includes zero. "
            "What is claimed of them, adjusted for their number, stands among the findings."
        )


def matrices(comparisons: pd.DataFrame, directions: dict[str, bool]) -> list[Matrix]:
    """Lay out the comparisons, one matrix per task.

    Parameters
    ----------
    comparisons
        The comparisons table of :class:`~phenolens.report.results.Results`.
    directions
        For each task whether higher is better; unknown tasks count as such.

    Returns
    -------
    list of Matrix
        In the order in which the tasks stand in the table.
    """
    return [
        _matrix(task, comparisons[comparisons["task"] == task], directions.get(task, True))
        for task in dict.fromkeys(comparisons["task"])
    ]


def _matrix(task: str, table: pd.DataFrame, higher: bool) -> Matrix:
    title, split = task_words(task)
    decimals = decimals_for(table["high"] - table["low"])
    largest = max((abs(d) for d in table["difference"] if math.isfinite(d)), default=0.0)
    baselines = tuple(dict.fromkeys(table["baseline"]))
    blocks = []
    for profiling in dict.fromkeys(table["profiling"]):
        own = table[table["profiling"] == profiling]
        by_pair = {(r.encoder, r.baseline): r for r in own.itertuples()}
        rows = []
        for encoder in dict.fromkeys(own["encoder"]):
            pairs = [by_pair.get((encoder, b)) for b in baselines]
            rows.append((encoder, tuple(p and _cell(p, decimals, largest, higher) for p in pairs)))
        blocks.append((profiling, tuple(rows)))
    units = sorted({int(n) for n in table["n_units"].dropna()})
    n_units = str(units[0]) if len(units) == 1 else f"{units[0]} to {units[-1]}" if units else ""
    return Matrix(task, title, split, baselines, tuple(blocks), higher, n_units)


def _cell(pair: object, decimals: int, largest: float, higher: bool) -> Cell:
    difference, low, high = (float(getattr(pair, k)) for k in ("difference", "low", "high"))
    known = math.isfinite(difference)
    return Cell(
        text=number(difference, decimals, signed=True),
        limits=interval(low, high, decimals) or "no interval",
        better=known and (difference > 0) == higher,
        # A missing limit settles nothing: comparisons with NaN are false.
        settled=known and (low > 0 or high < 0),
        strength=round(100 * abs(difference) / largest) if known and largest else 0,
    )
