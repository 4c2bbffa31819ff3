"""The tasks that are scored if none are named."""

from typing import Literal

import pandas as pd

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import NEGATIVE_CONTROL, condition_names, treated
from phenolens.tasks.leakage import Leakage
from phenolens.tasks.probe import Probe
from phenolens.tasks.registry import AnyTask
from phenolens.tasks.replicate_retrieval import ReplicateRetrieval

# Columns by which probes are split; the first that rows have.
_GROUPS = ("patient", "slide", "batch", "plate")
_FOLDS = 5  # fewer if there are fewer groups


def default_tasks(obs: pd.DataFrame) -> list[AnyTask]:
    """Return the tasks that the metadata allow.

    For perturbations: replicate retrieval of distinctiveness and, if there are negative controls, of activity; if there
    are several plates too, leakage of the plate. For labels: a linear and a nearest-neighbour probe on unseen patients,
    slides, batches or plates.

    Parameters
    ----------
    obs
        Metadata of rows, in the columns of a manifest.

    Raises
    ------
    TaskNotApplicable
        If no perturbation has two rows and there are no labels.
    """
    tasks: list[AnyTask] = []
    has_controls = "role" in obs and (obs["role"] == NEGATIVE_CONTROL).any()
    if "perturbation" in obs and condition_names(obs)[treated(obs)].duplicated().any():
        tasks += [ReplicateRetrieval()] if has_controls else []
        tasks.append(ReplicateRetrieval(measures="distinctiveness"))
    if has_controls and "plate" in obs and obs["plate"].nunique() > 1:
        tasks.append(Leakage(nuisance="plate"))
    if "label" in obs and obs["label"].nunique() > 1:
        group = next((name for name in _GROUPS if name in obs and obs[name].nunique() > 1), None)
        folds = min(_FOLDS, obs.loc[obs["label"].notna(), group].nunique()) if group else _FOLDS
        kinds: tuple[Literal["linear-probe", "knn-probe"], ...] = ("linear-probe", "knn-probe")
        tasks += [Probe(task=kind, label="label", group=group, folds=max(folds, 2)) for kind in kinds]
    if not tasks:
        raise TaskNotApplicable(
            "no perturbation has two rows and there are no labels to predict; "
            "name their columns, e.g. --perturbation Metadata_gene or --label phenotype"
        )
    return tasks
