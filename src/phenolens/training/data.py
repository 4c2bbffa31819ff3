"""An endless stream of crops, determined by seed and position, so that training can be resumed."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate, get_worker_info

from phenolens.core.cpu import available_cores
from phenolens.core.errors import ImageError, TrainingError
from phenolens.core.random import spawn
from phenolens.datasets import Manifest
from phenolens.images import check_crop, read_site
from phenolens.training.options import MOST_FAILED

_log = logging.getLogger(__name__)


class CropStream(Dataset[Any]):
    """Random crops of the sites of a manifest; every epoch has each site once.

    Item i of the stream is the same for any number of processes, and in resumed runs.

    Parameters
    ----------
    manifest
        The sites.
    channels
        The channels to read, in order.
    crop
        The side of a crop in pixels.
    labels
        (n,) class of each row, -1 for rows that are left out; None without labels.
    groups
        (n,) group of each row, such as its well; each item is then two crops, of two rows of a group if it has two.
    flip
        Whether crops are flipped and rotated by multiples of 90 degrees.
    keep_gib
        The memory in GiB in which images are kept if all fit.
    seed
        The seed of order, crops, flips and rotations.

    Raises
    ------
    ImageError
        If no image can be read, or images are smaller than the crop.
    """

    def __init__(
        self,
        manifest: Manifest,
        channels: Sequence[str],
        crop: int,
        *,
        labels: NDArray[np.intp] | None = None,
        groups: NDArray[Any] | None = None,
        flip: bool = True,
        keep_gib: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.manifest = manifest
        self.channels = tuple(channels)
        self.crop = crop
        self.labels = labels
        self.flip = flip
        self.seed = seed
        self.rows = np.arange(len(manifest)) if labels is None else np.flatnonzero(labels >= 0)
        self.members = None if groups is None else {name: np.flatnonzero(groups == name) for name in np.unique(groups)}
        self.groups = groups
        first = self._first_image()
        self._kept: dict[int, NDArray[Any]] = {}
        if first.nbytes * len(self.rows) <= keep_gib * 2**30:
            with ThreadPoolExecutor(available_cores()) as pool:
                read = pool.map(self._try, self.rows.tolist())
                self._kept = {
                    row: image for row, image in zip(self.rows.tolist(), read, strict=True) if image is not None
                }
            self._refuse_failures(len(self.rows) - len(self._kept))
            self.rows = np.array([row for row in self.rows if row in self._kept])

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._row(index)
        rng = spawn(self.seed, "crop", str(index))
        partner = self._partner(row, rng)
        views = [self._cut(self._image(each), rng) for each in ([row] if partner is None else [row, partner])]
        label = -1 if self.labels is None else int(self.labels[row])
        pixels = views[0] if partner is None else np.stack(views)
        return {"pixels": torch.from_numpy(pixels), "row": row, "index": index, "label": label}

    def site_ids(self, rows: Sequence[int]) -> list[str]:
        """Return the names of rows."""
        return [str(self.manifest.table.index[row]) for row in rows]

    def _row(self, index: int) -> int:
        epoch, place = divmod(index, len(self.rows))
        return int(self.rows[_order(self.seed, epoch, len(self.rows))[place]])

    def _partner(self, row: int, rng: np.random.Generator) -> int | None:
        if self.members is None or self.groups is None:
            return None
        others = self.members[self.groups[row]]
        others = others[others != row]
        return int(rng.choice(others)) if len(others) else row

    def _image(self, row: int) -> NDArray[Any]:
        """Return the pixels of a row, or of the next readable one."""
        for _ in range(len(self.rows)):
            image = self._kept.get(row)
            image = self._try(row) if image is None else image
            if image is not None:
                return image
            row = int(self.rows[(np.searchsorted(self.rows, row) + 1) % len(self.rows)])
        raise ImageError(f"{self.manifest.source}: no site can be read")

    def _first_image(self) -> NDArray[Any]:
        """Return the first image that can be read, among as many as may be left out."""
        *others, last = self.rows[: int(MOST_FAILED * len(self.rows)) + 1].tolist()
        readable = (image for row in others if (image := self._try(row)) is not None)
        image = next(readable, None)
        return self._read(last) if image is None else image

    def _try(self, row: int) -> NDArray[Any] | None:
        try:
            return self._read(row)
        except ImageError as error:
            _log.warning("left out of training: %s", error)
            return None

    def _read(self, row: int) -> NDArray[Any]:
        site = read_site(self.manifest.images(row), self.manifest.names, site_id=str(self.manifest.table.index[row]))
        pixels = site.select(self.channels).pixels
        check_crop(site.site_id, pixels.shape[1:], self.crop)
        return pixels

    def _refuse_failures(self, n: int) -> None:
        if n > MOST_FAILED * len(self.rows):
            raise TrainingError(
                f"{n} of {len(self.rows)} sites cannot be read, more than {MOST_FAILED:.0%}; fix or remove "
                "those named in the warnings"
            )

    def _cut(self, image: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        room = np.array(image.shape[1:]) - self.crop + 1
        top, left = rng.integers(room)
        cut = image[:, top : top + self.crop, left : left + self.crop]
        if self.flip:
            cut = np.rot90(cut, int(rng.integers(4)), axes=(1, 2))
            cut = cut[:, :, ::-1] if rng.integers(2) else cut
        return np.ascontiguousarray(cut)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n: int) -> NDArray[np.intp]:
    return spawn(seed, "order", str(epoch)).permutation(n)


class _Places(Sampler[int]):
    """The positions in the stream that one of several processes takes, from a start position, without end."""

    def __init__(self, start: int, batch: int, rank: int, world: int) -> None:
        self.start, self.batch, self.rank, self.world = start, batch, rank, world

    def __iter__(self) -> Iterator[int]:
        place = self.start + self.rank * self.batch
        while True:
            yield from range(place, place + self.batch)
            place += self.world * self.batch


def _collate(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return a batch, in worker processes in shared memory.

    It is claimed here, since a failure in the thread that sends results would never be heard of.
    """
    batch: dict[str, torch.Tensor] = default_collate(items)
    return {name: values.share_memory_() for name, values in batch.items()} if get_worker_info() is not None else batch


def stream_loader(
    stream: CropStream, *, start: int, batch: int, workers: int, rank: int = 0, world: int = 1
) -> DataLoader[Any]:
    """Return an endless loader of batches of a stream, from a start position.

    Parameters
    ----------
    stream
        The crops.
    start
        The start position, counted over all processes.
    batch
        The number of crops in a batch of this process.
    workers
        The number of processes that read; not used if images are kept in memory.
    rank, world
        The number of this training process, and of all of them.
    """
    workers = 0 if stream._kept else workers
    return DataLoader(
        stream,
        batch_size=batch,
        sampler=_Places(start, batch, rank, world),
        collate_fn=_collate,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )
