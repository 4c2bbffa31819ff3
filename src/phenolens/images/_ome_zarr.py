"""Decoder of OME-Zarr (NGFF 0.4 on zarr v2, 0.5 on zarr v3): the highest resolution level of one image.

A missing chunk of a zarr array means "all fill value", and writers do leave out empty chunks; but an interrupted copy
looks the same. An image or a channel without any chunk is refused. If some chunks of a channel are missing, they are
read as the fill value, with a `PhenolensWarning`.
"""

import json
import warnings
from collections.abc import Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError, PhenolensWarning
from phenolens.images._decoded import Decoded, check_size

# Codecs of numbers; all others are refused before reading, since numcodecs' "pickle" would run code.
_CODECS = frozenset(
    {"blosc", "bytes", "bz2", "crc32c", "delta", "gzip", "lz4", "lzma", "sharding_indexed", "shuffle"}
    | {"transpose", "zlib", "zstd"}
)
_STACKS = {"t": "time points", "z": "z-planes"}


def decode_ome_zarr(path: Path) -> Decoded:
    """Decode the first level of an OME-Zarr image folder."""
    # Importing zarr takes a third of a second, and most images do not need it.
    import zarr

    attributes, version = _attributes(path)
    multiscale = _multiscale(path, attributes)
    level = path / str(multiscale["datasets"][0]["path"])
    if not level.resolve().is_relative_to(path.resolve()):
        raise ImageError(f"{path}: its metadata refers to files outside of the folder; export the image again")
    _refuse_foreign_codecs(path, level, version)
    array = zarr.open_array(str(level), mode="r", zarr_format=version)
    axes = _axes(path, multiscale, array.ndim)
    check_size(path, array.shape)
    if array.dtype.kind not in "buif":
        raise ImageError(f"{path}: pixels of type {array.dtype} are not numbers; export the image again")
    for axis, length in zip(axes, array.shape, strict=True):
        if axis not in "cyx" and length > 1:
            advice = "project the z-stack first" if axis == "z" else "save one of them on its own"
            raise ImageError(f"{path}: {length} {_STACKS.get(axis, 'planes')} where a site has one; {advice}")
    names = _names(attributes, array.shape[axes.index("c")] if "c" in axes else 1)
    _check_chunks(path, level, array, axes, names)
    return Decoded(_channels_first(np.asarray(array[...]), axes), names)


def _attributes(path: Path) -> tuple[dict[str, Any], Literal[2, 3]]:
    """Return the OME attributes of a zarr group and its format version (2 or 3)."""
    if (path / "zarr.json").is_file():
        attributes = json.loads((path / "zarr.json").read_bytes()).get("attributes", {})
        return attributes.get("ome", attributes), 3
    if (path / ".zattrs").is_file():
        return json.loads((path / ".zattrs").read_bytes()), 2
    if not path.exists():
        raise ImageError(f"{path}: no such file; check the path in the manifest")
    if path.is_file():
        raise ImageError(f"{path}: an OME-Zarr image is a folder, this is a file; unpack or export it again")
    raise ImageError(f"{path}: not an image but a folder without OME-Zarr metadata; name an image file")


def _multiscale(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    if "multiscales" in attributes:
        multiscale: dict[str, Any] = attributes["multiscales"][0]
        return multiscale
    if "plate" in attributes or "well" in attributes or "bioformats2raw.layout" in attributes:
        raise ImageError(f"{path}: a collection of OME-Zarr images; name one in it, such as {path.name}/0")
    raise ImageError(f"{path}: the zarr folder has no 'multiscales' metadata; export it as OME-Zarr 0.5")


def _axes(path: Path, multiscale: dict[str, Any], ndim: int) -> str:
    """Return one letter per axis; before NGFF 0.3 the axes were always tczyx."""
    listed = multiscale.get("axes", list("tczyx"))
    names = [axis["name"] if isinstance(axis, dict) else axis for axis in listed]
    if len(names) != ndim or not {"y", "x"} <= set(names) or len(set(names)) != ndim:
        raise ImageError(f"{path}: the axes {names} do not fit an array of {ndim} dimensions; export it again")
    # Axes may have any name; those of more than one letter ("lifetime") are other kinds of stacks.
    return "".join(name if len(name) == 1 else "?" for name in names)


def _names(attributes: dict[str, Any], n_channels: int) -> tuple[str, ...] | None:
    channels = (attributes.get("omero") or {}).get("channels") or []
    names = tuple(str(channel.get("label") or "") for channel in channels)
    return names if len(names) == n_channels and all(names) else None


def _refuse_foreign_codecs(path: Path, level: Path, version: int) -> None:
    file = level / ("zarr.json" if version == 3 else ".zarray")
    if not file.is_file():
        raise ImageError(f"{path}: the resolution level '{level.name}' is missing; copy or export it again")
    metadata = json.loads(file.read_bytes())
    foreign = sorted(set(_codec_names(metadata, version)) - _CODECS)
    if foreign:
        raise ImageError(f"{path}: the zarr codec '{foreign[0]}' is not supported; export it with zstd")


def _codec_names(metadata: dict[str, Any], version: int) -> Iterator[str]:
    if version == 2:
        for codec in (metadata.get("compressor"), *(metadata.get("filters") or ())):
            if codec is not None:
                yield codec["id"]
        return
    for codec in metadata["codecs"]:
        name = codec if isinstance(codec, str) else codec["name"]
        yield name
        if name == "sharding_indexed":
            inner = codec["configuration"]
            yield from _codec_names(inner, 3)
            yield from _codec_names({"codecs": inner.get("index_codecs", [])}, 3)


def _check_chunks(path: Path, level: Path, array: Any, axes: str, names: tuple[str, ...] | None) -> None:
    """Refuse channels with no chunk on disk; warn if some chunks are missing."""
    chunks = array.shards or array.chunks
    grid = [-(-length // chunk) for length, chunk in zip(array.shape, chunks, strict=True)]
    along_channels = axes.index("c") if "c" in axes else None
    absent: dict[int, int] = {}
    for at in product(*map(range, grid)):
        if not (level / array.metadata.encode_chunk_key(at)).is_file():
            row = at[along_channels] if along_channels is not None else 0
            absent[row] = absent.get(row, 0) + 1
    if not absent:
        return
    rows = grid[along_channels] if along_channels is not None else 1
    per_row = prod(grid) // rows
    for row, count in absent.items():
        if count == per_row:
            first = row * chunks[along_channels] if along_channels is not None else 0
            what = f"channel '{names[first]}'" if names else f"channel {first}"
            raise ImageError(f"{path}: {what} has no data on disk; copy it again, or write its empty chunks")
    warnings.warn(
        f"{path}: {sum(absent.values())} of {prod(grid)} chunks are not on disk: read as {array.fill_value}",
        PhenolensWarning,
        stacklevel=2,
    )


def _channels_first(samples: NDArray[Any], axes: str) -> NDArray[Any]:
    order = sorted(range(len(axes)), key=lambda axis: "cyx".find(axes[axis]))
    height, width = (samples.shape[axes.index(axis)] for axis in "yx")
    return np.ascontiguousarray(samples.transpose(order).reshape(-1, height, width))
