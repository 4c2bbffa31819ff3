"""Files of phantoms: images whose bytes depend only on their pixels, in a folder that is never overwritten."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from phenolens.core.errors import ManifestError
from phenolens.core.files import replaced_whole

_CHUNK = 4

Plan = TypeVar("Plan")
Written = TypeVar("Written")


def refuse_folder(out: Path) -> None:
    """Refuse a folder that cannot be written to, or already holds a phantom.

    Raises
    ------
    ManifestError
        If it is a file, or holds a manifest.
    """
    if out.exists() and not out.is_dir():
        raise ManifestError(f"{out} is a file, not a folder; name a folder to write to")
    if (out / "manifest.csv").exists():
        raise ManifestError(
            f"{out} already holds a manifest; name an empty folder, or delete {out / 'manifest.csv'} first"
        )


def refuse_small(numbers: Mapping[str, tuple[int, int]]) -> None:
    """Refuse numbers below their minimum.

    Raises
    ------
    ManifestError
        Naming the first such number.
    """
    for name, (value, least) in numbers.items():
        if value < least:
            raise ManifestError(f"{name} is {value}, but must be at least {least}; give a larger number")


def write_all(
    write: Callable[[Plan, Path], Written], plans: Sequence[Plan], out: Path, workers: int
) -> Iterator[Written]:
    """Call `write` for every plan, in several processes, and yield the results in the order of the plans."""
    folders = [out] * len(plans)
    if workers == 1:
        yield from map(write, plans, folders)
        return
    with ProcessPoolExecutor(min(workers, len(plans))) as pool:
        yield from pool.map(write, plans, folders, chunksize=_CHUNK if len(plans) > _CHUNK * workers else 1)


def write_manifest(table: pd.DataFrame, out: Path) -> Path:
    """Write the manifest atomically and last, so that all images that it names are complete."""
    manifest = out / "manifest.csv"
    with replaced_whole(manifest) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return manifest


def write_ome_tiff(path: Path, pixels: NDArray[np.uint16], channels: Sequence[str], mpp: float) -> None:
    """Write an image (C, H, W) with the names of its channels and its pixel size in microns.

    By default the file holds the version of the library and a UUID from clock and network card. Bytes must depend on
    neither: the UUID is a digest of the pixels.
    """
    tifffile.imwrite(
        path,
        pixels,
        ome=True,
        photometric="minisblack",
        software="phenolens",
        metadata={
            "axes": "CYX",
            "Creator": "phenolens",
            "UUID": str(UUID(bytes=sha256(pixels.tobytes()).digest()[:16])),
            "Channel": {"Name": list(channels)},
            "PhysicalSizeX": mpp,
            "PhysicalSizeY": mpp,
        },
    )
