"""Fewer rows, where asking all of them would cost too much: whole units, so that replicates stay together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def draw_whole(units: NDArray[Any], most: int, rng: np.random.Generator, *, of_each: int = 100) -> NDArray[np.intp]:
    """Return the numbers of rows, at most so many, of whole units that are drawn at random.

    Parameters
    ----------
    units
        (n,) unit of each row: perturbation, label, patient.
    most
        How many rows to keep; all are kept if there are no more.
    rng
        The source of randomness.
    of_each
        How many rows a unit may keep, if there are too many in all; more where there are few units.

    Returns
    -------
    Row numbers, rising.
    """
    if len(units) <= most:
        return np.arange(len(units))
    codes = np.unique(units, return_inverse=True)[1]
    codes = rng.permutation(codes.max() + 1)[codes]
    order = np.lexsort((rng.random(len(codes)), codes))
    place = np.arange(len(codes)) - np.searchsorted(codes[order], codes[order])
    order = order[place < max(of_each, most // (codes.max() + 1))]
    whole = np.searchsorted(np.cumsum(np.bincount(codes[order])), most, side="right")
    return np.sort(order[codes[order] < whole])
