"""Finished sites of a run that has not ended yet, so that a run that was killed goes on from them."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.files import write_whole
from phenolens.core.json import plain
from phenolens.datasets import Manifest

_log = logging.getLogger(__name__)

_KEY = "key.json"
_LEAST_SECONDS = 1.0
_SHARE = 0.02  # of the time of a run that is lost at most


class Journal:
    """The finished sites of one manifest, in a hidden folder beside its embeddings.

    Parts hold consecutive sites from the first one on. What an earlier run has kept is used if it read the same images
    with the same settings by the same encoders, or more of these; otherwise it is deleted.

    Parameters
    ----------
    folder
        The folder of the embeddings.
    manifest
        The sites.
    settings
        What determines vectors besides the encoder.
    encoders
        The name of each encoder -> what determines it.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, settings: Mapping[str, Any], encoders: Mapping[str, Mapping[str, Any]]
    ) -> None:
        of_manifest = hashlib.sha256(str(manifest.source.resolve()).encode()).hexdigest()[:12]
        self._folder = folder / f".unfinished-{of_manifest}"
        key = plain({"settings": settings, "encoders": encoders})
        if not _covers(self._earlier_key(), key):
            self.remove()
            self._folder.mkdir()
            write_whole(self._folder / _KEY, json.dumps(key).encode())
        self._began = self._last = time.monotonic()

    def _earlier_key(self) -> Any:
        try:
            return json.loads((self._folder / _KEY).read_bytes())
        except (OSError, ValueError):
            return None

    def parts(self) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
        """Yield the end of each part that was kept, and its arrays, up to the first one that is missing or damaged."""
        start = 0
        while True:
            try:
                [path] = self._folder.glob(f"{start}-*.npz")
                with np.load(path, allow_pickle=False) as file:
                    arrays = {name: file[name] for name in file}
            except Exception:  # what damaged content leads to is not limited to any type
                return
            start = int(path.stem.partition("-")[2])
            yield start, arrays

    def is_due(self) -> bool:
        """Whether enough has been done since the last part was kept."""
        now = time.monotonic()
        return now - self._last >= max(_LEAST_SECONDS, _SHARE * (now - self._began))

    def keep(self, start: int, stop: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep what is known of the sites from `start` up to `stop`.

        If the disk is full, all parts make room for the embeddings.
        """
        content = BytesIO()
        np.savez(content, **dict(arrays))  # type: ignore[arg-type]
        try:
            for left in self._folder.glob(f"{start}-*.npz"):  # a damaged one
                left.unlink()
            write_whole(self._folder / f"{start}-{stop}.npz", content.getvalue())
        except OSError as error:
            _log.warning("finished sites are not kept (%s); a run that is killed starts again", error)
            self.remove()
            self._last = math.inf
        else:
            self._last = time.monotonic()

    def remove(self) -> None:
        """Delete all parts."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _covers(earlier: Any, wanted: dict[str, Any]) -> bool:
    """Whether what was kept with one key has all that another one asks for."""
    if not isinstance(earlier, dict) or earlier.get("settings") != wanted["settings"]:
        return False
    kept = earlier.get("encoders")
    return isinstance(kept, dict) and all(kept.get(name) == key for name, key in wanted["encoders"].items())
