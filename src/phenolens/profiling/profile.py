"""From embeddings of sites to comparable profiles of wells, the same for every encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, did_you_mean
from phenolens.core.precision import narrowed
from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.encoders import FeatureType
from phenolens.profiling.aggregate import aggregate
from phenolens.profiling.pipeline import parse_profiling
from phenolens.profiling.random_fourier_features import RandomFourierFeatures

if TYPE_CHECKING:
    from anndata import AnnData

Level = Literal["well", "site"]

# Metadata column: True for controls that a profiler was fitted on, where other controls were held out.
FITTED_ON = "fitted_on"


def profile(
    embeddings: AnnData,
    profiling: str = "raw",
    *,
    level: Level = "well",
    batch_by: Sequence[str] | None = None,
    hold_out: bool = False,
    fit_on: Collection[str] | None = None,
    form: FeatureType = "vectors",
    seed: int = 0,
) -> AnnData:
    """Average sites to wells, then apply profilers.

    Parameters
    ----------
    embeddings
        One row per site.
    profiling
        ``raw``: averaging alone; or profilers as in `parse_profiling`, such as ``tvn``.
    level
        ``well``: the sites of a well are averaged, if plate and well are known. ``site``: rows are not averaged, as for
        single cells and tiles.
    batch_by
        The metadata columns whose combinations are the batches within which profilers centre, scale or align; if None,
        the plate, if known.
    hold_out
        Whether to fit on half of the controls of each batch only; they are marked in the column `FITTED_ON`. A profiler
        makes the controls that it was fitted on differ from all other wells, even from inactive treatments. Treatments
        must therefore be compared with held-out controls.
    fit_on
        The names of the controls to fit on, instead of a random half.
    form
        The type of features. ``vectors`` are used unchanged. ``measurements`` have different units and are
        standardised over all rows first. ``quantities`` are few measurements; `RandomFourierFeatures` are added to them
        at the end.
    seed
        The seed by which controls are split.

    Raises
    ------
    ProfilingError
        If there is no such profiling, or controls are required and there are none or too few.
    """
    from anndata import AnnData
    from sklearn.preprocessing import StandardScaler

    steps = parse_profiling(profiling)
    has_wells = {"plate", "well"} <= set(embeddings.obs.columns)
    wells = aggregate(embeddings, ["plate", "well"]) if level == "well" and has_wells else embeddings
    if not steps and form == "vectors":
        return wells
    obs = wells.obs
    controls = (obs["role"] == NEGATIVE_CONTROL).to_numpy() if "role" in obs else np.zeros(len(obs), dtype=bool)
    batch = _batches(obs, batch_by)
    if any(step.on_controls for step in steps):
        if not controls.any():
            raise ProfilingError(
                f"profiling '{profiling}' is fitted on negative controls, and no row has role '{NEGATIVE_CONTROL}'; "
                "write @on=all after a profiler to fit it on all rows"
            )
        if hold_out:
            controls = _half(controls, batch, seed) if fit_on is None else controls & obs.index.isin(fit_on)
            obs = obs.assign(**{FITTED_ON: controls})
    x = wells.X if form == "vectors" else StandardScaler().fit_transform(wells.X.astype(np.float64))
    for step in steps:
        x = step.apply(x, controls, batch, obs)
    if form == "quantities":
        x = RandomFourierFeatures().fit_transform(x)
    names = wells.var_names if x.shape[1] == wells.n_vars else [f"pc_{index}" for index in range(x.shape[1])]
    return AnnData(
        np.ascontiguousarray(narrowed(x)),
        obs=obs,
        var=pd.DataFrame(index=names),
        uns={**wells.uns, "profiling": profiling},
    )


def _batches(obs: pd.DataFrame, batch_by: Sequence[str] | None) -> NDArray[np.str_]:
    """Return the name of each row's batch."""
    columns = list(batch_by) if batch_by is not None else [column for column in ("plate",) if column in obs]
    for column in columns:
        if column not in obs:
            raise ProfilingError(f"no column '{column}' to define batches{did_you_mean(column, obs.columns)}")
        if obs[column].isna().any():
            row = obs.index[obs[column].isna()][0]
            raise ProfilingError(f"row '{row}' has no value in column '{column}', which defines batches")
    if not columns:
        return np.full(len(obs), "")
    return obs[columns].astype(str).agg(" ".join, axis=1).to_numpy(dtype=str)


def _half(controls: NDArray[np.bool_], batch: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """Return a mask of half of the controls of each batch, rounded up."""
    chosen = np.zeros_like(controls)
    for label in np.unique(batch):
        of_batch = np.flatnonzero(controls & (batch == label))
        order = spawn(seed, "controls to fit on", str(label)).permutation(of_batch)
        chosen[order[: (len(of_batch) + 1) // 2]] = True
    return chosen
