"""The values behind a score: which perturbations, classes or donors make it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from phenolens.core.numbers import number
from phenolens.report.charts import BASELINE, Chart, Values, draw
from phenolens.report.scales import Scale, scale_over
from phenolens.report.scores import Scored, TaskScores

_MAX_ROWS = 60
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
    figure: Chart | None
    scale: Scale
    decimals: int
    significant: tuple[int, int] | None  # of how many of the best encoder's units, out of how many tested
    significant_reference: tuple[int, int] | None


def task_units(tasks: list[TaskScores], units: pd.DataFrame) -> dict[str, TaskUnits]:
    """Pick for each task the best encoder under test and the best baseline, and sort its units.

    Parameters
    ----------
    tasks
        The tasks in the order of the page; of a task with several metrics only the first has units.
    units
        The units table of :class:`~phenolens.report.results.Results`.

    Returns
    -------
    dict
        Task -> its values; tasks without any are left out.
    """
    found: dict[str, TaskUnits] = {}
    for task in tasks:
        of_task = units[units["task"] == task.task]
        if task.task not in found and len(of_task):
            shown = _choose(task, of_task)
            if shown is not None:
                found[task.task] = _one(task, of_task, shown)
    return found


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
    shortened = len(rows) > _MAX_ROWS
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


def _figure(task: TaskScores, encoders: Mapping[str, Mapping[tuple[str, str], UnitValue]]) -> Chart:
    """Draw the values of each encoder from best to worst."""
    lines = []
    for (encoder, by_unit), look in zip(encoders.items(), (0, BASELINE), strict=True):
        values = sorted(
            (each.value for each in by_unit.values() if math.isfinite(each.value)), reverse=task.higher_is_better
        )
        if values:
            lines.append(Values(encoder, look, list(range(1, len(values) + 1)), values))
    best = next(iter(encoders.values()))
    known = [value.chance for value in best.values() if math.isfinite(value.chance)]
    chance = sum(known) / len(known) if known else math.nan
    ends = {1.0: "best", float(max((len(line.xs) for line in lines), default=2)): "worst"}
    return draw(f"{task.metric} of each {task.unit}", "from best to worst", lines, ends, chance)


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
