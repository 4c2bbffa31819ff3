"""Replicate retrieval where some wells are not compared with each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics import Apart, rows_by_label, set_average_precision
from phenolens.tasks.wells import Wells


def rank_apart(
    x: NDArray[Any], codes: NDArray[np.intp], wells: Wells, apart: Apart, *, controls: bool
) -> NDArray[np.float64]:
    """Return the average precision of each well (n,).

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
    ap = np.full(len(x), np.nan)
    for members in rows_by_label(codes, wells.treated):
        ap[members] = set_average_precision(x, members, negative=negative, plates=plates, apart=apart)
    return ap
