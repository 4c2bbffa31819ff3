"""A few sites embedded and stored first, so that what cannot work ends before all of them are read."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from phenolens.core.errors import EmbeddingError, ImageError
from phenolens.datasets import Manifest
from phenolens.embedding.embed import embed
from phenolens.embedding.make_encoders import MadeEncoder
from phenolens.embedding.store import write_embeddings
from phenolens.encoders import RowEncoder
from phenolens.images import Crop, NucleiOptions

MOST_UNTRIED = 50
"""With no more sites, all of them are embedded as soon as a few."""
_SITES = 3
_BYTES_OF_A_NUMBER = 8 + 4  # the sum over crops, and the vector
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes; systems differ


@dataclass(frozen=True)
class Trial:
    """How a few sites were embedded.

    Attributes
    ----------
    n_sites
        How many were tried.
    failed
        site_id -> why it could not be embedded.
    seconds_per_site
        What one site took with all encoders, in one process.
    bytes_held
        The memory that the process held, and that vectors of all sites take besides.
    """

    n_sites: int
    failed: dict[str, str]
    seconds_per_site: float
    bytes_held: int


def try_few_sites(
    manifest: Manifest,
    encoders: Sequence[MadeEncoder],
    *,
    channels: Sequence[str],
    crop: Crop,
    batch_size: int,
    device: str,
    precision: str,
    intervention: str | None = None,
    nuclei: NucleiOptions | None = None,
) -> Trial:
    """Embed the first, the middle and the last site, and store their vectors in a folder that is removed again.

    Parameters
    ----------
    manifest, encoders, channels, crop, batch_size, device, precision, intervention, nuclei
        As in `embed`; encoders that read only the manifest are not tried.

    Raises
    ------
    EmbeddingError
        If none of them can be embedded, or their vectors cannot be stored.
    """
    seen = [one for one in encoders if not isinstance(one.encoder, RowEncoder)]  # the others read the whole manifest
    if not seen:
        return Trial(0, {}, 0.0, _held())
    rows = np.unique(np.linspace(0, len(manifest) - 1, _SITES).round().astype(int))
    few = manifest.take(rows)
    start = time.perf_counter()
    try:
        found = embed(
            few,
            seen,
            channels=channels,
            crop=crop,
            batch_size=batch_size,
            workers=0,
            device=device,
            precision=precision,
            intervention=intervention,
            nuclei=nuclei,
        )
    except ImageError as error:
        raise EmbeddingError(f"{len(few)} of {len(manifest)} sites were tried first: {error}") from error
    seconds = time.perf_counter() - start
    with TemporaryDirectory() as folder:
        for number, vectors in enumerate(found.embeddings.values()):
            write_embeddings(vectors, Path(folder) / f"{number}.h5ad")
    numbers = len(manifest) * sum(vectors.n_vars for vectors in found.embeddings.values())
    return Trial(len(few), found.quarantine, seconds / len(few), _held() + numbers * _BYTES_OF_A_NUMBER)


def _held() -> int:
    """Return the most memory that this process held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
