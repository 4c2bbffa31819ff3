"""Averages over sites, wells and perturbations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import trim_mean

from phenolens.core.errors import ProfilingError, did_you_mean
from phenolens.metrics import ledoit_wolf
from phenolens.profiling.batches import Batches

if TYPE_CHECKING:
    from anndata import AnnData

Average = Literal["mean", "median", "trimmed", "covariance-weighted"]
AVERAGES: tuple[Average, ...] = get_args(Average)

_TRIMMED_SHARE = 0.2  # of the values on either side


def aggregate(embeddings: AnnData, by: Sequence[str], average: Average = "mean") -> AnnData:
    """Return the average vector of each group.

    Parameters
    ----------
    embeddings
        Rows (n, d) with metadata.
    by
        The metadata columns whose combinations are the groups; rows without a value are an error.
    average
        ``mean``; ``median``; ``trimmed``: the mean without a fifth of the values at either end, feature by feature;
        ``covariance-weighted``: the mean with weights that minimise the noise between rows, so that a row that
        disagrees with the others has less weight.

    Returns
    -------
    One row per group, in order of first appearance, with the metadata that are constant within all groups, and
    `n_averaged`, the number of rows averaged.

    Raises
    ------
    ProfilingError
        If a column is missing, a row has no value in it, or there is no such average.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> obs = pd.DataFrame({"well": ["A1", "A1"]}, index=["a", "b"])
    >>> sites = AnnData(np.array([[1.0], [3.0]], "f4"), obs=obs)
    >>> aggregate(sites, ["well"]).X
    array([[2.]], dtype=float32)
    """
    from anndata import AnnData

    if average not in AVERAGES:
        raise ProfilingError(f"no average '{average}'{did_you_mean(average, AVERAGES)}")
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
    if average == "mean":
        together = np.asarray(embeddings.X, dtype=np.float64)[np.argsort(codes, kind="stable")]
        averages = np.add.reduceat(together, np.cumsum(counts) - counts) / counts[:, None]
    else:
        x = np.asarray(embeddings.X, dtype=np.float64)
        averages = np.stack([_AVERAGES[average](x[rows]) for _, rows in Batches(codes)])
    first_rows = np.unique(codes, return_index=True)[1]
    constant = [column for column in obs if _is_constant(obs[column], codes, first_rows)]
    metadata = obs[constant].iloc[first_rows].copy()
    first, *others = (metadata[column].astype(str) for column in by)
    metadata.index = pd.Index((first.str.cat(others, sep="_") if others else first).to_numpy())
    metadata["n_averaged"] = counts
    return AnnData(
        averages.astype(embeddings.X.dtype),
        obs=metadata,
        var=embeddings.var,
        uns=embeddings.uns,
    )


def _is_constant(values: pd.Series[Any], codes: NDArray[np.intp], first_rows: NDArray[np.intp]) -> bool:
    """Whether all rows of each group have the value of its first one; missing values are one value."""
    distinct = pd.factorize(values, use_na_sentinel=True)[0]
    return bool((distinct == distinct[first_rows][codes]).all())


def _covariance_weighted(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of `rows` (k, d) weighted by the inverse covariance of the rows over features.

    A component that all rows share adds a constant to all entries of the covariance and changes no weight.
    """
    if len(rows) < 3:
        return rows.mean(axis=0)
    centred = rows.T - rows.mean(axis=1)
    share = ledoit_wolf(centred)
    covariance = centred.T @ centred / len(centred)
    scale = float(np.trace(covariance)) / len(rows)
    if scale == 0:
        return rows.mean(axis=0)
    covariance = (1 - share) * covariance + (share + 1e-9) * scale * np.eye(len(rows))
    weights = np.clip(np.linalg.solve(covariance, np.ones(len(rows))), 0, None)
    return weights @ rows / weights.sum()


_AVERAGES: dict[str, Callable[[NDArray[np.float64]], NDArray[Any]]] = {
    "median": lambda rows: np.median(rows, axis=0),
    "trimmed": lambda rows: trim_mean(rows, _TRIMMED_SHARE, axis=0),
    "covariance-weighted": _covariance_weighted,
}
