"""Text files as people have them: compressed or not, in any of the usual encodings."""

import bz2
import codecs
import gzip
import io
import lzma
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO

import pyarrow as pa

from phenolens.core.errors import PhenolensWarning, reason_of
from phenolens.core.memory import check_memory

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WINDOWS = "cp1252"  # what Excel writes in western Europe and America; Latin-1 but for rare characters

_LATIN = 1 / 4  # of the characters of a table in UTF-16, at least: separators, line ends and numbers
_ZEROS = "it holds zero bytes, and is no text; save it as CSV in UTF-8"
_PART = 2**24  # bytes that are decompressed at once
_COPIES = 6  # times its size is what a text takes until it is a table

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zip")


def read_text(path: Path) -> str:
    """Return the text of a file.

    Compression is told by the first bytes of the file, whatever its name: gzip, bzip2, xz, Zstandard, or a zip of one
    file. The encoding is UTF-8, UTF-16 or UTF-32; text that is none of these is read as Windows-1252, which a warning
    states.

    Raises
    ------
    ValueError
        If it is damaged, encrypted, a workbook, or no text, or does not fit into memory.
    OSError
        If it cannot be opened.
    """
    check_memory(_COPIES * path.stat().st_size, "to read it takes")
    stored = path.read_bytes()
    try:
        content = _decompressed(stored)
    except (EOFError, OSError, RuntimeError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(f"it is damaged or encrypted: {reason_of(error)}") from error
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return _decoded(content, encoding)
    start = content[:4096]
    if b"\0" in start:
        # Latin letters in UTF-16 have a zero byte each, before or behind the letter; stray ones are anywhere.
        for at, encoding in enumerate(("utf-16-be", "utf-16-le")):
            zeros, others = start[at::2].count(0), start[1 - at :: 2].count(0)
            if not others and zeros > _LATIN * len(start) / 2:
                return _decoded(content, encoding)
        raise ValueError(_ZEROS)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        text = _decoded(content, _WINDOWS)
        where = content[: error.start].count(b"\n") + 1
        warnings.warn(
            f"{path}: is not in UTF-8 (line {where}), and was read as Windows-1252; save it as UTF-8 if letters such "
            "as µ come out wrong",
            PhenolensWarning,
            stacklevel=2,
        )
        return text


def _decoded(content: bytes | bytearray, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8, UTF-16 or Windows-1252; save it as CSV in UTF-8") from error
    if "\0" in text:
        raise ValueError(_ZEROS)
    return text


def _decompressed(content: bytes) -> bytes | bytearray:
    """Return what was compressed; content that is not compressed as it is."""
    if content.startswith(b"\x1f\x8b"):
        return _all_of(gzip.GzipFile(fileobj=io.BytesIO(content)))
    if content.startswith(b"BZh"):
        return _all_of(bz2.BZ2File(io.BytesIO(content)))
    if content.startswith(b"\xfd7zXZ\0"):
        return _all_of(lzma.LZMAFile(io.BytesIO(content)))
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        return _all_of(pa.CompressedInputStream(pa.BufferReader(content), "zstd"))
    if content.startswith(b"PK\x03\x04"):
        return _only_member(content)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError("it is an Excel workbook; save the sheet as CSV")
    return content


def _all_of(stream: IO[bytes] | pa.NativeFile) -> bytearray:
    """Return all that a stream holds, which a few bytes may expand to: as long as there is memory to read it."""
    content = bytearray()
    while part := stream.read(_PART):
        content += part
        check_memory((_COPIES - 1) * len(content), "it is compressed, and to read it takes more than")
    return content


def _only_member(content: bytes) -> bytearray:
    """Return the file in a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if "[Content_Types].xml" in names:
            raise ValueError("it is an Excel workbook; save the sheet as CSV")
        if len(names) != 1:
            raise ValueError(f"a zip archive must hold one table, found {len(names)} files; unpack it")
        with archive.open(names[0]) as member:
            return _all_of(member)
