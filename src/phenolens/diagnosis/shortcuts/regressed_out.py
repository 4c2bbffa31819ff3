"""What is left of a score once a shortcut has been regressed out of the vectors."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.retention import compare_retention
from phenolens.evaluation import Evaluation
from phenolens.profiling import Level, RegressOut, profile

_FEWEST_ROWS = 2
_CONTROLS = 20  # for each covariate, or the error of its slope would itself tell perturbations apart


def compare_regressed_out(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    covariates: Mapping[Level, pd.DataFrame],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Ask encoders again, once covariates have been regressed out of their vectors.

    The regression is fitted on negative controls, where there are enough: it takes away how the vectors follow the
    shortcut when nothing is perturbed, and leaves what a perturbation does besides. With few controls it is fitted on
    all rows, and takes everything away that goes with the shortcut. It is a straight line: what follows it by a curve
    is left.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of sites.
    evaluation
        What the tasks said of them.
    covariates
        Level -> measurements of the shortcut.
    seed
        Of the bootstrap.

    Returns
    -------
    What `compare_retention` says, of the rows that have the covariates; and ``fit``, what the regression was fitted on:
    `controls`, or `all` rows.
    """
    parts = []
    for level, known in covariates.items():
        asked = [task.without_p() for task in evaluation.tasks if task.aggregation == level]
        every = {name: profile(own, "raw", level=level) for name, own in embeddings.items()}
        measured = {name: own[own.obs_names.isin(known.index)] for name, own in every.items()}
        measured = {name: own for name, own in measured.items() if len(own) >= _FEWEST_ROWS}
        before = evaluation
        if any(len(own) < len(every[name]) for name, own in measured.items()):  # fewer rows are another question
            before = evaluation.rescore(measured, asked)
        enough = all(_controls(own).sum() >= _CONTROLS * known.shape[1] for own in measured.values())
        rest = {name: _without(own, known, controls_only=enough) for name, own in measured.items()}
        after = evaluation.rescore(rest, asked)
        parts.append(compare_retention(before, after, seed=seed).assign(fit="controls" if enough else "all"))
    return pd.concat(parts)


def _controls(vectors: AnnData) -> NDArray[np.bool_]:
    if "role" not in vectors.obs:
        return np.zeros(len(vectors), dtype=bool)
    return (vectors.obs["role"] == NEGATIVE_CONTROL).to_numpy(dtype=bool)


def _without(vectors: AnnData, covariates: pd.DataFrame, *, controls_only: bool) -> AnnData:
    """Return vectors with covariates of the same rows regressed out.

    Before any other post-processing, and on all controls: what follows holds out and ranks the same as without.
    """
    own = vectors.copy()
    known = covariates.loc[own.obs_names].to_numpy(dtype=np.float64)
    controls = _controls(own) if controls_only else None
    own.X = RegressOut().fit_transform(own.X, controls=controls, covariates=known)
    return own
