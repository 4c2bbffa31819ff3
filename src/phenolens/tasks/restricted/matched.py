"""Retrieval and probes among rows matched on the covariates of a shortcut."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks.restricted.candidates import Candidates

_CALIPER = 0.2  # standard deviations of a covariate
_PER_POSITIVE = 10  # negatives matched with each positive, at most
_FEWEST = 10  # smallest effective number of rows of a class


def match_candidates(candidates: Candidates, covariates: pd.DataFrame) -> Candidates:
    """Return candidates whose negatives are, for each query, similar to its positives in the covariates.

    Each positive is matched with the same number of negatives (at most ten), the nearest ones within 0.2 standard
    deviations per covariate (Austin, Pharm. Stat. 10, 2011). Positives without such a negative do not count.

    Parameters
    ----------
    candidates
        The positives and the negatives of each query.
    covariates
        Measurements (n, c) of the candidates and perhaps of other rows.
    """
    missing = ~candidates.obs.index.isin(covariates.index)
    known = covariates.reindex(candidates.obs.index).to_numpy(dtype=np.float64)
    scale = np.nanstd(known, axis=0)
    known = np.nan_to_num(known / np.where(scale > 0, scale, 1.0))
    reach = _CALIPER * np.sqrt(known.shape[1])
    counted, negative = candidates.counted.copy(), np.zeros_like(candidates.negative)
    for query, (positives, pool) in enumerate(zip(candidates.positives, candidates.negative, strict=True)):
        others = np.flatnonzero(pool & ~missing)
        near = np.linalg.norm(known[positives][:, None] - known[others], axis=2)
        within = (near <= reach).sum(axis=1) * ~missing[positives]
        counted[query] &= within > 0
        of_counted = near[counted[query]]
        if len(of_counted):
            each = min(_PER_POSITIVE, int(within[counted[query]].min()))
            negative[query, others[np.argpartition(of_counted, each - 1, axis=1)[:, :each].ravel()]] = True
    return candidates.restrict(counted, negative)


def match_predictions(rows: pd.DataFrame, covariates: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the accuracy of units, unweighted and weighted so that classes are balanced in the covariates.

    Weights give all classes the same distribution of covariates: generalised overlap weights (Li & Li, Ann. Appl. Stat.
    13, 2019) from a logistic regression on covariates, their squares and products. A prediction from the covariates
    alone is then right by chance only.

    Parameters
    ----------
    rows
        As `Probe.predict` returns them.
    covariates
        Measurements, by row name; rows without them are left out.

    Returns
    -------
    Value and weight by (unit, stratum), before and after. Values after are those of a linear approximation of the
    weighted mean: their mean equals it exactly, and they can be resampled in its place.

    Raises
    ------
    TaskNotApplicable
        If classes hardly overlap in the covariates.
    """
    rows = rows[rows.index.isin(covariates.index)]
    known = covariates.loc[rows.index].to_numpy(dtype=np.float64)
    rows = rows.assign(w=_overlap_weights(known, rows["stratum"].to_numpy()))
    worth = rows.groupby("stratum")["w"].agg(lambda w: w.sum() ** 2 / (w**2).sum())
    if worth.min() < _FEWEST:
        raise TaskNotApplicable(
            f"classes hardly overlap in the covariates: '{worth.idxmin()}' needs an effective number of {_FEWEST} "
            f"matched rows, found {worth.min():.0f}"
        )
    rows = rows.assign(hit=rows["w"] * rows["correct"])
    cells = rows.groupby(["unit", "stratum"], sort=True).agg(
        value=("correct", "mean"), weight=("correct", "size"), w=("w", "sum"), hit=("hit", "sum")
    )
    stratum = cells.groupby(level="stratum")[["weight", "w", "hit"]].transform("sum")
    matched = stratum["hit"] / stratum["w"]
    pull = (cells["hit"] - matched * cells["w"]) / stratum["w"] * stratum["weight"] / cells["weight"]
    weight = cells["weight"].astype(float)
    return (
        pd.DataFrame({"value": cells["value"], "weight": weight}),
        pd.DataFrame({"value": matched + pull, "weight": weight}),
    )


def _overlap_weights(covariates: NDArray[np.float64], labels: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the generalised overlap weight of each row, from the predicted probabilities of the classes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    model = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(), LogisticRegression(C=100.0)
    )
    shares = np.clip(model.fit(covariates, labels).predict_proba(covariates), 1e-12, None)
    of_class = shares[np.arange(len(labels)), np.searchsorted(model.classes_, labels)]
    return np.asarray(1 / (1 / shares).sum(axis=1) / of_class)
