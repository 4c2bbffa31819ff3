"""Samples of rows where scoring all of them costs too much; units are drawn whole, so that replicates stay together."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.datasets import NEGATIVE_CONTROL, condition_names, treated


def draw_whole(units: NDArray[Any], most: int, rng: np.random.Generator, *, of_each: int = 100) -> NDArray[np.intp]:
    """Draw whole units at random; return the numbers of their rows, at most `most`.

    Parameters
    ----------
    units
        (n,) unit of each row: perturbation, label, patient.
    most
        The largest number of rows to keep.
    rng
        The source of randomness.
    of_each
        The largest number of rows of a unit, if rows are sampled at all; more where there are few units.

    Returns
    -------
    Row numbers, in increasing order.
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
    """Draw whole perturbations (and doses), and controls if these are ranked; return the numbers of their wells.

    Parameters
    ----------
    obs
        Metadata of wells (n rows).
    most
        The largest number of treated wells, and of controls, to keep.
    rng
        The source of randomness.
    controls
        Whether controls are kept.
    """
    wells = np.flatnonzero(treated(obs))
    names = condition_names(obs).to_numpy()[wells]
    kept = wells[draw_whole(names, most, rng, of_each=most)]
    if not controls:
        return kept
    of_controls = at_most(np.flatnonzero(obs["role"] == NEGATIVE_CONTROL), most, rng)
    return np.sort(np.concatenate([kept, of_controls]))


def at_most(rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return at most `most` of these rows, drawn at random, in order."""
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
