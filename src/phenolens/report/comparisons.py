"""Paired differences as matrices: encoders against baselines."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phenolens.core.numbers import MISSING, count, decimals_for, interval, number
from phenolens.diagnosis.records import BaselineDifference
from phenolens.report.text import task_words


@dataclass(frozen=True)
class Cell:
    """One paired difference."""

    text: str
    limits: str
    better: bool
    significant: bool
    strength: int  # 0..100, the share of the largest difference in the matrix


@dataclass(frozen=True)
class Row:
    """The differences of all encoders under test to one baseline; None where the two were not compared."""

    baseline: str
    role: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Matrix:
    """The differences of one task: a column for each encoder under test, one block of rows for each profiling."""

    task: str
    title: str
    split: str
    encoders: tuple[str, ...]
    blocks: Mapping[str, Sequence[Row]]
    higher_is_better: bool
    n_units: str
    claims: str


def matrices(differences: Sequence[BaselineDifference], directions: Mapping[str, bool]) -> dict[str, Matrix]:
    """Lay out the differences of encoders under test to baselines: task -> matrix.

    The best baseline stands first, then the best untrained network, then the others, the best of them first.

    Parameters
    ----------
    differences
        Of all questions; those between two baselines are left out.
    directions
        For each task whether higher is better; unknown tasks count as such.
    """
    by_task: dict[str, list[BaselineDifference]] = {}
    for each in differences:
        if not each.encoder_is_baseline:
            by_task.setdefault(each.task, []).append(each)
    return {task: _matrix(task, of_task, directions.get(task, True)) for task, of_task in by_task.items()}


def _matrix(task: str, differences: Sequence[BaselineDifference], higher: bool) -> Matrix:
    title, split = task_words(task)
    decimals = decimals_for([each.estimate.high - each.estimate.low for each in differences])
    known = list(filter(_is_known, differences))
    largest = max((abs(each.estimate.value) for each in known), default=0.0)
    encoders = tuple(dict.fromkeys(each.encoder for each in differences))
    by_profiling: dict[str, dict[str, list[BaselineDifference]]] = {}
    for each in differences:
        by_profiling.setdefault(each.profiling, {}).setdefault(each.baseline, []).append(each)
    blocks: dict[str, list[Row]] = {}
    for profiling, by_baseline in by_profiling.items():
        for baseline, row in sorted(by_baseline.items(), key=lambda item: _order(item[1], higher)):
            cells = {each.encoder: _cell(each, decimals, largest, higher) for each in row}
            blocks.setdefault(profiling, []).append(Row(baseline, _role(row), tuple(map(cells.get, encoders))))
    return Matrix(task, title, split, encoders, blocks, higher, _units(known), _claims(differences))


_ROLES = ("best baseline", "best untrained network")


def _role(row: Sequence[BaselineDifference]) -> str:
    """Return as what encoders are held against a baseline, or that it is an untrained network."""
    named = next((each.reference for each in row if each.reference), "")
    return named or ("untrained" if row[0].untrained else "")


def _order(row: Sequence[BaselineDifference], higher: bool) -> tuple[int, float]:
    """Sort by role, then the baselines to which an encoder loses most."""
    role = _role(row)
    gains = [each.estimate.value for each in row if _is_known(each)]
    mean = sum(gains) / len(gains) if gains else math.inf
    return _ROLES.index(role) if role in _ROLES else len(_ROLES), mean if higher else -mean


def _is_known(each: BaselineDifference) -> bool:
    return math.isfinite(each.estimate.value)


def _cell(each: BaselineDifference, decimals: int, largest: float, higher: bool) -> Cell:
    estimate = each.estimate
    known = _is_known(each)
    return Cell(
        text=number(estimate.value, decimals, signed=True),
        limits=interval(estimate.low, estimate.high, decimals) or "no interval",
        better=known and (estimate.value > 0) == higher,
        significant=each.is_claimed and each.is_significant,
        strength=round(100 * abs(estimate.value) / largest) if known and largest else 0,
    )


def _units(differences: Sequence[BaselineDifference]) -> str:
    """Return over how many units the differences are paired, in words."""
    units = sorted({each.estimate.n_units for each in differences})
    if not units:
        return MISSING
    return count(units[0]) if len(units) == 1 else f"{count(units[0])} to {count(units[-1])}"


def _claims(differences: Sequence[BaselineDifference]) -> str:
    """Return how many differences are claimed and significant, in words."""
    claimed = [each for each in differences if each.is_claimed]
    n_significant = sum(each.is_significant for each in claimed)
    tested = f"{len(claimed)} of {count(len(differences), 'difference')}"
    return (
        f"Tested are {tested}: those of encoders under test to the best baseline and to the best untrained network. "
        f"Significant, at an adjusted p of at most 0.05, are {n_significant} of them."
    )
