"""Replicate retrieval among fewer candidates: who each well should find, and before whom."""

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

_MOST_WELLS = 1500  # treated; beyond, so many of whole perturbations
_MOST_REPLICATES = 24  # of one perturbation


@dataclass(frozen=True, eq=False)
class Candidates:
    """Who each of q wells should find among n, and before whom.

    Attributes
    ----------
    obs
        Metadata of the n wells.
    queries
        (q,) numbers of treated wells.
    units
        (q,) perturbation and dose.
    positives, counted
        (q, k) wells of the same perturbation, and which of them count.
    negative
        (q, n) mask of what should not be found.
    """

    obs: pd.DataFrame
    queries: NDArray[np.intp]
    units: NDArray[Any]
    positives: NDArray[np.intp]
    counted: NDArray[np.bool_]
    negative: NDArray[np.bool_]

    def restrict(self, counted: NDArray[np.bool_], negative: NDArray[np.bool_]) -> Candidates:
        """Return the same with fewer positives (q, k) that count and other negatives (q, n)."""
        return replace(self, counted=self.counted & counted, negative=negative)

    @property
    def chance(self) -> NDArray[np.float64]:
        """The average precision of each query (q,) by chance; NaN where it has no candidates."""
        expected = cache(chance_average_precision)
        sizes = zip(self.counted.sum(axis=1).tolist(), self.negative.sum(axis=1).tolist(), strict=True)
        return np.array([expected(k, m) if k and m else np.nan for k, m in sizes])

    def rank(self, profiles: AnnData) -> NDArray[np.float64]:
        """Return the average precision of each query (q,); NaN where it has no candidates."""
        x = np.asarray(profiles[self.obs.index].X)
        return average_precision_among(x, self.queries, self.positives, self.negative, counted=self.counted)


def choose_candidates(task_id: str, profiles: AnnData, *, against_controls: bool, seed: int = 0) -> Candidates:
    """Return the candidates of a retrieval question as it is asked.

    With more than 1,500 treated wells, whole perturbations are drawn; of a perturbation with more than 24 wells, so
    many are.

    Raises
    ------
    TaskNotApplicable
        If there are no controls, where they are asked for, or no perturbation has two wells.
    """
    wells = unseen_wells(profiles, task_id, controls=against_controls)
    names = condition_names(wells.profiles.obs).to_numpy()
    rng = spawn(seed, "candidates")
    groups = pd.Series(np.flatnonzero(wells.treated)).groupby(names[wells.treated], sort=True)
    sets = [rng.permutation(own.to_numpy())[:_MOST_REPLICATES] for _, own in groups if len(own) > 1]
    if not sets:
        raise TaskNotApplicable("no perturbation has two wells")
    of_set = np.repeat(np.arange(len(sets)), [len(own) for own in sets])
    sets = [sets[number] for number in np.unique(of_set[draw_whole(of_set, _MOST_WELLS, rng)])]
    taken = np.sort(np.concatenate(sets))
    kept = np.union1d(taken, np.flatnonzero(wells.control)) if against_controls else taken
    obs, names = wells.profiles.obs.iloc[kept], names[kept]
    queries = np.searchsorted(kept, taken)
    longest = max(len(own) for own in sets)
    positives = np.tile(queries[:, None], (1, longest))
    counted = np.zeros(positives.shape, dtype=bool)
    for own in (np.searchsorted(kept, own) for own in sets):
        rows = np.searchsorted(queries, own)
        positives[rows, : len(own)] = own
        counted[rows, : len(own)] = own[:, None] != own
    if against_controls:
        negative = wells.control[kept] & (wells.plate[kept][queries][:, None] == wells.plate[kept])
    else:
        negative = names[queries][:, None] != names
    return Candidates(obs, queries, names[queries], positives, counted, negative)


def equal_in_number(whole: Candidates, fewer: Candidates, rng: np.random.Generator) -> tuple[Candidates, Candidates]:
    """Return both with as many positives and negatives for each query, drawn at random where one has more.

    Average precision rises as candidates become fewer, even between chance and one: only equal numbers can be compared.
    """
    parts = []
    for masks in ((whole.counted, fewer.counted), (whole.negative, fewer.negative)):
        most = np.minimum(*(mask.sum(axis=1) for mask in masks))[:, None]
        parts.append([_draw(mask, most, rng) for mask in masks])
    (whole_counted, counted), (whole_negative, negative) = parts
    return whole.restrict(whole_counted, whole_negative), fewer.restrict(counted, negative)


def _draw(mask: NDArray[np.bool_], most: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask with at most so many true in each row, drawn at random."""
    rows = np.flatnonzero(mask.sum(axis=1) > most[:, 0])
    result = mask.copy()
    keys = np.where(mask[rows], rng.random((len(rows), mask.shape[1]), dtype=np.float32), 2.0)
    limit = np.take_along_axis(np.sort(keys, axis=1), np.maximum(most[rows] - 1, 0), axis=1)
    result[rows] = (keys <= limit) & (most[rows] > 0)
    return result
