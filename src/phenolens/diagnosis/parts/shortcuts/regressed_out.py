"""What is left of a score once a shortcut has been regressed out of the vectors."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import WithoutShortcut
from phenolens.diagnosis.retention import compare_retention, skipped_after
from phenolens.evaluation import Evaluation, Skipped
from phenolens.profiling import Level, RegressOut

PART = "shortcuts"

_FEWEST_ROWS = 2
_CONTROLS = 20  # for each covariate, or the error of its slope would itself distinguish perturbations


def compare_regressed_out(evaluation: Evaluation, shortcut: str, covariates: Mapping[Level, pd.DataFrame]) -> Found:
    """Score encoders under test once a shortcut has been regressed out of their vectors.

    The regression is fitted on negative controls, where there are enough: it takes away how the vectors follow the
    shortcut when nothing is perturbed, and leaves what a perturbation does besides. With few controls it is fitted on
    all rows, and takes away everything that goes with the shortcut. It is linear: what follows the shortcut by a curve
    is left.

    Parameters
    ----------
    evaluation
        The scores, and the vectors.
    shortcut
        What is regressed out.
    covariates
        Level -> measurements of the shortcut.

    Returns
    -------
    One record per question and encoder, over the rows that have the measurements.
    """
    found = Found()
    for level, known in covariates.items():
        found += _compare_at(level, evaluation, shortcut, known)
    return found


def _compare_at(level: Level, evaluation: Evaluation, shortcut: str, covariates: pd.DataFrame) -> Found:
    what = f"{shortcut}, regressed out"
    tasks = [task.without_p() for task in evaluation.tasks if task.aggregation == level]
    measured: dict[str, AnnData] = {}
    skipped: list[Skipped] = []
    all_measured = True
    for encoder in evaluation.profiles.tested():
        rows = evaluation.profiles.averaged(encoder, level)
        with_covariates = rows[rows.obs_names.isin(covariates.index)]
        if len(with_covariates) < _FEWEST_ROWS:
            reason = f"needs at least {_FEWEST_ROWS} rows in which it was measured, found {len(with_covariates)}"
            skipped.append(Skipped(PART, reason, what, encoder=encoder))
            continue
        measured[encoder] = with_covariates
        all_measured &= len(with_covariates) == len(rows)
    before = evaluation
    if not all_measured:  # among fewer rows, the score before is another one
        before = evaluation.rescore(measured, tasks)
        skipped += skipped_after(evaluation, before, PART, what)
    fit = _fitted_on(measured, covariates)
    residuals = {name: _without(rows, covariates, fit) for name, rows in measured.items()}
    after = evaluation.rescore(residuals, tasks)
    skipped += skipped_after(before, after, PART, what)
    records = []
    for retention in compare_retention(before, after):
        records.append(WithoutShortcut(**vars(retention), shortcut=shortcut, way="regressed out", fit=fit))
    return Found(tuple(records), tuple(skipped))


def _fitted_on(measured: Mapping[str, AnnData], covariates: pd.DataFrame) -> Literal["controls", "all"]:
    """Return what the regression is fitted on: controls, if every encoder has enough of them."""
    fewest = _CONTROLS * covariates.shape[1]
    return "controls" if all(_controls(rows).sum() >= fewest for rows in measured.values()) else "all"


def _controls(vectors: AnnData) -> NDArray[np.bool_]:
    if "role" not in vectors.obs:
        return np.zeros(len(vectors), dtype=bool)
    return (vectors.obs["role"] == NEGATIVE_CONTROL).to_numpy(dtype=bool)


def _without(vectors: AnnData, covariates: pd.DataFrame, fit: Literal["controls", "all"]) -> AnnData:
    """Return vectors with covariates of the same rows regressed out.

    This comes before any other post-processing and uses all controls, so that the same controls are held out and ranked
    as without it.
    """
    residuals = vectors.copy()
    known = covariates.loc[residuals.obs_names].to_numpy(dtype=np.float64)
    controls = _controls(residuals) if fit == "controls" else None
    residuals.X = RegressOut().fit_transform(residuals.X, controls=controls, covariates=known)
    return residuals
