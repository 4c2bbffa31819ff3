"""Replicate retrieval among given candidates: the positives and the negatives of each query well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names
from phenolens.metrics import average_precision_among, chance_average_precision
from phenolens.tasks.sampling import draw_whole
from phenolens.tasks.wells import unseen_wells

if TYPE_CHECKING:
    from anndata import AnnData

_MOST_WELLS = 1500  # treated; of more, whole perturbations are drawn
_MOST_REPLICATES = 24  # of one perturbation


@dataclass(frozen=True, eq=False)
class Candidates:
    """The positives and the negatives of each of q query wells among n wells.

    Attributes
    ----------
    obs
        Metadata of the n wells.
    queries
        (q,) row numbers of treated wells.
    units
        (q,) perturbation and dose of each query.
    positives, counted
        (q, k) row numbers of wells of the same perturbation, and a mask of those that count.
    negative
        (q, n) mask of wells that should rank below the positives.
    """

    obs: pd.DataFrame
    queries: NDArray[np.intp]
    units: NDArray[Any]
    positives: NDArray[np.intp]
    counted: NDArray[np.bool_]
    negative: NDArray[np.bool_]

    def restrict(self, counted: NDArray[np.bool_], negative: NDArray[np.bool_]) -> Candidates:
        """Return the same queries with fewer positives (q, k) that count, and other negatives (q, n)."""
        return replace(self, counted=self.counted & counted, negative=negative)

    @property
    def chance(self) -> NDArray[np.float64]:
        """The expected average precision (q,) of a random order; NaN for queries without candidates."""
        expected = cache(chance_average_precision)
        sizes = zip(self.counted.sum(axis=1).tolist(), self.negative.sum(axis=1).tolist(), strict=True)
        return np.array([expected(k, m) if k and m else np.nan for k, m in sizes])

    def rank(self, profiles: AnnData) -> NDArray[np.float64]:
        """Return the average precision of each query (q,); NaN for queries without candidates."""
        x = np.asarray(profiles[self.obs.index].X)
        return average_precision_among(x, self.queries, self.positives, self.negative, counted=self.counted)


def choose_candidates(task_id: str, profiles: AnnData, *, against_controls: bool, seed: int = 0) -> Candidates:
    """Return the candidates of a retrieval task, unrestricted.

    Of more than 1,500 treated wells, whole perturbations are drawn; of a perturbation with more than 24 wells, 24.

    Raises
    ------
    TaskNotApplicable
        If controls are required and there are none, or no perturbation has two wells.
    """
    wells = unseen_wells(profiles, task_id, controls=against_controls)
    names = condition_names(wells.profiles.obs).to_numpy()
    rng = spawn(seed, "candidates")
    groups = pd.Series(np.flatnonzero(wells.treated)).groupby(names[wells.treated], sort=True)
    sets = [rng.permutation(wells.to_numpy())[:_MOST_REPLICATES] for _, wells in groups if len(wells) > 1]
    if not sets:
        raise TaskNotApplicable("no perturbation has two wells")
    of_set = np.repeat(np.arange(len(sets)), [len(rows) for rows in sets])
    sets = [sets[number] for number in np.unique(of_set[draw_whole(of_set, _MOST_WELLS, rng)])]
    taken = np.sort(np.concatenate(sets))
    kept = np.union1d(taken, np.flatnonzero(wells.control)) if against_controls else taken
    obs, names = wells.profiles.obs.iloc[kept], names[kept]
    queries = np.searchsorted(kept, taken)
    longest = max(len(rows) for rows in sets)
    positives = np.tile(queries[:, None], (1, longest))
    counted = np.zeros(positives.shape, dtype=bool)
    for rows in sets:
        replicates = np.searchsorted(kept, rows)
        of_queries = np.searchsorted(queries, replicates)
        positives[of_queries, : len(rows)] = replicates
        counted[of_queries, : len(rows)] = replicates[:, None] != replicates
    if against_controls:
        negative = wells.control[kept] & (wells.plate[kept][queries][:, None] == wells.plate[kept])
    else:
        negative = names[queries][:, None] != names
    return Candidates(obs, queries, names[queries], positives, counted, negative)


def equal_in_number(whole: Candidates, fewer: Candidates, rng: np.random.Generator) -> tuple[Candidates, Candidates]:
    """Return both with equal numbers of positives and of negatives for each query, dropping random ones of the larger.

    Average precision increases as candidates become fewer, even relative to chance, so that only equal numbers compare.
    """
    parts = []
    for masks in ((whole.counted, fewer.counted), (whole.negative, fewer.negative)):
        most = np.minimum(*(mask.sum(axis=1) for mask in masks))[:, None]
        parts.append([_draw(mask, most, rng) for mask in masks])
    (whole_counted, counted), (whole_negative, negative) = parts
    return whole.restrict(whole_counted, whole_negative), fewer.restrict(counted, negative)


def _draw(mask: NDArray[np.bool_], most: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask with at most `most` of the true values in each row, drawn at random."""
    rows = np.flatnonzero(mask.sum(axis=1) > most[:, 0])
    result = mask.copy()
    keys = np.where(mask[rows], rng.random((len(rows), mask.shape[1]), dtype=np.float32), 2.0)
    limit = np.take_along_axis(np.sort(keys, axis=1), np.maximum(most[rows] - 1, 0), axis=1)
    result[rows] = (keys <= limit) & (most[rows] > 0)
    return result
