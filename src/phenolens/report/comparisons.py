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
    """The differences of one encoder to all baselines; None where the two were not compared."""

    encoder: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Matrix:
    """The differences of one task: one block of rows per profiling."""

    task: str
    title: str
    split: str
    baselines: tuple[str, ...]
    blocks: Mapping[str, Sequence[Row]]
    higher_is_better: bool
    n_units: str
    claims: str


def matrices(differences: Sequence[BaselineDifference], directions: Mapping[str, bool]) -> list[Matrix]:
    """Lay out the differences to baselines, one matrix per task.

    Parameters
    ----------
    differences
        Of all questions.
    directions
        For each task whether higher is better; unknown tasks count as such.

    Returns
    -------
    list of Matrix
        In the order in which the tasks stand in the records.
    """
    by_task: dict[str, list[BaselineDifference]] = {}
    for each in differences:
        by_task.setdefault(each.task, []).append(each)
    found = []
    for task, of_task in by_task.items():
        found.append(_matrix(task, of_task, directions.get(task, True)))
    return found


def _matrix(task: str, differences: Sequence[BaselineDifference], higher: bool) -> Matrix:
    title, split = task_words(task)
    decimals = decimals_for([each.estimate.high - each.estimate.low for each in differences])
    known = list(filter(_is_known, differences))
    largest = max((abs(each.estimate.value) for each in known), default=0.0)
    baselines = tuple(dict.fromkeys(each.baseline for each in differences))
    cells: dict[str, dict[str, dict[str, Cell]]] = {}
    for each in differences:
        of_encoder = cells.setdefault(each.profiling, {}).setdefault(each.encoder, {})
        of_encoder[each.baseline] = _cell(each, decimals, largest, higher)
    blocks: dict[str, list[Row]] = {}
    for profiling, by_encoder in cells.items():
        for encoder, row in by_encoder.items():
            blocks.setdefault(profiling, []).append(Row(encoder, tuple(map(row.get, baselines))))
    return Matrix(task, title, split, baselines, blocks, higher, _units(known), _claims(differences))


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
