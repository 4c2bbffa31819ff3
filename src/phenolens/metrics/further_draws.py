"""More permutations for the few units that hardly any of the first ones reach."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.metrics.permutation import count_reached, count_sets, draw_sets

FEW = 10
"""A unit that fewer labellings reach is in the tail, and its p value is coarse."""
MOST_COMPARED = 100
"""Rows of a unit whose label is exchanged for its p value; of more, so many are drawn."""
FOR_CHANCE = 4
"""Labellings of all rows of such a unit, on which its chance level rests: with many rows they vary little."""
_LOOK_UPS = 2_000_000  # of cosines, for the first labellings of one layout
_FEWEST_LABELLINGS = 200
_BUDGET = 0.2  # of the first labellings of all units
_GROWTH = 4  # from stage to stage
_FEWEST_FIRST = 100  # labellings; whoever asks for fewer asks for no fine p value


def n_first_labellings(n_permutations: int, k: int) -> int:
    """Return how many labellings of k rows are drawn first: fewer where each costs much.

    The statistics compare each of the k rows with each other. Of a hundred replicates these vary little between
    labellings, and units that hardly any labelling reaches get more (`draw_further`).
    """
    return min(n_permutations, max(_FEWEST_LABELLINGS, _LOOK_UPS // k**2))


def spread_rows(rows: NDArray[np.intp], groups: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return at most 100 of the rows of a unit, from as many groups (n,) as possible, in their order.

    A positive control stands on every plate, and costs the square of its wells in each labelling. A hundred of them
    give a p value that is as valid.
    """
    if len(rows) <= MOST_COMPARED:
        return rows
    shuffled = rng.permutation(rows)
    by_group = pd.Series(groups[shuffled])
    turn = by_group.groupby(by_group).cumcount().to_numpy()  # one from every group before a second from any
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:MOST_COMPARED]])


@dataclass(eq=False)
class Labellings:
    """The sets of rows on which the label of a unit may stand; units may share them.

    Attributes
    ----------
    pools, taken
        What sets are drawn from, as in `draw_sets`.
    statistic
        Maps sets of rows (s, k) to their statistic (s,), where large values are extreme.
    """

    pools: Sequence[NDArray[np.intp]]
    taken: Sequence[int]
    statistic: Callable[[NDArray[np.intp]], NDArray[np.float64]]

    @property
    def number(self) -> int:
        """How many there are."""
        return count_sets([len(pool) for pool in self.pools], self.taken)

    def draw(self, n_draws: int, at_once: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the statistic of random labellings (n_draws,), or of all if there are no more; `at_once` together."""
        if self.number <= n_draws:
            every = draw_sets(self.pools, self.taken, n_draws, rng)[0]
            parts = [every[start : start + at_once] for start in range(0, len(every), at_once)]
            return np.concatenate([self.statistic(sets) for sets in parts])
        found = []
        for start in range(0, n_draws, at_once):
            sets = draw_sets(self.pools, self.taken, min(at_once, n_draws - start), rng)[0]
            found.append(self.statistic(sets))
        return np.concatenate(found)


@dataclass(eq=False)
class TailUnit:
    """A unit that few labellings reach.

    Attributes
    ----------
    number
        Which unit it is.
    observed
        Its statistic.
    labellings
        What its label is exchanged with.
    reached, seen
        How many random labellings have reached it, and of how many.
    exact_p
        The p value from all labellings; NaN until these have been enumerated.
    """

    number: int
    observed: float
    labellings: Labellings
    reached: int
    seen: int
    exact_p: float = float("nan")

    @property
    def is_undecided(self) -> bool:
        """Whether few random labellings have reached it, and not all labellings have been enumerated."""
        return self.reached < FEW and np.isnan(self.exact_p)

    @property
    def p(self) -> float:
        """The p value; of random labellings, the observed one counts among them."""
        return (1 + self.reached) / (1 + self.seen) if np.isnan(self.exact_p) else self.exact_p

    def meet(self, null: NDArray[np.float64], *, exact: bool) -> None:
        """Take further random labellings into account, or all that there are."""
        reached, seen = count_reached(self.observed, null), int((~np.isnan(null)).sum())
        if exact:
            self.exact_p = reached / seen
        else:
            self.reached += reached
            self.seen += seen


def draw_further(
    tail: Sequence[TailUnit], *, n_permutations: int, n_units: int, at_once: int, rng: np.random.Generator
) -> None:
    """Draw more labellings for units in the tail, in stages, until enough have reached them or a budget is spent.

    If none of b labellings reaches a unit, p is 1 / (b + 1), and Benjamini & Hochberg multiply it by the number of
    units for each that is as small: few active units among many are then never found, however strong they are. So
    labellings are drawn where they are few, four times as many at each stage, as long as fewer than ten have reached
    the unit. In all, a fifth of the first labellings of all units is drawn; units that share labellings share these
    draws. Where many units are in the tail their p values are small enough, and little is drawn.

    Whether a unit goes on depends on how many labellings have reached it. If it ends with p, each stage before would
    have ended with no more than 10 / (1 + b), so that p is at most a with a probability of at most a, for every a
    (compare Besag & Clifford, Biometrika 78, 1991). No form of the tail is assumed.

    Parameters
    ----------
    tail
        The units that few of the first labellings reach; changed in place.
    n_permutations
        The number of first labellings of each unit.
    n_units
        The number of all units.
    at_once
        The number of sets that are scored together.
    rng
        The source of randomness; its next draws stay the same.
    """
    if not tail or n_permutations < _FEWEST_FIRST:
        return
    (further,) = rng.spawn(1)
    budget = int(_BUDGET * n_permutations * n_units)
    drawn = n_permutations
    going_on = list(tail)
    while going_on:
        n_draws = min((_GROWTH - 1) * drawn, budget // len(going_on))
        if n_draws < n_permutations:
            return
        for units in _by_labellings(going_on):
            labellings = units[0].labellings
            # If a stage comes to all the labellings that there are, these are enumerated.
            exact = labellings.number <= drawn + n_draws
            null = labellings.draw(labellings.number if exact else n_draws, at_once, further)
            for unit in units:
                unit.meet(null, exact=exact)
        budget -= n_draws * len(going_on)
        drawn += n_draws
        going_on = [unit for unit in going_on if unit.is_undecided]


def _by_labellings(units: Sequence[TailUnit]) -> list[list[TailUnit]]:
    """Return units that share labellings together: these are scored once for all of them."""
    groups: dict[int, list[TailUnit]] = {}
    for unit in units:
        groups.setdefault(id(unit.labellings), []).append(unit)
    return list(groups.values())
