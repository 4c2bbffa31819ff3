"""Copies of an encoder in which truth is diluted, and which of these losses a metric detects."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.diagnosis.records import DILUTION_STEP, NAN
from phenolens.diagnosis.rescore import rescore, sample_rows
from phenolens.evaluation import ALPHA, JointDraws, joint_draws, paired_p, values_by_unit
from phenolens.metrics import least_sign_flip_p, minimum_detectable_effect
from phenolens.tasks import Task

_SHARES = tuple(np.arange(0, 1 + DILUTION_STEP, DILUTION_STEP).tolist())


@dataclass(frozen=True)
class Dilution:
    """The losses that a metric detects in diluted copies of an encoder.

    Attributes
    ----------
    finest
        The smallest share of the variance whose loss is detected, with all larger ones; NaN if not even that of all is.
    sensitivity
        The probability that of two copies one step of 25 % apart the better scores higher on units that are drawn anew,
        the mean over the steps; about 0.5 where nothing is detected, NaN with fewer than two units.
    n_units, n_clusters
        How many units were compared, and of how many clusters that are independent of each other.
    least_p
        The p value of a difference that is equal in all of these (`least_sign_flip_p`).
    clusters_needed
        Where such a difference is not significant, the next larger number in which it would be. Otherwise about how
        many it takes to detect the loss of all variance, four times in five, if they differ as these do; NaN if the
        copy without any truth scores no lower.
    """

    finest: float = NAN
    sensitivity: float = NAN
    n_units: int = 0
    n_clusters: int = 0
    least_p: float = NAN
    clusters_needed: float = NAN


def detect_dilution(task: Task, rows: AnnData, profiling: str, *, seed: int = 0) -> Dilution:
    """Score an encoder, and copies of it that are known to be worse.

    Of a copy 25, 50, 75 or 100 % of the variance is that of other wells, drawn at random (`dilute`): its distribution
    stays, and truth alone is lost. A loss is detected if the copy scores lower and p is at most 0.05 (`paired_p`).
    Copies are tested from the worst on until one is not detected, so that the chance to be wrong about any of them is
    5 %.

    Parameters
    ----------
    task
        The task.
    rows
        The profiles that it scores; see `sample_rows` for which of many.
    profiling
        The post-processing, which names the draws.
    seed
        Of wells, permutations and bootstrap.

    Raises
    ------
    TaskNotApplicable
        If these rows cannot be scored.
    """
    rows = sample_rows(task, rows, seed=seed)
    x = np.asarray(rows.X, dtype=np.float64)
    donors = draw_donors(rows.obs, spawn(seed, "donors", task.id, profiling))
    scores = [rescore(task, rows, dilute(x, donors, share), profiling, seed=seed) for share in _SHARES]
    values = {f"copy {number}": values_by_unit(score) for number, score in enumerate(scores)}
    inflation = scores[0].se_inflation
    joint = joint_draws(values, spawn(seed, "dilution", task.id, profiling), se_inflation=inflation)
    tested = Dilution(
        n_units=joint.n_units,
        n_clusters=joint.n_clusters,
        least_p=least_sign_flip_p(joint.n_clusters, se_inflation=inflation),
        clusters_needed=_clusters_needed(joint, inflation),
    )
    if joint.n_clusters < 2:
        return tested
    finest = NAN
    for number in range(len(_SHARES) - 1, 0, -1):
        pair = values["copy 0"], values[f"copy {number}"]
        p = paired_p(*pair, spawn(seed, "dilution p", task.id, profiling), se_inflation=inflation)
        if joint.mean[number] >= joint.mean[0] or p > ALPHA:
            break
        finest = _SHARES[number]
    better, worse = joint.draws[:, :-1], joint.draws[:, 1:]
    sensitivity = float(((better > worse) + (better == worse) / 2).mean())
    return replace(tested, finest=finest, sensitivity=sensitivity)


def _clusters_needed(joint: JointDraws, inflation: float) -> float:
    """Return how many clusters it takes for equal differences to be significant or, if these are, for those found."""
    enough = joint.n_clusters
    while least_sign_flip_p(enough, se_inflation=inflation) > ALPHA:
        enough += 1
    if enough > joint.n_clusters:
        return float(enough)
    lost = float(joint.mean[0] - joint.mean[-1])
    if lost <= 0:
        return NAN
    detectable = minimum_detectable_effect(float((joint.draws[:, 0] - joint.draws[:, -1]).std()))
    return float(np.ceil(joint.n_clusters * (detectable / lost) ** 2))


def dilute(x: NDArray[np.float64], donors: NDArray[np.intp], share: float) -> NDArray[np.float64]:
    """Return rows (n, d) of whose variance a share is that of other rows, `donors` (n,)."""
    centre = x.mean(axis=0)
    return centre + np.sqrt(1 - share) * (x - centre) + np.sqrt(share) * (x[donors] - centre)


def draw_donors(obs: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return for each row (n,) a row of the well that a permutation of wells puts in the place of the row's well.

    The sites of one well get those of one other, in turn. Where wells are not known, each row is one.
    """
    codes = np.arange(len(obs))
    if {"plate", "well"} <= set(obs.columns):
        codes = obs.groupby(["plate", "well"], sort=False, observed=True, dropna=False).ngroup().to_numpy()
    rows_of_wells = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    donors = np.empty(len(obs), dtype=np.intp)
    for rows, donor_well in zip(rows_of_wells, rng.permutation(len(rows_of_wells)), strict=True):
        donors[rows] = np.resize(rows_of_wells[donor_well], len(rows))
    return donors
