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
_FEWEST_CONTROLS = 3
_FOLDS = 5  # fewer if there are fewer groups


def default_profilings(obs: pd.DataFrame) -> list[str]:
    """Return the profilings that are compared if none are named: raw, and one that is fitted on controls.

    What post-processing frees, a raw score cannot show: TVN centres and scales each feature on the controls of its
    plate and whitens what controls vary in, so that neither a plate, a part that all vectors share, nor the unit of a
    feature dominates. It needs three negative controls on each plate, of which two are fitted on.

    Parameters
    ----------
    obs
        As in `default_tasks`.
    """
    if "role" not in obs:
        return ["raw"]
    controls = obs["role"] == NEGATIVE_CONTROL
    plates = obs["plate"] if "plate" in obs else pd.Series("", index=obs.index)
    on_plates = controls.groupby(plates.astype(object)).sum()
    return ["raw", "tvn"] if (on_plates >= _FEWEST_CONTROLS).all() else ["raw"]


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
