"""Does the ranking of encoders depend on how a question is asked?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.diagnosis.rescore import rescore, sample_rows
from phenolens.evaluation import Question, joint_draws, values_by_unit
from phenolens.metrics import distances, mean_defined, percentile_interval
from phenolens.tasks import Task

_FEWEST_FAMILIES = 4
_MOST_WELLS = 1000
_JITTER = 1e-9  # below what counts as a tie

Values = Mapping[str, pd.DataFrame]


def rank_agreement(
    protocols: Sequence[tuple[Values, Values]], question: tuple[str, str], *, se_inflation: float = 1.0, seed: int = 0
) -> tuple[float, float, float, int]:
    """Return how well the ranking of families agrees with that under other protocols: Kendall's tau b.

    Parameters
    ----------
    protocols
        For each, family -> values and weights by (unit, stratum) as the question is asked, and under the protocol.
    question
        Task and profiling, which name the draws.
    se_inflation
        As in `joint_draws`.
    seed
        Of the bootstrap.

    Returns
    -------
    The mean tau, its 95 % interval over the units that both rankings have, and the number of protocols that it is the
    mean of: those under which at least four families can be ranked. NaN where there is none.
    """
    taus, drawn = [], []
    for here, there in protocols:
        both = [family for family in here if family in there]
        if len(both) < _FEWEST_FAMILIES:
            continue
        values = {f"here {family}": here[family] for family in both}
        values |= {f"there {family}": there[family] for family in both}
        joint = joint_draws(values, spawn(seed, "stability", *question), se_inflation=se_inflation)
        if joint.n_units < 2:
            continue
        tau = _kendall(*np.split(joint.mean[None], 2, axis=1))[0]
        if np.isfinite(tau):
            taus.append(tau)
            drawn.append(_kendall(*np.split(joint.draws, 2, axis=1)))
    if not taus:
        return float("nan"), float("nan"), float("nan"), 0
    over_protocols = mean_defined(np.stack(drawn, axis=1))
    low, high = percentile_interval(over_protocols[np.isfinite(over_protocols)])
    return float(np.mean(taus)), low, high, len(taus)


def _kendall(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return tau b (b,) between each row of two tables (b, m); NaN where one of them is all ties."""
    i, j = np.triu_indices(one.shape[1], 1)
    signs = [np.sign(values[:, i] - values[:, j]) for values in (one, other)]
    untied = np.sqrt(np.prod([(own**2).sum(axis=1) for own in signs], axis=0))
    return np.divide((signs[0] * signs[1]).sum(axis=1), untied, out=np.full(len(one), np.nan), where=untied > 0)


def other_protocols(question: Question, questions: Sequence[Question]) -> list[dict[str, pd.DataFrame]]:
    """Return the encoders' values in the questions that ask the same otherwise: post-processed or probed otherwise."""
    subject = question.task.subject
    return [other.values for other in questions if other is not question and other.task.subject == subject]


def by_distance(
    task: Task, families: Mapping[str, AnnData], how: str, *, seed: int = 0
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Return the families' values by cosine and by Euclidean distance, on at most 1,000 wells of whole perturbations.

    Parameters
    ----------
    task
        The question.
    families
        Family -> the profiles that it is asked of.
    how
        The post-processing, which names the permutations.
    seed
        Of wells and permutations.

    Raises
    ------
    TaskNotApplicable
        If so few wells cannot answer it.
    """
    cosine, euclidean = {}, {}
    for family, own in families.items():
        wells = sample_rows(task, own, most=_MOST_WELLS, seed=seed)
        x = np.asarray(wells.X, dtype=np.float64)
        cosine[family] = values_by_unit(rescore(task, wells, x, how, seed=seed))
        euclidean[family] = values_by_unit(rescore(task, wells, euclidean_as_cosine(x), how, seed=seed))
    return cosine, euclidean


def euclidean_as_cosine(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors (n, n) whose cosines rank rows as the Euclidean distances between those of `x` (n, d) do.

    They are the root of the rational quadratic kernel, which falls with the distance and is positive definite in any
    number of dimensions (Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006).
    """
    between = distances(x)
    scale = np.median(between[np.triu_indices(len(x), 1)]) or 1.0
    return np.asarray(np.linalg.cholesky(1 / (1 + (between / scale) ** 2) + _JITTER * np.eye(len(x))), dtype=np.float64)
