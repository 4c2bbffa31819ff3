"""Embeddings of sites to comparable profiles of wells, the same way for every encoder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import ProfilingError, did_you_mean
from phenolens.core.random import spawn
from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.encoders import Form
from phenolens.profiling.aggregate import aggregate
from phenolens.profiling.pipeline import parse_profiling
from phenolens.profiling.random_fourier_features import RandomFourierFeatures

if TYPE_CHECKING:
    from anndata import AnnData

Level = Literal["well", "site"]

# Metadata column: True for the controls that a profiler was fitted on while others were held out of it.
FITTED_ON = "fitted_on"


def profile(
    embeddings: AnnData,
    how: str = "raw",
    *,
    level: Level = "well",
    batch_by: Sequence[str] | None = None,
    hold_out: bool = False,
    fit_on: Collection[str] | None = None,
    form: Form = "vectors",
    seed: int = 0,
) -> AnnData:
    """Average sites to wells, then post-process.

    Parameters
    ----------
    embeddings
        One row per site.
    how
        ``raw``: nothing more; or profilers as `parse_profiling` reads them, such as ``tvn``.
    level
        ``well``: the sites of a well are averaged, where plate and well are known. ``site``: every row
        stands for itself, as single cells and tiles do.
    batch_by
        The metadata columns whose combinations are the batches within which profilers centre, scale or align;
        the plate, where it is known, if None.
    hold_out
        Fit on one half of each batch's controls only, and mark it in the column `FITTED_ON`. A profiler makes
        the controls that it saw look unlike any other well, inactive ones included: to compare treatments
        with controls, the controls must be ones that it did not see.
    fit_on
        The names of the controls to fit on where others are held out, instead of a half that the seed draws.
    form
        What the numbers are. ``vectors``: they are taken as they come. ``measurements``: numbers in unlike units, which
        are standardised over all rows before anything else. ``quantities``: few of these; they are also put through
        `RandomFourierFeatures` after everything else.
    seed
        The seed of the halves.

    Raises
    ------
    ProfilingError
        If there is no such profiling, or controls are needed and there are none, or too few.
    """
    from anndata import AnnData
    from sklearn.preprocessing import StandardScaler

    steps = parse_profiling(how)
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
                f"profiling '{how}' is fitted on negative controls, and no row has role '{NEGATIVE_CONTROL}'; "
                "write @on=all behind a profiler to fit it on all rows"
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
        np.ascontiguousarray(x, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame(index=names),
        uns={**wells.uns, "profiling": how},
    )


def _batches(obs: pd.DataFrame, batch_by: Sequence[str] | None) -> NDArray[np.str_]:
    """Return the name of each row's batch."""
    columns = list(batch_by) if batch_by is not None else [column for column in ("plate",) if column in obs]
    for column in columns:
        if column not in obs:
            raise ProfilingError(f"no column '{column}' to tell batches by{did_you_mean(column, obs.columns)}")
        if obs[column].isna().any():
            row = obs.index[obs[column].isna()][0]
            raise ProfilingError(f"row '{row}' has no value in column '{column}' to tell batches by")
    if not columns:
        return np.full(len(obs), "")
    return obs[columns].astype(str).agg(" ".join, axis=1).to_numpy(dtype=str)


def _half(controls: NDArray[np.bool_], batch: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """Return a mask of half of each batch's controls, the larger half where they are odd."""
    chosen = np.zeros_like(controls)
    for label in np.unique(batch):
        own = np.flatnonzero(controls & (batch == label))
        order = spawn(seed, "controls to fit on", str(label)).permutation(own)
        chosen[order[: (len(own) + 1) // 2]] = True
    return chosen
