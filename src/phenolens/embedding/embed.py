"""Run encoders over the images of a manifest."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.cpu import available_cores
from phenolens.core.errors import EmbeddingError, ImageError, reason_of
from phenolens.core.progress import progress_bar
from phenolens.datasets import Manifest
from phenolens.embedding.failure import failure_of
from phenolens.embedding.make_encoders import EncoderLike, make_encoders
from phenolens.embedding.provenance import INFO, NOTE, PROVENANCE
from phenolens.embedding.storable import storable
from phenolens.encoders import Encoder, EncoderInfo, Measurement, RowEncoder
from phenolens.images import CAVEATS, Crop, Intervention, NucleiOptions, Site, find_intervention, read_site

if TYPE_CHECKING:
    import torch
    from anndata import AnnData

    from phenolens.embedding.journal import Journal
    from phenolens.embedding.loader import Measured

_log = logging.getLogger(__name__)
_MOST_WORKERS = 8
_HOPELESS = 32  # sites; an encoder that fails for each of the first ones does not fit the images


@dataclass(frozen=True)
class Embedded:
    """The result of an embedding run.

    Attributes
    ----------
    embeddings
        `EncoderInfo.id` -> vectors, one row per site that is not quarantined: the mean over its crops.
        ``uns["phenolens"]`` holds their provenance, and there ``info`` describes the encoder; see `encoder_info`.
    quarantine
        site_id -> why it could not be read or embedded.
    """

    embeddings: dict[str, AnnData]
    quarantine: dict[str, str]


def dataset_channels(manifest: Manifest, channels: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the channels of the first readable site, or the requested ones if that site has them.

    A manifest without images has no channels.

    Raises
    ------
    ImageError
        If no site can be read, or a requested channel is missing.
    """
    if not manifest.image_columns:
        return ()
    site = first_site(manifest)
    return site.select(channels).channels if channels else site.channels


def first_site(manifest: Manifest) -> Site:
    """Return the first site that can be read.

    Raises
    ------
    ImageError
        If no site can be read.
    """
    reason = ""
    for row in range(len(manifest)):
        try:
            return read_site(manifest.images(row), manifest.names, site_id=str(manifest.table.index[row]))
        except ImageError as error:
            reason = reason or str(error)
    raise ImageError(f"{manifest.source}: none of {len(manifest)} sites can be read; the first: {reason}")


def default_workers(*, networks: bool = True) -> int:
    """Return the number of processes that read and measure images: all cores, or half of them if networks run too."""
    return max(1, min(_MOST_WORKERS, available_cores() // 2)) if networks else available_cores()


def embed(
    manifest: Manifest,
    encoders: Sequence[EncoderLike],
    *,
    channels: Sequence[str] | None = None,
    crop: Crop | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    device: str = "auto",
    precision: str = "fp32",
    intervention: str | None = None,
    nuclei: NucleiOptions | None = None,
    journal: Journal | None = None,
    progress: bool = False,
) -> Embedded:
    """Embed every site with every encoder, reading each image once.

    A site that cannot be read, or that one of the encoders cannot embed, is quarantined, with the reason.

    Networks run in this process, on the device. Encoders without weights run in the processes that read images.
    Encoders that read only the manifest run once at the end.

    Parameters
    ----------
    manifest
        The sites.
    encoders
        Encoder names as `create_encoder` takes them, encoders, or models of yours (`phenolens.encoder`), which bring
        their untrained counterparts; `Named` gives a name or an encoder another name to report it under.
    channels
        The channels to use, in this order; all of the first site's if None. A site that lacks one is
        quarantined.
    crop
        What to take of each image; the whole of it if None. A site's vector is the mean over its crops.
    batch_size
        Crops per forward pass.
    workers
        Processes that read and measure images, 0 for this process alone; if None, half of the cores if networks run,
        else all.
    device
        ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` takes a GPU if there is one.
    precision
        ``fp32`` or ``bf16``.
    intervention
        The name of a change made to the crops before they are embedded; see `interventions`.
    nuclei
        How nuclei are found in images without masks; by the classical segmentation, of any size, if None.
    journal
        Where finished sites are kept, and those of a run that was killed are found; nowhere if None.
    progress
        Whether to draw a progress bar on stderr.

    Raises
    ------
    ImageError
        If no site can be read, there is no such intervention, or nuclei have limits in microns and a site has no mpp.
    EncoderError
        If an encoder cannot be created for these channels, or two encoders have the same name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from phenolens.datasets import read_manifest
    >>> from phenolens.simulation import simulate_cells
    >>> with TemporaryDirectory() as folder:
    ...     manifest = read_manifest(simulate_cells(folder, plates=1, wells=24, size=64, workers=1))
    ...     embed(manifest, ["cell-count"], workers=0).embeddings["cell-count"].X.shape
    (24, 1)
    """
    crop = crop or Crop()
    nuclei = nuclei or NucleiOptions()
    check_mpp(manifest, nuclei)
    channels = dataset_channels(manifest, channels)
    device = resolve_device(device)
    made = make_encoders(encoders, channels, manifest=manifest, device=device, precision=precision)
    sums = {
        one.info.id: _Sums(len(manifest), one.info, one.encoder)
        for one in made
        if not isinstance(one.encoder, RowEncoder)
    }
    change = None if intervention is None else find_intervention(intervention, channels)
    # The state of files before they are read: vectors of a file that is replaced meanwhile do not count as current.
    settings = embedding_settings(manifest, channels, crop, precision, intervention, nuclei) | {"device": device}
    failures = (
        _see(manifest, sums, channels, crop, batch_size, workers, change, nuclei, journal, progress) if sums else {}
    )
    if len(failures) == len(manifest):
        raise ImageError(f"{manifest.source}: no site could be embedded; the first: {failures[0]}")
    if manifest.fingerprint != settings["manifest"]:
        _log.warning("%s: images were changed while they were embedded; run again to embed them anew", manifest.source)
    read = np.array([row not in failures for row in range(len(manifest))])
    return Embedded(
        {
            one.info.id: _read_rows(one.info, one.encoder, manifest, read, settings)
            if isinstance(one.encoder, RowEncoder)
            else sums[one.info.id].to_anndata(manifest, read, settings)
            for one in made
        },
        {str(manifest.table.index[row]): _as_text(reason) for row, reason in sorted(failures.items())},
    )


def check_mpp(manifest: Manifest, nuclei: NucleiOptions) -> None:
    """Fail if nuclei have limits in microns and the microns per pixel of a site are unknown.

    Raises
    ------
    ImageError
        If so; the message names the first such site.
    """
    if nuclei.diameter is None:
        return
    for row, site in enumerate(manifest.table.index):
        if manifest.mpp(row) is None:
            raise ImageError(
                f"{manifest.source}: nuclei.diameter is in microns, and '{site}' has no mpp (microns per pixel); fill "
                "in the column mpp, or leave out nuclei.diameter"
            )


def _as_text(reason: str) -> str:
    """Return a reason as text that every file can hold: names of files may be no text."""
    return reason.encode("utf-8", "replace").decode().replace("\0", "?")


def _see(
    manifest: Manifest,
    sums: Mapping[str, _Sums],
    channels: Sequence[str],
    crop: Crop,
    batch_size: int,
    workers: int | None,
    intervention: Intervention | None,
    nuclei: NucleiOptions,
    journal: Journal | None,
    progress: bool,
) -> dict[int, str]:
    """Run the encoders over all images; return manifest row -> reason why it could not be read or embedded."""
    import torch

    from phenolens.embedding.loader import load_batches  # a torch Dataset

    measuring = [one for one in sums.values() if isinstance(one.encoder, Measurement)]
    networks = [one for one in sums.values() if not isinstance(one.encoder, Measurement)]
    failures: dict[int, str] = {}
    done = kept = _restore(journal, sums, failures)
    batches = load_batches(
        manifest,
        channels,
        crop,
        start=done,
        # Measurements gain nothing from batches, and the last batches would leave processes idle.
        sites_per_batch=batch_size if networks else 1,
        workers=default_workers(networks=bool(networks)) if workers is None else workers,
        measurements=[one.encoder for one in measuring if isinstance(one.encoder, Measurement)],
        wants_pixels=bool(networks),
        intervention=intervention,
        nuclei=nuclei,
    )
    with progress_bar("embedding", len(manifest), done=done, shown=progress) as show:
        for batch in batches:
            failures.update(batch.failures)
            for row, measured in batch.measured.items():
                for one, result in zip(measuring, measured, strict=True):
                    failures.update(one.add_measured(row, result))
            for rows, pixels in batch.stacks:
                for first in range(0, len(rows), batch_size):
                    part = torch.as_tensor(pixels[first : first + batch_size])
                    for one in networks:
                        failures.update(one.add(rows[first : first + batch_size], part, channels))
            done += batch.n_sites
            if journal is not None and (done == len(manifest) or journal.is_due()):
                journal.keep(kept, done, _part(kept, done, sums, failures))
                kept = done
            show(done)
    return failures


def _restore(journal: Journal | None, sums: Mapping[str, _Sums], failures: dict[int, str]) -> int:
    """Take over what an earlier run has kept; return how many sites these are."""
    done = 0
    for stop, arrays in journal.parts() if journal is not None else ():
        for name, one in sums.items():
            one.restore(done, stop, {kept: arrays[f"{kept}:{name}"] for kept in _Sums.KEPT})
        failures.update(zip(arrays["failed"].tolist(), arrays["reason"].tolist(), strict=True))
        done = stop
    if done:
        _log.info("going on after %d sites that an earlier run has embedded", done)
    return done


def _part(start: int, stop: int, sums: Mapping[str, _Sums], failures: Mapping[int, str]) -> dict[str, NDArray[Any]]:
    """Return all that is known of consecutive sites, as arrays."""
    failed = [row for row in range(start, stop) if row in failures]
    arrays = {"failed": np.array(failed, dtype=int), "reason": np.array([failures[row] for row in failed], dtype=str)}
    for name, one in sums.items():
        arrays |= {f"{kept}:{name}": values for kept, values in one.part(start, stop).items()}
    return arrays


def _read_rows(
    info: EncoderInfo,
    encoder: RowEncoder,
    manifest: Manifest,
    read: NDArray[np.bool_],
    settings: Mapping[str, Any],
) -> AnnData:
    """Embed the rows of the manifest whose images could be read, with an encoder that reads only the manifest."""
    start = time.perf_counter()
    x = encoder.embed_rows()[read]
    return _to_anndata(x, manifest, read, info, encoder, settings, time.perf_counter() - start, encoder.note)


def embedding_settings(
    manifest: Manifest,
    channels: Sequence[str],
    crop: Crop,
    precision: str,
    intervention: str | None = None,
    nuclei: NucleiOptions | None = None,
) -> dict[str, Any]:
    """Return the settings, besides the encoder, that determine the vectors."""
    changed = {} if intervention is None else {"intervention": intervention}
    return changed | {
        "manifest": manifest.fingerprint,
        "channels": list(channels),
        "crop": f"{crop.mode}:{crop.size}:{crop.count}:{crop.seed}",
        "precision": precision,
        "nuclei": str(nuclei or NucleiOptions()),
    }


def resolve_device(device: str) -> str:
    """Return the device that ``auto`` resolves to, or the given device.

    Raises
    ------
    EmbeddingError
        If there is no such device.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EmbeddingError(f"device '{device}' cannot be used: {reason_of(error)}; try device auto or cpu") from error
    return device


@dataclass
class _Sums:
    """The running mean of each site's crops under one encoder."""

    KEPT: ClassVar[tuple[str, ...]] = ("total", "count", "caveats", "seconds")

    n_sites: int
    info: EncoderInfo
    encoder: Encoder
    seconds: float = 0.0
    n_failed: int = 0
    total: NDArray[np.float64] = field(init=False)
    count: NDArray[np.int64] = field(init=False)
    caveats: dict[int, tuple[bool, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.total = np.zeros((self.n_sites, self.encoder.dim))
        self.count = np.zeros(self.n_sites, np.int64)

    def add(self, rows: NDArray[np.int64], pixels: torch.Tensor, channels: Sequence[str]) -> dict[int, str]:
        """Embed crops (T, C, h, w) and add each to the sum of its row; return row -> reason of those that failed."""
        import torch

        start = time.perf_counter()
        try:
            vectors = self.encoder.embed(pixels, channels)
        except (torch.OutOfMemoryError, torch.AcceleratorError):  # the device has failed, not an image
            raise
        except Exception as error:
            if not self.count.any() and self.n_failed >= _HOPELESS:
                raise
            sites = np.unique(rows)
            if len(sites) == 1:
                self.n_failed += 1
                return {int(sites[0]): failure_of(self.info.id, error)}
            # One site may be the cause: each is embedded alone.
            failures: dict[int, str] = {}
            for site in sites:
                own = rows == site
                failures.update(self.add(rows[own], pixels[torch.from_numpy(own)], channels))
            return failures
        self.seconds += time.perf_counter() - start
        np.add.at(self.total, rows, vectors)
        np.add.at(self.count, rows, 1)
        return self._not_finite(rows[~np.isfinite(vectors).all(axis=1)])

    def add_measured(self, row: int, measured: Measured) -> dict[int, str]:
        """Add the measured vectors of a site; return row -> reason if they are not finite."""
        self.seconds += measured.seconds
        self.total[row] += measured.vectors.sum(axis=0)
        self.count[row] += len(measured.vectors)
        if measured.caveats is not None:
            self.caveats[row] = measured.caveats
        return self._not_finite([] if np.isfinite(measured.vectors).all() else [row])

    def _not_finite(self, rows: Iterable[int]) -> dict[int, str]:
        reason = f"{self.info.id}: the vector of the image has NaN or infinite values; check it, and the weights"
        return {int(row): reason for row in rows}

    def part(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return what is known of consecutive sites, and the time that all took so far."""
        caveats = [(row, *self.caveats[row]) for row in range(start, stop) if row in self.caveats]
        return {
            "total": self.total[start:stop],
            "count": self.count[start:stop],
            "caveats": np.array(caveats, dtype=int).reshape(-1, 1 + len(CAVEATS)),
            "seconds": np.array(self.seconds),
        }

    def restore(self, start: int, stop: int, part: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `part` has returned."""
        self.total[start:stop] = part["total"]
        self.count[start:stop] = part["count"]
        self.caveats.update({row: tuple(map(bool, flags)) for row, *flags in part["caveats"].tolist()})
        self.seconds = float(part["seconds"])

    def to_anndata(self, manifest: Manifest, read: NDArray[np.bool_], settings: Mapping[str, Any]) -> AnnData:
        """Return the mean vector of each site that is not quarantined; `read` is the mask (n,) of these sites."""
        x = (self.total[read] / self.count[read, None]).astype(np.float32)
        flags = [self.caveats[row] for row in np.flatnonzero(read).tolist() if row in self.caveats]
        times = np.array(flags, dtype=int).reshape(-1, len(CAVEATS)).sum(axis=0)
        note = "; ".join(f"{n} of {len(flags)} sites {what}" for what, n in zip(CAVEATS, times, strict=True) if n)
        return _to_anndata(x, manifest, read, self.info, self.encoder, settings, self.seconds, note)


def _to_anndata(
    x: NDArray[np.float32],
    manifest: Manifest,
    read: NDArray[np.bool_],
    info: EncoderInfo,
    encoder: Encoder | RowEncoder,
    settings: Mapping[str, Any],
    seconds: float,
    note: str,
) -> AnnData:
    from anndata import AnnData

    provenance = {
        **settings,
        "encoder": info.id,
        INFO: info.as_dict(),
        "weights_hash": encoder.weights_hash,
        "sites_per_second": round(float(read.sum()) / max(seconds, 1e-9), 2),
        "versions": {package: version(package) for package in ("phenolens", "torch", "timm")},
    }
    return AnnData(
        x,
        obs=storable(manifest.table[read]),
        var=pd.DataFrame(index=list(encoder.feature_names)),
        uns={PROVENANCE: provenance | ({NOTE: note} if note else {})},
    )
