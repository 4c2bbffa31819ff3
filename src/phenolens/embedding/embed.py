"""Run encoders over the images of a manifest."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from phenolens.datasets import Manifest
from phenolens.embedding.loader import default_workers, load_batches
from phenolens.encoders import Encoder, create_encoder
from phenolens.encoders.base import hash_text
from phenolens.encoders.oracle import oracle_vectors
from phenolens.errors import EmbeddingError, ImageError
from phenolens.images import Crop, read_site

PROVENANCE = "phenolens"


@dataclass(frozen=True)
class Embedded:
    """What an embedding run gives.

    Attributes
    ----------
    embeddings
        Encoder name -> its vectors, one row per site that could be read; the mean over a site's crops.
        Their provenance lies in ``uns["phenolens"]``.
    quarantine
        site_id -> why it could not be read.
    """

    embeddings: dict[str, AnnData]
    quarantine: dict[str, str]


def dataset_channels(manifest: Manifest, channels: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the channels of the first site that can be read, or those asked for if it has them.

    Raises
    ------
    ImageError
        If no site can be read, or a channel asked for is not there.
    """
    reason = ""
    for row in range(len(manifest)):
        try:
            site = read_site(manifest.images(row), manifest.names, site_id=str(manifest.table.index[row]))
        except ImageError as error:
            reason = reason or str(error)
            continue
        return site.select(channels).channels if channels else site.channels
    raise ImageError(f"{manifest.source}: none of {len(manifest)} sites can be read; the first: {reason}")


def embed(
    manifest: Manifest,
    encoders: Sequence[str | Encoder],
    *,
    channels: Sequence[str] | None = None,
    crop: Crop | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    device: str = "auto",
    precision: str = "fp32",
    progress: bool = False,
) -> Embedded:
    """Embed every site with every encoder, reading each image once.

    Parameters
    ----------
    manifest
        The sites.
    encoders
        Names, or encoders already made.
    channels
        The channels to use, in this order; all of the first site's if None. A site that lacks one is
        quarantined.
    crop
        What to take of each image; the whole of it if None. A site's vector is the mean over its crops.
    batch_size
        Crops per forward pass.
    workers
        Processes that read images; half of the cores if None, 0 to read in this one.
    device
        ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` takes a GPU if there is one.
    precision
        ``fp32`` or ``bf16``.
    progress
        Whether to draw a progress bar on stderr.

    Raises
    ------
    ImageError
        If not one site can be read.
    EncoderError
        If an encoder cannot be made for these channels.

    Examples
    --------
    >>> embed(manifest, ["cell-count"]).embeddings["cell-count"].X  # doctest: +SKIP
    """
    crop = crop or Crop()
    channels = dataset_channels(manifest, channels)
    device = resolve_device(device)
    made = [
        create_encoder(encoder, channels, device=device, precision=precision) if isinstance(encoder, str) else encoder
        for encoder in encoders
    ]
    sums = {encoder.name: _Sums(len(manifest), encoder) for encoder in made}
    failures: dict[int, str] = {}
    batches = load_batches(
        manifest,
        channels,
        crop,
        sites_per_batch=batch_size,
        workers=default_workers() if workers is None else workers,
    )
    with Progress(
        TextColumn("embedding"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not progress,
    ) as bar:
        task = bar.add_task("", total=len(manifest))
        for batch in batches:
            failures.update(batch.failures)
            for rows, pixels in batch.stacks:
                for part_rows, part in zip(torch.split(rows, batch_size), torch.split(pixels, batch_size), strict=True):
                    for encoder in made:
                        sums[encoder.name].add(part_rows.numpy(), part, channels)
            bar.advance(task, batch.n_sites)
    if len(failures) == len(manifest):
        raise ImageError(f"{manifest.source}: no site gave an embedding; the first: {failures[0]}")
    settings = embedding_settings(manifest, channels, crop, precision) | {"device": device}
    return Embedded(
        {name: result.to_anndata(manifest, settings) for name, result in sums.items()},
        {str(manifest.table.index[row]): reason for row, reason in sorted(failures.items())},
    )


def embedding_settings(manifest: Manifest, channels: Sequence[str], crop: Crop, precision: str) -> dict[str, Any]:
    """Return what, besides the encoder, the vectors depend on."""
    return {
        "manifest": manifest.fingerprint,
        "channels": list(channels),
        "crop": f"{crop.mode}:{crop.size}:{crop.count}:{crop.seed}",
        "precision": precision,
    }


def embed_oracle(manifest: Manifest, name: str) -> AnnData:
    """Return embeddings of a phantom's sites by an oracle, which reads their truth instead of their images.

    Parameters
    ----------
    manifest, name
        As in `oracle_vectors`.

    Raises
    ------
    EncoderError
        If there is no such oracle, or the manifest is not that of a phantom.
    """
    vectors = AnnData(oracle_vectors(manifest, name), obs=storable(manifest.table))
    vectors.uns[PROVENANCE] = {"encoder": name, "weights_hash": hash_text(name)}
    return vectors


def resolve_device(device: str) -> str:
    """Return the device that ``auto`` stands for, and any other as it is.

    Raises
    ------
    EmbeddingError
        If there is no such device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EmbeddingError(f"device '{device}' cannot be used: {reason}; try device auto or cpu") from error
    return device


@dataclass
class _Sums:
    """The running mean of each site's crops under one encoder."""

    n_sites: int
    encoder: Encoder
    seconds: float = 0.0
    total: NDArray[np.float64] = field(init=False)
    count: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.total = np.zeros((self.n_sites, self.encoder.dim))
        self.count = np.zeros(self.n_sites, np.int64)

    def add(self, rows: NDArray[np.int64], pixels: torch.Tensor, channels: Sequence[str]) -> None:
        """Embed crops (T, C, h, w) and add each to the sum of its row."""
        start = time.perf_counter()
        vectors = self.encoder.embed(pixels, channels)
        self.seconds += time.perf_counter() - start
        np.add.at(self.total, rows, vectors)
        np.add.at(self.count, rows, 1)

    def to_anndata(self, manifest: Manifest, settings: Mapping[str, Any]) -> AnnData:
        """Return the mean vector of each site that was read."""
        read = self.count > 0
        x = (self.total[read] / self.count[read, None]).astype(np.float32)
        provenance = {
            **settings,
            "encoder": self.encoder.name,
            "weights_hash": self.encoder.weights_hash,
            "sites_per_second": round(float(read.sum()) / max(self.seconds, 1e-9), 2),
            "versions": {package: version(package) for package in ("phenolens", "torch", "timm")},
        }
        return AnnData(
            x,
            obs=storable(manifest.table[read]),
            var=pd.DataFrame(index=list(self.encoder.feature_names)),
            uns={PROVENANCE: provenance},
        )


def storable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that .h5ad can hold: columns of text become categories, which may have gaps."""
    table = table.rename_axis(None)
    table.index = table.index.astype(str)
    return table.astype({column: "category" for column in table if table[column].dtype == object})
