"""Images read, checked and cropped by worker processes, in batches that do not depend on their number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from phenolens.cores import available_cores
from phenolens.datasets import Manifest
from phenolens.errors import ImageError
from phenolens.images import Crop, crops, read_site

_MOST_WORKERS = 8


@dataclass
class Batch:
    """Crops of consecutive sites: stacks of one shape each, and the sites that could not be read.

    Attributes
    ----------
    stacks
        Pairs of rows (T,), the manifest row of each crop, and pixels (T, C, h, w).
    failures
        Manifest row -> why it could not be read.
    n_sites
        How many sites it is made of, those that could not be read included.
    """

    stacks: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    n_sites: int = 0


class _SiteCrops(Dataset[Any]):
    """The crops of each site, or the reason why there are none."""

    def __init__(self, manifest: Manifest, channels: Sequence[str], crop: Crop) -> None:
        self.manifest = manifest
        self.channels = tuple(channels)
        self.crop = crop

    def __getitem__(self, row: int) -> tuple[int, Any]:
        try:
            site = read_site(
                self.manifest.images(row), self.manifest.names, site_id=str(self.manifest.table.index[row])
            )
            return row, crops(site.select(self.channels), self.crop)
        except ImageError as error:
            return row, str(error)


def _collate(items: list[tuple[int, Any]]) -> Batch:
    """Stack crops of equal shape and dtype; most data sets have one."""
    batch = Batch(n_sites=len(items))
    alike: dict[tuple[Any, ...], list[tuple[int, Any]]] = {}
    for row, result in items:
        if isinstance(result, str):
            batch.failures[row] = result
        else:
            alike.setdefault((result.dtype.str, *result.shape[1:]), []).append((row, result))
    for group in alike.values():
        rows = np.repeat([row for row, _ in group], [len(result) for _, result in group])
        pixels = np.concatenate([result for _, result in group])
        batch.stacks.append((torch.from_numpy(rows), torch.from_numpy(pixels)))
    return batch


def default_workers() -> int:
    """Return half of the cores that this process may use: the other half runs the encoders."""
    return max(1, min(_MOST_WORKERS, available_cores() // 2))


def load_batches(
    manifest: Manifest, channels: Sequence[str], crop: Crop, *, sites_per_batch: int, workers: int
) -> Iterator[Batch]:
    """Yield the crops of all sites, in the order of the manifest.

    Parameters
    ----------
    manifest
        The sites.
    channels
        The channels to read, in the order wanted.
    crop
        What to take of each image.
    sites_per_batch
        How many sites a batch holds.
    workers
        Worker processes; 0 reads in this process.
    """
    yield from DataLoader(
        _SiteCrops(manifest, channels, crop),
        sampler=range(len(manifest)),
        batch_size=sites_per_batch,
        collate_fn=_collate,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
