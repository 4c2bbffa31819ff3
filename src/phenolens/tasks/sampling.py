"""Fewer rows, where all of them would cost too much: whole units, so that replicates stay together."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.datasets import NEGATIVE_CONTROL, condition_names, treated


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


def sample_wells(obs: pd.DataFrame, most: int, rng: np.random.Generator, *, controls: bool) -> NDArray[np.intp]:
    """Return the numbers of wells of whole perturbations and doses, and of controls if these take part.

    Parameters
    ----------
    obs
        Metadata of wells (n rows).
    most
        How many treated wells, and how many controls, to keep at most.
    rng
        The source of randomness.
    controls
        Whether controls take part; without, no control is kept.
    """
    wells = np.flatnonzero(treated(obs))
    names = condition_names(obs).to_numpy()[wells]
    kept = wells[draw_whole(names, most, rng, of_each=most)]
    if not controls:
        return kept
    of_controls = at_most(np.flatnonzero(obs["role"] == NEGATIVE_CONTROL), most, rng)
    return np.sort(np.concatenate([kept, of_controls]))


def at_most(rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return at most so many of these rows, in order."""
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
