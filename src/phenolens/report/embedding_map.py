"""Two-dimensional maps of the embeddings: to look at, not to conclude from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from phenolens.core.errors import PhenolensError
from phenolens.report.map_columns import hover_columns, map_columns
from phenolens.report.samples import Sample, Sheet

_COMPONENTS = 50
_PERPLEXITY = 30
_LEAST_POINTS = 8
_SEED = 0
_STEPS, _ANGLE = 500, 0.8  # twice as fast as the defaults, at a Kullback-Leibler divergence that is 1 % higher


@dataclass(frozen=True)
class EmbeddingMaps:
    """The maps of all encoders, ready to be written into the page, and what was left out."""

    data: dict[str, Any]
    encoders: list[str]
    notes: list[str]


def embedding_maps(samples: Sequence[Sample], sheet: Sheet) -> EmbeddingMaps:
    """Lay out the sampled vectors of each encoder in two dimensions.

    They are reduced to at most 50 principal components, and laid out by t-SNE on their cosine distances, on one thread,
    so that the same embeddings give the same map.

    Parameters
    ----------
    samples
        The vectors.
    sheet
        The thumbnails, shown where a point is touched.

    Returns
    -------
    EmbeddingMaps
        Without encoders if there is nothing to draw.
    """
    drawn: list[str] = []
    notes: list[str] = []
    maps: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    keys: dict[tuple[str, ...], int] = {}
    for sample in samples:
        try:
            points = layout_points(sample.vectors)
        except PhenolensError as error:
            notes.append(f"{sample.encoder_id}: {error}")
            continue
        key = tuple(sample.obs.index.astype(str))
        if key not in keys:
            keys[key] = len(tables)
            hover = hover_columns(sample.obs)
            if sheet.tiles:
                hover["tiles"] = [sheet.tiles.get(site, -1) for site in key]
            tables.append({"columns": map_columns(sample.obs), "hover": hover})
        drawn.append(sample.encoder)
        maps.append(
            {
                "encoder": sample.encoder,
                "encoder_id": sample.encoder_id,
                "baseline": sample.baseline,
                "x": [round(float(v), 3) for v in points[:, 0]],
                "y": [round(float(v), 3) for v in points[:, 1]],
                "table": keys[key],
                "shown": len(points),
                "total": sample.total,
            }
        )
    return EmbeddingMaps({"maps": maps, "tables": tables}, drawn, notes)


def layout_points(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place vectors in the plane by t-SNE, centred and scaled to the unit square.

    Parameters
    ----------
    vectors
        Finite values, shape (n, d).

    Returns
    -------
    ndarray
        Shape (n, 2), within -1..1.

    Raises
    ------
    PhenolensError
        If there are too few vectors, or all are the same.
    """
    n, d = vectors.shape
    if n < _LEAST_POINTS:
        raise PhenolensError(f"too few sites for a map ({n}, at least {_LEAST_POINTS} are needed)")
    values = vectors.astype(np.float64)
    values -= values.mean(axis=0)
    largest = float(np.abs(values).max())
    if largest <= 1e-9 * max(1.0, float(np.abs(vectors).max())):
        raise PhenolensError("all embeddings are the same, so there is no map to draw")
    # Sums over threads differ in their last digits, and t-SNE makes such differences visible.
    with threadpool_limits(limits=1):
        reduced = PCA(min(_COMPONENTS, n - 1, d), svd_solver="full").fit_transform(values / largest)
        perplexity = min(_PERPLEXITY, (n - 1) / 3)
        points = TSNE(
            n_components=2,
            perplexity=perplexity,
            metric="cosine",
            max_iter=_STEPS,
            angle=_ANGLE,
            init="pca" if reduced.shape[1] > 1 else "random",
            random_state=_SEED,
            n_jobs=1,
        ).fit_transform(reduced)
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    return np.asarray(points / max(float(np.abs(points).max()), 1e-12), dtype=np.float64)


def perplexity_note() -> str:
    """Say how the maps are made, in one sentence."""
    return (
        f"t-SNE (perplexity {_PERPLEXITY} or a third of the sites, seed {_SEED}) on cosine distances between at most "
        f"{_COMPONENTS} principal components of the raw embeddings."
    )
