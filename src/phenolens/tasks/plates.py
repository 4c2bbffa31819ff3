"""Among which perturbations labels can be exchanged without exchanging plates, too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.metrics import count_sets

_FEWEST_SETS = 20  # of which one is the observed one: p can reach 0.05
_MORE_TOGETHER = 0.1  # in the mean cosine of two perturbations' numbers of wells by plate


@dataclass(frozen=True, eq=False)
class Exchange:
    """Among which perturbations the labels of u units are exchanged.

    Attributes
    ----------
    parts
        Strata (n,) of the perturbations, and the numbers of the units whose labels are exchanged within these.
    note
        What a reader must know; empty if nothing.
    """

    parts: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
    note: str


def exchange_within_plates(obs: pd.DataFrame, perturbations: pd.Index, units: Sequence[NDArray[np.intp]]) -> Exchange:
    """Return among which perturbations labels are exchanged so that a plate effect does not look like a label.

    Labels are exchanged among perturbations of the same plates. Where that leaves a unit fewer than 20 labellings, all
    perturbations take part, unless those of the unit are together on plates more than others are: then label and plate
    cannot be told apart, and p stays large.

    Parameters
    ----------
    obs
        Metadata of wells, with `perturbation` and, if known, `plate`.
    perturbations
        The names of the n perturbations.
    units
        Row numbers of the perturbations of each unit.
    """
    everything = np.zeros(len(perturbations), dtype=np.intp)
    if "plate" not in obs or obs["plate"].isna().any() or not len(units):
        return Exchange([(everything, np.arange(len(units)))], "")
    counts = pd.crosstab(obs["perturbation"].astype(str), obs["plate"].astype(str)).reindex(perturbations).to_numpy()
    strata = np.unique(counts > 0, axis=0, return_inverse=True)[1].reshape(-1)
    if not strata.any():
        return Exchange([(everything, np.arange(len(units)))], "")
    sizes = np.bincount(strata)
    taken = [np.bincount(strata[rows], minlength=len(sizes)) for rows in units]
    testable = np.array([count_sets(sizes.tolist(), each.tolist()) >= _FEWEST_SETS for each in taken])
    direction = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    everywhere = _mean_cosine(direction)
    together = np.array([_mean_cosine(direction[rows]) > everywhere + _MORE_TOGETHER for rows in units])
    within = testable | together
    parts = [(strata, np.flatnonzero(within)), (everything, np.flatnonzero(~within))]
    confounded = int((together & ~testable).sum())
    note = ""
    if confounded:
        note = (
            f"{confounded} of {len(units)} labels go with plates, whose effects make their perturbations similar; no "
            "p value can tell the two apart"
        )
    return Exchange([(within_strata, numbers) for within_strata, numbers in parts if len(numbers)], note)


def _mean_cosine(directions: NDArray[np.float64]) -> float:
    """Return the mean cosine between two of n unit vectors (n, d), n > 1."""
    n = len(directions)
    return float((np.square(directions.sum(axis=0)).sum() - n) / (n * (n - 1)))
