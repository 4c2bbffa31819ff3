"""Headers of compressed images: their frame, and whether the compression is known to have changed the samples.

JPEG, JPEG 2000, WebP and JPEG XL each have a lossless and a lossy form. JPEG 2000 and JPEG XL can also drop data in
their lossless form, which their headers do not tell.
"""

import re
from collections.abc import Callable, Iterator

JPEG_START = b"\xff\xd8"
JP2_START = b"\xff\x4f\xff\x51"

# In JPEG scan data 0xFF is followed by 0x00 (stuffing), a restart marker or more fill: all else ends it.
_JPEG_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
_JPEG_LS = 0xF7
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), _JPEG_LS}) - {0xC4, 0xC8, 0xCC}
_JPEG_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF, _JPEG_LS})
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})

_JP2_CODING = b"\xff\x52"
_JP2_TILE = b"\xff\x90"

_JXL_BARE = b"\xff\x0a"
_JXL_BOXED = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"


def jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker of a JPEG with its position, from the first to the one that ends it.

    Raises
    ------
    ValueError
        If another byte is where a marker must be.
    """
    position = len(JPEG_START)
    while position + 1 < len(data):
        if data[position] != 0xFF:
            raise ValueError("the JPEG markers are damaged")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        yield marker, position
        if marker == _JPEG_END:
            return
        if marker in _JPEG_BARE:
            position += 2
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker == _JPEG_SCAN:
            end = _JPEG_SCAN_END.search(data, position)
            position = end.start() if end else len(data)


def jpeg_frame(data: bytes) -> tuple[int, int, int]:
    """Return height, width and samples of the frame of a JPEG.

    Raises
    ------
    ValueError
        If there is none.
    """
    for marker, at in jpeg_markers(data):
        if marker in _JPEG_FRAMES and at + 9 < len(data):
            height, width = (int.from_bytes(data[at + i : at + i + 2]) for i in (5, 7))
            return height, width, data[at + 9]
    raise ValueError("it has no frame")


def jpeg_is_whole(data: bytes) -> bool:
    """Return whether the markers of a JPEG lead to the one that ends it."""
    return any(marker == _JPEG_END for marker, _ in jpeg_markers(data))


def is_lossy_jpeg(data: bytes) -> bool:
    """Return whether a JPEG is one of the cosine transform; lossless JPEG and JPEG-LS have frames of their own.

    The scans of the first TIFF files with JPEG lack the markers, and are lossy.
    """
    if not data.startswith(JPEG_START):
        return True
    frame = next((marker for marker, _ in jpeg_markers(data) if marker in _JPEG_FRAMES), None)
    return frame not in _JPEG_LOSSLESS


def is_lossy_jpeg2000(data: bytes) -> bool:
    """Return whether a JPEG 2000 file or codestream has the irreversible wavelet transform."""
    start = data.find(JP2_START)
    position = start + 2
    while start >= 0 and position + 4 <= len(data) and data[position : position + 2] != _JP2_TILE:
        if data[position : position + 2] == _JP2_CODING:
            return data[position + 13 : position + 14] == b"\x00"
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    return False


def is_lossy_webp(data: bytes) -> bool:
    """Return whether a WebP holds a picture of its lossy form, alone or in the extended format."""
    position = 12
    while position + 8 <= len(data):
        if data[position : position + 4] == b"VP8 ":
            return True
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return False


def is_lossy_jpegxl(data: bytes) -> bool:
    """Return whether a JPEG XL holds perceptual colours, as lossy encoders write it, or a recompressed JPEG.

    The flag is in the image metadata of ISO/IEC 18181-1. It is not searched for behind a preview, an animation, an
    orientation or further channels, where it counts as not set.
    """
    if data.startswith(_JXL_BOXED):
        if b"jbrd" in data:
            return True
        data = data[max(data.find(b"jxlc"), data.find(b"jxlp")) :]
        data = data[data.find(_JXL_BARE) :]
    if not data.startswith(_JXL_BARE):
        return False
    take = _bits(data[len(_JXL_BARE) :])
    _skip_jpegxl_size(take)
    if take(1):  # all metadata have their defaults, of which perceptual colours are one
        return True
    if take(1):  # orientation, preview or animation
        return False
    if take(1):  # samples are floating point numbers
        if take(2) == 3:
            take(6)
        take(4)
    elif take(2) == 3:
        take(6)
    take(1)  # buffers of 16 bits suffice
    if take(2):  # further channels
        return False
    return bool(take(1))


def _skip_jpegxl_size(take: Callable[[int], int]) -> None:
    """Skip height and width: in units of 8 pixels or by a number of bits, and the width possibly as a ratio."""
    lengths = (9, 13, 18, 30)
    small = take(1)
    take(5 if small else lengths[take(2)])
    if take(3) == 0:
        take(5 if small else lengths[take(2)])


def _bits(data: bytes) -> Callable[[int], int]:
    """Return a function that takes the next bits of the data as a number, least significant bit first."""
    number = int.from_bytes(data[:64], "little")
    position = 0

    def take(count: int) -> int:
        nonlocal position
        found = number >> position & ((1 << count) - 1)
        position += count
        return found

    return take
