"""Means over sites, wells and perturbations."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.errors import ProfilingError, did_you_mean


def aggregate(embeddings: AnnData, by: Sequence[str]) -> AnnData:
    """Return the mean vector of each group.

    Parameters
    ----------
    embeddings
        Rows (n, d) with metadata.
    by
        The metadata columns whose combinations are the groups; rows that lack one are an error.

    Returns
    -------
    One row per group, in order of first appearance, with the metadata that are the same throughout each
    group, and `n_averaged`, how many rows it is the mean of.

    Raises
    ------
    ProfilingError
        If a column is missing, or a row has no value in it.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> obs = pd.DataFrame({"well": ["A1", "A1"]}, index=["a", "b"])
    >>> sites = AnnData(np.array([[1.0], [3.0]], "f4"), obs=obs)
    >>> aggregate(sites, ["well"]).X
    array([[2.]], dtype=float32)
    """
    obs = embeddings.obs
    for column in by:
        if column not in obs:
            raise ProfilingError(f"no column '{column}' to average over{did_you_mean(column, obs.columns)}")
        if obs[column].isna().any():
            row = obs.index[obs[column].isna()][0]
            raise ProfilingError(f"row '{row}' has no value in column '{column}' to average over")
    grouped = obs.groupby(list(by), sort=False, observed=True)
    codes = grouped.ngroup().to_numpy()
    counts = np.bincount(codes)
    sums = np.zeros((len(counts), embeddings.n_vars))
    np.add.at(sums, codes, embeddings.X)
    constant = [column for column in obs if (grouped[column].nunique(dropna=False) == 1).all()]
    metadata = obs[constant].iloc[np.unique(codes, return_index=True)[1]].copy()
    metadata.index = pd.Index(metadata[list(by)].astype(str).agg("_".join, axis=1), name=None)
    metadata["n_averaged"] = counts
    return AnnData(
        (sums / counts[:, None]).astype(embeddings.X.dtype),
        obs=metadata,
        var=embeddings.var,
        uns=embeddings.uns,
    )
