"""Maps of embeddings: to look at, not to conclude from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.plot.style import COLOURS, MARKERS, QUIET, axes_for, legend, plain
from phenolens.report.embedding_map import layout_points

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_MOST_POINTS = 1500  # more take minutes


def embedding_map(vectors: AnnData, colour_by: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw vectors in the plane by t-SNE on cosine distances, as the report does.

    Of more than 1500 rows, a sample is drawn, which is always the same.

    Parameters
    ----------
    vectors
        Vectors of one encoder, as in ``Embedded.embeddings``.
    colour_by
        A metadata column: numbers become a scale, text one colour and marker per name. Names beyond the eight most
        frequent ones are drawn in grey.
    ax
        Where to draw; a new figure if None.

    Raises
    ------
    PhenolensError
        If there is no such column, there are too few rows, all are the same, or matplotlib is not installed.
    """
    if colour_by is not None and colour_by not in vectors.obs:
        raise PhenolensError(f"no metadata column '{colour_by}'{did_you_mean(colour_by, vectors.obs.columns)}")
    rows = np.arange(vectors.n_obs)
    if len(rows) > _MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST_POINTS, replace=False))
    x, y = layout_points(np.asarray(vectors.X)[rows]).T
    ax = axes_for(ax)
    if colour_by is None:
        ax.plot(x, y, "o", color=COLOURS[0], markersize=4)
    else:
        _colour(ax, x, y, vectors.obs[colour_by].iloc[rows], colour_by)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel("t-SNE 1")
    ax.set_ylabel("t-SNE 2")
    return ax


def _colour(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], values: pd.Series[Any], column: str) -> None:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        points = ax.scatter(x, y, c=values.to_numpy(float), cmap="cividis", s=16)
        ax.figure.colorbar(points, ax=ax, label=plain(column))
        return
    names = values.astype(str).to_numpy()
    frequent = list(pd.Series(names).value_counts().index[: len(COLOURS)])
    others = ~np.isin(names, frequent)
    if others.any():
        ax.plot(x[others], y[others], "o", color=QUIET, markersize=3, label="others")
    for name, colour, marker in zip(frequent, COLOURS, MARKERS, strict=False):
        own = names == name
        ax.plot(x[own], y[own], marker, color=colour, markersize=5, label=plain(name))
    legend(ax, plain(column))
