"""How well the replicates of perturbations retrieve each other before controls, and whether by chance."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.apart import Apart
from phenolens.metrics.directions import Directions, directions
from phenolens.metrics.further_draws import (
    FOR_CHANCE,
    MOST_COMPARED,
    Labellings,
    TailUnit,
    draw_further,
    n_first_labellings,
    spread_rows,
)
from phenolens.metrics.permutation import count_reached, draw_sets, mean_defined, permutation_p
from phenolens.metrics.plate_exchange import PlateExchange
from phenolens.metrics.set_retrieval import set_average_precision

_SETS_AT_ONCE = 30_000
_MOST_PAIRS = 30_000_000  # of wells of a layout, of each of which a number is looked up
_MANY = 500  # labellings; with fewer, each unit has its own, so that the mean chance level rests on those of all


class RetrievalNull(NamedTuple):
    """Mean average precision of perturbations beside that under exchange of their labels with controls.

    Attributes
    ----------
    value
        (u,) mean AP.
    p
        (u,) p values in (0, 1].
    chance
        (u,) mean AP of the labellings. The closed form for a random order is not it: replicates on several plates
        retrieve each other before controls of their own plate alone, which an offset between plates makes harder.
    """

    value: NDArray[np.float64]
    p: NDArray[np.float64]
    chance: NDArray[np.float64]


def replicate_retrieval_p(
    x: NDArray[Any],
    units: Sequence[NDArray[np.intp]],
    control: NDArray[np.bool_],
    plates: NDArray[Any],
    *,
    apart: Apart | None = None,
    n_permutations: int = 2000,
    rng: np.random.Generator,
) -> RetrievalNull:
    """Return the mean AP of each perturbation before same-plate controls, and what exchange with controls says of it.

    Under the null hypothesis, replicates are further control wells, whose labels can be exchanged with controls of the
    same plate. Whole labellings are drawn, which keeps the dependence between the queries of a perturbation;
    perturbations with equally many replicates on the same plates share the labellings. If there are at most
    `n_permutations` labellings, all are enumerated. For the few perturbations that hardly any of them reaches, more are
    drawn (`draw_further`).

    Parameters
    ----------
    x
        (n, d) vectors.
    units
        Row numbers of the replicates of each perturbation.
    control
        (n,) mask of the controls.
    plates
        (n,) plate of each row.
    apart
        Rows that are neither positives nor negatives of each other, as in `set_average_precision`; labels are then
        exchanged among rows of the same pattern on a plate. None if there are none.
    n_permutations
        The number of labellings to draw first; of a perturbation with k > 31 replicates, no more than 2,000,000 / k**2
        and 200. Those that hardly any of them reaches get more, as all do. Of a perturbation with more than 100
        replicates, the p value is that of 100 of these, from as many plates as possible.
    rng
        The source of randomness; unused if all labellings are enumerated.

    Returns
    -------
    Mean AP over the replicates with a control on their plate; NaN if there are none.
    """
    codes = np.unique(plates, return_inverse=True)[1]
    kinds = codes if apart is None else apart.within(codes)
    screen = _Screen(x, directions(x), codes, control, kinds, apart)
    (rest,) = rng.spawn(1)
    found = _exchange(screen, [spread_rows(rows, kinds, rest) for rows in units], n_permutations, rng)
    large = [number for number, rows in enumerate(units) if len(rows) > MOST_COMPARED]
    if large:
        of_all = _exchange(screen, [units[number] for number in large], FOR_CHANCE, rest)
        found.value[large], found.chance[large] = of_all.value, of_all.chance
    return found


class _Screen(NamedTuple):
    """The rows of a screen.

    Attributes
    ----------
    x, directions
        (n, d) vectors, and their directions.
    codes, control
        (n,) plate of each row, and whether it is a control.
    kinds
        (n,) kind of each row: its plate, and its pattern where rows are kept apart. Labels are exchanged within kinds.
    apart
        As in `replicate_retrieval_p`.
    """

    x: NDArray[Any]
    directions: Directions
    codes: NDArray[np.intp]
    control: NDArray[np.bool_]
    kinds: NDArray[np.intp]
    apart: Apart | None


def _exchange(
    screen: _Screen, units: Sequence[NDArray[np.intp]], n_permutations: int, rng: np.random.Generator
) -> RetrievalNull:
    """Return what the exchange of all rows of each unit says; see `replicate_retrieval_p`."""
    kinds = screen.kinds
    units = [rows[np.argsort(kinds[rows], kind="stable")] for rows in units]
    layouts: dict[tuple[int, ...], list[int]] = {}
    for number, replicates in enumerate(units):
        layouts.setdefault(tuple(kinds[replicates].tolist()), []).append(number)
    value, p, chance = np.full((3, len(units)), np.nan)
    tails: dict[int, list[TailUnit]] = {}  # by the number of first labellings
    n_units: dict[int, int] = {}
    for kinds_of_layout, numbers in layouts.items():
        layout = _Layout(screen, np.array(kinds_of_layout))
        n_first = n_first_labellings(n_permutations, layout.k)
        tail = tails.setdefault(n_first, [])
        n_units[n_first] = n_units.get(n_first, 0) + len(numbers)
        sets, exact = draw_sets(layout.pools, layout.taken, n_first, rng)
        per_part = max(1, _SETS_AT_ONCE // len(sets))
        for part in (numbers[start : start + per_part] for start in range(0, len(numbers), per_part)):
            of_units = np.broadcast_to(sets, (len(part), *sets.shape))
            if not exact and n_first < _MANY:
                of_units = np.stack([draw_sets(layout.pools, layout.taken, n_first, rng)[0] for _ in part])
            scores = layout.score([units[number] for number in part], of_units)
            value[part] = scores[:, 0]
            p[part] = [permutation_p(float(row[0]), row[1:], exact=exact) for row in scores]
            chance[part] = mean_defined(scores[:, 1:])
            if not exact:
                tail += [layout.tail_unit(number, units[number], row) for number, row in zip(part, scores, strict=True)]
    for n_first, tail in tails.items():
        undecided = [unit for unit in tail if unit.is_undecided and not np.isnan(unit.observed)]
        draw_further(undecided, n_permutations=n_first, n_units=n_units[n_first], at_once=_SETS_AT_ONCE, rng=rng)
        for unit in undecided:
            p[unit.number] = unit.p
    return RetrievalNull(value, p, chance)


class _Layout:
    """Perturbations with as many replicates on the same plates, beside the controls of these.

    Places 0 .. k - 1 are those of the wells of a perturbation, and the others those of controls.

    Parameters
    ----------
    screen
        The rows of the screen.
    of_replicates
        (k,) kind of each replicate.

    Attributes
    ----------
    k
        The number of replicates.
    pools, taken
        The places of each kind, and how many of them a perturbation takes.
    """

    def __init__(self, screen: _Screen, of_replicates: NDArray[np.intp]) -> None:
        self.k, self._screen = len(of_replicates), screen
        control, kinds, apart = screen.control, screen.kinds, screen.apart
        # Where rows are kept apart, controls of other plates may be negatives.
        self._controls = np.flatnonzero(control if apart is not None else control & np.isin(kinds, of_replicates))
        place = np.concatenate([of_replicates, kinds[self._controls]])
        self.pools = [np.flatnonzero(place == kind) for kind in np.unique(of_replicates)]
        self.taken = [int((pool < self.k).sum()) for pool in self.pools]
        one_of_each_plate = apart is None and self.k > 1 and max(self.taken) == 1
        self._exchange = None
        if one_of_each_plate and len(self._controls) and len(place) ** 2 <= _MOST_PAIRS:
            on_plates = [self._controls[pool[pool >= self.k] - self.k] for pool in self.pools]
            self._exchange = PlateExchange(screen.directions, on_plates)
            self._on_plate = np.empty(len(place), dtype=np.intp)  # of each place, its number among those of its plate
            for pool in self.pools:
                self._on_plate[pool] = np.arange(len(pool))

    def score(self, units: Sequence[NDArray[np.intp]], sets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean AP (u, 1 + s) of each perturbation as it is, and labelled on other places (u, s, k)."""
        k, controls = self.k, self._controls
        if self._exchange is not None:
            as_is = np.zeros((1, k), dtype=np.intp)
            labelled = self._on_plate[sets]
            found = zip(units, labelled, strict=True)
            return np.stack([self._exchange.mean_ap(rows, np.concatenate([as_is, of_unit])) for rows, of_unit in found])
        screen, rows = self._screen, np.concatenate([controls, *units])
        observed = len(controls) + np.arange(len(units) * k).reshape(len(units), 1, k)
        as_is = np.broadcast_to(np.arange(k), (len(units), 1, k))
        sets = np.concatenate([as_is, sets], axis=1)
        wells = np.take_along_axis(np.broadcast_to(observed, sets.shape), np.minimum(sets, k - 1), axis=2)
        labelled = np.where(sets < k, wells, sets - k).reshape(-1, k)
        ap = set_average_precision(
            screen.x[rows],
            labelled,
            negative=np.arange(len(rows)) < len(controls),
            also=np.repeat(observed[:, 0], sets.shape[1], axis=0),
            plates=screen.codes[rows],
            apart=None if screen.apart is None else screen.apart.among(rows),
        )
        return mean_defined(ap).reshape(len(units), -1)

    def tail_unit(self, number: int, rows: NDArray[np.intp], found: NDArray[np.float64]) -> TailUnit:
        """Return a perturbation with its observed mean AP (first of `found`) and those of random labellings."""
        observed, null = float(found[0]), found[1:]
        reached, seen = count_reached(observed, null), int((~np.isnan(null)).sum())
        labellings = Labellings(self.pools, self.taken, lambda sets: self.score([rows], sets[None])[0, 1:])
        return TailUnit(number, observed, labellings, reached, seen)
