"""What a score would be without a part of the plates, or of the controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.evaluation.paired import UNIT_KEY, UnitValues, mean_by_unit, values_by_unit
from phenolens.evaluation.profiles import Profiles
from phenolens.evaluation.shared_noise import NOTHING_SHARED, SharedNoise
from phenolens.metrics import stratum_shares
from phenolens.profiling import FITTED_ON, parse_profiling
from phenolens.tasks import Task, clusters_of

if TYPE_CHECKING:
    from anndata import AnnData

_MOST_PARTS = 10
_FEWEST_PARTS = 3  # fewer say next to nothing of how parts vary
_NESTING = ("source", "batch", "plate")  # the coarsest first: plates of one batch are not independent
_MOST_ROWS = 2000  # with more, a sample of perturbations is scored, and post-processing is not fitted anew


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The values of units on all rows, and without each of some parts of the rows.

    Attributes
    ----------
    values
        With all rows.
    without
        (units, parts) values without each part, by (unit, stratum); NaN where a unit cannot be scored. Columns are
        what is left out, ``plates`` or ``controls``, and the number of the part.
    """

    values: UnitValues
    without: pd.DataFrame

    def minus(self, other: LeftOut, parts: Sequence[Any]) -> LeftOut:
        """Return the differences to another encoder, on shared units, of these columns of `without`."""
        index = self.values.index.intersection(other.values.index)
        one, two = self.values.loc[index], other.values.loc[index]
        return LeftOut(
            one.assign(value=one["value"] - two["value"]),
            self.without.loc[index, parts] - other.without.loc[index, parts],
        )

    def noise(self) -> SharedNoise:
        """Return the variance of the score by what its units share, such as plates and controls.

        A delete-a-group jackknife over parts gives the variance of the score by parts. It holds the noise of wells,
        which the bootstrap over clusters holds too: what contributions of independent clusters explain is therefore
        taken off. The two are then added, as in two-way clustering (Cameron, Gelbach & Miller, J. Bus. Econ. Stat. 29,
        2011).
        """
        without = self.without.to_numpy()
        n_parts = without.shape[1]
        moved = _contributions(self.values, without)
        moved = pd.DataFrame(moved).groupby(clusters_of(self.values).to_numpy()).sum().to_numpy()
        moved -= moved.mean(axis=1, keepdims=True)
        of_parts = np.square(moved.sum(axis=0)).sum()
        of_clusters = np.square(moved).sum()
        return SharedNoise(max(0.0, float((n_parts - 1) / n_parts * (of_parts - of_clusters))), n_parts)


def noise_of_difference(one: LeftOut | None, other: LeftOut | None) -> SharedNoise:
    """Return the noise that the units of two encoders share, by what both were scored without."""
    if one is None or other is None:
        return NOTHING_SHARED
    common = one.without.columns.intersection(other.without.columns)
    return one.minus(other, list(common)).noise() if len(common) else NOTHING_SHARED


def mean_left_out(found: Sequence[LeftOut | None]) -> LeftOut | None:
    """Return the mean over the seeds of an encoder; None if any of them is not known."""
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    without = pd.concat([each.without for each in known]).groupby(level=UNIT_KEY, sort=True)
    values = mean_by_unit([each.values for each in known])
    return LeftOut(values, without.mean().loc[values.index])


def leave_out(task: Task, encoder: str, profiling: str, profiles: Profiles, seed: int) -> LeftOut | None:
    """Score an encoder without parts of the plates (or batches), or of the controls, one after the other.

    Plates are left out of tasks that are asked of perturbations, if there are at least three. Otherwise parts of the
    controls are, where these are ranked or post-processing is fitted on them: of few controls, after post-processing,
    they give limits that are too wide. Post-processing is fitted anew without each part, where enough is left for that.

    Parameters
    ----------
    task, encoder, profiling
        What is asked of which vectors.
    profiles
        The embeddings, and how they are post-processed.
    seed
        The seed of the score.

    Returns
    -------
    The values, of all rows or of a sample of perturbations; None where nothing is shared, or where it cannot be asked.
    """
    steps = parse_profiling(profiling)
    fitted_on_controls = any(step.on_controls for step in steps)
    whole = profiles.for_task(task, encoder, profiling)
    ways = {"plates": _parts_of_plates(whole.obs)} if task.is_of_perturbations else {}
    if task.needs_controls or fitted_on_controls:
        ways["controls"] = _parts_of_controls(whole.obs, seed)
    rows = whole if len(whole) <= _MOST_ROWS else task.sample(whole, _MOST_ROWS, spawn(seed, "sample of rows"))
    values = _values(task, profiling, rows, seed)
    for what, parts in ways.items():
        if len(parts) < _FEWEST_PARTS:
            continue
        attempts = [partial(_without, rows)]
        if steps and len(whole) <= _MOST_ROWS:
            attempts.insert(0, partial(_fitted_without, task, encoder, profiling, profiles))
        for attempt in attempts:
            try:
                found = {n: _values(task, profiling, attempt(part), seed)["value"] for n, part in enumerate(parts)}
            except (TaskNotApplicable, ProfilingError):
                continue  # too little is left without a part
            without = pd.DataFrame(found).reindex(values.index)
            if not without.isna().all().any():
                return LeftOut(values, pd.concat({what: without}, axis=1))
    return None


def _parts_of_plates(obs: pd.DataFrame) -> list[pd.Index[str]]:
    """Return the rows of parts of the plates, or of what these are nested in; none if there are fewer than three."""
    above: list[str] = []
    for column in _NESTING:
        if column not in obs or obs[column].isna().any():
            continue
        above.append(column)  # a plate may be called the same in several batches
        codes = obs.groupby(above, sort=True, observed=True).ngroup().to_numpy()
        if codes.max() + 1 >= _FEWEST_PARTS:
            return [obs.index[codes % _MOST_PARTS == number] for number in range(min(_MOST_PARTS, codes.max() + 1))]
    return []


def _parts_of_controls(obs: pd.DataFrame, seed: int) -> list[pd.Index[str]]:
    """Return parts of the controls, dealt at random so that each holds some of every plate.

    The same holds of controls that a profiler is fitted on.
    """
    if "role" not in obs:
        return []
    controls = obs[obs["role"] == NEGATIVE_CONTROL].sort_index()
    controls = controls.iloc[spawn(seed, "parts of controls").permutation(len(controls))]
    dealt_by = [column for column in ("plate", FITTED_ON) if column in obs]
    names = controls.sort_values(dealt_by, kind="stable").index if dealt_by else controls.index
    n_parts = min(_MOST_PARTS, len(names))
    return [names[number::n_parts] for number in range(n_parts)]


def _without(rows: AnnData, part: pd.Index[str]) -> AnnData:
    """Return rows without a part of them, as they are."""
    return rows[~rows.obs_names.isin(part)]


def _fitted_without(task: Task, encoder: str, profiling: str, profiles: Profiles, part: pd.Index[str]) -> AnnData:
    """Return the profiles that a task scores, made without a part of the rows."""
    whole = profiles.for_task(task, encoder, profiling)
    fit_on = whole.obs_names[whole.obs[FITTED_ON].to_numpy()] if FITTED_ON in whole.obs else None
    rows = _without(profiles.averaged(encoder, task.aggregation), part).copy()
    return profiles.make(task, encoder, rows, profiling, fit_on=fit_on)


def _values(task: Task, profiling: str, rows: AnnData, seed: int) -> UnitValues:
    """Return the values of units, without p values; all encoders and parts have the same random draws."""
    return values_by_unit(task.without_null().score(rows, spawn(seed, "score", task.id, profiling)))


def _contributions(values: UnitValues, without: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much each unit moves the score (units, parts) if a part is left out, but for what all do.

    A unit with fewer replicates left scores lower, as all that lose some do: the mean of that is taken off. A unit that
    has none left moves the score by its distance from it.
    """
    value = values["value"].to_numpy()[:, None]
    strata = values.index.get_level_values("stratum").to_numpy()
    share = stratum_shares(values["weight"].to_numpy(), strata, n=len(values))[:, None]
    gone = np.isnan(without)
    change = np.where(gone, 0.0, without - value)
    moved = ~gone & (change != 0)
    if moved.any():
        change[moved] -= np.average(change[moved], weights=np.broadcast_to(share, moved.shape)[moved])
    left = 1 - (share * gone).sum(axis=0, keepdims=True)
    leaving = (share * value).sum() - value
    return share * np.where(gone, leaving, change) / np.where(gone, left, 1.0)
