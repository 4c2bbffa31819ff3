"""What is left of a score when nothing may help that shares a plate, a position, a slide or the like."""

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.diagnosis.candidates import Candidates
from phenolens.errors import TaskNotApplicable
from phenolens.tasks import Probe

# What neighbours may share -> its metadata column; the coarser later.
SHARED = {
    "position": "well",
    "plate": "plate",
    "batch": "batch",
    "source": "source",
    "slide": "slide",
    "patient": "patient",
}


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


def predict_apart(task: Probe, profiles: AnnData, column: str) -> pd.DataFrame:
    """Return a probe's predictions of rows with another value of a metadata column than all that it learned from.

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
    return few.predict(profiles, apart=column)[0]


def columns_shared(obs: pd.DataFrame) -> dict[str, str]:
    """Return what rows may share, by the column that says so; one that divides rows as a finer one does is left out."""
    found: dict[str, str] = {}
    divisions = set()
    for name, column in SHARED.items():
        if column not in obs or obs[column].isna().any() or obs[column].nunique() < 2:
            continue
        division = tuple(pd.factorize(obs[column].astype(str))[0])
        if division not in divisions and len(set(division)) < len(obs):
            divisions.add(division)
            found[name] = column
    return found
