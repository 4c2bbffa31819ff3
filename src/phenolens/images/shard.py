"""Packed images: many sites in one safetensors file, uncompressed, so that reading one is a copy.

An image in a shard is named by a path with its number: ``shard-00000.safetensors#17``.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save_file

from phenolens.core.errors import ImageError
from phenolens.core.files import replaced_whole
from phenolens.images._decoded import Decoded
from phenolens.images._file import check_regular
from phenolens.images.site import Site

SUFFIX = ".safetensors"
_SEPARATOR = "#"


def write_shard(sites: Sequence[Site], path: Path, source: str) -> None:
    """Write sites of the same channels to one shard, atomically; image i is named ``path#i``.

    Parameters
    ----------
    sites
        The sites, whose sizes and types may differ.
    path
        A .safetensors file.
    source
        A fingerprint of what they were read from, by which an outdated shard is recognised.
    """
    metadata = {
        "channels": json.dumps(sites[0].channels),
        "sites": json.dumps([site.site_id for site in sites]),
        "source": source,
    }
    with replaced_whole(path) as temporary:
        save_file({str(number): site.pixels for number, site in enumerate(sites)}, temporary, metadata)


def shard_content(path: Path) -> tuple[list[str], tuple[str, ...], str]:
    """Return the names of the sites and of the channels of a shard, and what it was made from."""
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    return json.loads(metadata["sites"]), tuple(json.loads(metadata["channels"])), metadata["source"]


def place_in_shard(name: str, number: int) -> str:
    """Return the name of image `number` of a shard in a manifest."""
    return f"{name}{_SEPARATOR}{number}"


def file_of(path: Path) -> Path:
    """Return the file that holds an image: the path itself, or the shard."""
    name, separator, number = path.name.rpartition(_SEPARATOR)
    return path.with_name(name) if separator and number.isdigit() and name.endswith(SUFFIX) else path


def decode_place(path: Path) -> Decoded:
    """Read one image of a shard."""
    file, channels, number = _find(path)
    return Decoded(file.get_tensor(number), channels)


def size_of_place(path: Path) -> tuple[int, int]:
    """Return height and width of one image of a shard from its header."""
    file, _, number = _find(path)
    height, width = file.get_slice(number).get_shape()[-2:]
    return height, width


def _find(path: Path) -> tuple[Any, tuple[str, ...], str]:
    """Return the open shard of an image, its channels, and the name of the image in it."""
    shard = file_of(path)
    if shard == path:
        raise ImageError(f"{path}: is a shard of many images; name one of them, as in {path.name}{_SEPARATOR}0")
    check_regular(shard)
    file, channels = _open(shard, shard.stat().st_mtime_ns)
    number = path.name.rpartition(_SEPARATOR)[2]
    if number not in file.keys():  # noqa: SIM118 - the file is not a mapping
        raise ImageError(f"{shard}: holds {len(file.keys())} images, but not number {number}; pack the manifest again")
    return file, channels, number


@lru_cache(maxsize=256)
def _open(path: Path, modified: int) -> tuple[Any, tuple[str, ...]]:
    """Open a shard and keep it open, since headers are long."""
    file: Any = safe_open(path, "numpy")
    return file, tuple(json.loads(file.metadata()["channels"]))
