"""The score that is known to be reachable in spite of the noise between replicates."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.datasets import condition_names, treated
from phenolens.diagnosis.rescore import rescore, sample_rows
from phenolens.evaluation import select_shared
from phenolens.metrics import ledoit_wolf
from phenolens.profiling import Sphering
from phenolens.tasks import Task

_COMPONENTS = 64  # of each encoder
_FEWEST_REPLICATED = 2  # perturbations of a half


def reachable_score(
    task: Task, profiles: Mapping[str, AnnData], chance: float, profiling: str, *, seed: int = 0
) -> float:
    """Return a score that is known to be reachable: what all encoders together reach once their noise is known.

    Their vectors are put side by side and whitened by how replicates differ, as one half of the perturbations shows it;
    the other half is scored, and the other way round. It is a lower bound: other vectors, or better knowledge of the
    noise, may reach more.

    On a half there are fewer wells to be mistaken for, so that scores are higher than on the whole. A precision of
    1 / (1 + w) has w wrong wells before each right one, and w grows with the wells that there are; by how much, the two
    chance levels show.

    Parameters
    ----------
    task
        The task.
    profiles
        Encoder -> the profiles that are scored; see `sample_rows` for which of many. There are no oracles among them:
        what knows the truth is no finding about images.
    chance
        Of the whole.
    profiling
        The post-processing, which names the permutations.
    seed
        Of wells, halves and permutations.

    Raises
    ------
    TaskNotApplicable
        If there are too few perturbations with replicates, rows cannot be matched, or there are only oracles.
    ProfilingError
        If replicates do not differ at all.
    """
    if not profiles:
        raise TaskNotApplicable("there are only oracles")
    profiles = select_shared(profiles)
    rows = sample_rows(task, next(iter(profiles.values())), seed=seed)
    together = pool([np.asarray(each[rows.obs_names].X) for each in profiles.values()])
    halves = whiten_halves(rows, together, seed=seed)
    scores = [rescore(task, half, white, profiling, with_chance=True, seed=seed) for half, white in halves]
    reached = np.mean([score.value for score in scores])
    by_chance = np.mean([score.chance for score in scores])
    wrong = (1 - reached) / reached * (1 - chance) / chance * by_chance / (1 - by_chance)
    return float(1 / (1 + wrong))


def pool(vectors: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return the standardised vectors of several encoders side by side, each as at most 64 principal components."""
    reduced = []
    for each in vectors:
        x = StandardScaler().fit_transform(each.astype(np.float64))
        components = PCA(min(_COMPONENTS, *x.shape), svd_solver="covariance_eigh")
        reduced.append(components.fit_transform(x) if x.any() else x[:, :1])  # of no variance there are no shares
    return np.concatenate(reduced, axis=1)


def whiten_halves(rows: AnnData, x: NDArray[np.float64], *, seed: int = 0) -> list[tuple[AnnData, NDArray[np.float64]]]:
    """Return each half of the perturbations, and all controls, whitened by how replicates of the other half differ.

    No perturbation is scored in a space that its replicates have shaped, in which they would be alike by construction;
    nor do controls take part in shaping it.

    Parameters
    ----------
    rows
        Wells (n, d).
    x
        Vectors (n, k) of theirs.
    seed
        Of the halves.

    Returns
    -------
    The wells of each half, and their whitened vectors.

    Raises
    ------
    TaskNotApplicable
        If a half has fewer than two perturbations with replicates.
    ProfilingError
        If replicates do not differ at all.
    """
    wells = treated(rows.obs).to_numpy()
    names, conditions = rows.obs["perturbation"].astype(str).to_numpy(), condition_names(rows.obs).to_numpy()
    distinct = np.unique(names[wells])
    first = np.isin(names, spawn(seed, "halves").permutation(distinct)[: len(distinct) // 2])
    result = []
    for scored in (first, ~first):
        fitted = wells & ~scored
        groups = pd.DataFrame(x[fitted]).groupby(conditions[fitted])
        if (groups.size() > 1).sum() < _FEWEST_REPLICATED:
            raise TaskNotApplicable("too few perturbations have replicates for half of them to show how they differ")
        replicated = (groups[0].transform("size") > 1).to_numpy()
        residuals = (x[fitted] - groups.transform("mean").to_numpy())[replicated]
        whitening = Sphering(shrinkage=ledoit_wolf(residuals)).fit(residuals)
        kept = scored | ~wells
        result.append((rows[kept], whitening.transform(x[kept])))
    return result
