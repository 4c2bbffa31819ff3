"""Chunks of zarr arrays before they are decoded: their codecs, their number and what they hold.

A chunk of a few bytes can decompress to gigabytes, and an array of a few chunks can claim millions. Codecs are known by
name, the grid is compared with the image, and each chunk is decompressed into as many bytes as it must hold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from phenolens.core.errors import ImageError
from phenolens.images._file import check_regular

# Codecs of numbers; all others are refused before reading, since numcodecs' "pickle" would run code.
_REARRANGE = frozenset({"bytes", "delta", "shuffle", "transpose"})
_SHARDS, _CHECKSUM, _CHECKSUM_BYTES = "sharding_indexed", "crc32c", 4
_DECOMPRESS: dict[str, Callable[..., bytes | bytearray]] = {
    "blosc": imagecodecs.blosc_decode,
    "bz2": imagecodecs.bz2_decode,
    "gzip": imagecodecs.gzip_decode,
    "lz4": lambda data, out: imagecodecs.lz4_decode(data, header=True, out=out),
    "lzma": imagecodecs.lzma_decode,
    "zlib": imagecodecs.zlib_decode,
    "zstd": imagecodecs.zstd_decode,
}
_MANY_CHUNKS = 2**13
_SMALL_CHUNK = 2**16  # values; there may be many chunks if they are not smaller
_LARGE_CHUNK = 2**25  # bytes; larger chunks must fit the image
_OVERHANG = 4  # chunks may extend beyond the image to this multiple of its size
_SLACK = 2**12  # bytes by which headers and incompressible values can enlarge a chunk
_NO_CHUNK = 2**64 - 1  # the offset of a chunk that a shard leaves out


@dataclass(frozen=True, slots=True)
class Codecs:
    """How chunks are stored.

    Attributes
    ----------
    compressor
        The compressor of chunks; empty without one.
    checksum
        Whether a checksum follows what is compressed.
    shards
        Whether chunks are in shards; compressor and checksum are then those of the chunks in a shard.
    index_first
        Whether the index of a shard is at its beginning.
    index_checksum
        Whether a checksum follows the index of a shard.
    """

    compressor: str
    checksum: bool
    shards: bool = False
    index_first: bool = False
    index_checksum: bool = False


def read_codecs(path: Path, metadata: Mapping[str, Any], version: int) -> Codecs:
    """Return how the chunks of an array are stored.

    Parameters
    ----------
    path
        The image, for messages.
    metadata
        The metadata of the array, from ``.zarray`` or ``zarr.json``.
    version
        The version of the zarr format, 2 or 3.

    Raises
    ------
    ImageError
        If a codec is unknown, or compressors are chained.
    """
    if version == 2:
        listed = [*(metadata.get("filters") or ()), metadata.get("compressor")]
        return _chunk_codecs(path, [str(codec["id"]) for codec in listed if codec is not None])
    listed = metadata["codecs"]
    names = _names(listed)
    if _SHARDS not in names:
        return _chunk_codecs(path, names)
    if names[-1] != _SHARDS:
        raise ImageError(f"{path}: its zarr shards are compressed as a whole; export it with compressed chunks")
    _chunk_codecs(path, names[:-1])
    inner = listed[-1]["configuration"]
    index = _names(inner.get("index_codecs", ["bytes", _CHECKSUM]))
    if not set(index) <= {"bytes", _CHECKSUM}:
        raise ImageError(f"{path}: the index of its zarr shards is compressed; export it with a plain index")
    chunks = _chunk_codecs(path, _names(inner["codecs"]))
    first = inner.get("index_location", "end") == "start"
    return Codecs(chunks.compressor, chunks.checksum, True, first, _CHECKSUM in index)


def check_grid(path: Path, array: Any) -> tuple[int, ...]:
    """Return the number of chunk files along each axis of a zarr array.

    Raises
    ------
    ImageError
        If there are more chunks than an image needs, or they are much larger than it.
    """
    n_bytes = array.dtype.itemsize
    for chunk in (array.chunks, array.shards or array.chunks):
        grid = tuple(-(-length // side) for length, side in zip(array.shape, chunk, strict=True))
        if prod(grid) > max(_MANY_CHUNKS, prod(array.shape) // _SMALL_CHUNK):
            raise ImageError(f"{path}: {prod(grid)} chunks are too many for one site; export it in chunks of 256 x 256")
        if prod(chunk) * n_bytes > max(_OVERHANG * prod(array.shape) * n_bytes, _LARGE_CHUNK):
            extent = " x ".join(map(str, chunk))
            raise ImageError(f"{path}: chunks of {extent} are too large for the image; export it in chunks of its size")
    return grid


def check_chunk(path: Path, file: Path, array: Any, codecs: Codecs) -> None:
    """Refuse a chunk file that holds more than its values, or is no regular file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageError
        If it is damaged or holds more.
    """
    chunk_bytes = prod(array.chunks) * array.dtype.itemsize
    n_chunks = prod(array.shards) // prod(array.chunks) if codecs.shards else 1
    most = n_chunks * (2 * chunk_bytes + _SLACK)
    if check_regular(file) > most:
        raise _oversized(path, file)
    stored = file.read_bytes()
    for part in _chunks_of_shard(path, file, stored, n_chunks, codecs) if codecs.shards else (stored,):
        compressed = part[:-_CHECKSUM_BYTES] if codecs.checksum else part
        if codecs.compressor and not _fits(codecs.compressor, compressed, chunk_bytes + _CHECKSUM_BYTES):
            raise _oversized(path, file)


def _names(listed: Sequence[Any]) -> list[str]:
    return [codec if isinstance(codec, str) else str(codec["name"]) for codec in listed]


def _chunk_codecs(path: Path, names: list[str]) -> Codecs:
    """Return the codecs of single chunks, given in the order in which they encode."""
    for name in names:
        if name not in _REARRANGE and name not in _DECOMPRESS and name != _CHECKSUM:
            raise ImageError(f"{path}: the zarr codec '{name}' is not supported; export it with zstd")
    at = [number for number, name in enumerate(names) if name in _DECOMPRESS]
    after = names[at[0] + 1 :] if at else []
    if len(at) > 1 or after not in ([], [_CHECKSUM]):
        raise ImageError(f"{path}: the zarr codecs {', '.join(names)} are not supported together; export it with zstd")
    return Codecs(names[at[0]] if at else "", bool(after))


def _chunks_of_shard(path: Path, file: Path, stored: bytes, n_chunks: int, codecs: Codecs) -> list[bytes]:
    """Return the encoded chunks of a shard, which an index of offsets and lengths lists."""
    length = 16 * n_chunks + _CHECKSUM_BYTES * codecs.index_checksum
    index = stored[:length] if codecs.index_first else stored[-length:]
    if len(index) < length:
        raise ImageError(f"{path}: the zarr shard {file.name} is cut short; copy or export the image again")
    found = []
    for offset, n_bytes in np.frombuffer(index, "<u8", 2 * n_chunks).reshape(-1, 2).tolist():
        if offset != _NO_CHUNK:
            found.append(stored[offset : offset + n_bytes])
    return found


def _fits(compressor: str, compressed: bytes, most: int) -> bool:
    """Return whether data decompress to something, but to no more than so many bytes."""
    try:
        return 0 < len(_DECOMPRESS[compressor](compressed, out=most + 1)) <= most
    except (RuntimeError, ValueError):  # the errors of imagecodecs if the data are damaged, or do not fit
        return False


def _oversized(path: Path, file: Path) -> ImageError:
    return ImageError(
        f"{path}: the zarr chunk {file.name} is damaged or holds more than its values; copy or export the image again"
    )
