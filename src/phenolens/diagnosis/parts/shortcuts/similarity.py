"""How an encoder's similarities of wells follow those of a shortcut and of the treatment, each beyond the other."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.stats import rankdata

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.confounding import find_biology
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import SimilarityStructure
from phenolens.evaluation import Estimate, Evaluation, Skipped
from phenolens.metrics import cosine_similarity
from phenolens.tasks import draw_whole

PART = "similarities"

_MOST_ROWS = 1000
_FOLDS = 20  # of the jackknife, and the fewest treatments
_STUDENT = 2.093  # 97.5 % of Student's t with 19 degrees of freedom


def compare_similarities(evaluation: Evaluation, covariates: Mapping[str, pd.DataFrame]) -> Found:
    """Correlate similarities of treated wells with those of a shortcut and of biology, each beyond the other.

    Over all pairs of wells, the cosine of their vectors (its rank) is correlated with the nearness of the shortcut (the
    rank of the distance, reversed) while the sameness of the treatment (or label) is held fixed, and the other way
    round: partial correlations of three similarity matrices.

    Parameters
    ----------
    evaluation
        The vectors of encoders under test; they are averaged to wells, at most 1,000, and centred.
    covariates
        Shortcut -> measurements of wells.

    Returns
    -------
    One record per encoder and shortcut, the mean over seeds, with 95 % limits of a jackknife over a twentieth of the
    treatments at a time.

    Raises
    ------
    ProfilingError
        If sites cannot be averaged to wells.
    """
    if not covariates:
        return Found(skipped=(Skipped(PART, "no shortcut was measured"),))
    rows: list[dict[str, str | float]] = []
    skipped = []
    for encoder in evaluation.profiles.tested():
        wells = evaluation.profiles.averaged(encoder)
        name = evaluation.profiles.infos[encoder].name
        for shortcut, known in covariates.items():
            try:
                correlations = _correlate_wells(wells, known, evaluation.settings.seed)
            except TaskNotApplicable as error:
                skipped.append(Skipped(PART, str(error), what=shortcut))
                continue
            rows.append({"encoder": name, "shortcut": shortcut, **correlations})
    return Found(_mean_over_seeds(rows), tuple(skipped))


def _mean_over_seeds(rows: list[dict[str, str | float]]) -> tuple[SimilarityStructure, ...]:
    if not rows:
        return ()
    means = pd.DataFrame(rows).groupby(["encoder", "shortcut"], sort=False, as_index=False).mean()
    records = []
    for row in means.itertuples():
        n_treatments = int(row.n_treatments)
        follows = Estimate(row.follows, row.low, row.high, n_treatments)
        biology = Estimate(row.biology, row.biology_low, row.biology_high, n_treatments)
        records.append(SimilarityStructure(row.encoder, row.shortcut, follows, biology, row.biology_alone, row.n_rows))
    return tuple(records)


def _correlate_wells(wells: AnnData, covariates: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return both partial correlations with their limits, and that with biology alone."""
    labels = find_biology(wells.obs)
    labels = labels[labels.index.isin(covariates.index)]
    taken = labels.index[draw_whole(labels.to_numpy(), _MOST_ROWS, spawn(seed, "similarity"))]
    codes = pd.factorize(labels[taken])[0]
    n_treatments = len(set(codes))
    if n_treatments < _FOLDS:
        raise TaskNotApplicable(f"needs wells of at least {_FOLDS} treatments, found {n_treatments}")
    alike = _cosines(np.asarray(wells[taken].X))
    near = _nearness(covariates.loc[taken].to_numpy(dtype=np.float64))
    same = (codes[:, None] == codes).astype(np.float64)
    fold = spawn(seed, "similarity parts").permutation(codes.max() + 1)[codes] % _FOLDS
    value, error = _jackknife([_ranks(alike), _ranks(near), same], fold)
    low, high = np.maximum(value - error, -1.0), np.minimum(value + error, 1.0)
    return {
        "follows": value[0],
        "low": low[0],
        "high": high[0],
        "biology": value[1],
        "biology_low": low[1],
        "biology_high": high[1],
        "biology_alone": value[2],
        "n_rows": len(taken),
        "n_treatments": n_treatments,
    }


def _cosines(x: NDArray[np.floating]) -> NDArray[np.float64]:
    x = np.asarray(x, dtype=np.float64)  # a common part would be rounded away in float32
    return cosine_similarity(x - x.mean(axis=0))


def _nearness(known: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = known.std(axis=0)
    known = known / np.where(scale > 0, scale, 1.0)
    return -np.linalg.norm(known[:, None] - known, axis=2)


def _jackknife(
    matrices: list[NDArray[np.float64]], fold: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what `_correlate` says of three matrices, and the errors (half the 95 % intervals) without a fold each.

    Sums over pairs of wells are kept by the folds of both, so that those without a fold are differences.
    """
    n = len(fold)
    member = (fold[:, None] == np.arange(_FOLDS)).astype(np.float64)
    diagonal = np.eye(n, dtype=bool)
    products = [np.ones((n, n)), *matrices, *(a * b for a in matrices for b in matrices)]
    blocks = np.stack([member.T @ np.where(diagonal, 0, product) @ member for product in products])
    whole = blocks.sum(axis=(1, 2))
    touching = blocks.sum(axis=1) + blocks.sum(axis=2) - np.diagonal(blocks, axis1=1, axis2=2)
    without = np.array([_correlate(whole - of_fold) for of_fold in touching.T])
    variance = (_FOLDS - 1) / _FOLDS * ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    return _correlate(whole), np.sqrt(variance) * _STUDENT


def _correlate(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return correlations with an encoder's similarities from sums over pairs.

    With the shortcut's given biology, with biology given the shortcut, and with biology.
    """
    mean = sums[1:4] / sums[0]
    covariance = sums[4:].reshape(3, 3) / sums[0] - np.outer(mean, mean)
    scale = np.sqrt(np.clip(np.diag(covariance), np.finfo(float).tiny, None))
    r = covariance / np.outer(scale, scale)
    es, eb, sb = r[0, 1], r[0, 2], r[1, 2]
    left_s, left_b, left_both = (np.sqrt(max(1 - value**2, 1e-12)) for value in (es, eb, sb))
    return np.array([(es - eb * sb) / (left_b * left_both), (eb - es * sb) / (left_s * left_both), eb])


def _ranks(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a symmetric matrix whose pairs are ranked, ties alike, scaled to 0..1."""
    upper = np.triu_indices(len(matrix), 1)
    ranks = np.zeros_like(matrix)
    ranks[upper] = rankdata(matrix[upper]) / len(upper[0])
    return ranks + ranks.T
