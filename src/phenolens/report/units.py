"""The values behind a score: which perturbations, classes or donors make it."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from phenolens.core.numbers import number
from phenolens.report.figures import Curve, sorted_curve
from phenolens.report.scales import Scale, scale_over
from phenolens.report.scores import TaskScores

MAX_ROWS = 60
_TOP = 12
_SPLIT_FROM = 14  # more rows than this stand in two columns
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class UnitValue:
    """One family's value for one unit."""

    value: float
    significant: bool | None  # None where no p was computed


_Values = dict[tuple[str, str], tuple[UnitValue, float]]  # (unit, stratum) to value and chance


@dataclass(frozen=True)
class UnitRow:
    """One unit: the best encoder beside its reference."""

    unit: str
    stratum: str
    chance: float
    best: UnitValue
    reference: UnitValue | None

    def title(self, decimals: int) -> str:
        """Say in one line what the row shows."""
        text = f"{self.unit}{f' ({self.stratum})' if self.stratum else ''}: {number(self.best.value, decimals)}"
        if self.best.significant:
            text += f", adjusted p \N{LESS-THAN OR EQUAL TO} {SIGNIFICANT}"
        if self.reference:
            text += f"; reference {number(self.reference.value, decimals)}"
        return f"{text}; chance {number(self.chance, decimals)}"


@dataclass(frozen=True)
class TaskUnits:
    """The per-unit values of one task for its best encoder and the best baseline."""

    task: TaskScores
    profiling: str
    best: str
    best_is_baseline: bool
    reference: str
    n_units: int
    blocks: tuple[tuple[UnitRow, ...], ...]
    shortened: bool
    figure: dict[str, Any] | None
    scale: Scale
    decimals: int
    significant: tuple[int, int] | None  # among how many of the best family's units, of how many tested
    significant_reference: tuple[int, int] | None


def task_units(tasks: list[TaskScores], units: pd.DataFrame) -> list[TaskUnits]:
    """Pick for each task the best encoder under test and the best baseline, and sort its units.

    Parameters
    ----------
    tasks
        The tasks in the order of the page; of a task with several metrics only the first has units.
    units
        The units table of :class:`~phenolens.report.results.Results`.

    Returns
    -------
    list of TaskUnits
        Tasks without per-unit values are left out.
    """
    found: dict[str, TaskUnits] = {}
    for task in tasks:
        if task.task not in found:
            own = units[units["task"] == task.task]
            one = _one(task, own) if len(own) else None
            if one:
                found[task.task] = one
    return list(found.values())


def _one(task: TaskScores, units: pd.DataFrame) -> TaskUnits | None:
    present = set(zip(units["family"], units["profiling"], strict=True))
    entries = [
        (mark.value if task.higher_is_better else -mark.value, row.family, row.baseline, profiling)
        for row in task.rows
        for mark, profiling in zip(row.marks, task.profilings, strict=True)
        if mark and mark.known and (row.family, profiling) in present
    ]
    if not entries:
        return None
    tested = [e for e in entries if not e[2]]
    _, best, best_is_baseline, profiling = max(tested or entries, key=lambda e: e[0])
    rivals = [e for e in entries if e[2] and e[3] == profiling and e[1] != best]
    reference = max(rivals, key=lambda e: e[0])[1] if rivals else ""
    here = units[units["profiling"] == profiling]
    own, other = _by_unit(here[here["family"] == best]), _by_unit(here[here["family"] == reference])
    rows = [
        UnitRow(unit, stratum, chance, value, other[unit, stratum][0] if (unit, stratum) in other else None)
        for (unit, stratum), (value, chance) in own.items()
    ]
    rows.sort(key=lambda r: _order(r, task.higher_is_better))
    shortened = len(rows) > MAX_ROWS
    shown = rows[:_TOP] if shortened else rows
    middle = math.ceil(len(shown) / 2)
    values = [v for r in shown for v in (r.best.value, r.chance, r.reference.value if r.reference else math.nan)]
    return TaskUnits(
        task=task,
        profiling=profiling,
        best=best,
        best_is_baseline=best_is_baseline,
        reference=reference,
        n_units=len(rows),
        blocks=(tuple(shown),) if len(shown) <= _SPLIT_FROM else (tuple(shown[:middle]), tuple(shown[middle:])),
        shortened=shortened,
        figure=_figure(task, best, own, reference, other) if shortened else None,
        scale=scale_over(values),
        decimals=task.decimals,
        significant=_significant([v for v, _ in own.values()]),
        significant_reference=_significant([v for v, _ in other.values()]),
    )


def _figure(task: TaskScores, best: str, own: _Values, reference: str, other: _Values) -> dict[str, Any]:
    curves = [
        Curve(
            label=family,
            colour=colour,
            names=[f"{unit} ({stratum})" if stratum else unit for unit, stratum in values],
            values=[value.value for value, _ in values.values()],
            significant=[bool(value.significant) for value, _ in values.values()],
        )
        for family, colour, values in ((best, "--accent", own), (reference, "--baseline", other))
        if values
    ]
    chance = [c for _, c in own.values() if math.isfinite(c)]
    level = sum(chance) / len(chance) if chance else math.nan
    return sorted_curve(curves, level, task.metric, task.unit, higher_is_better=task.higher_is_better)


def _by_unit(units: pd.DataFrame) -> _Values:
    found: _Values = {}
    for (unit, stratum), own in units.groupby(["unit", "stratum"], sort=False):
        decided = own["significant"].dropna()
        value = UnitValue(float(own["value"].mean()), bool(decided.iloc[0]) if len(decided) else None)
        found[str(unit), str(stratum)] = (value, float(own["chance"].mean()))
    return found


def _order(row: UnitRow, higher_is_better: bool) -> tuple[float, str]:
    value = row.best.value
    if not math.isfinite(value):
        return math.inf, row.unit
    return (-value if higher_is_better else value), row.unit


def _significant(values: list[UnitValue]) -> tuple[int, int] | None:
    tested = [v for v in values if v.significant is not None]
    return (sum(bool(v.significant) for v in tested), len(tested)) if tested else None
