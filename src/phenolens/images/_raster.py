"""Decoders of PNG, JPEG and JPEG 2000, which refuse truncated files.

The codecs accept truncated files: libjpeg fills missing rows with gray, and libpng ignores a missing end. Each decoder
therefore first follows the structure of the file to its end. PNG has checksums, so that damage inside the file is found
as well; JPEG and JPEG 2000 have none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError
from phenolens.images._codestreams import (
    JP2_START,
    JPEG_START,
    is_lossy_jpeg,
    is_lossy_jpeg2000,
    jpeg_frame,
    jpeg_is_whole,
)
from phenolens.images._decoded import Decoded, check_size
from phenolens.images._file import check_not_empty

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JP2_BOXES = b"\x00\x00\x00\x0cjP  "
_JP2_SRGB, _JP2_SYCC = 16, 18

# Frames are described within the first megabytes, behind profiles and previews. What is encoded is hardly larger than
# four samples of 16 bits per pixel, besides such metadata.
_HEAD = 2**24
_SHORT_HEAD = 2**12
_MOST_BYTES_PER_PIXEL = 16


@dataclass(frozen=True, slots=True)
class _Kind:
    """A format: its name, how its files begin, and what finds height and width in their first bytes."""

    name: str
    starts: tuple[bytes, ...]
    size: Callable[[bytes], tuple[int, int]]


def decode_png(path: Path) -> Decoded:
    """Decode a PNG; palettes become RGB and depths below 8 bits are scaled to 0 to 255."""
    data = _contents(path, _PNG)
    if b"IEND" not in data[-4096:]:
        raise _cut_short(path)
    samples = _channels_first(imagecodecs.png_decode(data))
    return Decoded(samples, colour=True, alpha=samples.shape[0] in (2, 4))


def decode_jpeg(path: Path) -> Decoded:
    """Decode a gray or RGB JPEG."""
    data = _contents(path, _JPEG)
    if not jpeg_is_whole(data):
        raise _cut_short(path)
    n_samples = jpeg_frame(data)[2]
    if n_samples not in (1, 3):
        raise ImageError(f"{path}: a JPEG with {n_samples} samples (such as CMYK) is not supported; convert it to RGB")
    lossy = "JPEG" if is_lossy_jpeg(data) else ""
    return Decoded(_channels_first(imagecodecs.jpeg_decode(data)), colour=True, lossy=lossy)


def decode_jp2(path: Path) -> Decoded:
    """Decode a JPEG 2000 file (JP2, JPX) or bare codestream."""
    data = _contents(path, _JPEG_2000)
    boxes = data[: data.find(JP2_START)]
    space = _jp2_colour_space(boxes)
    if space == _JP2_SYCC:
        raise ImageError(f"{path}: JPEG 2000 in sYCC colours is not supported; convert it to RGB or gray")
    samples = _channels_first(imagecodecs.jpeg2k_decode(data, planar=False))
    n_samples = samples.shape[0]
    # Encoders often leave out the channel definition box; four samples of an sRGB picture are RGBA anyway.
    alpha = n_samples in (2, 4) and (b"cdef" in boxes or (n_samples == 4 and space == _JP2_SRGB))
    lossy = "lossy JPEG 2000" if is_lossy_jpeg2000(data) else ""
    return Decoded(samples, colour=n_samples in (1, 3) or alpha, alpha=alpha, lossy=lossy)


def size_of_png(path: Path) -> tuple[int, int]:
    """Return height and width of a PNG from its header."""
    return _size(path, _PNG)


def size_of_jpeg(path: Path) -> tuple[int, int]:
    """Return height and width of a JPEG from its header."""
    return _size(path, _JPEG)


def size_of_jp2(path: Path) -> tuple[int, int]:
    """Return height and width of a JPEG 2000 file from its header."""
    return _size(path, _JPEG_2000)


def _contents(path: Path, kind: _Kind) -> bytes:
    """Return the bytes of a file, but not those of a file that is larger than the image in it can be."""
    size = check_not_empty(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
        shape = _described_size(path, kind, head)
        if size > _HEAD + _MOST_BYTES_PER_PIXEL * prod(shape):
            raise ImageError(
                f"{path}: {size} bytes are too many for an image of {shape[0]} x {shape[1]} pixels; export it again"
            )
        return head + file.read()


def _size(path: Path, kind: _Kind) -> tuple[int, int]:
    """Return height and width of an image; few have more than a short header."""
    size = check_not_empty(path)
    with path.open("rb") as file:
        head = file.read(_SHORT_HEAD)
        try:
            return _described_size(path, kind, head)
        except ValueError:
            if size <= _SHORT_HEAD:
                raise
            return _described_size(path, kind, head + file.read(_HEAD - _SHORT_HEAD))


def _described_size(path: Path, kind: _Kind, head: bytes) -> tuple[int, int]:
    """Return height and width that the first bytes of a file give."""
    if not head.startswith(kind.starts):
        raise ImageError(f"{path}: this is not a {kind.name} file; check the file name or export it again")
    shape = kind.size(head)
    check_size(path, shape)
    return shape


def _png_shape(head: bytes) -> tuple[int, int]:
    return int.from_bytes(head[20:24]), int.from_bytes(head[16:20])


def _jp2_shape(head: bytes) -> tuple[int, int]:
    start = head.find(JP2_START)
    if start < 0 or len(head) < start + 24:
        raise ValueError("it has no codestream")
    right, below, left, above = (int.from_bytes(head[start + i : start + i + 4]) for i in (8, 12, 16, 20))
    return max(below - above, 0), max(right - left, 0)


def _channels_first(samples: NDArray[Any]) -> NDArray[Any]:
    """Return (H, W) or (H, W, C) samples as a contiguous (C, H, W) array."""
    if samples.ndim == 2:
        return samples[np.newaxis]
    return np.ascontiguousarray(np.moveaxis(samples, -1, 0))


def _cut_short(path: Path) -> ImageError:
    return ImageError(f"{path}: the file is cut short (its end is missing); copy or export it again")


def _jp2_colour_space(boxes: bytes) -> int | None:
    """Return the enumerated colour space of the JP2 boxes that precede the codestream, if there is one."""
    at = boxes.find(b"colr")
    if at < 0 or boxes[at + 4 : at + 5] != b"\x01":
        return None
    return int.from_bytes(boxes[at + 7 : at + 11])


_PNG = _Kind("PNG", (_PNG_START,), _png_shape)
_JPEG = _Kind("JPEG", (JPEG_START,), lambda head: jpeg_frame(head)[:2])
_JPEG_2000 = _Kind("JPEG 2000", (_JP2_BOXES, JP2_START), _jp2_shape)
