"""Plates as heat maps: the largest component of the vectors, the cell count and the scores over the wells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from phenolens.core.numbers import number
from phenolens.datasets import condition_names
from phenolens.datasets.wells import parse_well
from phenolens.report.samples import Sample
from phenolens.report.text import task_phrase

_STEPS = ("#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725")
_NO_VALUE = "#8a8a8a"


@dataclass(frozen=True)
class Well:
    """One well: its place, its colour, and what it holds."""

    row: int
    column: int
    colour: str
    title: str


@dataclass(frozen=True)
class Plate:
    """One plate."""

    name: str
    rows: int
    columns: int
    wells: tuple[Well, ...]


@dataclass(frozen=True)
class PlateMaps:
    """The plates of one encoder, coloured by one quantity."""

    title: str
    note: str
    plates: tuple[Plate, ...]


def plate_maps(samples: Sequence[Sample], units: pd.DataFrame, shown: Sequence[tuple[str, str]]) -> list[PlateMaps]:
    """Return maps of the first plates.

    Parameters
    ----------
    samples
        The vectors. Of encoders under test, the first principal component of the means of wells is drawn; of the cell
        count, the count.
    units
        The units table of :class:`~phenolens.report.results.Results`, for the score of the perturbation of each well.
    shown
        Tasks and the post-processings under which they are shown; that whose units most wells hold is drawn.
    """
    found = []
    for sample in samples:
        if sample.on_plates is None or not len(sample.on_plates[1]):
            continue
        wells = _wells(*sample.on_plates)
        if wells is None:
            continue
        if sample.baseline:
            found.append(PlateMaps("Cell count", "mean over the sites of a well", _draw(wells, wells.vectors[:, 0])))
            continue
        with_components = _first_component(wells)
        if with_components is not None:
            values, share = with_components
            note = f"first component, {100 * share:.0f}% of the variance"
            found.append(PlateMaps(sample.encoder, note, _draw(wells, values)))
        scored = _scored(sample.encoder, wells, units, shown)
        found += [scored] if scored else []
    return found


@dataclass(frozen=True, eq=False)
class _Wells:
    """Wells: their plates, names, places, treatments (perturbation and dose) and mean vectors (n, d)."""

    plates: list[str]
    names: list[str]
    places: list[tuple[int, int]]
    treatments: list[str]
    vectors: np.ndarray


def _wells(vectors: np.ndarray, obs: pd.DataFrame) -> _Wells | None:
    """Return the wells of rows; None if there are fewer than three, or some are no positions."""
    keys = [obs["plate"].astype(str).to_numpy(), obs["well"].astype(str).to_numpy()]
    means = pd.DataFrame(vectors).groupby(keys, sort=True).mean()
    places = [parse_well(well) for _, well in means.index]
    if len(means) < 3 or None in places:
        return None
    names = condition_names(obs) if "perturbation" in obs else pd.Series("", obs.index)
    held = names.groupby(keys, sort=True).first()
    return _Wells(
        [plate for plate, _ in means.index],
        [well for _, well in means.index],
        [place for place in places if place is not None],
        held.loc[means.index].tolist(),
        means.to_numpy(dtype=np.float64),
    )


def _first_component(wells: _Wells) -> tuple[NDArray[np.float64], float] | None:
    """Return the first principal component of wells, and its share; None if they do not differ."""
    if float(wells.vectors.std(axis=0).max()) == 0:
        return None
    # Sums over threads differ in their last digits.
    with threadpool_limits(limits=1):
        component = PCA(1, svd_solver="randomized", random_state=0)
        values = component.fit_transform(wells.vectors)[:, 0]
    return values, float(component.explained_variance_ratio_[0])


def _scored(encoder: str, wells: _Wells, units: pd.DataFrame, shown: Sequence[tuple[str, str]]) -> PlateMaps | None:
    """Return a map of the scores of what wells hold, in the task that has most of it; None if no task has a quarter."""
    most, chosen = len(wells.names) / 4, None
    for task, profiling in shown:
        own = (units["encoder"] == encoder) & (units["task"] == task) & (units["profiling"] == profiling)
        values = units[own].groupby("unit")["value"].mean().reindex(wells.treatments).to_numpy(dtype=np.float64)
        if np.isfinite(values).sum() > most:
            most = np.isfinite(values).sum()
            note = f"the score of each perturbation: {task_phrase(task)}, {profiling}; wells without one are grey"
            chosen = PlateMaps(encoder, note, _draw(wells, values))
    return chosen


def _draw(wells: _Wells, values: NDArray[np.float64]) -> tuple[Plate, ...]:
    """Return plates whose wells are coloured by values (n,), NaN in grey."""
    low, high = np.nanpercentile(values, [2, 98])
    by_plate: dict[str, list[Well]] = {}
    each_well = zip(wells.plates, wells.names, wells.places, wells.treatments, values, strict=True)
    for plate, name, (row, column), treatment, value in each_well:
        share = (value - low) / max(high - low, 1e-12)
        colour = _STEPS[int(np.clip(share * len(_STEPS), 0, len(_STEPS) - 1))] if np.isfinite(value) else _NO_VALUE
        title = f"{name} {treatment}".strip() + (f": {number(float(value))}" if np.isfinite(value) else "")
        by_plate.setdefault(plate, []).append(Well(row, column, colour, title))
    return tuple(
        Plate(name, 1 + max(each.row for each in held), 1 + max(each.column for each in held), tuple(held))
        for name, held in by_plate.items()
    )
