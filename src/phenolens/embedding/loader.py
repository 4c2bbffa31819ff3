"""Reading, cropping and measuring of images in worker processes; batches do not depend on the number of workers."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, get_worker_info

from phenolens.core.errors import EmbeddingError
from phenolens.core.random import spawn
from phenolens.datasets import Manifest
from phenolens.embedding.failure import failure_of
from phenolens.encoders import Measurement, NucleiMeasurement
from phenolens.encoders.nuclei import Segmentation
from phenolens.images import Crop, Intervention, NucleiOptions, Site, caveats_of, corners, cut, read_mask, read_site


@dataclass(frozen=True)
class Measured:
    """The vectors of one site by one measurement.

    Attributes
    ----------
    vectors
        (T, D), one row per crop.
    caveats
        Which of `CAVEATS` apply to the nuclei; None if nuclei are not used.
    seconds
        The time taken, including segmentation unless another measurement has done it already.
    """

    vectors: NDArray[np.float32]
    caveats: tuple[bool, ...] | None
    seconds: float


@dataclass
class Batch:
    """Crops of consecutive sites, stacked by shape, and the sites that could not be read.

    Attributes
    ----------
    stacks
        Pairs of rows (T,), the manifest row of each crop, and pixels (T, C, h, w); empty if pixels are not needed. From
        worker processes, pixels come as tensors in shared memory, or as arrays where there is too little of it.
    measured
        Manifest row -> the result of each measurement, in the given order.
    failures
        Manifest row -> the reason why it could not be read or measured.
    n_sites
        The number of sites, including those that failed.
    """

    stacks: list[tuple[NDArray[np.intp], torch.Tensor | NDArray[Any]]] = field(default_factory=list)
    measured: dict[int, list[Measured]] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    n_sites: int = 0


class _Sites(Dataset[Any]):
    """The crops of each site and their measurements, or the reason why it could not be read."""

    def __init__(
        self,
        manifest: Manifest,
        channels: Sequence[str],
        crop: Crop,
        measurements: Sequence[Measurement],
        wants_pixels: bool,
        intervention: Intervention | None,
        options: NucleiOptions,
    ) -> None:
        self.manifest = manifest
        self.channels = tuple(channels)
        self.crop = crop
        self.measurements = measurements
        self.wants_pixels = wants_pixels
        self.intervention = intervention
        self.options = options
        self.nuclei = (
            Segmentation.choose(intervention.name, channels, None, None)
            if intervention is not None and intervention.needs_nuclei
            else None
        )

    def __getitem__(self, row: int) -> tuple[int, Any]:
        site_id = str(self.manifest.table.index[row])
        try:
            site = read_site(self.manifest.images(row), self.manifest.names, site_id=site_id).select(self.channels)
            at = corners(site, self.crop)
            pixels = cut(site.pixels, at, self.crop)
            if self.intervention is not None:
                pixels = self._change(row, site, at, pixels)
            return row, (pixels if self.wants_pixels else None, self._measure(row, site, at, pixels))
        except Exception as error:  # one bad image must not end a run
            return row, failure_of(site_id, error)

    def _change(self, row: int, site: Site, at: NDArray[np.intp], pixels: NDArray[Any]) -> NDArray[Any]:
        """Return the crops after the intervention; nuclei are segmented before it."""
        assert self.intervention is not None  # noqa: S101 - called only if there is one
        labels = None
        if self.nuclei is not None:
            given = self._given_nuclei(row, site, at)
            labels = (
                self.nuclei.find(torch.from_numpy(pixels), self.channels, self.options, self.manifest.mpp(row))
                if given is None
                else given
            )
        rng = spawn(0, "intervention", self.intervention.name, site.site_id)
        return self.intervention.apply(pixels, self.channels, rng, labels)

    def _given_nuclei(self, row: int, site: Site, at: NDArray[np.intp]) -> NDArray[np.int32] | None:
        """Return the labels of nuclei in the crops if the manifest names a mask, else None."""
        mask = self.manifest.mask(row)
        if mask is None:
            return None
        height, width = site.pixels.shape[1:]
        return cut(read_mask(mask, (height, width), self.options.masks), at, self.crop)

    def _measure(self, row: int, site: Site, at: NDArray[np.intp], pixels: NDArray[Any]) -> list[Measured]:
        """Return the result of each measurement; nuclei are segmented once for all measurements."""
        found: dict[Segmentation, tuple[NDArray[np.int32], tuple[bool, ...]]] = {}
        given = None
        if any(isinstance(each, NucleiMeasurement) for each in self.measurements):
            given = self._given_nuclei(row, site, at)
        mpp = self.manifest.mpp(row)
        result = []
        for each in self.measurements:
            start = time.perf_counter()
            if not isinstance(each, NucleiMeasurement):
                vectors = each.embed(pixels, self.channels)
                result.append(Measured(vectors, None, time.perf_counter() - start))
                continue
            source = each.segmentation
            if source not in found:
                labels = source.find(pixels, self.channels, self.options, mpp) if given is None else given
                found[source] = (
                    labels,
                    caveats_of(labels, source.sites(pixels, self.channels, mpp), given=given is not None),
                )
            nuclei, caveats = found[source]
            vectors = each.embed(pixels, self.channels, nuclei)
            result.append(Measured(vectors, caveats, time.perf_counter() - start))
        return result


def _collate(items: list[tuple[int, Any]]) -> Batch:
    """Stack crops of equal shape and dtype; most data sets have one."""
    batch = Batch(n_sites=len(items))
    by_shape: dict[tuple[Any, ...], list[tuple[int, Any]]] = {}
    for row, result in items:
        if isinstance(result, str):
            batch.failures[row] = result
            continue
        pixels, batch.measured[row] = result
        if pixels is not None:
            by_shape.setdefault((pixels.dtype.str, *pixels.shape[1:]), []).append((row, pixels))
    for group in by_shape.values():
        rows = np.repeat([row for row, _ in group], [len(result) for _, result in group])
        pixels = np.concatenate([result for _, result in group])
        batch.stacks.append((rows, _to_send(pixels)))
    return batch


def _to_send(pixels: NDArray[Any]) -> torch.Tensor | NDArray[Any]:
    """Return pixels in shared memory if this is a worker process and there is enough of it, else as they are.

    The memory is claimed here, since a failure in the thread that sends results would never be heard of.
    """
    if get_worker_info() is None:
        return pixels
    try:
        return torch.from_numpy(pixels).share_memory_()
    except RuntimeError:  # such as 64 MB in a container
        return pixels


def load_batches(
    manifest: Manifest,
    channels: Sequence[str],
    crop: Crop,
    *,
    start: int = 0,
    sites_per_batch: int,
    workers: int,
    measurements: Sequence[Measurement] = (),
    wants_pixels: bool = True,
    intervention: Intervention | None = None,
    nuclei: NucleiOptions | None = None,
) -> Iterator[Batch]:
    """Yield the crops of sites and their measurements, in the order of the manifest.

    Parameters
    ----------
    manifest
        The sites.
    channels
        The channels to read, in this order.
    crop
        What to take of each image.
    start
        The row of the first site.
    sites_per_batch
        The number of sites in a batch.
    workers
        The number of worker processes; 0 reads in this process.
    measurements
        Encoders without weights, which run in the processes that read images.
    wants_pixels
        Whether batches hold the crops themselves.
    intervention
        The change made to the crops of each site before they are measured or embedded.
    nuclei
        How nuclei are found in images without masks; see `NucleiOptions`.

    Raises
    ------
    EmbeddingError
        If the system has ended a worker process.
    """
    batches = DataLoader(
        _Sites(manifest, channels, crop, measurements, wants_pixels, intervention, nuclei or NucleiOptions()),
        sampler=range(start, len(manifest)),
        batch_size=sites_per_batch,
        collate_fn=_collate,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    try:
        yield from batches
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise EmbeddingError(
            f"{manifest.source}: a process that reads images was ended, for lack of memory or of shared memory in "
            "/dev/shm; use fewer processes, or none (--workers 0)"  # noqa: S108 - not a file to write to
        ) from error
