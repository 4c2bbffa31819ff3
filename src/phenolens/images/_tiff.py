"""Decoder of TIFF and OME-TIFF.

tifffile reads almost anything; from a damaged file it logs an error and reads what is left. A benchmark must not
score what is left, so logged errors are turned into exceptions, and the extent of every compressed strip is compared
with the size of the file.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TiffFile, TiffPage, TiffPageSeries

from phenolens.core.errors import ImageError
from phenolens.images._decoded import Decoded, check_size

_WHITE_IS_ZERO, _RGB, _YCBCR = 0, 2, 6
_GRAY_OR_COLOUR = (_WHITE_IS_ZERO, 1, _RGB, 3, _YCBCR)
_JPEG_COMPRESSIONS = (6, 7, 33007, 34892)
_ALPHA = (1, 2)
_XMP_TAG = 700
_CHANNEL_AXES = "CSIQ"
_STACKS = {"T": "time points", "Z": "z-planes"}


def decode_tiff(path: Path) -> Decoded:
    """Decode a TIFF: several pages, samples or OME channels become channels.

    Palette images (pseudo-coloured for display) keep their indices, which are the intensities; images
    stored with white as zero are inverted.
    """
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: the file is empty (0 bytes); copy or export it again")
    # _multifile=False: an OME-XML may name other files, which must not be opened.
    with _overhearing_tifffile() as complaints, TiffFile(path, _multifile=False) as tif:
        if len(tif.pages) == 0:
            raise _damaged(path, complaints or ["no page"])
        page = tif.pages.first
        _refuse_entities(path, page)
        series = _only_series(path, tif)
        shape, axes = series.get_shape(squeeze=False), series.get_axes(squeeze=False)
        check_size(path, shape)
        channel_axis = _channel_axis(path, shape, axes)
        _check_extents(path, tif, series)
        samples = series.asarray(squeeze=False, maxworkers=1)
        if complaints or samples.shape != shape:
            raise _damaged(path, complaints)
        samples = _channels_first(samples, axes, channel_axis)
        names = _ome_names(tif, samples.shape[0]) if series.kind == "ome" else None
        return _interpret(path, page, samples, names, channel_axis)


def _interpret(
    path: Path, page: TiffPage, samples: NDArray[Any], names: tuple[str, ...] | None, channel_axis: str
) -> Decoded:
    """Apply the photometric interpretation of the first page, which all pages share."""
    photometric = int(page.photometric)
    converted = photometric != _YCBCR or int(page.compression) in _JPEG_COMPRESSIONS
    if photometric not in _GRAY_OR_COLOUR or not converted:
        space = PHOTOMETRIC(photometric).name
        raise ImageError(f"{path}: the TIFF colour space {space} is not supported; convert it to RGB or gray")
    if photometric == _WHITE_IS_ZERO and samples.dtype.kind in "bu":
        samples = np.invert(samples)
    colour = channel_axis == "S" and photometric in (_RGB, _YCBCR)
    alpha = channel_axis == "S" and bool(page.extrasamples) and int(page.extrasamples[-1]) in _ALPHA
    return Decoded(samples, names, colour=colour, alpha=alpha)


def _only_series(path: Path, tif: TiffFile) -> TiffPageSeries:
    """Return the one image that the file holds."""
    series = tif.series
    if len(series) != 1:
        raise ImageError(f"{path}: the file holds {len(series)} images of different shapes; save one as its own file")
    # If the OME metadata is in other files, or describes other files, channels and z-planes cannot be distinguished.
    if tif.is_ome and series[0].kind != "ome" and len(tif.pages) > 1:
        raise ImageError(
            f"{path}: the OME-TIFF consists of several files or its OME-XML is broken; "
            "save it as one file, or as one file per channel"
        )
    return series[0]


def _channel_axis(path: Path, shape: tuple[int, ...], axes: str) -> str:
    """Return the letter of the one axis that holds channels, or "" if there is one channel."""
    long = [axis for axis, length in zip(axes, shape, strict=True) if length > 1 and axis not in "YX"]
    for axis in long:
        if axis not in _CHANNEL_AXES:
            length = shape[axes.index(axis)]
            what = _STACKS.get(axis, f"planes along axis {axis}")
            advice = "project the z-stack first" if axis == "Z" else "save one of them as its own file"
            raise ImageError(f"{path}: {length} {what} where a site has one; {advice}")
    if len(long) > 1:
        raise ImageError(f"{path}: both axes {' and '.join(long)} hold channels; save one gray page per channel")
    return long[0] if long else ""


def _channels_first(samples: NDArray[Any], axes: str, channel_axis: str) -> NDArray[Any]:
    order = [axes.index(axis) for axis in axes if axis not in "YX" and axis != channel_axis]
    order += [axes.index(channel_axis)] if channel_axis else []
    order += [axes.index("Y"), axes.index("X")]
    height, width = (samples.shape[axes.index(axis)] for axis in "YX")
    return np.ascontiguousarray(samples.transpose(order).reshape(-1, height, width))


def _check_extents(path: Path, tif: TiffFile, series: TiffPageSeries) -> None:
    """Refuse missing pages, and strips or tiles that are missing or extend beyond the end of the file."""
    size = tif.filehandle.size
    for page in series.pages:
        if page is None:
            raise _damaged(path, ["planes named in the metadata are missing"])
        # Reading a contiguous page fails if the file is too short.
        if page.keyframe is None or page.keyframe.is_contiguous:
            continue
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if count == 0 or offset + count > size:
                raise _damaged(path, ["strips or tiles are missing"])


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


def _damaged(path: Path, complaints: list[str]) -> ImageError:
    what = " ".join(complaints[0].split())[:160] if complaints else "its shape differs from its metadata"
    return ImageError(f"{path}: the TIFF is damaged or cut short ({what}); copy or export it again")


class _Overhearing(logging.Filter):
    """Collect the errors that tifffile logs in this thread, and keep its log off the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        complaints: list[str] | None = getattr(self.heard, "complaints", None)
        if complaints is None:
            return True
        if record.levelno >= logging.ERROR:
            complaints.append(record.getMessage())
        return False


_overhearing = _Overhearing()
logging.getLogger("tifffile").addFilter(_overhearing)


@contextmanager
def _overhearing_tifffile() -> Iterator[list[str]]:
    """Yield a list that collects the errors of tifffile in this thread while the context is open."""
    complaints: list[str] = []
    _overhearing.heard.complaints = complaints
    try:
        yield complaints
    finally:
        _overhearing.heard.complaints = None
