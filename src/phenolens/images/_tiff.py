"""Decoder of TIFF and OME-TIFF.

tifffile reads almost anything; from a damaged file it reads what is left, and writes the error to its log. A benchmark
must not score what is left, so the structure of the file, its metadata and the extent of every strip and tile are
checked before.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TiffFile, TiffPage, TiffPageSeries

from phenolens.core.errors import ImageError
from phenolens.images._axes import Axis, find_layout
from phenolens.images._codestreams import is_lossy_jpeg, is_lossy_jpeg2000, is_lossy_jpegxl, is_lossy_webp
from phenolens.images._decoded import Absent, Decoded, check_size
from phenolens.images._file import check_not_empty
from phenolens.images._tiff_structure import check_structure, damaged

_WHITE_IS_ZERO, _RGB, _YCBCR = 0, 2, 6
_GRAY_OR_COLOUR = (_WHITE_IS_ZERO, 1, _RGB, 3, _YCBCR)
_JPEG_COMPRESSIONS = (6, 7, 33007, 34892)
_ALPHA = (1, 2)
_XMP_TAG, _NODATA_TAG = 700, 42113
_KINDS: dict[str, Axis] = {
    "Y": Axis("y", "Y"),
    "X": Axis("x", "X"),
    "Z": Axis("z", "Z"),
    "T": Axis("time", "T"),
    **{letter: Axis("channel", letter) for letter in "CSIQ"},
}
_LOSSY: dict[int, tuple[str, Callable[[bytes], bool]]] = {
    **dict.fromkeys(_JPEG_COMPRESSIONS, ("JPEG", is_lossy_jpeg)),
    **dict.fromkeys((33003, 33004, 33005, 34712), ("lossy JPEG 2000", is_lossy_jpeg2000)),
    **dict.fromkeys((34927, 50001), ("lossy WebP", is_lossy_webp)),
    **dict.fromkeys((50002, 52546), ("lossy JPEG XL", is_lossy_jpegxl)),
}


def decode_tiff(path: Path) -> Decoded:
    """Decode a TIFF: several pages, samples or OME channels become channels.

    Palette images (pseudo-coloured for display) keep their indices, which are the intensities; images
    stored with white as zero are inverted.
    """
    check_structure(path, check_not_empty(path))
    # _multifile=False: an OME-XML may name other files, which must not be opened.
    with _quiet_tifffile(), TiffFile(path, _multifile=False) as tif:
        page = tif.pages.first
        _refuse_entities(path, page)
        series = _only_series(path, tif)
        shape, axes = series.get_shape(squeeze=False), series.get_axes(squeeze=False)
        check_size(path, shape)
        layout = find_layout(path, shape, [_KINDS.get(letter, Axis("other", letter)) for letter in axes])
        n_channels = 1 if layout.channel is None else shape[layout.channel]
        is_absent = _find_absent(path, tif, series)
        samples = layout.channels_first(_read_series(path, series, shape, is_absent))
        names = _ome_names(tif, n_channels) if series.kind == "ome" else None
        channel_axis = "" if layout.channel is None else axes[layout.channel]
        decoded = _interpret(path, page, samples, names, channel_axis)
        return replace(
            decoded,
            lossy=_lossy(tif, page, is_absent),
            absent=_describe_absent(page, is_absent, n_channels, decoded),
        )


def _interpret(
    path: Path, page: TiffPage, samples: NDArray[Any], names: tuple[str, ...] | None, channel_axis: str
) -> Decoded:
    """Apply the photometric interpretation of the first page, which all pages share."""
    photometric = int(page.photometric)
    converted = photometric != _YCBCR or int(page.compression) in _JPEG_COMPRESSIONS
    if photometric not in _GRAY_OR_COLOUR or not converted:
        space = PHOTOMETRIC(photometric).name
        raise ImageError(f"{path}: the TIFF colour space {space} is not supported; convert it to RGB or gray")
    samples = _intensities(page, samples)
    colour = channel_axis == "S" and photometric in (_RGB, _YCBCR)
    alpha = channel_axis == "S" and bool(page.extrasamples) and int(page.extrasamples[-1]) in _ALPHA
    return Decoded(samples, names, colour=colour, alpha=alpha)


def _intensities(page: TiffPage, stored: NDArray[Any]) -> NDArray[Any]:
    """Return stored numbers as intensities: inverted if white is stored as zero."""
    inverted = int(page.photometric) == _WHITE_IS_ZERO and stored.dtype.kind in "bu"
    return np.invert(stored) if inverted else stored


def _only_series(path: Path, tif: TiffFile) -> TiffPageSeries:
    """Return the one image that the file holds."""
    series = tif.series
    if len(series) != 1:
        raise ImageError(f"{path}: the file holds {len(series)} images of different shapes; save one as its own file")
    kind = series[0].kind
    # If the OME metadata is in other files, or describes other files, channels and z-planes cannot be distinguished.
    if tif.is_ome and kind != "ome" and len(tif.pages) > 1:
        raise ImageError(
            f"{path}: the OME-TIFF consists of several files or its OME-XML is broken; "
            "save it as one file, or as one file per channel"
        )
    # Where the metadata of these programs do not fit the pages, tifffile ignores them.
    described = {"shaped": tif.is_shaped, "imagej": tif.is_imagej}
    if any(described.values()) and not described.get(kind, kind == "ome"):
        raise damaged(path, "its metadata describe other pages than it has")
    return series[0]


def _find_absent(path: Path, tif: TiffFile, series: TiffPageSeries) -> list[NDArray[np.bool_]]:
    """Return for each page which of its strips or tiles are left out: those of offset 0 and length 0.

    Pages that are missing, and strips or tiles beyond the end of the file, are refused.
    """
    size = tif.filehandle.size
    found = []
    for page in series.pages:
        if page is None or page.keyframe is None:
            raise damaged(path, "planes named in the metadata are missing")
        n_parts = int(np.prod(page.keyframe.chunked))
        offsets, counts = (np.array(each, np.int64) for each in (page.dataoffsets, page.databytecounts))
        complete = len(offsets) == len(counts) == n_parts
        absent = (offsets == 0) & (counts == 0) if complete else np.zeros(n_parts, bool)
        # Reading a contiguous page fails if the file is too short.
        if not page.keyframe.is_contiguous and (
            not complete or ((counts == 0) & ~absent).any() or (offsets + counts > size).any()
        ):
            raise damaged(path, "strips or tiles are missing")
        found.append(absent)
    return found


def _read_series(
    path: Path, series: TiffPageSeries, shape: tuple[int, ...], is_absent: list[NDArray[np.bool_]]
) -> NDArray[Any]:
    """Return the samples of all pages; what is left out is the page's value for no data, or 0."""
    keyframe = series.keyframe
    if all(absent.all() for absent in is_absent):
        return np.full(shape, keyframe.nodata, series.dtype)
    samples = series.asarray(squeeze=False, maxworkers=1)
    if samples.shape != shape:
        raise damaged(path, "its shape differs from its metadata")
    return samples


def _describe_absent(
    page: TiffPage, is_absent: list[NDArray[np.bool_]], n_channels: int, decoded: Decoded
) -> Absent | None:
    flags = np.concatenate(is_absent)
    if not flags.any():
        return None
    # Interleaved samples share their strips or tiles; otherwise those of one channel follow one another.
    apart = not (page.planarconfig == 1 and page.samplesperpixel > 1) and flags.size % n_channels == 0
    of_channel = flags.reshape(n_channels if apart else 1, -1).all(axis=1)
    channels = range(n_channels) if of_channel.all() else np.flatnonzero(of_channel).tolist()
    # What a colour picture leaves out may be white; gray images leave out zeros.
    known = not decoded.colour or _NODATA_TAG in page.tags
    fill = _intensities(page, np.array(page.nodata, decoded.samples.dtype))
    what = "tiles" if page.is_tiled else "strips"
    return Absent(what, int(flags.sum()), flags.size, tuple(channels), float(fill) if known else None)


def _lossy(tif: TiffFile, page: TiffPage, is_absent: list[NDArray[np.bool_]]) -> str:
    """Return the name of the compression if the first strip or tile shows that it changes samples."""
    name, is_lossy = _LOSSY.get(int(page.compression), ("", None))
    present = np.flatnonzero(~is_absent[0])
    if is_lossy is None or len(present) == 0:
        return ""
    first = int(present[0])
    tif.filehandle.seek(page.dataoffsets[first])
    return name if is_lossy(tif.filehandle.read(page.databytecounts[first])) else ""


def _ome_names(tif: TiffFile, n_channels: int) -> tuple[str, ...] | None:
    """Return the channel names of the OME-XML if it names every channel."""
    root = ET.fromstring(tif.ome_metadata or "")  # noqa: S314 - see _refuse_entities
    channels = root.findall("{*}Image/{*}Pixels/{*}Channel")
    names = tuple(channel.get("Name", "") for channel in channels)
    return names if len(names) == n_channels and all(names) else None


def _refuse_entities(path: Path, page: TiffPage) -> None:
    """Refuse XML that declares entities before it is parsed; no microscope writes entities."""
    texts = [page.description, str(page.tags.valueof(_XMP_TAG) or "")]
    if any("<!DOCTYPE" in text or "<!ENTITY" in text for text in texts):
        raise ImageError(f"{path}: its XML metadata declares entities, which is unsafe; export it again")


class _Quiet(logging.Filter):
    """Keep the log of tifffile off the terminal in threads that read an image: what matters is checked here."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(self.thread, "reads", False)


_quiet = _Quiet()
logging.getLogger("tifffile").addFilter(_quiet)


@contextmanager
def _quiet_tifffile() -> Iterator[None]:
    _quiet.thread.reads = True
    try:
        yield
    finally:
        _quiet.thread.reads = False
