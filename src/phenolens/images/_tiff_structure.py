"""The structure of a TIFF file: every page and every value must lie within it.

Programs that read TIFF skip what lies beyond the end of a file, and read what is left. A benchmark must not score what
is left.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from phenolens.core.errors import ImageError
from phenolens.images._decoded import check_size
from phenolens.images._file import check_not_empty

# Size in bytes of a value of each type, by its number.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CLASSIC, _BIG = 42, 43
_MOST_ENTRIES = 4096
_WIDTH, _LENGTH = 256, 257  # the entries of width and height


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
    with path.open("rb") as file, _naming(path):
        _follow_pages(file, size, _read_layout(path, file))


def size_of_tiff(path: Path) -> tuple[int, int]:
    """Return height and width of the first page of a TIFF, which are those of its image.

    Raises
    ------
    ImageError
        If it is no TIFF, or its first page does not give them.
    """
    check_not_empty(path)
    with path.open("rb") as file, _naming(path):
        layout = _read_layout(path, file)
        found = {
            tag: int.from_bytes(value[: _SIZES[kind]], layout.byteorder)
            for tag, kind, _, value in _entries(file, _first_page(file, layout), layout)
            if tag in (_WIDTH, _LENGTH) and kind in _SIZES
        }
    shape = (found.get(_LENGTH, 0), found.get(_WIDTH, 0))
    check_size(path, shape)
    return shape


def damaged(path: Path, reason: str) -> ImageError:
    """Return the error of a file that is not whole."""
    return ImageError(f"{path}: the TIFF is damaged or cut short ({reason}); copy or export it again")


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a TIFF is laid out: where the offset of its first page is, and the formats of `struct` of what it holds."""

    byteorder: Literal["little", "big"]
    first: int
    count: str
    entry: str
    offset: str


def _read_layout(path: Path, file: BinaryIO) -> _Layout:
    order = {b"II": "<", b"MM": ">"}.get(file.read(2))
    version = struct.unpack(f"{order}H", file.read(2).ljust(2, b"\0"))[0] if order else None
    byteorder: Literal["little", "big"] = "little" if order == "<" else "big"
    if version == _CLASSIC:
        return _Layout(byteorder, 4, f"{order}H", f"{order}HHI4s", f"{order}I")
    if version == _BIG:
        return _Layout(byteorder, 8, f"{order}Q", f"{order}HHQ8s", f"{order}Q")
    raise ImageError(f"{path}: this is not a TIFF file; check the file name or export it again")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in errors of its structure."""
    try:
        yield
    except (struct.error, ValueError) as error:
        raise damaged(path, "it ends within a page" if isinstance(error, struct.error) else str(error)) from None


def _follow_pages(file: BinaryIO, size: int, layout: _Layout) -> None:
    """Follow the chain of pages to its end."""
    seen: set[int] = set()
    at = _first_page(file, layout)
    while at != 0:
        if at in seen or at >= size:
            raise ValueError(f"page {len(seen)} is beyond its end" if at >= size else "its pages form a circle")
        for tag, kind, n_values, value in _entries(file, at, layout, len(seen)):
            if kind not in _SIZES:
                raise ValueError(f"entry {tag} has the unknown type {kind}")
            length = n_values * _SIZES[kind]
            # Short values are in the entry itself, longer ones where it points to.
            if length > len(value) and struct.unpack(layout.offset, value)[0] + length > size:
                raise ValueError(f"entry {tag} is beyond its end")
        seen.add(at)
        at = _read(file, layout.offset)


def _first_page(file: BinaryIO, layout: _Layout) -> int:
    file.seek(layout.first)
    at = _read(file, layout.offset)
    if at == 0:
        raise ValueError("it has no page")
    return at


def _entries(file: BinaryIO, at: int, layout: _Layout, page: int = 0) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield number, type, number of values and value of the entries of a page; the file is at their end then."""
    file.seek(at)
    n_entries = _read(file, layout.count)
    if n_entries > _MOST_ENTRIES:
        raise ValueError(f"page {page} has {n_entries} entries")
    length = struct.calcsize(layout.entry)
    for _ in range(n_entries):
        yield struct.unpack(layout.entry, file.read(length))


def _read(file: BinaryIO, layout: str) -> int:
    found: int = struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
    return found
