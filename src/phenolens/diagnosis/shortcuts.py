"""What is it using? How much of a score is left once a shortcut has been regressed out of the vectors."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.retention import COLUMNS, compare_retention
from phenolens.encoders import is_baseline
from phenolens.profiling import Level, RegressOut, profile
from phenolens.tasks import Evaluation, evaluate

# Shortcut -> the baseline that measures it, and its features.
_SHORTCUTS = {
    "cell count": ("cell-count", "*"),
    "intensity": ("pixel-statistics", "*_mean"),
    "position": ("well-position", "*"),
}
_CONTROLS = 20  # for each covariate, or the error of its slope would itself tell perturbations apart


def compare_shortcuts(
    embeddings: Mapping[str, AnnData],
    evaluation: Evaluation,
    *,
    batch_by: Sequence[str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Ask encoders under test again, once cell count, intensity or position has been regressed out of their vectors.

    The regression is fitted on negative controls, where there are enough: it takes away how the vectors follow the
    shortcut when nothing is perturbed, and leaves what a perturbation does besides. With few controls it is fitted on
    all rows, and takes everything away that goes with the shortcut. It is a straight line: what follows it by a curve
    is left.

    Parameters
    ----------
    embeddings
        Encoder -> its vectors of the same sites; the baselines that measure shortcuts among them.
    evaluation
        What the tasks said of them.
    batch_by, seed
        As in `evaluate`.

    Returns
    -------
    One row per shortcut, encoder family and question: ``shortcut``, and what `compare_retention` says. A shortcut that
    no baseline among the encoders measures is left out.
    """
    tested = [name for name in embeddings if not is_baseline(name)]
    tasks = list({answer.task.id: answer.task for answer in evaluation.answers}.values())
    ways = list(dict.fromkeys(answer.profiling for answer in evaluation.answers))
    tables = {}
    for shortcut, (baseline, pattern) in _SHORTCUTS.items():
        if baseline not in embeddings or not tested:
            continue
        parts = []
        for level in sorted({task.level for task in tasks}):
            covariates = _covariates(embeddings[baseline], pattern, level)
            rest = {name: _without(embeddings[name], covariates, level) for name in tested}
            asked = [task for task in tasks if task.level == level]
            after = evaluate(rest, asked, profilings=ways, batch_by=batch_by, seed=seed)
            parts.append(compare_retention(evaluation, after, seed=seed))
        tables[shortcut] = pd.concat(parts)
    if not tables:
        return pd.DataFrame(columns=["shortcut", *COLUMNS])
    return pd.concat(tables, names=["shortcut"]).reset_index(level=0).reset_index(drop=True)


def _covariates(measured: AnnData, pattern: str, level: Level) -> pd.DataFrame:
    """Return measurements of a shortcut, at the level that a question is asked of."""
    chosen = [fnmatchcase(name, pattern) for name in measured.var_names]
    return profile(measured[:, chosen], "raw", level=level).to_df()


def _without(vectors: AnnData, covariates: pd.DataFrame, level: Level) -> AnnData:
    """Return vectors at that level, of rows that have the covariates, with these regressed out.

    Before any other post-processing, and on all controls: what follows holds out and ranks the same as without.
    """
    own = profile(vectors, "raw", level=level)
    own = own[own.obs_names.isin(covariates.index)].copy()
    known = covariates.loc[own.obs_names].to_numpy(dtype=np.float64)
    controls = (own.obs["role"] == NEGATIVE_CONTROL).to_numpy() if "role" in own.obs else np.zeros(len(own), dtype=bool)
    enough = controls.sum() >= _CONTROLS * known.shape[1]
    own.X = RegressOut().fit_transform(own.X, controls=controls if enough else None, covariates=known)
    return own
