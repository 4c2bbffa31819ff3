"""Decoders of PNG, JPEG and JPEG 2000, which refuse truncated files.

The codecs accept truncated files: libjpeg fills missing rows with gray, and libpng ignores a missing end. Each decoder
therefore first follows the structure of the file to its end. PNG has checksums, so that damage inside the file is found
as well; JPEG and JPEG 2000 have none.
"""

import re
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError
from phenolens.images._decoded import Decoded, check_size

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# In JPEG scan data 0xFF is followed by 0x00 (stuffing), a restart marker or more fill: all else ends it.
_JPEG_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})

_JP2_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2_SRGB, _JP2_SYCC = 16, 18


def decode_png(path: Path) -> Decoded:
    """Decode a PNG; palettes become RGB and depths below 8 bits are scaled to 0 to 255."""
    data = _contents(path)
    if not data.startswith(_PNG_SIGNATURE):
        raise ImageError(f"{path}: this is not a PNG file; check the file name or export it again")
    if b"IEND" not in data[-4096:]:
        raise _cut_short(path)
    check_size(path, (int.from_bytes(data[20:24]), int.from_bytes(data[16:20])))
    samples = _channels_first(imagecodecs.png_decode(data))
    return Decoded(samples, colour=True, alpha=samples.shape[0] in (2, 4))


def decode_jpeg(path: Path) -> Decoded:
    """Decode a gray or RGB JPEG."""
    data = _contents(path)
    if not data.startswith(b"\xff\xd8"):
        raise ImageError(f"{path}: this is not a JPEG file; check the file name or export it again")
    height, width, n_samples = _walk_jpeg(path, data)
    check_size(path, (height, width))
    if n_samples not in (1, 3):
        raise ImageError(f"{path}: a JPEG with {n_samples} samples (such as CMYK) is not supported; convert it to RGB")
    return Decoded(_channels_first(imagecodecs.jpeg_decode(data)), colour=True)


def decode_jp2(path: Path) -> Decoded:
    """Decode a JPEG 2000 file (JP2, JPX) or bare codestream."""
    data = _contents(path)
    start = data.find(_JP2_CODESTREAM)
    if start < 0:
        raise ImageError(f"{path}: this is not a JPEG 2000 file; check the file name or export it again")
    right, below, left, above = (int.from_bytes(data[start + i : start + i + 4]) for i in (8, 12, 16, 20))
    check_size(path, (max(below - above, 0), max(right - left, 0)))
    boxes = data[:start]
    space = _jp2_colour_space(boxes)
    if space == _JP2_SYCC:
        raise ImageError(f"{path}: JPEG 2000 in sYCC colours is not supported; convert it to RGB or gray")
    samples = _channels_first(imagecodecs.jpeg2k_decode(data, planar=False))
    n_samples = samples.shape[0]
    # Encoders often leave out the channel definition box; four samples of an sRGB picture are RGBA anyway.
    alpha = n_samples in (2, 4) and (b"cdef" in boxes or (n_samples == 4 and space == _JP2_SRGB))
    return Decoded(samples, colour=n_samples in (1, 3) or alpha, alpha=alpha)


def _contents(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read()
    if not data:
        raise ImageError(f"{path}: the file is empty (0 bytes); copy or export it again")
    return data


def _channels_first(samples: NDArray[Any]) -> NDArray[Any]:
    """Return (H, W) or (H, W, C) samples as a contiguous (C, H, W) array."""
    if samples.ndim == 2:
        return samples[np.newaxis]
    return np.ascontiguousarray(np.moveaxis(samples, -1, 0))


def _cut_short(path: Path) -> ImageError:
    return ImageError(f"{path}: the file is cut short (its end is missing); copy or export it again")


def _walk_jpeg(path: Path, data: bytes) -> tuple[int, int, int]:
    """Follow the markers to the end of the image; return height, width and samples of the frame."""
    frame = (0, 0, 0)
    position = 2
    while position + 1 < len(data):
        if data[position] != 0xFF:
            raise ImageError(f"{path}: the JPEG markers are damaged; copy or export the file again")
        marker = data[position + 1]
        if marker == _JPEG_END:
            return frame
        if marker == 0xFF:
            position += 1
            continue
        if marker in _JPEG_BARE:
            position += 2
            continue
        if marker in _JPEG_FRAMES:
            height, width = (int.from_bytes(data[position + i : position + i + 2]) for i in (5, 7))
            frame = (height, width, data[position + 9] if position + 9 < len(data) else 0)
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker == _JPEG_SCAN:
            end = _JPEG_SCAN_END.search(data, position)
            position = end.start() if end else len(data)
    raise _cut_short(path)


def _jp2_colour_space(boxes: bytes) -> int | None:
    """Return the enumerated colour space of the JP2 boxes that precede the codestream, if there is one."""
    at = boxes.find(b"colr")
    if at < 0 or boxes[at + 4 : at + 5] != b"\x01":
        return None
    return int.from_bytes(boxes[at + 7 : at + 11])
