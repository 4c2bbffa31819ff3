"""Embeddings of sites to comparable profiles of wells, the same way for every encoder."""

from typing import Literal, get_args

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.datasets import NEGATIVE_CONTROL
from phenolens.errors import ProfilingError, did_you_mean
from phenolens.profiling.aggregate import aggregate
from phenolens.profiling.pca_centre_scale import PCACentreScale
from phenolens.profiling.tvn import TVN
from phenolens.randomness import spawn

Profiling = Literal["raw", "pca-centre-scale", "tvn"]
Level = Literal["well", "site"]
PROFILINGS: tuple[Profiling, ...] = get_args(Profiling)

_PROFILERS: dict[str, type[PCACentreScale] | type[TVN]] = {"pca-centre-scale": PCACentreScale, "tvn": TVN}


# Metadata column: True for the controls that a profiler was fitted on while others were held out of it.
FITTED_ON = "fitted_on"


def profile(
    embeddings: AnnData,
    how: str = "raw",
    *,
    level: Level = "well",
    hold_out: bool = False,
    seed: int = 0,
) -> AnnData:
    """Average sites to wells, then post-process.

    Parameters
    ----------
    embeddings
        One row per site.
    how
        ``raw``: nothing more. ``pca-centre-scale`` and ``tvn``: fitted on the negative controls, within
        each plate where plates are known.
    level
        ``well``: the sites of a well are averaged, where plate and well are known. ``site``: every row
        stands for itself, as single cells and tiles do.
    hold_out
        Fit on one half of each plate's controls only, and mark it in the column `FITTED_ON`. A profiler makes
        the controls that it saw look unlike any other well, inactive ones included: to compare treatments
        with controls, the controls must be ones that it did not see.
    seed
        The seed of the halves.

    Raises
    ------
    ProfilingError
        If there is no such profiling, or controls are needed and there are none, or too few.
    """
    if how not in PROFILINGS:
        raise ProfilingError(f"no profiling '{how}'{did_you_mean(how, PROFILINGS)}")
    has_wells = {"plate", "well"} <= set(embeddings.obs.columns)
    wells = aggregate(embeddings, ["plate", "well"]) if level == "well" and has_wells else embeddings
    if how == "raw":
        return wells
    if "role" not in wells.obs or not (wells.obs["role"] == NEGATIVE_CONTROL).any():
        raise ProfilingError(
            f"profiling '{how}' is fitted on negative controls, and no row has role '{NEGATIVE_CONTROL}'"
        )
    obs = wells.obs
    controls = (obs["role"] == NEGATIVE_CONTROL).to_numpy()
    batch = obs["plate"].astype(str).to_numpy() if "plate" in obs else np.full(len(obs), "")
    if hold_out:
        controls = _half(controls, batch, seed)
        obs = obs.assign(**{FITTED_ON: controls})
    x = _PROFILERS[how]().fit_transform(wells.X, controls=controls, batch=batch)
    names = wells.var_names if x.shape[1] == wells.n_vars else [f"pc_{index}" for index in range(x.shape[1])]
    return AnnData(
        np.ascontiguousarray(x, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame(index=names),
        uns={**wells.uns, "profiling": how},
    )


def _half(controls: NDArray[np.bool_], batch: NDArray[np.str_], seed: int) -> NDArray[np.bool_]:
    """Return a mask of half of each batch's controls, the larger half where they are odd."""
    chosen = np.zeros_like(controls)
    for label in np.unique(batch):
        own = np.flatnonzero(controls & (batch == label))
        order = spawn(seed, "controls to fit on", str(label)).permutation(own)
        chosen[order[: (len(own) + 1) // 2]] = True
    return chosen
