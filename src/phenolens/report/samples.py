"""The vectors that maps, neighbours and plates are drawn from, and the thumbnails of their sites."""

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import EmbeddingError
from phenolens.embedding import check_h5ad
from phenolens.encoders import as_file_name
from phenolens.report.examples import ACROSS, SHEET, SITES

_log = logging.getLogger(__name__)

_POINTS = 3000
"""Over all maps together, so that a page of many encoders is made in seconds."""
_MOST, _LEAST = 1500, 300
_SEED = 0
_JPEG = b"\xff\xd8\xff"
_WELLS_OF_PLATES = 4
_COUNT = "cell-count"


@dataclass(frozen=True)
class Sheet:
    """Small images of sites on one sheet: ``tiles`` says which place of it a site has."""

    tiles: dict[str, int] = field(default_factory=dict)
    source: str = ""
    across: int = ACROSS


@dataclass(frozen=True, eq=False)
class Sample:
    """Vectors of one encoder.

    Attributes
    ----------
    encoder, encoder_id, baseline
        Whose they are.
    vectors, obs
        Of some rows, finite, shape (n, d): those with a thumbnail, and others at random.
    total
        How many rows there are.
    on_plates
        Vectors and metadata of all rows of the first plates, for encoders under test and the cell count; None without
        plates.
    """

    encoder: str
    encoder_id: str
    baseline: bool
    vectors: NDArray[np.float32]
    obs: pd.DataFrame
    total: int
    on_plates: tuple[NDArray[np.float32], pd.DataFrame] | None


def read_sheet(folder: Path) -> Sheet:
    """Read the thumbnails of a results folder; a sheet without any if they are not there or not an image."""
    if not (folder / SHEET).is_file() or not (folder / SITES).is_file():
        return Sheet()
    content = (folder / SHEET).read_bytes()
    if not content.startswith(_JPEG):
        _log.warning("%s is not a JPEG image; the page has no thumbnails", folder / SHEET)
        return Sheet()
    sites = pd.read_csv(folder / SITES, dtype=str, keep_default_na=False)["site_id"]
    source = "data:image/jpeg;base64," + base64.b64encode(content).decode()
    return Sheet({site: place for place, site in enumerate(sites)}, source)


def read_samples(folder: Path, encoders: Sequence[dict[str, Any]], sheet: Sheet) -> list[Sample]:
    """Read a sample of the vectors of each encoder, of one seed where there are several.

    Parameters
    ----------
    folder
        A results folder; its embeddings lie in ``embeddings/*.h5ad``.
    encoders
        The encoders of :class:`~phenolens.report.results.Results`; the first seed of an encoder that has
        embeddings stands for it.
    sheet
        The thumbnails; their sites are among the rows.
    """
    paths: dict[str, tuple[dict[str, Any], Path]] = {}
    for entry in encoders:
        path = folder / "embeddings" / f"{as_file_name(entry.get('full', entry['id']))}.h5ad"
        if entry["encoder"] not in paths and path.is_file():
            paths[entry["encoder"]] = entry, path
    most = min(_MOST, max(_LEAST, _POINTS // max(1, len(paths))))
    samples = []
    for entry, path in paths.values():
        try:
            check_h5ad(path)
        except EmbeddingError as error:
            _log.warning("left out of the maps: %s", error)
            continue
        samples.append(_read(path, entry, sheet, most))
    return samples


def _read(path: Path, entry: dict[str, Any], sheet: Sheet, most: int) -> Sample:
    """Read rows without loading the others; rows with NaN are passed over."""
    store = anndata.read_h5ad(path, backed="r")
    try:
        names = store.obs["site_id"].astype(str) if "site_id" in store.obs else pd.Series(store.obs_names)
        vectors, obs = _finite(store[_choose(names.isin(list(sheet.tiles)).to_numpy(), most)].to_memory())
        on_plates = None
        is_mapped = not entry["baseline"] or entry["encoder"] == _COUNT
        if is_mapped and {"plate", "well"} <= set(store.obs.columns):
            plates = store.obs["plate"].astype(str)
            first = sorted(plates.unique())[:_WELLS_OF_PLATES]
            on_plates = _finite(store[np.flatnonzero(plates.isin(first))].to_memory())
        total = int(store.n_obs)
    finally:
        store.file.close()
    return Sample(entry["encoder"], entry["id"], entry["baseline"], vectors, obs, total, on_plates)


def _choose(with_tile: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Return the rows to read: those with a thumbnail, filled up at random with a fixed seed."""
    if len(with_tile) <= most:
        return np.arange(len(with_tile))
    first = np.flatnonzero(with_tile)[:most]
    others = np.flatnonzero(~with_tile)
    filling = np.random.default_rng(_SEED).choice(others, min(len(others), most - len(first)), replace=False)
    return np.sort(np.concatenate([first, filling]))


def _finite(part: anndata.AnnData) -> tuple[NDArray[np.float32], pd.DataFrame]:
    vectors = part.X.toarray() if hasattr(part.X, "toarray") else np.asarray(part.X)
    finite = np.isfinite(vectors).all(axis=1)
    obs = part.obs.loc[finite].copy()
    if "site_id" in obs.columns:
        obs.index = pd.Index(obs["site_id"].astype(str))
    return np.asarray(vectors[finite], dtype=np.float32), obs
