"""Whose similarities are they? An encoder's beside those of biology and of a shortcut, each beyond the other."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.stats import rankdata

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.confounding import find_biology
from phenolens.metrics import unit_rows
from phenolens.profiling import profile
from phenolens.tasks import draw_whole

COLUMNS = ("family", "shortcut", "follows", "low", "high", "biology", "biology_low", "biology_high", "alone", "rows")
_MOST_ROWS = 1000
_PARTS = 20  # of the jackknife
FEWEST_TREATMENTS = _PARTS
_STUDENT = 2.093  # 97.5 % of Student's t with 19 degrees of freedom


def compare_similarities(
    embeddings: Mapping[str, AnnData],
    covariates: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Say how an encoder's similarities of treated wells follow a shortcut's, and biology's, each beyond the other.

    Over all pairs of wells, the cosine of their vectors (its rank) is correlated with the nearness of the shortcut (the
    rank of the distance, turned round) while the sameness of the treatment is held fixed, and the other way round:
    partial correlations of three similarity matrices.

    Parameters
    ----------
    embeddings
        Encoder under test (with its seed) -> its vectors of sites, averaged to wells and around their mean.
    covariates
        Shortcut -> measurements of wells.
    names
        Encoder with its seed -> its name.
    seed
        Which treatments are taken where there are more than 1,000 wells.

    Returns
    -------
    One row per family and shortcut: ``follows``, the partial correlation with the shortcut given the treatment (or
    label); ``biology``, that with the treatment given the shortcut; both with 95 % limits of a jackknife over a
    twentieth of the treatments at a time; ``alone``, the correlation with the treatment when nothing is held fixed; and
    the number of wells.
    """
    rows = []
    for name, sites in embeddings.items():
        wells = profile(sites, "raw", level="well")
        try:
            labels = find_biology(wells.obs)
        except TaskNotApplicable:
            continue
        for shortcut, known in covariates.items():
            asked = labels[labels.index.isin(known.index)]
            taken = asked.index[draw_whole(asked.to_numpy(), _MOST_ROWS, spawn(seed, "similarity"))]
            codes = pd.factorize(asked[taken])[0]
            if len(set(codes)) < FEWEST_TREATMENTS:
                continue
            found = _partial(np.asarray(wells[taken].X), known.loc[taken].to_numpy(dtype=np.float64), codes, seed)
            rows.append({"family": names[name], "shortcut": shortcut, "rows": len(taken)} | found)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.groupby(["family", "shortcut"], sort=False, as_index=False).mean()


def _partial(
    x: NDArray[np.float64], known: NDArray[np.float64], codes: NDArray[np.intp], seed: int
) -> dict[str, float]:
    """Return both partial correlations with their limits, and that with biology alone."""
    scale = known.std(axis=0)
    known = known / np.where(scale > 0, scale, 1.0)
    unit = unit_rows(x - x.mean(axis=0))
    near = -np.linalg.norm(known[:, None] - known, axis=2)
    matrices = [_ranks(np.round(unit @ unit.T, 9)), _ranks(near), (codes[:, None] == codes).astype(np.float64)]
    part = spawn(seed, "similarity parts").permutation(codes.max() + 1)[codes] % _PARTS
    member = (part[:, None] == np.arange(_PARTS)).astype(np.float64)
    diagonal = np.eye(len(x), dtype=bool)
    products = [np.ones((len(x), len(x))), *matrices, *(a * b for a in matrices for b in matrices)]
    blocks = np.stack([member.T @ np.where(diagonal, 0, product) @ member for product in products])
    whole = blocks.sum(axis=(1, 2))
    touching = blocks.sum(axis=1) + blocks.sum(axis=2) - np.diagonal(blocks, axis1=1, axis2=2)
    value, left = _correlate(whole), np.array([_correlate(whole - own) for own in touching.T])
    error = np.sqrt((_PARTS - 1) / _PARTS * ((left - left.mean(axis=0)) ** 2).sum(axis=0)) * _STUDENT
    low, high = np.maximum(value - error, -1.0), np.minimum(value + error, 1.0)
    return {
        "follows": value[0],
        "low": low[0],
        "high": high[0],
        "biology": value[1],
        "biology_low": low[1],
        "biology_high": high[1],
        "alone": float(value[2]),
    }


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
