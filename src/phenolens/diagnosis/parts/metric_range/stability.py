"""How far the ranking of encoders depends on the protocol by which they are scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.diagnosis.rescore import rescore, sample_rows
from phenolens.evaluation import Estimate, Question, UnitValues, joint_draws, values_by_unit
from phenolens.metrics import distances, mean_defined, percentile_interval
from phenolens.tasks import Task

_FEWEST_ENCODERS = 4
_MOST_WELLS = 1000
_JITTER = 1e-9  # below what counts as a tie


@dataclass(frozen=True, eq=False)
class ProtocolPair:
    """Encoder -> values by unit in a question, and the same under another protocol."""

    one: Mapping[str, UnitValues]
    other: Mapping[str, UnitValues]


@dataclass(frozen=True)
class RankAgreement:
    """How well the ranking of encoders agrees with that under other protocols.

    Attributes
    ----------
    tau
        The mean Kendall's tau b, its 95 % interval over the units that both rankings have, and the fewest units of any.
    n_protocols
        The number of protocols that it is the mean of: those under which at least four encoders can be ranked.
    """

    tau: Estimate = field(default_factory=Estimate)
    n_protocols: int = 0


def rank_agreement(
    protocols: Sequence[ProtocolPair], question: tuple[str, str], *, se_inflation: float = 1.0, seed: int = 0
) -> RankAgreement:
    """Return how well rankings agree.

    Parameters
    ----------
    protocols
        The question beside each other protocol.
    question
        Task and profiling, which name the draws.
    se_inflation
        As in `joint_draws`.
    seed
        Of the bootstrap.
    """
    taus, drawn, n_units = [], [], []
    for protocol in protocols:
        shared = [encoder for encoder in protocol.one if encoder in protocol.other]
        if len(shared) < _FEWEST_ENCODERS:
            continue
        values = {f"one {encoder}": protocol.one[encoder] for encoder in shared}
        values |= {f"other {encoder}": protocol.other[encoder] for encoder in shared}
        joint = joint_draws(values, spawn(seed, "stability", *question), se_inflation=se_inflation)
        if joint.n_clusters < 2:
            continue
        tau = _kendall(*np.split(joint.mean[None], 2, axis=1))[0]
        if np.isfinite(tau):
            taus.append(tau)
            drawn.append(_kendall(*np.split(joint.draws, 2, axis=1)))
            n_units.append(joint.n_units)
    if not taus:
        return RankAgreement()
    over_protocols = mean_defined(np.stack(drawn, axis=1))
    limits = percentile_interval(over_protocols[np.isfinite(over_protocols)])
    return RankAgreement(Estimate(float(np.mean(taus)), *limits, min(n_units)), len(taus))


def _kendall(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return tau b (b,) between each row of two tables (b, m); NaN where one of them is all ties."""
    i, j = np.triu_indices(one.shape[1], 1)
    one_sign = np.sign(one[:, i] - one[:, j])
    other_sign = np.sign(other[:, i] - other[:, j])
    untied = np.sqrt((one_sign**2).sum(axis=1) * (other_sign**2).sum(axis=1))
    return np.divide((one_sign * other_sign).sum(axis=1), untied, out=np.full(len(one), np.nan), where=untied > 0)


def other_protocols(question: Question, questions: Sequence[Question]) -> list[ProtocolPair]:
    """Return a question beside those that score the same subject after other post-processing or by another probe."""
    found = []
    for other in questions:
        if other is not question and other.task.subject == question.task.subject:
            found.append(ProtocolPair(question.values, other.values))
    return found


def by_distance(task: Task, profiles: Mapping[str, AnnData], profiling: str, *, seed: int = 0) -> ProtocolPair:
    """Return values by cosine beside those by Euclidean distance, on at most 1,000 wells of whole perturbations.

    Parameters
    ----------
    task
        The task.
    profiles
        Encoder -> the profiles that it scores.
    profiling
        The post-processing, which names the permutations.
    seed
        Of wells and permutations.

    Raises
    ------
    TaskNotApplicable
        If so few wells cannot be scored.
    """
    cosine, euclidean = {}, {}
    for encoder, rows in profiles.items():
        wells = sample_rows(task, rows, most=_MOST_WELLS, seed=seed)
        x = np.asarray(wells.X, dtype=np.float64)
        cosine[encoder] = values_by_unit(rescore(task, wells, x, profiling, seed=seed))
        euclidean[encoder] = values_by_unit(rescore(task, wells, euclidean_as_cosine(x), profiling, seed=seed))
    return ProtocolPair(cosine, euclidean)


def euclidean_as_cosine(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors (n, n) whose cosines rank rows as the Euclidean distances between those of `x` (n, d) do.

    They are the root of the rational quadratic kernel, which falls with the distance and is positive definite in any
    number of dimensions (Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006).
    """
    between = distances(x)
    scale = np.median(between[np.triu_indices(len(x), 1)]) or 1.0
    return np.asarray(np.linalg.cholesky(1 / (1 + (between / scale) ** 2) + _JITTER * np.eye(len(x))), dtype=np.float64)
