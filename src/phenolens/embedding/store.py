"""Embeddings on disk: written as .h5ad, read from what people have."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.embedding.embed import PROVENANCE, storable
from phenolens.errors import EmbeddingError

_METADATA_PREFIX = "Metadata_"  # pycytominer's convention


def write_embeddings(embeddings: AnnData, path: str | Path) -> None:
    """Write embeddings to a .h5ad file, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    embeddings.write_h5ad(part, compression="lzf")
    os.replace(part, path)


def read_embeddings(path: str | Path) -> AnnData:
    """Read embeddings with their metadata.

    Parameters
    ----------
    path
        A .h5ad file; or a .parquet or .csv table whose numeric columns are features and whose others are
        metadata, with ``Metadata_`` columns (pycytominer) always taken as metadata, less the prefix; or an
        .npz file with a matrix `X` and a vector for each metadata column.

    Raises
    ------
    EmbeddingError
        If the file is missing, is none of these, or holds no finite features.
    """
    path = Path(path)
    if not path.is_file():
        raise EmbeddingError(f"no embeddings at {path}")
    readers = {".h5ad": _read_h5ad, ".parquet": _read_table, ".csv": _read_table, ".npz": _read_npz}
    if path.suffix not in readers:
        raise EmbeddingError(f"{path}: embeddings are {', '.join(readers)}, not '{path.suffix}'")
    try:
        embeddings = readers[path.suffix](path)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise EmbeddingError(f"{path}: cannot be read as embeddings: {str(error).splitlines()[0]}") from error
    if 0 in embeddings.shape:
        raise EmbeddingError(f"{path}: holds {embeddings.n_obs} rows and {embeddings.n_vars} features")
    bad = ~np.isfinite(embeddings.X).all(axis=1)
    if bad.any():
        raise EmbeddingError(
            f"{path}: {bad.sum()} of {len(bad)} rows hold NaN or infinite features, the first is row "
            f"'{embeddings.obs_names[bad][0]}'; drop or impute them first"
        )
    embeddings.uns.setdefault(PROVENANCE, {}).setdefault("encoder", path.stem)
    return embeddings


def is_current(path: Path, expected: Mapping[str, Any]) -> bool:
    """Whether a .h5ad file holds embeddings with exactly this provenance, so that they need not be redone."""
    if not path.is_file():
        return False
    try:
        found = read_embeddings(path).uns[PROVENANCE]
    except EmbeddingError:
        return False
    return all(_plain(found.get(key)) == _plain(value) for key, value in expected.items())


def _plain(value: object) -> object:
    """Undo what a round trip through HDF5 does to lists."""
    return list(value) if isinstance(value, np.ndarray) else value


def _read_h5ad(path: Path) -> AnnData:
    return anndata.read_h5ad(path)


def _read_table(path: Path) -> AnnData:
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    named = [column for column in table if str(column).startswith(_METADATA_PREFIX)]
    rest = table.drop(columns=named)
    features = rest.select_dtypes("number")
    metadata = table.drop(columns=features.columns).rename(
        columns=lambda column: str(column).removeprefix(_METADATA_PREFIX)
    )
    return _assemble(features.to_numpy(np.float32), metadata, [str(name) for name in features])


def _read_npz(path: Path) -> AnnData:
    with np.load(path, allow_pickle=False) as arrays:
        if "X" not in arrays:
            raise ValueError(f"it has no array 'X'; there is: {', '.join(arrays)}")
        x = arrays["X"].astype(np.float32)
        metadata = pd.DataFrame({key: arrays[key] for key in arrays if key != "X"}, index=range(len(x)))
    return _assemble(x, metadata, [str(index) for index in range(x.shape[1])])


def _assemble(x: Any, metadata: pd.DataFrame, names: list[str]) -> AnnData:
    metadata.index = metadata.index.astype(str)
    return AnnData(x, obs=storable(metadata), var=pd.DataFrame(index=names))
