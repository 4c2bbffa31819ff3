"""Is an encoder told from copies of itself in which truth is diluted?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.diagnosis.rescore import rescore, sample_rows
from phenolens.evaluation import ALPHA, joint_draws, paired_p, values_by_unit
from phenolens.tasks import Task

STEP = 0.25
_SHARES = tuple(np.arange(0, 1 + STEP, STEP).tolist())


@dataclass(frozen=True)
class Dilution:
    """What a question tells of an encoder and of diluted copies of it.

    Attributes
    ----------
    finest
        The smallest share of the variance whose loss is told, with all larger ones; NaN if not even that of all is.
    sensitivity
        The probability that of two copies one step of 25 % apart the better scores higher on units that are drawn anew,
        the mean over the steps; about 0.5 where nothing is told, NaN with fewer than two units.
    """

    finest: float
    sensitivity: float


def tell_dilutions(task: Task, rows: AnnData, how: str, *, seed: int = 0) -> Dilution:
    """Ask a question of an encoder, and of copies of it that are known to be worse.

    Of a copy 25, 50, 75 or 100 % of the variance is that of other wells, drawn at random (`dilute`): its distribution
    stays, and truth alone is lost. A loss is told if the copy scores lower and p is at most 0.05 (`paired_p`). Copies
    are tested from the worst on until one is not told, so that the chance to be wrong about any of them is 5 %.

    Parameters
    ----------
    task
        The question.
    rows
        The profiles that it is asked of; see `sample_rows` for which of many.
    how
        The post-processing, which names the draws.
    seed
        Of wells, permutations and bootstrap.

    Raises
    ------
    TaskNotApplicable
        If these rows cannot answer it.
    """
    rows = sample_rows(task, rows, seed=seed)
    x = np.asarray(rows.X, dtype=np.float64)
    donors = draw_donors(rows.obs, spawn(seed, "donors", task.id, how))
    scores = [rescore(task, rows, dilute(x, donors, share), how, seed=seed) for share in _SHARES]
    values, inflation = [values_by_unit(score) for score in scores], scores[0].se_inflation
    named = {str(share): own for share, own in zip(_SHARES, values, strict=True)}
    joint = joint_draws(named, spawn(seed, "dilution", task.id, how), se_inflation=inflation)
    mean, draws = joint.mean, joint.draws
    if joint.n_units < 2:
        return Dilution(float("nan"), float("nan"))
    better, worse = draws[:, :-1], draws[:, 1:]
    finest = float("nan")
    for number in range(len(_SHARES) - 1, 0, -1):
        p = paired_p(values[0], values[number], spawn(seed, "dilution p", task.id, how), se_inflation=inflation)
        if mean[number] >= mean[0] or p > ALPHA:
            break
        finest = _SHARES[number]
    return Dilution(finest, float(((better > worse) + (better == worse) / 2).mean()))


def dilute(x: NDArray[np.float64], donors: NDArray[np.intp], share: float) -> NDArray[np.float64]:
    """Return rows (n, d) of whose variance a share is that of other rows, `donors` (n,)."""
    centre = x.mean(axis=0)
    return centre + np.sqrt(1 - share) * (x - centre) + np.sqrt(share) * (x[donors] - centre)


def draw_donors(obs: pd.DataFrame, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return for each row (n,) a row of the well that a permutation of wells puts in the place of its own.

    The sites of one well get those of one other, in turn. Where wells are not known, each row is one.
    """
    by_well = {"plate", "well"} <= set(obs.columns)
    wells = obs.groupby(["plate", "well"], sort=False, observed=True, dropna=False).ngroup() if by_well else None
    codes = np.arange(len(obs)) if wells is None else wells.to_numpy()
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    donors = np.empty(len(obs), dtype=np.intp)
    for own, other in zip(members, rng.permutation(len(members)), strict=True):
        donors[own] = np.resize(members[other], len(own))
    return donors
