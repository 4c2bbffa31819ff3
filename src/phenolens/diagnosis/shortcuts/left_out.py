"""What is left of a score when nothing may help that shares a plate, a position, a slide or the like."""

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.confounding import NUISANCES
from phenolens.diagnosis.shortcuts.candidates import Candidates
from phenolens.tasks import Probe

# What neighbours may share: the columns that say so, finer ones first, and position, as people call a well.
SHARED = ("well", *NUISANCES)
NAMES = {"well": "position"}


def leave_out(candidates: Candidates, column: str) -> Candidates:
    """Return candidates that do not share the value of a metadata column with the query.

    Where a query's negatives all share it, as the controls of its plate share its plate, they are the controls that do
    not: positives and negatives then come from the same others.
    """
    codes = candidates.obs[column].astype(str).to_numpy()
    other = codes[candidates.queries][:, None] != codes
    negative = candidates.negative & other
    if "role" in candidates.obs:
        control = (candidates.obs["role"] == NEGATIVE_CONTROL).to_numpy()
        none = ~negative.any(axis=1)
        negative[none] = other[none] & control
    return candidates.restrict(np.take_along_axis(other, candidates.positives, axis=1), negative)


def predict_apart(task: Probe, profiles: AnnData, column: str, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a probe's predictions as it is, and of rows with another value of a column than all that it learned from.

    Where a column has fewer values than the probe has folds, both learn from as few rows: a probe that learns from less
    is worse, whatever is shared.

    Parameters
    ----------
    task
        The probe.
    profiles
        What it is asked of.
    column
        The metadata column.
    rows
        Its predictions of them as it is.

    Raises
    ------
    TaskNotApplicable
        If there is one value, or the probe's own groups are no finer, so that nothing is shared as it is.
    """
    obs = profiles.obs
    own = obs[task.group].astype(str) if task.group else obs.index.to_series()
    other = obs[column].astype(str)
    if (own.groupby(other).nunique() <= 1).all():
        raise TaskNotApplicable(f"{task.group or 'rows'} are no finer than {column}, so that none is shared")
    if (other.groupby(own).nunique() > 1).any():
        raise TaskNotApplicable(f"a {task.group} stands in several values of {column}")
    few = task.model_copy(update={"folds": min(task.folds, other.nunique())})
    return rows if few.folds == task.folds else few.predict(profiles)[0], few.predict(profiles, apart=column)[0]
