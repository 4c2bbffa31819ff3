"""What is known to be reachable in spite of the noise between replicates."""

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


def reachable_score(task: Task, families: Mapping[str, AnnData], chance: float, how: str, *, seed: int = 0) -> float:
    """Return a score that is known to be reachable: what all families together reach once their noise is known.

    Their vectors are put side by side and whitened by how replicates differ, as one half of the perturbations shows it;
    the question is asked of the other half, and the other way round. It is a lower bound: other vectors, or better
    knowledge of the noise, may reach more.

    On a half there are fewer wells to be mistaken for, so that scores are higher than on the whole. A precision of
    1 / (1 + w) has w wrong wells before each right one, and w grows with the wells that there are; by how much, the two
    chance levels show.

    Parameters
    ----------
    task
        The question.
    families
        Encoder -> the profiles that it is asked of; see `sample_rows` for which of many. There are no oracles among
        them: what knows the truth is no finding about images.
    chance
        Of the whole.
    how
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
    if not families:
        raise TaskNotApplicable("there are only oracles")
    families = select_shared(families)
    rows = sample_rows(task, next(iter(families.values())), seed=seed)
    together = pool([np.asarray(own[rows.obs_names].X) for own in families.values()])
    scores = [rescore(task, half, white, how, seed=seed) for half, white in whiten_halves(rows, together, seed=seed)]
    reached, by_chance = np.mean([(score.value, score.chance) for score in scores], axis=0)
    wrong = (1 - reached) / reached * (1 - chance) / chance * by_chance / (1 - by_chance)
    return float(1 / (1 + wrong))


def pool(vectors: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return the standardised vectors of several encoders side by side, each as at most 64 principal components."""
    parts = []
    for own in vectors:
        x = StandardScaler().fit_transform(own.astype(np.float64))
        components = PCA(min(_COMPONENTS, *x.shape), svd_solver="covariance_eigh")
        parts.append(components.fit_transform(x) if x.any() else x[:, :1])  # of no variance there are no shares
    return np.concatenate(parts, axis=1)


def whiten_halves(rows: AnnData, x: NDArray[np.float64], *, seed: int = 0) -> list[tuple[AnnData, NDArray[np.float64]]]:
    """Return each half of the perturbations, and all controls, whitened by how replicates of the other half differ.

    No perturbation is asked in a space that its own replicates have shaped, in which they would be alike by
    construction; nor do controls take part in shaping it.

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
    for asked in (first, ~first):
        learned = wells & ~asked
        groups = pd.DataFrame(x[learned]).groupby(conditions[learned])
        if (groups.size() > 1).sum() < _FEWEST_REPLICATED:
            raise TaskNotApplicable("too few perturbations have replicates for half of them to show how they differ")
        replicated = (groups[0].transform("size") > 1).to_numpy()
        residuals = (x[learned] - groups.transform("mean").to_numpy())[replicated]
        whitening = Sphering(shrinkage=ledoit_wolf(residuals)).fit(residuals)
        kept = asked | ~wells
        result.append((rows[kept], whitening.transform(x[kept])))
    return result
