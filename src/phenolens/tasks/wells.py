"""The wells that tasks with negative controls score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import NEGATIVE_CONTROL, treated
from phenolens.profiling import FITTED_ON

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Wells:
    """Wells that no profiler was fitted on.

    Attributes
    ----------
    profiles
        The wells (n, d).
    treated, control
        (n,) masks.
    plate
        (n,) plate of each well; the same for all if plates are unknown.
    whole
        Metadata of these wells and of those that a profiler was fitted on.
    """

    profiles: AnnData
    treated: NDArray[np.bool_]
    control: NDArray[np.bool_]
    plate: NDArray[np.str_]
    whole: pd.DataFrame


def unseen_wells(profiles: AnnData, task: str, *, controls: bool = True) -> Wells:
    """Return the wells that no profiler was fitted on: fitting makes controls differ from all other wells.

    Parameters
    ----------
    profiles
        Wells (n, d).
    task
        The task's name, for messages.
    controls
        Whether negative controls are required.

    Raises
    ------
    TaskNotApplicable
        If they are required, and there are none.
    """
    whole = profiles.obs
    if FITTED_ON in profiles.obs:
        profiles = profiles[~profiles.obs[FITTED_ON].to_numpy()]
    obs = profiles.obs
    if controls and "role" not in obs:
        raise TaskNotApplicable(f"{task}: no column 'role', which marks negative controls")
    control = (obs["role"] == NEGATIVE_CONTROL).to_numpy() if "role" in obs else np.zeros(len(obs), dtype=bool)
    if controls and not control.any():
        raise TaskNotApplicable(f"{task}: no row has role '{NEGATIVE_CONTROL}'")
    plate = obs["plate"].astype(str).to_numpy() if "plate" in obs else np.full(len(obs), "")
    return Wells(profiles, treated(obs).to_numpy(), control, plate, whole)
