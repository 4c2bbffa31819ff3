"""Replicate retrieval where some wells are not compared with each other."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics import Apart, chance_average_precision, open_negatives, rows_by_label, set_average_precision
from phenolens.tasks.wells import Wells


def rank_apart(
    x: NDArray[Any], codes: NDArray[np.intp], wells: Wells, apart: Apart, *, controls: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the average precision, and that of a random order, of each well (n,).

    Parameters
    ----------
    x
        (n, d) vectors.
    codes
        (n,) number of the perturbation and dose of each well.
    wells
        The wells.
    apart
        Which wells are not compared.
    controls
        Whether negatives are controls, of the same plate if these are compared at all; else all treated wells of other
        perturbations.

    Returns
    -------
    NaN for wells that are not treated, and for those without positives or negatives.
    """
    negative = wells.control if controls else wells.treated
    plates = np.unique(wells.plate, return_inverse=True)[1] if controls else np.zeros(len(x), np.intp)
    ap, n_positive = np.full(len(x), np.nan), np.zeros(len(x), np.intp)
    for members in rows_by_label(codes, wells.treated):
        ap[members] = set_average_precision(x, members, negative=negative, plates=plates, apart=apart)
        for rows in members:
            n_positive[rows] = (~apart.together(rows, rows)).sum(axis=1)
    kinds = apart.within(plates)
    chance, expected = np.full(len(x), np.nan), cache(chance_average_precision)
    for kind in np.unique(kinds[wells.treated]):
        rows = np.flatnonzero((kinds == kind) & wells.treated)
        is_open = negative & open_negatives(int(rows[0]), negative, plates, apart)
        for row in rows:
            n_negative = int(is_open.sum()) - (0 if controls else int(n_positive[row]))
            if not np.isnan(ap[row]):
                chance[row] = expected(int(n_positive[row]), n_negative)
    return ap, chance
