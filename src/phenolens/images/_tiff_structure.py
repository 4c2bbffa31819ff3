"""The structure of a TIFF file: every page and every value must lie within it.

Programs that read TIFF skip what lies beyond the end of a file, and read what is left. A benchmark must not score what
is left.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from phenolens.core.errors import ImageError

# Size in bytes of a value of each type, by its number.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CLASSIC, _BIG = 42, 43
_MOST_ENTRIES = 4096


def check_structure(path: Path, size: int) -> None:
    """Refuse a TIFF whose chain of pages is broken, or whose pages refer beyond the end of the file.

    Parameters
    ----------
    path
        The file.
    size
        Its size in bytes.

    Raises
    ------
    ImageError
        If it is no TIFF, or its pages or their values are not all in the file.
    """
    with path.open("rb") as file:
        order = {b"II": "<", b"MM": ">"}.get(file.read(2))
        version = struct.unpack(f"{order}H", file.read(2).ljust(2, b"\0"))[0] if order else None
        if version not in (_CLASSIC, _BIG):
            raise ImageError(f"{path}: this is not a TIFF file; check the file name or export it again")
        try:
            if version == _CLASSIC:
                _follow_pages(file, size, 4, f"{order}H", f"{order}HHI4s", f"{order}I")
            else:
                _follow_pages(file, size, 8, f"{order}Q", f"{order}HHQ8s", f"{order}Q")
        except (struct.error, ValueError) as error:
            reason = "it ends within a page" if isinstance(error, struct.error) else str(error)
            raise damaged(path, reason) from None


def damaged(path: Path, reason: str) -> ImageError:
    """Return the error of a file that is not whole."""
    return ImageError(f"{path}: the TIFF is damaged or cut short ({reason}); copy or export it again")


def _follow_pages(file: BinaryIO, size: int, first: int, count: str, entry: str, offset: str) -> None:
    """Follow the chain of pages to its end; the formats are those of `struct`."""
    seen: set[int] = set()
    file.seek(first)
    at = _read(file, offset)
    if at == 0:
        raise ValueError("it has no page")
    while at != 0:
        if at in seen or at >= size:
            raise ValueError(f"page {len(seen)} is beyond its end" if at >= size else "its pages form a circle")
        seen.add(at)
        file.seek(at)
        n_entries = _read(file, count)
        if n_entries > _MOST_ENTRIES:
            raise ValueError(f"page {len(seen) - 1} has {n_entries} entries")
        for _ in range(n_entries):
            tag, kind, n_values, value = struct.unpack(entry, file.read(struct.calcsize(entry)))
            if kind not in _SIZES:
                raise ValueError(f"entry {tag} has the unknown type {kind}")
            length = n_values * _SIZES[kind]
            # Short values are in the entry itself, longer ones where it points to.
            if length > len(value) and struct.unpack(offset, value)[0] + length > size:
                raise ValueError(f"entry {tag} is beyond its end")
        at = _read(file, offset)


def _read(file: BinaryIO, layout: str) -> int:
    found: int = struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
    return found
