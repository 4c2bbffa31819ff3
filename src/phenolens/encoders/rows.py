"""The leak baselines: what plate, position and file say of a site without a look at its image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError, ImageError, did_you_mean
from phenolens.core.random import spawn
from phenolens.datasets import Manifest, well_positions
from phenolens.encoders.base import RowEncoder, hash_text
from phenolens.images import bit_depth, file_of

_COLUMNS = ("batch", "plate", "slide", "patient")
_MOST_CATEGORIES = 512


class Metadata(RowEncoder):
    """Which batch, plate, slide and patient a site belongs to: one indicator for each, and nothing else.

    Beyond 512 values in all, indicators are folded by random signs into 512 numbers.

    Parameters
    ----------
    columns
        The metadata columns, joined by ``+``; those of batch, plate, slide and patient that are there if None.

    Raises
    ------
    EncoderError
        If there is no such column, or none tells sites apart.
    """

    def __init__(self, name: str, channels: Sequence[str], *, columns: str | None = None, manifest: Manifest) -> None:
        self.name = name
        table = manifest.table
        chosen = columns.split("+") if columns else [column for column in _COLUMNS if column in table]
        for column in chosen:
            if column not in table:
                raise EncoderError(f"{name}: the manifest has no column '{column}'{did_you_mean(column, table)}")
        chosen = [column for column in chosen if table[column].nunique(dropna=False) > 1]
        if not chosen:
            looked = columns or ", ".join(_COLUMNS)
            raise EncoderError(f"{name}: no column of {looked} tells sites apart")
        self._indicators = pd.get_dummies(table[chosen].astype("category"), dtype=np.float32)
        folded = self._indicators.shape[1] > _MOST_CATEGORIES
        self.feature_names = (
            tuple(f"metadata_{index}" for index in range(_MOST_CATEGORIES)) if folded else tuple(self._indicators)
        )
        self.weights_hash = hash_text("metadata", chosen)

    def embed_rows(self) -> NDArray[np.float32]:
        """Return the indicators (n, D)."""
        x = self._indicators.to_numpy()
        if x.shape[1] == self.dim:
            return x
        signs = spawn(0, "metadata").choice([-1.0, 1.0], (x.shape[1], self.dim))
        return (x @ signs).astype(np.float32)


class WellPosition(RowEncoder):
    """Where a site's well stands on the plate: row, column and distance to the edge.

    Raises
    ------
    EncoderError
        If wells are not known, or not all named like B03.
    """

    feature_names = ("row", "column", "edge")

    def __init__(self, name: str, channels: Sequence[str], *, manifest: Manifest) -> None:
        self.name = name
        if "well" not in manifest.table:
            raise EncoderError(f"{name}: the manifest has no column 'well'")
        places = well_positions(manifest.table["well"])
        if places is None:
            raise EncoderError(f"{name}: wells are not all named like B03")
        self._places = places[list(self.feature_names)]
        self.weights_hash = hash_text("well-position")

    def embed_rows(self) -> NDArray[np.float32]:
        """Return the positions (n, 3)."""
        return self._places.to_numpy(np.float32)


class FileSize(RowEncoder):
    """How large a site's image files are, and how many bits they keep per sample: compression reveals content.

    Raises
    ------
    EncoderError
        If the manifest names no images.
    """

    def __init__(self, name: str, channels: Sequence[str], *, manifest: Manifest) -> None:
        self.name = name
        self._manifest = manifest
        if not manifest.image_columns:
            raise EncoderError(f"{name}: the manifest names no images")
        first = manifest.images(0)
        if any(file_of(path) != path for path in (first.values() if isinstance(first, dict) else [first])):
            raise EncoderError(f"{name}: the images are packed in shards, which keep no file of their own")
        self.feature_names = tuple(
            f"{column}_{what}" for column in manifest.image_columns for what in ("log2_bytes", "bits")
        )
        self.weights_hash = hash_text("file-size")

    def embed_rows(self) -> NDArray[np.float32]:
        """Return sizes and depths (n, D); zeros for files that are not there, which the readers of images report."""
        return np.array([self._measure(row) for row in range(len(self._manifest))], dtype=np.float32)

    def _measure(self, row: int) -> list[float]:
        files = self._manifest.images(row)
        numbers: list[float] = []
        for path in files.values() if isinstance(files, dict) else [files]:
            try:
                numbers += [float(np.log2(max(1, _size(path)))), float(bit_depth(path))]
            except (ImageError, OSError):
                numbers += [0.0, 0.0]
        return numbers


def _size(path: Path) -> int:
    files: Any = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
