"""Average precision of sets that hold one row of each plate, before the other rows of these plates, by look-up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.directions import directions
from phenolens.metrics.ties import expected_precision, harmonic_numbers


class PlateExchange:
    """Rows of k plates, of which sets take one each: a member retrieves the others before the rest of its plate.

    The negatives of a row are the same in every set that it is a member of, all other rows of its plate. How many of
    them are before each row of other plates, and tied with it, is therefore counted once. A set is then scored by
    counting how many of its members stand between the same negatives, without sorting: thousands of sets of a hundred
    members cost what their look-ups cost.

    Parameters
    ----------
    x
        (n, d) vectors.
    pools
        The row numbers of each plate; rows differ, and all n are in one of them.
    """

    def __init__(self, x: NDArray[Any], pools: Sequence[NDArray[np.intp]]) -> None:
        found = directions(x)
        cosines = (found.unit @ found.unit.T).numpy()
        self._place = np.empty(len(x), dtype=np.intp)  # of each row, in its pool
        self._steps: list[_Steps | None] = []
        for pool in pools:
            self._place[pool] = np.arange(len(pool))
            alone = len(pool) == 1
            self._steps.append(None if alone else _Steps(cosines[pool], pool, found.tolerance))

    def mean_ap(self, sets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean average precision (s,) of sets (s, k), whose column j holds a row of pool j.

        Ties count in expectation. Rows without others on their plate are positives, but no queries; NaN if all are.
        """
        total, n_queries = np.zeros(len(sets)), 0
        for number, steps in enumerate(self._steps):
            if steps is not None:
                total += steps.average_precision(self._place[sets[:, number]], np.delete(sets, number, axis=1))
                n_queries += 1
        return total / n_queries if n_queries else np.full(len(sets), np.nan)


class _Steps:
    """The steps between the negatives of each row of one plate, on which all rows stand.

    Parameters
    ----------
    cosines
        (p, n) of the p rows of the plate with all rows.
    pool
        (p,) the row numbers of the plate.
    tolerance
        As in `Directions`.
    """

    def __init__(self, cosines: NDArray[Any], pool: NDArray[np.intp], tolerance: Any) -> None:
        width = tolerance.at(cosines)
        low, high = cosines - width, cosines + width
        above, tied = np.empty((2, *cosines.shape), dtype=np.intp)
        for number, row in enumerate(pool):
            negative = np.sort(cosines[number, pool[pool != row]])
            above[number] = len(negative) - np.searchsorted(negative, high[number], side="right")
            tied[number] = len(negative) - np.searchsorted(negative, low[number], side="left") - above[number]
        self._step, self._above, self._tied = above, np.arange(len(pool)), np.zeros(len(pool), dtype=np.intp)
        if tied.any():
            # A positive that is tied with negatives stands on a step of its own, after those that these follow.
            steps, step = np.unique(above * len(pool) + tied, return_inverse=True)
            self._step = step.reshape(cosines.shape)
            self._above, self._tied = np.divmod(steps, len(pool))

    def average_precision(self, query: NDArray[np.intp], positives: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the AP (s,) of queries (s,), by their place in the pool, whose positives are row numbers (s, m)."""
        import torch

        n_steps = len(self._above)
        on_step = self._step[query[:, None], positives] + n_steps * np.arange(len(query))[:, None]
        count = np.bincount(on_step.ravel(), minlength=len(query) * n_steps).reshape(-1, n_steps)
        # All positives on a step are before as many negatives, and share the mean precision of their places.
        set_number, step = np.nonzero(count)
        here = count[set_number, step]
        before = (count.cumsum(axis=1) - count)[set_number, step]
        above, tied = self._above[step], self._tied[step]
        harmonic = harmonic_numbers(positives.shape[1] + int(above.max()) + int(tied.max()))
        ranks = harmonic[before + here + above] - harmonic[before + above]
        precision = here - above * ranks.numpy()
        mixed = tied > 0
        negatives = torch.from_numpy(above[mixed]), torch.from_numpy(tied[mixed])
        others = torch.from_numpy(before[mixed]), torch.from_numpy(here[mixed])
        precision[mixed] = here[mixed] * expected_precision(*negatives, *others, harmonic).numpy()
        return np.bincount(set_number, weights=precision, minlength=len(query)) / positives.shape[1]
