"""Nulls of units by exchanging their label with other rows of the same groups: chance and p values."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics import (
    FOR_CHANCE,
    MOST_COMPARED,
    Labellings,
    TailUnit,
    count_reached,
    draw_further,
    draw_sets,
    mean_defined,
    n_first_labellings,
    permutation_p,
    spread_rows,
)

_SETS_AT_ONCE = 100_000
_FEWEST_IN_ALL = 500  # sets over all layouts, on which chance rests; where one layout is that of all, they cost little


class Exchanged(NamedTuple):
    """What exchanging labels says of each unit.

    Attributes
    ----------
    p
        (u,) p values.
    chance
        (u,) mean statistic under exchange.
    """

    p: NDArray[np.float64]
    chance: NDArray[np.float64]


def exchange_labels(
    observed: NDArray[np.float64],
    units: Sequence[NDArray[np.intp]],
    pool: NDArray[np.bool_],
    groups: NDArray[Any],
    statistic: Callable[[NDArray[np.intp]], NDArray[np.float64]],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> Exchanged:
    """Return the p value of each unit's statistic, and its chance level, under exchange of its label within groups.

    Units with the same numbers of rows in the same groups share one null distribution. For the few units that hardly
    any of it reaches, more sets are drawn (`draw_further`).

    Parameters
    ----------
    observed
        (u,) statistic of each unit; large values are extreme.
    units
        Row numbers of each unit.
    pool
        (n,) mask of the rows whose labels are exchanged.
    groups
        (n,) group of each row, such as its plate; labels are exchanged within groups.
    statistic
        Maps sets of rows (s, k) to their statistic (s,), for which each row is compared with each other.
    n_permutations
        The number of sets to draw for each null; all sets if there are fewer. At least as many are drawn as chance
        needs, and of units with many rows fewer: see `n_first_labellings`. The p value of a unit with more than 100
        rows is that of 100 of these, from as many groups as possible.
    rng
        The source of randomness.
    """
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    large = [number for number, rows in enumerate(units) if len(rows) > MOST_COMPARED]
    if not large:
        return _exchange(observed, units, pool, codes, statistic, n_permutations, rng)
    (rest,) = rng.spawn(1)
    compared, tested = list(units), observed.copy()
    for number in large:
        compared[number] = spread_rows(units[number], codes, rest)
        tested[number] = statistic(compared[number][None])[0]
    found = _exchange(tested, compared, pool, codes, statistic, n_permutations, rng)
    of_all = _exchange(
        observed[large], [units[number] for number in large], pool, codes, statistic, FOR_CHANCE, rest, FOR_CHANCE
    )
    found.chance[large] = of_all.chance
    return found


def _exchange(
    observed: NDArray[np.float64],
    units: Sequence[NDArray[np.intp]],
    pool: NDArray[np.bool_],
    codes: NDArray[np.intp],
    statistic: Callable[[NDArray[np.intp]], NDArray[np.float64]],
    n_permutations: int,
    rng: np.random.Generator,
    fewest_in_all: int = _FEWEST_IN_ALL,
) -> Exchanged:
    """Return what the exchange of all rows of each unit says; see `exchange_labels`."""
    members = {code: np.flatnonzero(pool & (codes == code)) for code in np.unique(codes)}
    layouts: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for number, rows in enumerate(units):
        present, counts = np.unique(codes[rows], return_counts=True)
        layouts.setdefault(tuple(zip(present.tolist(), counts.tolist(), strict=True)), []).append(number)
    p, chance = np.full((2, len(units)), np.nan)
    by_size: dict[int, list[tuple[tuple[int, int], ...]]] = {}
    for layout in layouts:
        by_size.setdefault(sum(count for _, count in layout), []).append(layout)
    tails: dict[int, list[TailUnit]] = {}  # by the number of first labellings
    n_units: dict[int, int] = {}
    for size, same_size in by_size.items():
        first = n_first_labellings(n_permutations, size)
        n_first = max(first, n_first_labellings(fewest_in_all // len(layouts), size))
        tail = tails.setdefault(first, [])
        n_units[first] = n_units.get(first, 0) + sum(len(layouts[layout]) for layout in same_size)
        per_part = max(1, _SETS_AT_ONCE // n_first)
        for start in range(0, len(same_size), per_part):
            part = same_size[start : start + per_part]
            drawn = [
                draw_sets([members[code] for code, _ in layout], [count for _, count in layout], n_first, rng)
                for layout in part
            ]
            # Scored together: rows that many sets share are compared with the other rows only once.
            null = statistic(np.concatenate([sets for sets, _ in drawn]))
            ends = np.cumsum([len(sets) for sets, _ in drawn])
            for layout, null_of_layout, (_, exact) in zip(part, np.split(null, ends[:-1]), drawn, strict=True):
                pools, taken = [members[code] for code, _ in layout], [count for _, count in layout]
                labellings = Labellings(pools, taken, statistic)
                expected, seen = mean_defined(null_of_layout[None])[0], int((~np.isnan(null_of_layout)).sum())
                for number in layouts[layout]:
                    value = float(observed[number])
                    chance[number] = expected
                    p[number] = permutation_p(value, null_of_layout, exact=exact)
                    if not exact and not np.isnan(p[number]):
                        reached = count_reached(value, null_of_layout)
                        tail.append(TailUnit(number, value, labellings, reached, seen))
    for first, tail in tails.items():
        undecided = [unit for unit in tail if unit.is_undecided]
        draw_further(undecided, n_permutations=first, n_units=n_units[first], at_once=_SETS_AT_ONCE, rng=rng)
        for unit in undecided:
            p[unit.number] = unit.p
    return Exchanged(p, chance)
