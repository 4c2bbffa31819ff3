"""Average precision of sets of one well of each plate, before the controls of these plates, by look-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.directions import Directions
from phenolens.metrics.set_retrieval import fill_up
from phenolens.metrics.ties import count_reaching, expected_precision, harmonic_numbers, sort_rows

if TYPE_CHECKING:
    import torch

_BLOCK_CELLS = 2**22  # positives that are looked up at a time


class PlateExchange:
    """The controls of k plates, with which a perturbation of one well on each exchanges its label.

    A plate has places: the first is that of the well of the perturbation, the others are those of controls. A set takes
    one place on each plate; its members retrieve each other before the other places of their plate. The negatives of a
    member are the same in every set that takes it. Before how many of them each place of other plates ranks is
    therefore counted once, and what controls see of controls once for all perturbations. A set is then scored by
    counting how many of its members stand between the same negatives, without sorting: thousands of sets of a hundred
    members cost what their look-ups cost.

    Parameters
    ----------
    found
        Directions of n rows.
    controls
        The row numbers of the controls of each plate, at least one of them on any.
    """

    def __init__(self, found: Directions, controls: Sequence[NDArray[np.intp]]) -> None:
        self._found = found
        # All plates get equally many places; those beyond their controls are in no set, and negatives of none.
        self._controls, self._filled = fill_up(controls)
        self._k, self._most = self._controls.shape
        self._queries = np.flatnonzero(self._filled.any(axis=1))  # plates whose places have negatives
        plate = np.arange(self._k)
        self._between = self._cosines(self._controls.ravel(), self._controls.ravel())
        own_plate = self._between.view(self._k, self._most, self._k, self._most)[plate, :, plate]
        negatives = self._below_all(own_plate, ~self._filled[:, None] | np.eye(self._most, dtype=bool))
        self._negatives = sort_rows(negatives.reshape(-1, self._most))
        above, tied = count_reaching(self._negatives, self._between, found.tolerance)
        self._before = above.int(), tied.int()

    def mean_ap(self, wells: NDArray[np.intp], sets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean average precision (s,) of sets (s, k) of places, where a perturbation has `wells` (k,).

        Ties count in expectation. Members without controls on their plate are positives, but no queries.
        """
        steps = self._steps(wells)
        per_block = max(1, _BLOCK_CELLS // (len(self._queries) * self._k))
        blocks = [sets[start : start + per_block] for start in range(0, len(sets), per_block)]
        return np.concatenate([steps.mean_ap(block) for block in blocks])

    def _steps(self, wells: NDArray[np.intp]) -> _Steps:
        """Return the numbers of negatives of each place before each other place, with a perturbation's `wells` (k,)."""
        import torch

        k, most, tolerance, plate = self._k, self._most, self._found.tolerance, np.arange(self._k)
        above, tied = torch.empty((2, k, 1 + most, k, 1 + most), dtype=torch.int32)
        of_wells = self._cosines(wells, wells), self._cosines(wells, self._controls.ravel())
        own_plate = of_wells[1].view(k, k, most)[plate, plate]
        # The negatives of a well are the controls of its plate.
        negatives = sort_rows(self._below_all(own_plate, ~self._filled))
        for places, cosines in zip((slice(1), slice(1, None)), of_wells, strict=True):
            for counts, found in zip((above, tied), count_reaching(negatives, cosines, tolerance), strict=True):
                counts[:, 0, :, places] = found.view(k, k, -1)
        # Those of a control are the other controls of its plate, and the well.
        to_wells = of_wells[1].T.contiguous()
        before_wells = count_reaching(self._negatives, to_wells, tolerance)
        well = own_plate.reshape(-1, 1)
        shared = ((slice(1), to_wells, before_wells), (slice(1, None), self._between, self._before))
        for places, cosines, (before, beside) in shared:
            width = tolerance.at(cosines)
            is_above = well > cosines + width
            reaches = well >= cosines - width
            above[:, 1:, :, places] = (before + is_above).view(k, most, k, -1)
            tied[:, 1:, :, places] = (beside + (reaches & ~is_above)).view(k, most, k, -1)
        return _Steps(above.numpy(), tied.numpy(), self._queries)

    def _cosines(self, rows: NDArray[np.intp], others: NDArray[np.intp]) -> torch.Tensor:
        return self._found.unit[rows] @ self._found.unit[others].T

    @staticmethod
    def _below_all(cosines: torch.Tensor, those: NDArray[np.bool_]) -> torch.Tensor:
        import torch

        return torch.where(torch.from_numpy(those), -torch.inf, cosines)


class _Steps:
    """The steps between the negatives of each place, on which the places of other plates stand.

    Parameters
    ----------
    above, tied
        (k, p, k, p) how many negatives of a place are above another place, and tied with it.
    queries
        The numbers of the plates whose members are queries.
    """

    def __init__(self, above: NDArray[np.int32], tied: NDArray[np.int32], queries: NDArray[np.intp]) -> None:
        k, self._n_places = above.shape[:2]
        self._queries = queries
        step, self._above, self._tied = above, np.arange(self._n_places), np.zeros(self._n_places, dtype=np.intp)
        if tied.any():
            # A positive that is tied with negatives stands on a step of its own, after those that these follow.
            step = above * self._n_places + tied
            steps = np.flatnonzero(np.bincount(step.ravel()))
            self._above, self._tied = np.divmod(steps, self._n_places)
            number = np.zeros(steps[-1] + 1, dtype=np.int32)
            number[steps] = np.arange(len(steps))
            step = number[step]
        step[np.arange(k), :, np.arange(k)] = len(self._above)  # no positive of itself: a step that is not counted
        self._step = step.ravel()
        self._harmonic = harmonic_numbers(k + self._n_places)

    def mean_ap(self, sets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean AP (s,) over the queries of sets (s, k) of places."""
        import torch

        k, n_steps = sets.shape[1], len(self._above)
        place = np.arange(k) * self._n_places + sets
        query = place[:, self._queries]
        n_queries = query.size
        on_step = self._step.take(query[:, :, None] * (k * self._n_places) + place[:, None])
        on_step = on_step.reshape(n_queries, k) + (n_steps + 1) * np.arange(n_queries)[:, None]
        count = np.bincount(on_step.ravel(), minlength=n_queries * (n_steps + 1)).reshape(n_queries, -1)[:, :-1]
        # All positives on a step are before as many negatives, and share the mean precision of their places.
        number, step = np.nonzero(count)
        here = count[number, step]
        before = (count.cumsum(axis=1) - count)[number, step]
        above, tied = self._above[step], self._tied[step]
        ranks = self._harmonic[before + here + above] - self._harmonic[before + above]
        precision = here - above * ranks.numpy()
        mixed = tied > 0
        negatives = torch.from_numpy(above[mixed]), torch.from_numpy(tied[mixed])
        others = torch.from_numpy(before[mixed]), torch.from_numpy(here[mixed])
        precision[mixed] = here[mixed] * expected_precision(*negatives, *others, self._harmonic).numpy()
        total = np.bincount(number // len(self._queries), weights=precision, minlength=len(sets))
        return total / (len(self._queries) * (k - 1))
