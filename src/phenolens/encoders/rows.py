"""Leak baselines: plate, position and file size of a site, without its image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError, ImageError, did_you_mean
from phenolens.core.random import spawn
from phenolens.datasets import Manifest, known_positions
from phenolens.encoders.base import RowEncoder, hash_text
from phenolens.images import bit_depth, file_of

_COLUMNS = ("batch", "plate", "slide", "patient")
_MOST_CATEGORIES = 512


class Metadata(RowEncoder):
    """Indicators of the batch, plate, slide and patient of a site.

    More than 512 indicators are projected to 512 numbers by random signs.

    Parameters
    ----------
    columns
        The metadata columns, joined by ``+``; if None, those of batch, plate, slide and patient that exist.

    Raises
    ------
    EncoderError
        If there is no such column, or all columns are constant.
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
            raise EncoderError(f"{name}: no column of {looked} differs between sites")
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
    """The position of a site's well on the plate: row, column and distance to the edge.

    Raises
    ------
    EncoderError
        If wells are unknown, or some are not named like B03.
    """

    feature_names = ("row", "column", "edge")

    def __init__(self, name: str, channels: Sequence[str], *, manifest: Manifest) -> None:
        self.name = name
        if "well" not in manifest.table:
            raise EncoderError(f"{name}: the manifest has no column 'well'")
        places = known_positions(manifest.table)
        known = np.zeros(len(manifest), bool) if places is None else places["row"].notna().to_numpy()
        if places is None or not known.all():
            odd = manifest.table["well"][~known].iloc[0]
            raise EncoderError(f"{name}: {(~known).sum()} wells are not named like B03, the first is '{odd}'")
        self._places = places[list(self.feature_names)]
        self.weights_hash = hash_text("well-position")

    def embed_rows(self) -> NDArray[np.float32]:
        """Return the positions (n, 3)."""
        return self._places.to_numpy(np.float32)


class FileSize(RowEncoder):
    """The size and bit depth of a site's image files; compressed size depends on content.

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
            raise EncoderError(f"{name}: the images are packed in shards, so that file sizes are lost")
        self.feature_names = tuple(
            f"{column}_{what}" for column in manifest.image_columns for what in ("log2_bytes", "bits")
        )
        self.weights_hash = hash_text("file-size")

    def embed_rows(self) -> NDArray[np.float32]:
        """Return sizes and bit depths (n, D); zeros for missing files, which are reported when images are read."""
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
