"""Two-dimensional maps of the embeddings: to look at, not to conclude from."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from phenolens.core.errors import EmbeddingError, PhenolensError
from phenolens.embedding import check_h5ad
from phenolens.report.map_columns import hover_columns, map_columns

_log = logging.getLogger(__name__)

MAX_POINTS = 1500
_COMPONENTS = 50
_PERPLEXITY = 30
_LEAST_POINTS = 8
_SEED = 0


@dataclass(frozen=True)
class EmbeddingMaps:
    """The maps of all encoders, ready to be written into the page, and what was left out."""

    data: dict[str, Any]
    encoders: list[str]
    notes: list[str]


def embedding_maps(folder: Path, encoders: Sequence[dict[str, Any]]) -> EmbeddingMaps:
    """Lay out the embeddings of each encoder, of one seed where there are several, in two dimensions.

    At most 1500 rows are drawn with a fixed seed, reduced to at most 50 principal components, and laid out
    by t-SNE on their cosine distances, on one thread, so that the same embeddings give the same map.

    Parameters
    ----------
    folder
        A results folder; its embeddings lie in ``embeddings/*.h5ad``.
    encoders
        The encoders of :class:`~phenolens.report.results.Results`; the first seed of an encoder that has
        embeddings stands for it.

    Returns
    -------
    EmbeddingMaps
        Without encoders if there is nothing to draw.
    """
    files = _files_by_encoder(folder / "embeddings")
    drawn: list[str] = []
    notes: list[str] = []
    maps: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    keys: dict[tuple[str, ...], int] = {}
    for entry in encoders:
        encoder_id, encoder = entry["id"], entry["encoder"]
        if encoder_id not in files or encoder in drawn:
            continue
        vectors, obs, total = _subsample(files[encoder_id])
        try:
            points = layout_points(vectors)
        except PhenolensError as error:
            notes.append(f"{encoder_id}: {error}")
            continue
        key = tuple(obs.index.astype(str))
        if key not in keys:
            keys[key] = len(tables)
            tables.append({"columns": map_columns(obs), "hover": hover_columns(obs)})
        drawn.append(encoder)
        maps.append(
            {
                "encoder": encoder,
                "encoder_id": encoder_id,
                "baseline": entry["baseline"],
                "x": [round(float(v), 2) for v in points[:, 0]],
                "y": [round(float(v), 2) for v in points[:, 1]],
                "table": keys[key],
                "shown": len(points),
                "total": total,
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
            init="pca" if reduced.shape[1] > 1 else "random",
            random_state=_SEED,
            n_jobs=1,
        ).fit_transform(reduced)
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    return np.asarray(points / max(float(np.abs(points).max()), 1e-12), dtype=np.float64)


def _files_by_encoder(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.h5ad")) if folder.is_dir() else []:
        try:
            check_h5ad(path)
        except EmbeddingError as error:
            _log.warning("left out of the maps: %s", error)
            continue
        store = anndata.read_h5ad(path, backed="r")
        try:
            origin = store.uns.get("phenolens", {})
            name = str(origin.get("encoder", path.stem)) if hasattr(origin, "get") else path.stem
        finally:
            store.file.close()
        found.setdefault(name, path)
    return found


def _subsample(path: Path) -> tuple[NDArray[np.float32], pd.DataFrame, int]:
    """Read a seeded sample of rows without loading the others; rows with NaN are passed over."""
    store = anndata.read_h5ad(path, backed="r")
    try:
        total = store.n_obs
        rows = np.arange(total)
        if total > MAX_POINTS:
            rows = np.sort(np.random.default_rng(_SEED).choice(total, MAX_POINTS, replace=False))
        part = store[rows].to_memory()
    finally:
        store.file.close()
    vectors = part.X.toarray() if hasattr(part.X, "toarray") else np.asarray(part.X)
    finite = np.isfinite(vectors).all(axis=1)
    obs = part.obs.loc[finite].copy()
    if "site_id" in obs.columns:
        obs.index = pd.Index(obs["site_id"].astype(str))
    return np.asarray(vectors[finite], dtype=np.float32), obs, int(total)


def perplexity_note() -> str:
    """Say how the maps are made, in one sentence."""
    return (
        f"t-SNE (perplexity {_PERPLEXITY} or a third of the sites, seed {_SEED}) on cosine distances between at most "
        f"{_COMPONENTS} principal components of the raw embeddings."
    )
