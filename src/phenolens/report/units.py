"""The values behind a score: which perturbations, classes or donors make it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from phenolens.core.numbers import number
from phenolens.report.figures import Curve, sorted_curve
from phenolens.report.scales import Scale, scale_over
from phenolens.report.scores import Scored, TaskScores

MAX_ROWS = 60
_TOP = 12
_SPLIT_FROM = 14  # more rows than this stand in two columns
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class UnitValue:
    """One encoder's value for one unit, and that of chance."""

    value: float
    chance: float
    significant: bool | None  # None where no p was computed


@dataclass(frozen=True)
class UnitRow:
    """One unit: the best encoder beside its reference."""

    unit: str
    stratum: str
    best: UnitValue
    reference: UnitValue | None

    def title(self, decimals: int) -> str:
        """Say in one line what the row shows."""
        text = f"{self.unit}{f' ({self.stratum})' if self.stratum else ''}: {number(self.best.value, decimals)}"
        if self.best.significant:
            text += f", adjusted p \N{LESS-THAN OR EQUAL TO} {SIGNIFICANT}"
        if self.reference:
            text += f"; reference {number(self.reference.value, decimals)}"
        return f"{text}; chance {number(self.best.chance, decimals)}"


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
    significant: tuple[int, int] | None  # of how many of the best encoder's units, out of how many tested
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
        of_task = units[units["task"] == task.task]
        if task.task not in found and len(of_task):
            shown = _choose(task, of_task)
            if shown is not None:
                found[task.task] = _one(task, of_task, shown)
    return list(found.values())


@dataclass(frozen=True)
class _Shown:
    """Which score is shown unit by unit, and the encoder that is its reference; empty if there is none."""

    best: Scored
    reference: str


def _choose(task: TaskScores, units: pd.DataFrame) -> _Shown | None:
    """Return the best encoder under test (or baseline if none is) and the best other baseline; None without scores."""
    present = set(zip(units["encoder"], units["profiling"], strict=True))
    tested: list[Scored] = []
    baselines: list[Scored] = []
    for score in sorted(task.scored, key=lambda each: each.mark.value, reverse=task.higher_is_better):
        if (score.row.encoder, score.profiling) in present:
            (baselines if score.row.baseline else tested).append(score)
    if not tested and not baselines:
        return None
    best = (tested or baselines)[0]
    others = [each for each in baselines if each.row is not best.row and each.profiling == best.profiling]
    return _Shown(best, others[0].row.encoder if others else "")


def _one(task: TaskScores, units: pd.DataFrame, shown: _Shown) -> TaskUnits:
    row, profiling = shown.best.row, shown.best.profiling
    after = units[units["profiling"] == profiling]
    best = _by_unit(after[after["encoder"] == row.encoder])
    reference = _by_unit(after[after["encoder"] == shown.reference])
    rows = [UnitRow(*key, value, reference.get(key)) for key, value in best.items()]
    rows.sort(key=lambda unit: _order(unit, task.higher_is_better))
    shortened = len(rows) > MAX_ROWS
    listed = rows[:_TOP] if shortened else rows
    middle = math.ceil(len(listed) / 2)
    drawn = []
    for unit in listed:
        drawn += [unit.best.value, unit.best.chance]
        drawn += [unit.reference.value] if unit.reference else []
    curves = {row.encoder: best, shown.reference: reference}
    return TaskUnits(
        task=task,
        profiling=profiling,
        best=row.encoder,
        best_is_baseline=row.baseline,
        reference=shown.reference,
        n_units=len(rows),
        blocks=(tuple(listed),) if len(listed) <= _SPLIT_FROM else (tuple(listed[:middle]), tuple(listed[middle:])),
        shortened=shortened,
        figure=_figure(task, curves) if shortened else None,
        scale=scale_over(drawn),
        decimals=task.decimals,
        significant=_significant(best.values()),
        significant_reference=_significant(reference.values()),
    )


def _figure(task: TaskScores, encoders: Mapping[str, Mapping[tuple[str, str], UnitValue]]) -> dict[str, Any]:
    curves = []
    for (encoder, by_unit), colour in zip(encoders.items(), ("--accent", "--baseline"), strict=True):
        if by_unit:
            names = [f"{unit} ({stratum})" if stratum else unit for unit, stratum in by_unit]
            values = [value.value for value in by_unit.values()]
            curves.append(
                Curve(encoder, colour, names, values, [bool(value.significant) for value in by_unit.values()])
            )
    best = next(iter(encoders.values()))
    known = [value.chance for value in best.values() if math.isfinite(value.chance)]
    chance = sum(known) / len(known) if known else math.nan
    return sorted_curve(curves, chance, task.metric, task.unit, higher_is_better=task.higher_is_better)


def _by_unit(units: pd.DataFrame) -> dict[tuple[str, str], UnitValue]:
    """Return (unit, stratum) -> value, the mean over seeds."""
    found = {}
    for (unit, stratum), seeds in units.groupby(["unit", "stratum"], sort=False):
        decided = seeds["significant"].dropna()
        significant = bool(decided.iloc[0]) if len(decided) else None
        found[str(unit), str(stratum)] = UnitValue(seeds["value"].mean(), seeds["chance"].mean(), significant)
    return found


def _order(row: UnitRow, higher_is_better: bool) -> tuple[float, str]:
    value = row.best.value
    if not math.isfinite(value):
        return math.inf, row.unit
    return (-value if higher_is_better else value), row.unit


def _significant(values: Iterable[UnitValue]) -> tuple[int, int] | None:
    tested = [value for value in values if value.significant is not None]
    return (sum(bool(value.significant) for value in tested), len(tested)) if tested else None
