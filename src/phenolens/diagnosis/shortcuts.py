"""What is it using? How much of a score is left once a shortcut has been regressed out of the vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.retention import COLUMNS, compare_retention
from phenolens.encoders import is_baseline
from phenolens.profiling import Level, profile
from phenolens.tasks import Evaluation, evaluate

# Shortcut -> the baseline that measures it, and its features.
_SHORTCUTS = {
    "cell count": ("cell-count", "*"),
    "intensity": ("pixel-statistics", "*_mean"),
    "position": ("well-position", "*"),
}
_COVARIATE = "shortcut_"
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
            known = {name: _with(embeddings[name], covariates, level) for name in tested}
            step = f"regress-out@covariates={':'.join(covariates)}"
            controls = next(iter(known.values())).obs.get("role", pd.Series(dtype=str)) == NEGATIVE_CONTROL
            if controls.sum() < _CONTROLS * covariates.shape[1]:
                step += ",on=all"
            asked = [task for task in tasks if task.level == level]
            how_after = {step if how == "raw" else f"{step}+{how}": how for how in ways}
            after = evaluate(known, asked, profilings=list(how_after), batch_by=batch_by, seed=seed)
            answers = [replace(answer, profiling=how_after[answer.profiling]) for answer in after.answers]
            parts.append(compare_retention(evaluation, Evaluation(answers, []), seed=seed))
        tables[shortcut] = pd.concat(parts)
    if not tables:
        return pd.DataFrame(columns=["shortcut", *COLUMNS])
    return pd.concat(tables, names=["shortcut"]).reset_index(level=0).reset_index(drop=True)


def _covariates(measured: AnnData, pattern: str, level: Level) -> pd.DataFrame:
    """Return standardised measurements of a shortcut, at the level that a question is asked of."""
    chosen = [fnmatchcase(name, pattern) for name in measured.var_names]
    table = _at(measured[:, chosen], level).to_df().astype(np.float64)
    scale = table.std(ddof=0)
    table = (table - table.mean()) / scale.where(scale > 0, 1.0)
    return table.set_axis([f"{_COVARIATE}{number}" for number in range(table.shape[1])], axis=1)


def _with(vectors: AnnData, covariates: pd.DataFrame, level: Level) -> AnnData:
    """Return vectors at that level, with the covariates among their metadata; of rows that have them."""
    own = _at(vectors, level)
    own = own[own.obs_names.isin(covariates.index)].copy()
    own.obs[covariates.columns] = covariates.loc[own.obs_names].to_numpy()
    return own


def _at(vectors: AnnData, level: Level) -> AnnData:
    return profile(vectors, "raw", level=level)
